//! The registry adapter against real registries (Debian's docker-registry) and against a server that
//! misbehaves on request.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod debian;
mod faults;
mod sandbox;
mod tiny;
mod tokens;

use a3::explain::chain;
use a3::id::{Arch, Digest, Platform};
use a3::observed::{Cause, RemoteImage, RemoteSeen};
use a3::registry::{Client, Credential, ImageCache, PushRight, RegistryError};
use debian::{Guard, Registry};
use serde_json::json;

const AMD: Platform = Platform(Arch::Amd64);
const ARM: Platform = Platform(Arch::Arm64);

fn me(server: &str, password: &str) -> Credential {
    Credential { server: server.into(), username: "me".into(), password: password.into() }
}

fn client(server: &str, credential: Option<Credential>) -> Client {
    Client::new(server, credential).unwrap().with_cache(ImageCache::default())
}

fn unreachable(seen: RemoteSeen) -> Cause {
    match seen {
        RemoteSeen::Unreachable(cause) => cause,
        other => panic!("not unreachable: {other:?}"),
    }
}

#[tokio::test]
async fn an_image_is_seen_with_its_digests_label_and_size() {
    let registry = Registry::start(Guard::default()).await;
    let source = Digest::of(b"the source");
    let labels = json!({ "dev.a3.source": source, "other": "x" });
    let (digest, config_digest) = registry.push_image("me/s2", Some("v1"), "amd64", labels).await;
    let client = client(&registry.server, None);
    let (asker, reference) = (client.clone(), registry.reference("me/s2:v1"));
    // As a task of its own, since whoever observes may ask everything side by side.
    let seen = asker.look_up(&reference, AMD).await;
    let want = RemoteImage {
        digest: digest.clone(),
        manifest_digest: digest.clone(),
        config_digest,
        source: Some(source),
        size: 18,
    };
    assert_eq!(seen, RemoteSeen::Found(want.clone()));
    let pinned = registry.reference(&format!("me/s2@{digest}"));
    assert_eq!(client.look_up(&pinned, AMD).await, RemoteSeen::Found(want));
    for absent in ["me/s2:v2", "me/other:v1"] {
        assert_eq!(client.look_up(&registry.reference(absent), AMD).await, RemoteSeen::Absent, "{absent}");
    }
}

#[tokio::test]
async fn an_index_gives_the_child_of_the_platform_and_never_an_attestation() {
    let registry = Registry::start(Guard::default()).await;
    let (amd, amd_config) = registry.push_image("me/s2", None, "amd64", json!({})).await;
    let (arm, arm_config) = registry.push_image("me/s2", None, "arm64", json!({ "x": "y" })).await;
    let digest = registry.push_index("me/s2", "both", &[("amd64", &amd), ("arm64", &arm)]).await;
    let only = registry.push_index("me/s2", "amd", &[("amd64", &amd)]).await;
    assert_ne!(digest, only);
    let client = client(&registry.server, None);
    for (platform, child, config) in [(AMD, &amd, &amd_config), (ARM, &arm, &arm_config)] {
        let seen = client.look_up(&registry.reference("me/s2:both"), platform).await;
        let image = seen.found().unwrap();
        assert_eq!((&image.digest, &image.manifest_digest, &image.config_digest), (&digest, child, config));
    }
    let seen = client.look_up(&registry.reference("me/s2:amd"), ARM).await;
    let RemoteSeen::Unusable(cause) = seen else { panic!("{seen:?}") };
    let reference = registry.reference("me/s2:amd");
    let want = format!("`{reference}` cannot be used: it is not for linux/arm64, but for linux/amd64");
    assert_eq!(cause.message, want);
    assert!(cause.help.unwrap().contains("`platform`"));
}

#[tokio::test]
async fn an_image_for_another_platform_is_unusable() {
    let registry = Registry::start(Guard::default()).await;
    registry.push_image("me/s2", Some("v1"), "arm64", json!({})).await;
    let seen = client(&registry.server, None).look_up(&registry.reference("me/s2:v1"), AMD).await;
    let RemoteSeen::Unusable(cause) = seen else { panic!("{seen:?}") };
    assert!(cause.message.ends_with("it is not for linux/amd64, but for linux/arm64"), "{}", cause.message);
}

#[tokio::test]
async fn what_a_digest_contains_is_asked_once() {
    let registry = Registry::start(Guard::default()).await;
    let (_, config) = registry.push_image("me/s2", Some("v1"), "amd64", json!({})).await;
    let cache = tempfile::tempdir().unwrap();
    let look = async || {
        let client = Client::new(&registry.server, None).unwrap().with_cache(ImageCache::at(cache.path()));
        client.look_up(&registry.reference("me/s2:v1"), AMD).await
    };
    let first = look().await;
    assert!(first.found().is_some());
    // Whoever asked again would not find it.
    std::fs::remove_file(registry.blob_file(&config)).unwrap();
    assert_eq!(look().await, first);
    assert!(matches!(
        client(&registry.server, None).look_up(&registry.reference("me/s2:v1"), AMD).await,
        RemoteSeen::Unreachable(_)
    ));
}

