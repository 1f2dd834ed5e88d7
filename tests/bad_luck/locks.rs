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
    let folder = folder_of(&stage);
    let lease = |number: u32, expires: u64| {
        let now = seconds();
        let text = format!(
            "{{\"holder\":\"teammate@elsewhere (4711)\",\"id\":\"00\",\"since\":{},\"expires\":{expires}}}\n",
            now - 30
        );
        fs::write(folder.join(format!("lease-{number}")), text).unwrap();
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
    // It can be taken away, by who says so.
    let seen =
        stage.a3(&["unlock"]).ends(73).says(&["local/0: teammate@elsewhere (4711)", "no terminal to ask on"]);
    seen.helps(&["--yes"]);
    stage.a3(&["doctor"]).ends(0).says(&["teammate@elsewhere (4711) works there"]).helps(&["a3 unlock"]);
    stage
        .a3(&["unlock", "--instance", "web/3", "-y"])
        .ends(64)
        .says(&["no machine is named `web/3`", "local/0"]);
    stage.a3(&["unlock", "-y"]).ends(0).says(&["local/0: freed from teammate@elsewhere (4711)"]);
    stage.a3(&["unlock"]).ends(0).says(&["nothing is locked"]);
    stage.deploy();
    stage.over("services: { app: { environment: { A: c } } }\n");
    // One that has expired is in nobody's way.
    lease(95, seconds() - 60);
    stage.deploy();
    stage.plan().ends(0).says(&["No changes"]);
}

#[test]
fn whoever_is_unlocked_stops_at_the_next_step() {
    let _beside = beside_others();
    let mut stage = Stage::local("unlock", 9823);
    stage.deploy();
    stage.over(
        "services: { app: { command: [sh, -c, \"sleep 6; exec httpd -f -p 80 -h /www\"], check: { timeout: 60s } } }\n",
    );
    let err = stage.path("held.txt");
    let mut command = stage.command(&["apply", "-y"]);
    command.stdout(std::process::Stdio::null()).stderr(fs::File::create(&err).unwrap());
    let mut held = command.spawn().unwrap();
    let began = SystemTime::now();
    // It has both locks as soon as it works there.
    let seen = loop {
        let seen = stage.a3(&["unlock"]);
        if seen.out.contains("local/0: ") {
            break seen;
        }
        assert!(began.elapsed().unwrap().as_secs() < 60, "it never took the lease; {seen}");
    };
    let pid = held.id().to_string();
    seen.ends(73).says(&["this machine: ", &format!("({pid})")]);
    let seen = stage.a3(&["unlock", "-y"]).ends(75).says(&["local/0: freed from ", &format!("({pid})")]);
    seen.helps(&[&format!("kill -INT {pid}")]);
    let status = held.wait().unwrap();
    let said = fs::read_to_string(&err).unwrap();
    assert_eq!(status.code(), Some(75), "{said}");
    assert!(said.contains("lease") && said.contains("was lost"), "{said}");
    stage.a3(&["unlock"]).ends(0).says(&["nothing is locked"]);
    stage.deploy();
    stage.plan().ends(0).says(&["No changes"]);
}
