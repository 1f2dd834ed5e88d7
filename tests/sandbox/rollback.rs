//! The way back: an earlier release runs again, with the registry away too, and the next apply goes
//! forward again; history says so.

use serde_json::Value;

use crate::cloud::host_docker;
use crate::deployment::Deployment;
use crate::place::{Alone, remove_images, sandbox, variable};
use crate::pool::web;

/// With a registry that refuses connections; alone, since others need it.
fn without_registry(work: impl FnOnce()) {
    struct Cleared;
    impl Drop for Cleared {
        fn drop(&mut self) {
            sandbox("fault", &["clear", "registry-down"]);
        }
    }
    let _alone = Alone::begin();
    let _cleared = Cleared;
    sandbox("fault", &["registry-down", "place=ghcr"]);
    work();
}

#[track_caller]
fn history(deployment: &Deployment, arguments: &[&str]) -> Vec<Value> {
    let output = deployment.a3(&[&["history", "--json"], arguments].concat()).ok();
    let document: Value = serde_json::from_str(&output.stdout).unwrap();
    document["releases"].as_array().unwrap().clone()
}

fn numbers(releases: &[Value]) -> Vec<u64> {
    releases.iter().map(|release| release["release"].as_u64().unwrap()).collect()
}

#[test]
fn an_earlier_release_runs_again_with_the_registry_away() {
    let web = web("way-back");
    remove_images(&["way-back-*", &format!("{}/*/way-back-*", variable("A3_SANDBOX_GHCR"))]);
    web.a3(&["rollback", "--yes"]).ended(1).says("nothing of `way-back` was released yet");
    web.apply();
    web.a3(&["rollback", "--yes"]).ended(1).says("there is nothing to go back to");

    web.edit("app/serve.sh", "printf 'v1'", "printf 'v2'");
    web.edit("deploy.yaml", "GREETING: hello", "GREETING: broken");
    web.apply();
    assert_eq!((web.get(30001, "/version"), web.get(30001, "/greeting")), ("v2".into(), "broken".into()));
    web.edit("music.csv", "One", "Two");
    web.apply();

    web.a3(&["rollback", "s3", "--yes"]).ended(64).says("no release has a service `s3`; there are s2");
    web.a3(&["rollback", "--to", "7", "--yes"])
        .ended(64)
        .says("no complete release 7 is remembered; there are 1, 2");
    web.a3(&["rollback"]).ended(73).says("--yes");
    assert_eq!(web.get(30001, "/version"), "v2");

    without_registry(|| {
        drop(web.a3(&["rollback", "--yes"]).ok().says("back to release 1").says("Data files"))
    });
    assert_eq!((web.get(30001, "/version"), web.get(30001, "/greeting")), ("v1".into(), "hello".into()));
    assert!(web.get(30001, "/music.csv").contains("Two"), "data files stay");

    let plan = web.a3(&["plan"]).ok().says("is a rollback to release 1").says("goes forward again");
    assert!(plan.stdout.contains("run s2 on web/0"), "{plan}");
    assert!(web.a3(&["plan", "--json"]).ok().stdout.contains("is a rollback to release 1"));
    web.a3(&["rollback", "--yes"]).ended(1).says("no complete release is remembered below 1");

    let releases = history(&web, &[]);
    assert_eq!(numbers(&releases), [3, 2, 1]);
    assert_eq!((&releases[0]["rollback_to"], &releases[0]["current"]), (&Value::from(1), &Value::from(true)));
    assert_eq!(releases[0]["services"], releases[2]["services"]);
    assert_eq!(releases[1]["changed"], Value::from(vec!["~ s2"]));
    web.a3(&["history"]).ok().says("complete, rollback to 1, runs").says("+ s2");

    web.apply();
    assert_eq!((web.get(30001, "/version"), web.get(30001, "/greeting")), ("v2".into(), "broken".into()));
    assert!(!web.a3(&["plan"]).ok().stdout.contains("rollback"));
    web.is_converged();
    // By name, and to a release that is none of the last.
    web.a3(&["rollback", "s2", "--to", "1", "--yes"]).ok();
    assert_eq!(web.get(30001, "/version"), "v1");
    assert_eq!(host_docker(&web.id(), "inspect -f '{{index .Config.Labels \"dev.a3.release\"}}' s2"), "5");
    web.destroy();
}