#[tokio::test]
async fn a_password_is_right_wrong_or_missing() {
    let registry = Registry::start(Guard { password: true, tls: false }).await;
    let server = registry.server.as_str();
    registry.push_image("me/s2", Some("v1"), "amd64", json!({})).await;
    let reference = registry.reference("me/s2:v1");

    let right = client(server, Some(me(server, "hunter2")));
    assert!(right.look_up(&reference, AMD).await.found().is_some());
    assert_eq!(right.look_up(&registry.reference("me/s2:v2"), AMD).await, RemoteSeen::Absent);

    let wrong = client(server, Some(me(server, "hunter3")));
    let wrong = wrong.credential_from("`registry.password` (file token.txt)".into());
    let cause = unreachable(wrong.look_up(&reference, AMD).await);
    assert_eq!(cause.message, format!("registry {server} refuses the password of user `me`"));
    assert!(cause.help.unwrap().contains("`registry.password` (file token.txt)"));
    assert!(matches!(wrong.may_push("me/s2").await, Err(RegistryError::WrongPassword { .. })));

    let cause = unreachable(client(server, None).look_up(&reference, AMD).await);
    let want = format!("registry {server} asks for a login for `me/s2`, and there is no credential for it");
    assert_eq!(cause.message, want);
    assert!(cause.help.unwrap().contains(&format!("docker login {server}")));

    let cause = unreachable(client(server, Some(me(server, "two\nlines"))).look_up(&reference, AMD).await);
    assert!(cause.message.contains("line break"), "{}", cause.message);
    assert!(!cause.message.contains("two"));
}

#[tokio::test]
async fn the_right_to_push_is_probed_and_leaves_nothing() {
    let registry = Registry::start(Guard { password: true, tls: false }).await;
    let server = registry.server.as_str();
    let right = client(server, Some(me(server, "hunter2")));
    assert_eq!(right.may_push("me/new").await.unwrap(), PushRight::Allowed);
    assert_eq!(right.may_push(&registry.reference("me/new")).await.unwrap(), PushRight::Allowed);
    assert_eq!(registry.open_uploads("me/new"), 0);
    let anonymous = client(server, None).may_push("me/new").await.unwrap();
    assert!(matches!(anonymous, PushRight::Denied { help: Some(_), .. }), "{anonymous:?}");
}

#[tokio::test]
async fn a_tag_is_copied_inside_its_repository() {
    let registry = Registry::start(Guard { password: true, tls: false }).await;
    let server = registry.server.as_str();
    let (image, _) = registry.push_image("me/s2", Some("v1"), "amd64", json!({})).await;
    let (other, _) = registry.push_image("me/s2", Some("v2"), "amd64", json!({ "a": "b" })).await;
    let index = registry.push_index("me/s2", "index", &[("amd64", &image)]).await;
    let client = client(server, Some(me(server, "hunter2")));
    let at = |tag: &str| registry.reference(&format!("me/s2:{tag}"));
    let digest_of =
        async |tag: &str| client.look_up(&at(tag), AMD).await.found().map(|image| image.digest.clone());

    client.copy_tag(&at("v1"), &image, &at("new")).await.unwrap();
    assert_eq!(digest_of("new").await, Some(image.clone()));
    client.copy_tag(&at("v2"), &other, &at("new")).await.unwrap();
    client.copy_tag(&at("v2"), &other, &at("new")).await.unwrap();
    assert_eq!(digest_of("new").await, Some(other));
    client.copy_tag(&at("index"), &index, &at("new")).await.unwrap();
    assert_eq!(digest_of("new").await, Some(index));

    let gone = client.copy_tag(&at("v1"), &Digest::of(b"gone"), &at("new")).await.unwrap_err();
    assert!(matches!(gone, RegistryError::NotThere { .. }), "{gone}");
    let elsewhere = registry.reference("me/other:new");
    let error = client.copy_tag(&at("v1"), &image, &elsewhere).await.unwrap_err();
    assert_eq!(error.to_string(), format!("`{}` and `{elsewhere}` are not in one repository", at("v1")));
}

#[tokio::test]
async fn tls_is_verified_by_the_ca_that_ssl_cert_file_names() {
    let registry = Registry::start(Guard { password: true, tls: true }).await;
    let server = registry.server.as_str();
    registry.push_image("me/s2", Some("v1"), "amd64", json!({})).await;

    let untrusting = client(server, Some(me(server, "hunter2")));
    let cause = unreachable(untrusting.look_up(&registry.reference("me/s2:v1"), AMD).await);
    assert!(cause.message.starts_with(&format!("registry {server} cannot be trusted: TLS failed: ")));
    assert!(cause.message.contains("UnknownIssuer"), "{}", cause.message);
    assert!(cause.help.unwrap().contains(&format!("/etc/docker/certs.d/{server}/ca.crt")));

    // Roots are read from the environment of a process, so the other half runs in one of its own.
    let half = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "with_ssl_cert_file", "--ignored", "--nocapture"])
        .env("SSL_CERT_FILE", registry.ca())
        .env("A3_TEST_SERVER", server)
        .output();
    let output = half.await.unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}");
}

#[tokio::test]
#[ignore = "the other half of tls_is_verified_by_the_ca_that_ssl_cert_file_names"]
async fn with_ssl_cert_file() {
    // Whoever runs all ignored tests means others.
    let Ok(server) = std::env::var("A3_TEST_SERVER") else { return };
    let client = client(&server, Some(me(&server, "hunter2")));
    let seen = client.look_up(&format!("{server}/me/s2:v1"), AMD).await;
    assert!(seen.found().is_some(), "{seen:?}");
    assert_eq!(client.may_push("me/s2").await.unwrap(), PushRight::Allowed);
    // The certificate is for one address only.
    let port = server.rsplit(':').next().unwrap();
    let error = self::client(&format!("localhost:{port}"), None).may_push("me/s2").await.unwrap_err();
    assert!(matches!(error, RegistryError::Connect { .. } | RegistryError::Tls { .. }), "{}", chain(&error));
}
