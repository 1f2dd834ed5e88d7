//! Trouble: each has its own message, passing trouble passes.

use std::time::{Duration, Instant};

use a3::explain::Explain as _;
use a3::id::Digest;
use a3::observed::RemoteSeen;
use a3::registry::{PushRight, RegistryError};

use super::tiny::{Said, Tiny, status};
use super::{AMD, client, me, unreachable};

const HEAD: &str = "HEAD /v2/me/s2/manifests/v1";

/// A registry without a password whose manifests answer as `answer` says.
fn open(answer: impl Fn(usize) -> Said + Send + 'static) -> Tiny {
    Tiny::start(move |_, asked, before| match asked.line.as_str() {
        "GET /v2/" => status(200),
        _ => answer(before),
    })
}

async fn look(tiny: &Tiny) -> RemoteSeen {
    client(&tiny.server, None).look_up(&format!("{}/me/s2:v1", tiny.server), AMD).await
}

#[tokio::test]
async fn trouble_that_passes_is_waited_for() {
    let tiny = open(|before| status(if before < 2 { 503 } else { 404 }));
    assert_eq!(look(&tiny).await, RemoteSeen::Absent);
    assert_eq!(tiny.count(HEAD), 3);
}

#[tokio::test]
async fn trouble_that_stays_is_named_after_three_tries() {
    let tiny = open(|_| status(502));
    let cause = unreachable(look(&tiny).await);
    assert_eq!(cause.message, format!("registry {} is in trouble: it answers 502", tiny.server));
    assert!(cause.help.unwrap().contains("curl"));
    assert_eq!(tiny.count(HEAD), 3);
}

#[tokio::test]
async fn a_short_retry_after_is_honoured_and_a_long_one_handed_on() {
    let busy = |seconds: &str| Said(429, vec![("retry-after", seconds.to_owned())], String::new());
    let tiny = open(move |before| if before == 0 { busy("1") } else { status(404) });
    let began = Instant::now();
    assert_eq!(look(&tiny).await, RemoteSeen::Absent);
    assert!(began.elapsed() >= Duration::from_secs(1));

    let tiny = open(move |_| busy("3600"));
    let cause = unreachable(look(&tiny).await);
    let want = format!("registry {} asks to wait 3600 s: too many requests", tiny.server);
    assert_eq!(cause.message, want);
    assert_eq!(tiny.count(HEAD), 1);
}

#[tokio::test]
async fn nobody_there_is_said_at_once() {
    let tiny = open(|_| status(404));
    let server = tiny.server.clone();
    drop(tiny);
    let cause = unreachable(client(&server, None).look_up(&format!("{server}/me/s2:v1"), AMD).await);
    assert!(
        cause.message.starts_with(&format!("cannot connect to registry {server}: ")),
        "{}",
        cause.message
    );
    assert!(cause.message.contains("refused"), "{}", cause.message);
}

#[tokio::test]
async fn a_name_that_cannot_exist_does_not_resolve() {
    // RFC 6761 keeps `.invalid` free of names.
    let error = client("a3-registry.invalid", None).may_push("me/s2").await.unwrap_err();
    assert!(matches!(error, RegistryError::Name { .. }), "{error:?}");
    assert_eq!(error.to_string(), "the name of registry a3-registry.invalid does not resolve");
}

#[tokio::test]
async fn a_web_server_is_not_a_registry() {
    let tiny = Tiny::start(|_, _, _| status(404));
    let cause = unreachable(look(&tiny).await);
    assert_eq!(cause.message, format!("{} is not a registry: `/v2/` answers 404", tiny.server));
}

#[tokio::test]
async fn one_failure_to_connect_answers_all_who_wait_for_it() {
    let tiny = Tiny::start(|_, _, _| status(404));
    let client = client(&tiny.server, None);
    let reference = format!("{}/me/s2:v1", tiny.server);
    let looks = (0..8).map(|_| client.look_up(&reference, AMD));
    let seen = futures_util::future::join_all(looks).await;
    assert!(seen.iter().all(|seen| matches!(seen, RemoteSeen::Unreachable(_))));
    assert_eq!(tiny.count("GET /v2/"), 1);
}

#[tokio::test]
async fn content_that_is_not_its_digest_is_refused() {
    let wanted = Digest::of(b"something else");
    let tiny = open(move |_| Said(200, vec![("docker-content-digest", wanted.to_string())], "{}".into()));
    let cause = unreachable(look(&tiny).await);
    assert!(cause.message.contains("sent something wrong"), "{}", cause.message);
    assert!(cause.message.ends_with(&format!("the digest {}", Digest::of(b"{}"))), "{}", cause.message);
}

#[tokio::test]
async fn a_blob_elsewhere_is_fetched_without_the_credential() {
    let config = r#"{"os":"linux","architecture":"amd64"}"#;
    let elsewhere = Tiny::start(move |_, _, _| Said(200, Vec::new(), config.into()));
    let there = format!("http://{}/blob", elsewhere.server);
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}"}}}}"#,
        Digest::of(config.as_bytes())
    );
    let tiny = Tiny::start(move |_, asked, _| match asked.line.as_str() {
        "GET /v2/" => Said(401, vec![("www-authenticate", "Basic realm=\"x\"".into())], String::new()),
        line if line.contains("/blobs/") => Said(307, vec![("location", there.clone())], String::new()),
        _ => Said(200, Vec::new(), manifest.clone()),
    });
    let client = client(&tiny.server, Some(me(&tiny.server, "hunter2")));
    let seen = client.look_up(&format!("{}/me/s2:v1", tiny.server), AMD).await;
    assert!(seen.found().is_some(), "{seen:?}");
    let asked = elsewhere.asked();
    assert_eq!((asked.len(), asked[0].authorization.as_ref()), (1, None));
    let manifests: Vec<_> =
        tiny.asked().into_iter().filter(|asked| asked.line.contains("/manifests/")).collect();
    assert!(!manifests.is_empty() && manifests.iter().all(|asked| asked.authorization.is_some()));
}

#[tokio::test]
async fn what_refuses_uploads_says_why() {
    let errors = r#"{"errors":[{"code":"NAME_UNKNOWN","message":"no\u001b[31m such repository"}]}"#;
    let tiny = open(move |_| Said(404, Vec::new(), errors.into()));
    let PushRight::Denied { why, .. } = client(&tiny.server, None).may_push("me/s2").await.unwrap() else {
        panic!("not denied")
    };
    let want = "answers 404 to an upload into `me/s2`: NAME_UNKNOWN no[31m such repository";
    assert_eq!(why, format!("registry {} {want}", tiny.server));

    let tiny = open(|_| status(405));
    let right = client(&tiny.server, None).may_push("me/s2").await.unwrap();
    assert!(matches!(right, PushRight::Denied { help: Some(help), .. } if help.contains("read-only")));

    let tiny = open(|_| status(200));
    let right = client(&tiny.server, None).may_push("me/s2").await.unwrap();
    assert!(matches!(right, PushRight::NotChecked { .. }));

    let tiny = open(|_| status(500));
    let error = client(&tiny.server, None).may_push("me/s2").await.unwrap_err();
    assert!(matches!(error, RegistryError::Fault { status: 500, .. }), "{}", error.cause().message);
}
