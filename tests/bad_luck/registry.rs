//! Registries: who may not, what does not answer, and whom not to trust.

use crate::stage::{Stage, alone, beside_others, run, variable};
use std::process::Command;

fn built(stage: &Stage) -> String {
    run(Command::new("docker").args(["images", "-q", &format!("{}-app", stage.name)]))
}

#[test]
fn a_wrong_password() {
    let _beside = beside_others();
    let stage = Stage::new("password");
    stage.write("wrong.txt", "hunter2\n");
    stage.over("registry: { password: { file: wrong.txt } }\n");
    // GHCR answers what is wrong and what is not there yet alike: the push decides, before the build.
    stage
        .plan()
        .ends(0)
        .says(&["build", "push", "Not checked:", "the right to push"])
        .never_says(&["hunter2"]);
    let seen = stage.a3(&["push"]).ends(1).never_says(&["hunter2"]);
    seen.says(&["denies pushing to", &variable("A3_SANDBOX_GHCR")]).helps(&["password may be wrong"]);
    assert_eq!(built(&stage), "", "it was built all the same");
    // What is only pulled cannot be had.
    stage.over("registry: { password: { file: wrong.txt } }\nservices: { app: { build: !reset null, platform: linux/amd64 } }\n");
    let seen = stage.plan().ends(1);
    seen.says(&["app.image", "denies it, or there is no such image"]).helps(&["registry"]);
}

#[test]
fn a_wrong_password_where_the_registry_says_so() {
    let _beside = beside_others();
    let stage = Stage::new("basic");
    stage.write("wrong.txt", "hunter2\n");
    stage.over(
        "registry: { server: \"${A3_SANDBOX_BASIC}\", password: { file: wrong.txt } }\nservices: { app: { image: \
         \"${A3_SANDBOX_BASIC}/NAME-app:v1\" } }\n",
    );
    let seen = stage.a3(&["push"]).ends(69).never_says(&["hunter2", "+ build"]);
    seen.says(&["refuses the password of user `learner`", &variable("A3_SANDBOX_BASIC")])
        .helps(&["wrong.txt"]);
    assert_eq!(built(&stage), "", "it was built all the same");
}

#[test]
fn a_credential_that_may_only_read() {
    let _beside = beside_others();
    let mut stage = Stage::new("readonly");
    stage.over("registry: { password: { file: \"${A3_SANDBOX_GHCR_READONLY_PASSWORD_FILE}\" } }\n");
    let seen = stage.a3(&["push"]).ends(1);
    seen.says(&["denies pushing to", &stage.name]).helps(&["may write"]);
    assert_eq!(built(&stage), "", "it was built all the same");
    // An apply says the same, and what did not hang on it was done.
    stage.makes();
    let seen = stage.a3(&["apply", "-y"]).ends(1);
    seen.says(&["denies pushing to", &stage.name, "a3 apply"]).helps(&["may write"]);
    assert_eq!(built(&stage), "", "it was built all the same");
}

#[test]
fn a_registry_that_is_away_or_broken() {
    let alone = alone();
    let stage = Stage::new("registry");
    let server = variable("A3_SANDBOX_GHCR");
    alone.fault(&["registry-down", "place=ghcr"]);
    for command in [&["plan"][..], &["apply", "-y"], &["push"]] {
        let seen = stage.a3(command).ends(69).never_says(&["+ build"]);
        seen.says(&["app.image", &server]).helps(&[&server]);
    }
    alone.clear();
    alone.fault(&["registry-status", "place=ghcr", "status=503"]);
    let seen = stage.plan().ends(69).never_says(&["+ build"]);
    seen.says(&["app.image", &server, "503"]).helps(&["again"]);
    alone.clear();
    stage.plan().ends(0).says(&["build"]);
}

#[test]
fn a_registry_whose_authority_is_not_known() {
    let _beside = beside_others();
    let mut stage = Stage::new("tls");
    // The same registry, under a name that /etc/docker/certs.d knows nothing of.
    let port = variable("A3_SANDBOX_GHCR").rsplit(':').next().unwrap().to_owned();
    let server = format!("{}:{port}", variable("A3_SANDBOX_GATEWAY"));
    stage.over(&format!(
        "registry: {{ server: \"{server}\" }}\nservices: {{ app: {{ image: \"{server}/learner/app:1\" }} }}\n"
    ));
    stage.set("SSL_CERT_FILE", Some("/etc/ssl/certs/ca-certificates.crt"));
    let seen = stage.plan().ends(69).never_says(&["+ build"]);
    seen.says(&["app.image", &server, "certificate"]).helps(&["/etc/docker/certs.d/", "ca.crt"]);
}
