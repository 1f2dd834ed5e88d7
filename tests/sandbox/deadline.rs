//! A ttl ends its machine by itself, whatever happens to who launched it.

use std::time::{Duration, Instant};

use crate::cloud::{self, instance, on_host, on_host_if_up};
use crate::deployment::Deployment;
use crate::pool::group;

/// The watcher looks every 15 s, the sandbox shuts down in a few.
const PATIENCE: Duration = Duration::from_secs(75);

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "waited for {what}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn state(id: &str) -> String {
    instance(id)["State"]["Name"].as_str().unwrap().to_owned()
}

/// The number of the process that watches the deadline on the machine.
fn watcher(id: &str, name: &str) -> Option<String> {
    let script = format!(
        "w=$(cat /var/lib/a3/{name}/ttl-watcher) && grep -qs a3-ttl /proc/$w/cmdline && \
         echo $w-$(stat -c %Y /proc/$w) || true"
    );
    let found = on_host_if_up(id, &script)?.trim().to_owned();
    (!found.is_empty()).then_some(found)
}

#[test]
fn a_ttl_survives_power_cycles_and_ends_the_machine_alone() {
    let name = "deadline";
    let short = Deployment::new(name, &format!("name: {name}\ninstances:\n{}", group("web")));
    short.edit("deploy.yaml", "instance_type:", "ttl: 8h\n      instance_type:");
    let began = Instant::now();
    short.apply();
    let id = short.id();
    let deadline = || on_host(&id, &format!("cat /var/lib/a3/{name}/deadline")).trim().to_owned();
    let first = deadline();
    // The next plan changes nothing and says when it ends, and so does status.
    let plan = short.a3(&["plan", "--detailed-exitcode"]).ok();
    plan.says("No changes.").says("web/0 ends itself at 20");
    let row = short.status()["instances"][0].clone();
    assert!(row["ttl"].as_str().unwrap().starts_with("7h 5"), "{row}");
    assert!(row["ends"].as_str().unwrap().ends_with('Z'), "{row}");

    // A reboot, and a stop and a start from outside: the deadline stays, and somebody watches it.
    let before = watcher(&id, name).expect("nobody watches");
    on_host_if_up(&id, "reboot");
    wait_for("a watcher after the reboot", || {
        state(&id) == "running" && watcher(&id, name).is_some_and(|now| now != before)
    });
    assert_eq!(deadline(), first);
    cloud::stop(&id);
    cloud::start(&id);
    wait_for("a watcher after the stop", || watcher(&id, name).is_some());
    assert_eq!(deadline(), first, "the deadline moved");

    // Longer, in place.
    short.edit("deploy.yaml", "ttl: 8h", "ttl: 9h");
    short.a3(&["plan"]).ok().says("ttl: 8h → 9h").says("web/0 will then end itself at");
    assert_eq!(short.plan().kinds(), ["modify"]);
    short.apply();
    let longer: u64 = deadline().parse().unwrap();
    assert_eq!(longer, first.parse::<u64>().unwrap() + 3600);
    assert_eq!(short.id(), id, "the same machine");
    short.is_converged();

    // So short that it would be gone at once: that is refused.
    short.edit("deploy.yaml", "ttl: 9h", "ttl: 60s");
    wait_for("the first minute", || began.elapsed() > Duration::from_secs(64));
    short
        .a3(&["apply", "--yes"])
        .ended(73)
        .says("it would be gone at once")
        .says("a3 destroy --instance web/0");
    assert_eq!(state(&id), "running");

    // Shorter, and from here on nothing of a3 runs.
    let seconds = began.elapsed().as_secs() + 25;
    short.edit("deploy.yaml", "ttl: 60s", &format!("ttl: {seconds}s"));
    short.apply();
    wait_for("its end", || state(&id) == "terminated");
    assert!(cloud::live_instances(name).is_empty());
    let plan = short.a3(&["plan"]).ok();
    plan.says("by its ttl");
    short.destroy();
}
