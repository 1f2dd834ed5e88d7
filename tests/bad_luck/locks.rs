//! Somebody else is at work.

use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::stage::{Stage, beside_others};

#[test]
fn another_a3_on_this_machine() {
    let _beside = beside_others();
    let mut stage = Stage::local("lock", 9821);
    stage.deploy();
    let folder = stage.path("home/.local/state/a3/locks");
    let lock = folder.join(format!("{}.lock", stage.name));
    assert!(lock.exists(), "the lock is not where it is looked for");
    fs::write(&lock, "somebody@elsewhere (4711)").unwrap();
    let held = fs::File::open(&lock).unwrap();
    held.lock().unwrap();
    for command in [&["apply", "-y"][..], &["destroy", "-y"], &["stop"]] {
        let seen = stage.a3(command).ends(75).within(30);
        let seen = seen.says(&[&stage.name, "somebody@elsewhere (4711)"]);
        assert!(seen.err.contains("help:"), "{seen}");
    }
    // Looking needs no lock.
    stage.plan().ends(0).says(&["No changes"]);
    held.unlock().unwrap();
}

fn folder_of(stage: &Stage) -> PathBuf {
    PathBuf::from("/var/lib/a3").join(&stage.name)
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn somebody_holds_the_lease_on_the_machine() {
    let _beside = beside_others();
    let mut stage = Stage::local("lease", 9822);
    stage.deploy();
    let lease = |number: u32, expires: u64| {
        let now = seconds();
        let text = format!(
            "{{\"holder\":\"teammate@elsewhere (4711)\",\"id\":\"00\",\"since\":{},\"expires\":{expires}}}\n",
            now - 30
        );
        fs::write(folder_of(&stage).join(format!("lease-{number}")), text).unwrap();
    };
    lease(90, seconds() + 600);
    stage.over("services: { app: { environment: { A: b } } }\n");
    // A plan is no secret; an apply names who is at work.
    stage.plan().ends(0).says(&["app"]);
    let seen = stage.a3(&["apply", "-y"]).ends(75);
    seen.says(&["teammate@elsewhere (4711)", "this machine"]).helps(&["wait", "s"]);
    let seen = stage.a3(&["destroy", "-y"]).ends(75);
    seen.says(&["teammate@elsewhere (4711)", "local"]).helps(&["wait"]);
    let seen = stage.a3(&["restart", "app"]).ends(75);
    seen.says(&["teammate@elsewhere (4711)"]).helps(&["wait"]);
    // One that has expired is in nobody's way.
    lease(91, seconds() - 60);
    stage.deploy();
    stage.plan().ends(0).says(&["No changes"]);
}
