//! SIGKILL at a write: whatever was half done, the next apply comes to the same world.

use crate::cloud::{console, host_docker, live_instances, on_host};
use crate::deployment::Deployment;
use crate::place::{Alone, sandbox, writes_of};
use crate::pool::{borrow, web};

/// Applies, and is killed when the n-th write arrives, or after it was done; false when there are
/// fewer writes.
fn apply_killed_at(deployment: &Deployment, n: usize, when: &str) -> bool {
    let _alone = Alone::begin();
    let mut at_work = deployment.hold(&["apply", "--yes"]);
    sandbox("taps", &["--reset"]);
    let (n, pid) = (format!("n={n}"), format!("pid={}", at_work.pid()));
    sandbox("fault", &["kill-at-write", &n, &pid, &format!("when={when}")]);
    at_work.tell("go\n");
    let output = at_work.end();
    sandbox("fault", &["clear", "kill-at-write"]);
    assert!(output.code.is_none() || output.code == Some(0), "killed or done: {output}");
    output.code.is_none()
}

/// One machine, one container, nothing half done, and the service answers.
#[track_caller]
fn is_whole(deployment: &Deployment, at: &str) {
    deployment.is_converged();
    assert_eq!(live_instances(&deployment.name).len(), 1, "{at}");
    let id = deployment.id();
    assert_eq!(host_docker(&id, "ps -a --format '{{.Names}} {{.State}}'"), "s2 running", "{at}");
    let left = on_host(&id, "find /home/ec2-user -name '*.a3-*' -o -name '.a3*' -type f");
    assert_eq!(left, "", "{at}");
    let groups = "found = ec2.describe_security_groups(Filters=[{'Name': 'group-name', 'Values': [sys.argv[1]]}])\n\
                  print(json.dumps(len(found['SecurityGroups'])))";
    assert_eq!(console(groups, &[&format!("a3-{}-web", deployment.name)]), 1, "{at}");
    assert!(deployment.get(30001, "/music.csv").contains("One"), "{at}");
    // What runs is what the newest release says.
    let record = on_host(&id, &format!("cat /var/lib/a3/{}/record.json", deployment.name));
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let newest = record["releases"].as_array().unwrap().last().unwrap();
    // Cut off after the last service, it is not said to be complete until the next one begins.
    assert_ne!(newest["status"], "failed", "{at}");
    for what in ["image", "config"] {
        let label = format!("inspect -f '{{{{index .Config.Labels \"dev.a3.{what}\"}}}}' s2");
        assert_eq!(newest["services"]["s2"][what], host_docker(&id, &label), "{at}");
    }
}

#[test]
fn at_a_handful_of_writes_of_a_first_apply() {
    let web = web("cut-off");
    for (n, when) in [(3, "after"), (9, "before"), (16, "after"), (23, "before")] {
        apply_killed_at(&web, n, when);
    }
    web.apply();
    is_whole(&web, "after four cuts");
    web.destroy();
}

/// The one write that no plan shows: a swap was done, and the record has what ran before.
#[test]
fn between_a_swap_and_its_record() {
    let web = web("unwritten");
    web.apply();
    let id = web.id();
    let container = || host_docker(&id, "inspect -f {{.Id}} s2");
    let before = container();
    on_host(&id, "sed -i 's/\"config\": *\"1:/\"config\":\"1:0/' /var/lib/a3/unwritten/record.json");
    let said = web.a3(&["status"]).to_string();
    assert!(said.contains("swap interrupted"), "{said}");
    let said = web.apply().to_string();
    assert!(said.contains("prove s2 on web/0"), "{said}");
    is_whole(&web, "after the record was lost on the way");
    assert_eq!(container(), before, "it was made anew");
    web.destroy();
}

#[test]
fn at_every_fourth_write_of_an_update() {
    let web = borrow();
    web.edit("deploy.yaml", "GREETING: hello", "GREETING: once");
    web.write("music.csv", "Song,Artist\nOne,Again\n");
    let writes = writes_of(|| drop(web.apply()));
    assert!(writes.len() > 6, "{writes:?}");
    for (turn, n) in (1..=writes.len()).step_by(4).enumerate() {
        web.edit("deploy.yaml", "GREETING: ", "GREETING: again-");
        web.write("music.csv", &format!("Song,Artist\nOne,Time {n}\n"));
        let when = if turn % 2 == 0 { "before" } else { "after" };
        let cut = apply_killed_at(&web, n, when);
        web.apply();
        is_whole(&web, &format!("cut {when} write {n} ({cut}): {:?}", writes.get(n - 1)));
        assert!(web.get(30001, "/music.csv").contains(&format!("Time {n}")));
    }
}
