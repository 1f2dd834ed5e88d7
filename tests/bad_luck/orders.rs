//! Containers by name: names that fit nothing or two things, machines that are away.

use crate::stage::{Stage, beside_others};

/// Two machines that do not answer, beside this one.
const AWAY: &str = "instances:\n  local: { local: {} }\n  old: { host: ec2-user@127.0.69.9 }\n  older: { host: ec2-user@127.0.69.9 }\n\
    services:\n  app: { on: local }\n  b: { image: nowhere.test/b:1, on: old, platform: linux/amd64 }\n  \
    c: { image: nowhere.test/c:1, on: older, platform: linux/amd64 }\n";

#[test]
fn a_machine_that_is_away_keeps_nobody_else_from_being_served() {
    let _beside = beside_others();
    let mut stage = Stage::local("away", 9825);
    stage.deploy();
    stage.over(AWAY);
    let seen = stage.a3(&["stop"]).ends(69);
    seen.says(&["stop app on local/0 … done", "old/0: ", "127.0.69.9"]);
    stage.a3(&["start", "app"]).ends(0).says(&["start app on local/0 … done"]);
    stage.a3(&["port", "app"]).ends(0).says(&["80/tcp -> 127.0.69.1:9825"]);
    stage.a3(&["port", "b"]).ends(69).says(&["127.0.69.9"]);
    stage.a3(&["status"]).ends(69).says(&["running", "old/0: "]);
    stage.over("x-nothing: 1\n");
}

#[test]
fn names_that_fit_nothing_or_two_things_are_listed() {
    let _beside = beside_others();
    let stage = Stage::local("which", 9826);
    stage.over(AWAY);
    for command in ["stop", "start", "restart", "rm", "port"] {
        stage.a3(&[command, "ap"]).ends(64).says(&["no active service `ap`", "there are app, b, c"]);
        let seen = stage.a3(&[command, "app", "--instance", "new"]).ends(64);
        seen.says(&["no machine is named `new`", "old/0", "127.0.69.9"]);
    }
    let seen = stage.a3(&["restart", "--instance", "127.0.69.9"]).ends(64);
    seen.says(&["which machine?", "old/0", "older/0"]).helps(&["--instance old/0"]);
    stage.a3(&["stop", "app", "--instance", "old"]).ends(64).says(&["`app` does not run on old"]);
    stage.a3(&["stop", "--timeout", "soon"]).ends(64).says(&["soon"]);
    stage.a3(&["port", "app", "http"]).ends(64).says(&["http"]);
    stage.a3(&["status", "--watch"]).ends(64).within(10).says(&["--watch"]).helps(&["--json"]);
}

#[test]
fn nothing_is_there_to_be_stopped_or_started() {
    let _beside = beside_others();
    let mut stage = Stage::local("idle", 9827);
    // Never applied: that nothing runs is what a stop wants.
    stage.a3(&["stop"]).ends(0).says(&["`app` has no container there"]);
    stage.a3(&["rm", "-y"]).ends(0).says(&["`app` has no container there"]);
    stage.a3(&["start", "app"]).ends(1).says(&["no container there"]).helps(&["a3 apply"]);
    stage.a3(&["restart"]).ends(1).helps(&["a3 apply"]);
    stage.a3(&["port", "app"]).ends(1).helps(&["a3 apply"]);
    stage.deploy();
    stage.a3(&["rm", "app"]).ends(73).says(&["`app` runs"]).helps(&["a3 rm --stop app"]);
    stage.a3(&["rm", "app", "--stop"]).ends(73).says(&["no terminal to ask on"]).helps(&["--yes"]);
    stage.a3(&["port", "app", "81"]).ends(1).says(&["it publishes 80/tcp"]).helps(&["services.app.ports"]);
    stage.a3(&["stop", "app"]).ends(0);
    stage.a3(&["port", "app"]).ends(1).says(&["is stopped"]).helps(&["a3 start app"]);
}
