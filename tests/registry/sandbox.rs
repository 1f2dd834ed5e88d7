//! The sandbox's registries, as GHCR and as one with a password behave, pushed to by a real engine. Needs
//! `sandbox/up` and `. sandbox/.run/env`; run with `--ignored`.

use std::path::Path;
use std::process::Command;

use a3::id::Digest;
use a3::observed::RemoteSeen;
use a3::registry::{Client, Credential, PushRight, RegistryError};

use super::{AMD, client, unreachable};

fn env(name: &str) -> String {
    std::env::var(format!("A3_SANDBOX_{name}")).expect("needs `. sandbox/.run/env`")
}

/// The registry `which` (GHCR or BASIC), its user, and the user's password from the file that `secret` names.
fn sandbox(which: &str, user: &str, secret: &str) -> (String, String, Client) {
    let (server, username) = (env(which), env(user));
    let password = std::fs::read_to_string(env(secret)).unwrap().trim_end().to_owned();
    let credential =
        Credential { server: server.clone(), username: username.clone(), password: password.into() };
    (server.clone(), username, client(&server, Some(credential)))
}

fn docker(config: &Path, arguments: &[&str]) -> String {
    let output = Command::new("docker").arg("--config").arg(config).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Pushes the tiny image as `reference` and returns the digest that the engine says.
fn push(server: &str, user: &str, secret: &str, reference: &str) -> Digest {
    use base64::Engine as _;
    let config = tempfile::tempdir().unwrap();
    let password = std::fs::read_to_string(env(secret)).unwrap();
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{}", password.trim_end()));
    let login = serde_json::json!({ "auths": { server: { "auth": auth } } });
    std::fs::write(config.path().join("config.json"), login.to_string()).unwrap();
    docker(config.path(), &["tag", &env("TINY"), reference]);
    let said = docker(config.path(), &["push", reference]);
    docker(config.path(), &["rmi", reference]);
    let digest = said.split("digest: ").nth(1).unwrap().split(' ').next().unwrap();
    digest.parse().unwrap()
}

#[tokio::test]
#[ignore = "needs the sandbox"]
async fn the_registry_with_tokens_is_like_ghcr() {
    let (server, user, owner) = sandbox("GHCR", "GHCR_USER", "GHCR_PASSWORD_FILE");
    let name = |name: &str| format!("{server}/{user}/{name}");
    let never = format!("registry-test-{}", std::process::id());
    assert_eq!(owner.look_up(&name(&format!("{never}:v1")), AMD).await, RemoteSeen::NotVisible);
    assert_eq!(owner.may_push(&name(&never)).await.unwrap(), PushRight::Allowed);
    assert_eq!(owner.look_up(&name(&format!("{never}:v1")), AMD).await, RemoteSeen::NotVisible);

    let digest = push(&server, &user, "GHCR_PASSWORD_FILE", &name("registry-test:v1"));
    let seen = owner.look_up(&name("registry-test:v1"), AMD).await;
    assert_eq!(seen.found().unwrap().digest, digest);
    assert_eq!(owner.look_up(&name("registry-test:none"), AMD).await, RemoteSeen::Absent);
    owner.copy_tag(&name("registry-test:v1"), &digest, &name("registry-test:copy")).await.unwrap();
    assert_eq!(owner.look_up(&name("registry-test:copy"), AMD).await, seen);

    let (_, _, reader) = sandbox("GHCR", "GHCR_USER", "GHCR_READONLY_PASSWORD_FILE");
    assert_eq!(reader.look_up(&name("registry-test:v1"), AMD).await, seen);
    let right = reader.may_push(&name("registry-test")).await.unwrap();
    assert!(matches!(right, PushRight::Denied { .. }), "{right:?}");
    let copy = reader.copy_tag(&name("registry-test:v1"), &digest, &name("registry-test:no")).await;
    assert!(matches!(copy, Err(RegistryError::Denied { .. })), "{copy:?}");

    let (_, _, stranger) = sandbox("GHCR", "GHCR_OTHER_USER", "GHCR_OTHER_PASSWORD_FILE");
    assert_eq!(stranger.look_up(&name("registry-test:v1"), AMD).await, RemoteSeen::NotVisible);
    let right = stranger.may_push(&name("registry-test")).await.unwrap();
    assert!(matches!(right, PushRight::Denied { .. }), "{right:?}");
    let anonymous = unreachable(client(&server, None).look_up(&name("registry-test:v1"), AMD).await);
    assert!(anonymous.message.contains("asks for a login"), "{}", anonymous.message);
}

#[tokio::test]
#[ignore = "needs the sandbox"]
async fn the_registry_with_a_password_answers_through_tls() {
    let (server, user, owner) = sandbox("BASIC", "BASIC_USER", "BASIC_PASSWORD_FILE");
    let name = |name: &str| format!("{server}/{user}/{name}");
    assert_eq!(owner.may_push(&name("registry-test")).await.unwrap(), PushRight::Allowed);
    let digest = push(&server, &user, "BASIC_PASSWORD_FILE", &name("registry-test:v1"));
    assert_eq!(owner.look_up(&name("registry-test:v1"), AMD).await.found().unwrap().digest, digest);
    let wrong = super::me(&server, "hunter3");
    let cause = unreachable(client(&server, Some(wrong)).look_up(&name("registry-test:v1"), AMD).await);
    assert!(cause.message.contains("refuses the password"), "{}", cause.message);
}
