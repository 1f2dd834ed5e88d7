//! What a person changes in deploy.yaml and its files: the plan says which field, apply does the least
//! that makes it so, and then there is nothing to do.

use crate::cloud::{self, host_docker, on_host};
use crate::pool::borrow;

#[test]
fn an_edited_data_file_is_copied_and_read_anew() {
    let web = borrow();
    web.write("music.csv", "Song,Artist\nTwo,Somebody\n");
    let plan = web.plan();
    assert_eq!(plan.kinds(), ["copy", "restart"]);
    assert_eq!((plan.reasons("copy"), plan.reasons("restart")), (vec!["file_edited"], vec!["data_changed"]));
    assert!(!plan.is_drift("copy"));
    let before = host_docker(&web.id(), "inspect -f {{.Id}} s2");
    web.apply();
    assert!(web.get(30001, "/music.csv").contains("Two,Somebody"));
    assert_eq!(host_docker(&web.id(), "inspect -f {{.Id}} s2"), before, "restarted, not made anew");
    web.is_converged();
}

#[test]
fn a_changed_port_moves_the_rule_along() {
    let web = borrow();
    web.edit("deploy.yaml", "30001:8080", "30007:8080");
    let plan = web.plan();
    assert_eq!(plan.kinds(), ["firewall", "run"]);
    assert!(plan.fields().contains(&"ports"), "{plan:?}");
    web.apply();
    assert!(web.get(30007, "/music.csv").contains("One"));
    let rules = cloud::rules(&format!("a3-{}-web", web.name));
    let has = |port: &str| rules.iter().any(|rule| rule.starts_with(port));
    assert!(has("30007 ") && !has("30001 "), "{rules:?}");
    web.is_converged();
}

#[test]
fn a_changed_environment_makes_a_new_container() {
    let web = borrow();
    web.edit("deploy.yaml", "GREETING: hello", "GREETING: good evening");
    let plan = web.plan();
    assert_eq!(plan.kinds(), ["run"]);
    assert!(plan.fields().iter().any(|field| field.starts_with("environment")), "{plan:?}");
    web.apply();
    assert_eq!(web.get(30001, "/greeting"), "good evening");
    assert_eq!(host_docker(&web.id(), "ps -aq").lines().count(), 1, "the old one is gone");
    web.is_converged();
}

#[test]
fn a_changed_restart_policy_leaves_the_container_running() {
    let web = borrow();
    let id = web.id();
    let before = host_docker(&id, "inspect -f '{{.Id}} {{.State.StartedAt}}' s2");
    web.edit("deploy.yaml", "restart: unless-stopped", "restart: always");
    let plan = web.plan();
    assert_eq!(plan.kinds(), ["update_container"]);
    web.apply();
    assert_eq!(host_docker(&id, "inspect -f '{{.HostConfig.RestartPolicy.Name}}' s2"), "always");
    assert_eq!(
        host_docker(&id, "inspect -f '{{.Id}} {{.State.StartedAt}}' s2"),
        before,
        "not even restarted"
    );
    web.is_converged();
}

#[test]
fn what_leaves_the_spec_is_removed() {
    let web = borrow();
    let id = web.id();
    web.edit(
        "deploy.yaml",
        "files: [\"./music.csv:music/\"]",
        "files: [\"./music.csv:music/\", \"./app/serve.sh:tools/\"]",
    );
    web.apply();
    on_host(&id, "test -e /home/ec2-user/tools/serve.sh");
    web.edit("deploy.yaml", ", \"./app/serve.sh:tools/\"", "");
    assert_eq!(web.plan().kinds(), ["remove_files"]);
    web.apply();
    on_host(&id, "! test -e /home/ec2-user/tools/serve.sh && test -e /home/ec2-user/music/music.csv");
    web.is_converged();
}

#[test]
fn what_is_wanted_but_does_not_work_leaves_the_old_one_running() {
    let web = borrow();
    let before = host_docker(&web.id(), "inspect -f {{.Id}} s2");
    web.edit("deploy.yaml", "http: /music.csv, timeout: 20s", "http: /not-there, timeout: 3s");
    web.edit("deploy.yaml", "GREETING: hello", "GREETING: broken");
    web.a3(&["apply", "--yes"]).ended(1).says("a3 apply");
    assert_eq!(host_docker(&web.id(), "inspect -f {{.Id}} s2"), before, "the old one is back");
    assert_eq!(web.get(30001, "/greeting"), "hello");
    web.edit("deploy.yaml", "http: /not-there, timeout: 3s", "http: /music.csv, timeout: 20s");
    web.apply();
    assert_eq!(web.get(30001, "/greeting"), "broken");
    web.is_converged();
}
