//! What the world did to a running deployment: the next plan says what and that it came from outside,
//! apply mends it, and then there is nothing to do.

use crate::cloud::{self, host_docker, on_host};
use crate::deployment::Deployment;
use crate::pool::borrow;

/// These steps, the first for this reason; after an apply the songs are there and nothing is to do.
#[track_caller]
fn mends(deployment: &Deployment, kinds: &[&str], reason: &str) {
    let (plan, kind) = (deployment.plan(), kinds[0]);
    assert_eq!(plan.kinds(), kinds, "{plan:?}");
    assert_eq!(plan.reasons(kind), [reason], "{plan:?}");
    assert!(plan.is_drift(kind), "{reason} comes from outside: {plan:?}");
    deployment.apply();
    assert!(deployment.get(30001, "/music.csv").contains("One,Nobody"));
    deployment.is_converged();
}

#[test]
fn a_killed_container_is_started_again() {
    let web = borrow();
    // `docker kill` of a container that shall run unless stopped: the engine leaves it down.
    host_docker(&web.id(), "kill s2");
    mends(&web, &["start_container"], "container_stopped");
}

#[test]
fn a_removed_container_runs_again() {
    let web = borrow();
    host_docker(&web.id(), "rm --force s2");
    mends(&web, &["run"], "container_gone");
}

#[test]
fn a_file_edited_on_the_host_is_copied_again() {
    let web = borrow();
    on_host(&web.id(), "echo Two,Somebody >>/home/ec2-user/music/music.csv");
    mends(&web, &["copy", "restart"], "file_drifted");
}

#[test]
fn a_file_removed_on_the_host_is_copied_again() {
    let web = borrow();
    on_host(&web.id(), "rm /home/ec2-user/music/music.csv");
    assert_eq!(web.plan().reasons("copy"), ["file_missing"]);
    web.apply();
    assert!(web.get(30001, "/music.csv").contains("One,Nobody"));
    web.is_converged();
}

#[test]
fn a_mode_changed_on_the_host_is_set_again() {
    let web = borrow();
    on_host(&web.id(), "chmod 600 /home/ec2-user/music/music.csv");
    mends(&web, &["copy", "restart"], "mode_differs");
    let mode = on_host(&web.id(), "stat -c %a /home/ec2-user/music/music.csv");
    assert_eq!(mode.trim(), "644");
}

#[test]
fn a_rule_removed_in_the_console_comes_back() {
    let web = borrow();
    let group = format!("a3-{}-web", web.name);
    let before = cloud::rules(&group);
    assert_eq!(before.len(), 2, "{before:?}");
    cloud::revoke(&group, 30001);
    let plan = web.plan();
    assert_eq!((plan.kinds(), plan.reasons("firewall")), (vec!["firewall"], vec!["rule_missing"]));
    web.apply();
    assert_eq!(cloud::rules(&group), before);
    web.is_converged();

    // The ssh rule too: the machine cannot be asked before it is back.
    cloud::revoke(&group, 22);
    web.a3(&["plan"]).ok().says("changed outside a3: the rule `ssh 22/tcp from");
    web.apply();
    assert_eq!(cloud::rules(&group), before);
    web.is_converged();
}

#[test]
fn a_stopped_instance_is_started_with_what_ran_on_it() {
    let web = borrow();
    let id = web.id();
    cloud::stop(&id);
    mends(&web, &["start", "install", "copy", "login", "run"], "instance_stopped");
    assert_eq!(web.id(), id, "the same machine");
}

#[test]
fn a_terminated_instance_is_launched_anew() {
    let web = borrow();
    let id = web.id();
    cloud::terminate(&id);
    mends(&web, &["launch", "install", "copy", "login", "run"], "instance_gone");
    let now = web.id();
    assert_ne!(now, id);
    assert_eq!(cloud::live_instances(&web.name), [now]);
}

#[test]
fn an_image_pushed_by_hand_under_the_same_name_is_found() {
    let web = borrow();
    let reference = crate::images::reference(&web.name);
    crate::images::push_other(&reference);
    // The built one is still there under its source's name, and what runs is pinned.
    mends(&web, &["tag"], "tag_elsewhere");
    assert_eq!(web.get(30001, "/version"), "v1");
}
