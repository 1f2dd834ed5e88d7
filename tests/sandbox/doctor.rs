//! `a3 doctor`: everything well, and each thing that can be wrong.

use std::fs;

use serde_json::Value;

use crate::cloud::{console, on_host};
use crate::deployment::Deployment;
use crate::place::{Alone, sandbox, variable, writes_of};
use crate::pool::{borrow, web};
use crate::process::Output;

/// The findings about a subject: `HEALTH MESSAGE`.
fn findings(output: &Output, subject: &str) -> Vec<String> {
    let document: Value =
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output}"));
    assert_eq!(document["format_version"], 1);
    let all = document["findings"].as_array().unwrap().iter();
    let word = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
    let of_subject = all.filter(|one| word(one, "subject").starts_with(subject));
    of_subject
        .map(|one| format!("{} {} | {}", word(one, "health"), word(one, "message"), word(one, "help")))
        .collect()
}

#[track_caller]
fn found(output: &Output, subject: &str, begins: &str, holds: &str) {
    let found = findings(output, subject);
    let fits = found.iter().any(|one| one.starts_with(begins) && one.contains(holds));
    assert!(fits, "no `{begins}` with `{holds}` about {subject}: {found:#?} {output}");
}

#[test]
fn everything_is_well_and_nothing_is_written() {
    let well = web("checked");
    let mut said = None;
    let writes = writes_of(|| said = Some(well.a3(&["doctor", "--json"]).ok()));
    // The right to push is found out by an upload that is cancelled.
    let own: Vec<&String> = writes.iter().filter(|write| !write.contains("/blobs/uploads/")).collect();
    assert!(own.is_empty(), "{own:?}");
    let said = said.unwrap();
    let document: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(document["worst"], "ok", "{document:#}");
    found(&said, "BuildKit", "ok", "usable");
    found(&said, "AWS", "ok", "123456789012, as arn:aws:iam::123456789012:user/learner, in us-west-2");
    found(&said, "permissions", "ok", "are allowed in us-west-2");
    found(&said, "registry", "ok", "checked-s2:v1 may be pushed");
    found(&said, "clock", "ok", "agree");
    found(&said, "ssh key", "ok", "ssh-ed25519");
    found(&said, "web/0", "ok", "not launched");
    let line =
        "print(json.dumps([g['GroupName'] for g in ec2.describe_security_groups()['SecurityGroups']]))";
    let groups = console(line, &[]).to_string();
    assert!(!groups.contains("a3-doctor"), "a question made a group: {groups}");
}

#[test]
fn a_machine_is_looked_at_and_a_login_left_there_is_told() {
    let lent = borrow();
    let said = lent.a3(&["doctor", "--json"]).ok();
    for (begins, holds) in [
        ("ok", "answers, with Docker"),
        ("ok", "sudo works"),
        ("ok", "free at Docker's folder"),
        ("ok", "clocks agree"),
        ("ok", "no registry login is left"),
    ] {
        found(&said, "web/0", begins, holds);
    }
    let id = lent.id();
    let server = variable("A3_SANDBOX_GHCR");
    let login = format!("{{\"auths\": {{\"{server}\": {{\"auth\": \"bm90OmhlcmU=\"}}}}}}");
    on_host(
        &id,
        &format!(
            "mkdir -p ~ec2-user/.docker /root/.docker; echo '{login}' | tee /root/.docker/config.json >~ec2-user/.docker/config.json; chown -R ec2-user ~ec2-user/.docker"
        ),
    );
    let said = lent.a3(&["doctor", "--json"]).ok();
    found(&said, "web/0", "warning the ssh user has a login", &format!(" docker logout {server}"));
    found(&said, "web/0", "warning root has a login", &format!(" sudo docker logout {server}"));
    assert!(!said.all().contains("bm90OmhlcmU="), "a credential is shown: {said}");
    on_host(&id, "rm -rf ~ec2-user/.docker /root/.docker");
    found(&lent.a3(&["doctor", "--json"]).ok(), "web/0", "ok", "no registry login is left");
}

