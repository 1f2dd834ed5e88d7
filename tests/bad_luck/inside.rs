//! Going inside: what is not there, does not run, or could be several.

use std::process::Command;

use crate::stage::{Stage, beside_others, run};

#[test]
fn without_a_terminal_there_is_none_to_pass_on() {
    let _beside = beside_others();
    let stage = Stage::new("notty");
    for command in [&["exec", "-it", "app", "--", "sh"][..], &["run", "-it", "app"], &["run", "-t", "app"]] {
        stage.a3(command).ends(64).within(5).says(&["-t wants a terminal"]).helps(&["-i"]);
    }
    stage.a3(&["ssh", "-t", "--", "top"]).ends(64).says(&["-t wants a terminal"]).helps(&["-t"]);
    stage.a3(&["exec", "-tT", "app", "--", "sh"]).ends(64).says(&["cannot be used with"]);
    stage.a3(&["exec", "app"]).ends(64).says(&["CMD"]);
}

#[test]
fn what_is_not_there_is_said_with_what_is() {
    let _beside = beside_others();
    let stage = Stage::new("absent");
    for command in [&["exec", "ap", "--", "sh"][..], &["run", "ap"]] {
        stage.a3(command).ends(64).says(&["no active service `ap`", "there are app"]);
    }
    stage.a3(&["ssh", "db"]).ends(64).says(&["no machine is named `db`", "web/0"]);
    stage.a3(&["ssh"]).ends(1).says(&["web/0 is not launched"]).helps(&["a3 apply"]);
    stage.a3(&["exec", "app", "--", "sh"]).ends(1).says(&["not launched"]).helps(&["a3 apply"]);
    stage.a3(&["run", "app"]).ends(1).says(&["not launched"]).helps(&["a3 apply"]);
    stage.over("instances: { web: { count: 3 } }\n");
    for command in [&["exec", "app", "--", "sh"][..], &["run", "app"], &["ssh"]] {
        let seen = stage.a3(command).ends(64);
        seen.says(&["which machine?", "web/0", "web/1", "web/2"]).helps(&["--instance web/0"]);
    }
    stage.a3(&["exec", "--instance", "web/1", "app", "--", "sh"]).ends(1).says(&["web/1 is not launched"]);
}

#[test]
fn a_container_that_does_not_run_or_has_no_such_program() {
    let _beside = beside_others();
    let mut stage = Stage::local("inside", 18190);
    stage.a3(&["ssh"]).ends(64).says(&["local/0 is this machine"]).helps(&["a3 exec"]);
    stage.a3(&["exec", "app", "--", "sh"]).ends(1).says(&["`app` has no container"]).helps(&["a3 apply"]);
    stage.deploy();
    stage
        .a3(&["exec", "app", "--", "bash"])
        .ends(127)
        .says(&["no `bash` in `app` on local/0"])
        .helps(&["`sh`"]);
    stage
        .a3(&["exec", "app", "--", "/www/index.html"])
        .ends(126)
        .says(&["may not be run"])
        .helps(&["executable"]);
    stage.a3(&["exec", "-w", "/nowhere", "app", "--", "pwd"]).ends(127).says(&["app"]);
    stage
        .a3(&["run", "--rm", "app", "--", "bash"])
        .ends(127)
        .says(&["no `bash` in the image of `app`"])
        .helps(&["`sh`"]);
    let container = format!("{}-app", stage.name);
    let left = run(Command::new("docker").args([
        "ps",
        "-aq",
        "--filter",
        "label=dev.a3.oneoff",
        "--filter",
        &format!("name={container}"),
    ]));
    assert_eq!(left, "", "what never ran is removed");
    run(Command::new("docker").args(["pause", &container]));
    stage.a3(&["exec", "app", "--", "true"]).ends(1).says(&["is paused"]).helps(&["a3 apply"]);
    run(Command::new("docker").args(["unpause", &container]));
    run(Command::new("docker").args(["stop", "-t", "1", &container]));
    let seen = stage.a3(&["exec", "app", "--", "true"]).ends(1).says(&["`app` on local/0 does not run"]);
    seen.helps(&["a3 apply", "a3 run app"]);
    stage.a3(&["run", "--rm", "app", "--", "echo", "works"]).ends(0).says(&["works"]);
}

#[test]
fn a_container_without_a_shell_says_so() {
    let _beside = beside_others();
    let mut stage = Stage::local("shell", 18191);
    // Only one program, and the page that the check asks for.
    let dockerfile = "ARG BASE\nFROM ${BASE} AS all\nRUN cp /bin/busybox /httpd\n\
        FROM scratch\nCOPY --from=all /httpd /httpd\nCOPY index.html /www/index.html\n\
        CMD [\"/httpd\", \"-f\", \"-p\", \"80\", \"-h\", \"/www\"]\n";
    stage.write("app/Dockerfile", dockerfile);
    stage.deploy();
    let seen = stage.a3(&["exec", "app", "--", "sh"]).ends(127).says(&["no `sh` in `app`"]);
    seen.helps(&["an image without a shell", "a3 ssh"]);
}

#[test]
fn a_secret_that_is_missing_starts_nothing() {
    let _beside = beside_others();
    let mut stage = Stage::local("once", 18192);
    stage.makes();
    stage.over("services: { app: { environment: { TOKEN: { env: NO_SUCH_TOKEN } } } }\n");
    stage
        .a3(&["run", "app", "--", "true"])
        .ends(1)
        .says(&["NO_SUCH_TOKEN"])
        .helps(&["export NO_SUCH_TOKEN="]);
    stage.over("services: { app: { environment: { TOKEN: { command: [touch, ran] } } } }\n");
    stage.a3(&["run", "app", "--", "true"]).ends(73).says(&["`touch ran` for a secret"]).helps(&["--yes"]);
    assert!(!stage.path("ran").exists(), "it ran without a yes");
}
