//! Ctrl-C in the middle: it ends soon and says so, the lease is free, and the next apply goes on.

use std::time::{Duration, Instant};

use crate::cloud::{host_docker, live_instances};
use crate::place::{Alone, sandbox};
use crate::pool::{borrow, web};
use crate::process::Running;

/// Sends Ctrl-C, and holds that a3 ends with 130 in time.
#[track_caller]
fn interrupt(at_work: Running, within: Duration) -> String {
    let sent = Instant::now();
    at_work.signal("INT");
    let output = at_work.end().ended(130);
    assert!(sent.elapsed() < within, "ended {:?} after Ctrl-C: {output}", sent.elapsed());
    output.all()
}

#[test]
fn while_building() {
    let web = borrow();
    web.edit("app/serve.sh", "printf 'v1'", "printf 'v3'");
    let dockerfile = std::fs::read_to_string(web.path("app/Dockerfile")).unwrap();
    web.write("app/Dockerfile", &format!("{dockerfile}RUN echo begun && sleep 60\n"));
    // --verbose shows the output of the build as it comes.
    let mut at_work = web.start(&["--verbose", "apply", "--yes"]);
    at_work.wait_for("begun\n");
    let said = interrupt(at_work, Duration::from_secs(8));
    assert!(said.contains("nterrupted"), "{said}");
    assert_eq!(web.get(30001, "/version"), "v1", "what ran is untouched");

    web.write("app/Dockerfile", &dockerfile);
    web.apply();
    assert_eq!(web.get(30001, "/version"), "v3");
    web.is_converged();
}

#[test]
fn while_a_container_has_to_prove_that_it_works() {
    let web = borrow();
    web.edit("deploy.yaml", "http: /music.csv, timeout: 20s", "http: /not-there, timeout: 90s");
    web.edit("deploy.yaml", "GREETING: hello", "GREETING: late");
    let mut at_work = web.start(&["apply", "--yes"]);
    at_work.wait_for("run s2 on web/0 …");
    std::thread::sleep(Duration::from_secs(4));
    // The swap is brought to an end, and that is at most the grace period and 10 s.
    interrupt(at_work, Duration::from_secs(21));
    assert_eq!(host_docker(&web.id(), "ps -aq").lines().count(), 1, "one of the two is left");
    web.edit("deploy.yaml", "http: /not-there, timeout: 90s", "http: /music.csv, timeout: 20s");
    web.apply();
    assert_eq!(web.get(30001, "/greeting"), "late");
    web.is_converged();
}

#[test]
fn while_a_machine_boots() {
    let web = web("interrupted");
    let at_work = {
        let _alone = Alone::begin();
        sandbox("fault", &["settings", "boot_seconds=12"]);
        let mut at_work = web.start(&["apply", "--yes"]);
        at_work.wait_for("launch web/0");
        std::thread::sleep(Duration::from_secs(4));
        sandbox("fault", &["settings", "boot_seconds=2"]);
        at_work
    };
    interrupt(at_work, Duration::from_secs(15));
    let launched = live_instances("interrupted");
    assert_eq!(launched.len(), 1, "the launch itself is not undone");
    web.apply();
    assert_eq!(live_instances("interrupted"), launched, "the same machine goes on");
    assert!(web.get(30001, "/music.csv").contains("One"));
    web.is_converged();
    web.destroy();
}
