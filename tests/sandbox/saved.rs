//! Saved plans: what was approved is done, or nothing is.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::cloud::{host_docker, on_host};
use crate::deployment::Deployment;
use crate::place::variable;
use crate::pool::borrow;

const PLAN: &str = "approved.plan";

/// Saves the plan of what the spec says now.
#[track_caller]
fn save(deployment: &Deployment) -> String {
    deployment.a3(&["plan", "--out", PLAN]).ok().says(&format!("a3 apply {PLAN}"));
    fs::read_to_string(deployment.path(PLAN)).unwrap()
}

#[test]
fn an_approved_plan_is_done_without_a_question_and_once() {
    let web = borrow();
    web.edit("deploy.yaml", "GREETING: hello", "GREETING: approved, HIDDEN: { file: hidden.txt }");
    web.write("hidden.txt", "secret");
    web.write("music.csv", "Song,Artist\nTwo,Somebody\n");
    let saved = save(&web);
    assert!(saved.trim_start_matches(['{', '\n', ' ']).starts_with("\"a3_plan\": 1"), "{saved}");
    let mode = fs::metadata(web.path(PLAN)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let password = fs::read_to_string(variable("A3_SANDBOX_GHCR_PASSWORD_FILE")).unwrap();
    assert!(!saved.contains(password.trim()), "the registry's password is in the plan");
    // What others do that leaves the plan as it is does not matter.
    host_docker(
        &web.id(),
        "run -d --name bystander --network none --entrypoint sleep $(docker inspect -f {{.Image}} s2) 60",
    );
    web.a3(&["apply", PLAN]).ok();
    assert_eq!(web.get(30001, "/greeting"), "approved");
    assert!(web.get(30001, "/music.csv").contains("Two,Somebody"));
    host_docker(&web.id(), "rm --force bystander");
    web.is_converged();
    // It was for the world of then.
    web.a3(&["apply", PLAN]).ended(73).says("saved, and not needed now").says("a3 plan -f deploy.yaml --out");
}

#[test]
fn a_plan_is_refused_once_the_world_or_the_spec_has_moved() {
    let web = borrow();
    web.edit("deploy.yaml", "GREETING: hello", "GREETING: approved");
    save(&web);
    let before = host_docker(&web.id(), "inspect -f {{.Id}} s2");
    web.edit("deploy.yaml", "GREETING: approved", "GREETING: something else");
    web.a3(&["apply", PLAN]).ended(73).says("approved → something else");
    web.edit("deploy.yaml", "GREETING: something else", "GREETING: approved");
    on_host(&web.id(), "chmod 600 /home/ec2-user/music/music.csv");
    web.a3(&["apply", PLAN]).ended(73).says("needed now, and not saved");
    assert_eq!(host_docker(&web.id(), "inspect -f {{.Id}} s2"), before, "nothing was done");
    on_host(&web.id(), "chmod 644 /home/ec2-user/music/music.csv");
    web.a3(&["apply", PLAN]).ok();
    assert_eq!(web.get(30001, "/greeting"), "approved");
    web.is_converged();
}

#[test]
fn a_plan_has_its_scope_in_it_and_knows_its_maker() {
    let web = borrow();
    web.edit("deploy.yaml", "GREETING: hello", "GREETING: approved");
    let saved = save(&web);
    web.a3(&["apply", PLAN, "--target", "s2"]).ended(64).says("--target");
    web.write(PLAN, &saved.replace(env!("CARGO_PKG_VERSION"), "0.0.1"));
    web.a3(&["apply", PLAN]).ended(73).says("made by a3 0.0.1");
    web.write(PLAN, "{ \"a3_plan\": 1 }");
    web.a3(&["apply", PLAN]).ended(73).says("is no plan");
    // Empty plans can be saved and applied, and do nothing.
    web.edit("deploy.yaml", "GREETING: approved", "GREETING: hello");
    save(&web);
    web.a3(&["apply", PLAN]).ok().says("No changes.");
}
