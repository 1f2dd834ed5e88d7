//! New containers that do not work: the old one runs again.

use std::process::Command;

use crate::stage::{Stage, beside_others, run};

/// Ends at once, with more to say than is shown.
const ENDS: &str = "ARG BASE\nFROM ${BASE}\nCMD [\"sh\", \"-c\", \"for i in $(seq 1 30); do echo line $i of it; done; exit 3\"]\n";

/// Runs, on another port than the check's.
const DEAF: &str = "ARG BASE\nFROM ${BASE}\nCOPY index.html /www/index.html\nCMD [\"sh\", \"-c\", \"echo listening elsewhere; exec httpd -f -p 81 -h /www\"]\n";

/// Runs, and answers 404.
const EMPTY: &str = "ARG BASE\nFROM ${BASE}\nCOPY index.html /www/other.html\nCMD [\"httpd\", \"-f\", \"-p\", \"80\", \"-h\", \"/www\"]\n";

/// A deployment at work at `url`, and what happens to it when its new image is bad.
fn the_old_one_runs_again(stage: &mut Stage, url: &str) {
    let page = || run(Command::new("curl").args(["-fsS", "--max-time", "10", url]));
    assert_eq!(page(), stage.name);
    let good = std::fs::read_to_string(stage.path("app/Dockerfile")).unwrap();

    stage.write("app/Dockerfile", ENDS);
    let seen = stage.a3(&["apply", "-y"]).ends(1);
    let seen = seen
        .says(&["app", "line 30 of it", "line 11 of it", "runs again", "a3 apply"])
        .never_says(&["line 10 of it"]);
    assert!(seen.err.contains("3"), "how it ended is not said: {seen}");
    assert_eq!(page(), stage.name, "the old one does not run again");
    stage.a3(&["plan", "--detailed-exitcode"]).ends(2).says(&["app", "image"]);

    stage.write("app/Dockerfile", DEAF);
    let seen = stage.a3(&["apply", "-y"]).ends(1);
    seen.says(&["app", "listening elsewhere", "runs again"]);
    assert_eq!(page(), stage.name, "the old one does not run again");

    stage.write("app/Dockerfile", EMPTY);
    stage.a3(&["apply", "-y"]).ends(1).says(&["app", "404", "runs again"]);
    assert_eq!(page(), stage.name, "the old one does not run again");

    stage.write("app/Dockerfile", &good);
    stage.deploy();
    stage.a3(&["plan", "--detailed-exitcode"]).ends(0).says(&["No changes"]);
    assert_eq!(page(), stage.name);
}

#[test]
fn the_old_one_runs_again_here() {
    let _beside = beside_others();
    let mut stage = Stage::local("swap", 9831);
    stage.over("services: { app: { check: { timeout: 3s } } }\n");
    stage.deploy();
    the_old_one_runs_again(&mut stage, "http://127.0.69.1:9831/");
}

#[test]
fn the_old_one_runs_again_on_an_instance() {
    let _beside = beside_others();
    let mut stage = Stage::new("swap-there");
    stage.over("services: { app: { check: { timeout: 3s } } }\n");
    stage.deploy();
    let (_, address) = stage.instance();
    the_old_one_runs_again(&mut stage, &format!("http://{address}:8080/"));
}

#[test]
fn the_first_container_does_not_work() {
    let _beside = beside_others();
    let mut stage = Stage::local("first", 9832);
    stage.makes();
    stage.write("app/Dockerfile", ENDS);
    let seen = stage.a3(&["apply", "-y"]).ends(1);
    seen.says(&["app", "line 30 of it", "a3 apply"]).never_says(&["runs again"]);
    stage.a3(&["plan", "--detailed-exitcode"]).ends(2);
}

#[test]
fn a_port_that_another_program_has() {
    let _beside = beside_others();
    let mut stage = Stage::local("port", 9833);
    stage.makes();
    let _listener = std::net::TcpListener::bind("127.0.69.1:9833").unwrap();
    let seen = stage.a3(&["apply", "-y"]).ends(73);
    seen.says(&["app", "9833", "nothing was done"]).helps(&["ss -lptu"]);
}