#[test]
fn every_fault_is_a_finding_and_ends_no_other() {
    let mut ill = web("ill");
    // Each alone first: what failed is 1, what only did not answer is 69.
    ill.set("DOCKER_HOST", "unix:///nonexistent/docker.sock");
    let said = ill.a3(&["doctor", "--json"]).ended(69);
    found(&said, "engine", "unreachable", "sudo systemctl start docker");
    let engine = variable("DOCKER_HOST");
    ill.set("DOCKER_HOST", &engine);

    ill.write("token", "hunter2-is-wrong");
    let file = variable("A3_SANDBOX_GHCR_PASSWORD_FILE");
    ill.edit("deploy.yaml", &format!("file: {file}"), "file: token");
    let said = ill.a3(&["doctor", "--json"]).ended(1);
    found(&said, "registry", "failed", "learner");
    assert!(!said.all().contains("hunter2"), "a secret is shown: {said}");
    ill.edit("deploy.yaml", "file: token", "file: no-token");
    let said = ill.a3(&["doctor", "--json"]).ended(1);
    found(&said, "secrets", "failed", "no-token");

    let readonly = variable("A3_SANDBOX_GHCR_READONLY_PASSWORD_FILE");
    ill.edit("deploy.yaml", "file: no-token", &format!("file: {readonly}"));
    found(&ill.a3(&["doctor", "--json"]).ended(1), "registry", "failed", "push");

    // And all at once.
    let home = ill.path("home").display().to_string();
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("HOME", &home),
        ("DOCKER_HOST", "unix:///no"),
    ] {
        ill.set(name, value);
    }
    ill.edit(
        "deploy.yaml",
        &format!("identity_file: {}", variable("A3_SANDBOX_SSH_KEY")),
        "identity_file: no-key",
    );
    ill.edit("deploy.yaml", "instances:\n", "instances:\n  old:\n    host: ec2-user@127.0.69.9\n");
    ill.edit("deploy.yaml", "    container_name: s2\n", "    container_name: s2\n    on: web\n");
    let said = ill.a3(&["doctor", "--json"]).ended(1);
    found(&said, "engine", "unreachable", "");
    found(&said, "registry", "failed", "push");
    found(&said, "AWS", "failed no AWS credential", "aws configure");
    found(&said, "ssh key", "failed", "no-key");
    found(&said, "old/0", "unreachable", "");
    let plain = ill.a3(&["doctor"]).ended(1);
    plain.says("failed    AWS: ").says("help: aws configure").says("did not answer");
}

#[test]
fn without_a_deploy_yaml_it_checks_what_it_can() {
    let bare = Deployment::new("bare", "");
    fs::remove_file(bare.path("deploy.yaml")).unwrap();
    let said = bare.a3(&["doctor", "--json"]).ok();
    found(&said, "deploy.yaml", "warning", "a3 init");
    found(&said, "engine", "ok", "Docker");
    found(&said, "AWS", "ok", "123456789012");
    bare.write("deploy.yaml", "name: bare\nnope: 1\n");
    let said = bare.a3(&["doctor", "--json"]).ended(1);
    found(&said, "deploy.yaml", "failed it has 1 error", "a3 validate");
    found(&said, "engine", "ok", "Docker");
}

#[test]
fn what_is_not_allowed_comes_as_a_policy() {
    let poor = web("poor");
    let _alone = Alone::begin();
    sandbox("fault", &["ec2-error", "action=RunInstances", "code=UnauthorizedOperation", "status=403"]);
    let said = poor.a3(&["doctor", "--json"]);
    sandbox("fault", &["clear"]);
    let said = said.ended(1);
    found(&said, "permissions", "failed not allowed in us-west-2: ec2:RunInstances", "policy below");
    let document: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(document["policies"][0]["Statement"][0]["Action"], serde_json::json!(["ec2:RunInstances"]));
}
