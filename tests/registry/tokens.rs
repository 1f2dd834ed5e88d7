//! Registries that work with tokens, as GHCR does.

use a3::observed::RemoteSeen;
use a3::registry::{PushRight, RegistryError};

use super::tiny::{Asked, Said, Tiny, status};
use super::{AMD, client, me, unreachable};

const DENIED: &str = r#"{"errors":[{"code":"DENIED","message":"requested access is denied"}]}"#;

fn challenge(own: &str) -> Said {
    let value = format!("Bearer realm=\"http://{own}/token\",service=\"own.test\",scope=\"x\"");
    Said(401, vec![("www-authenticate", value)], String::new())
}

fn token(name: &str) -> Said {
    Said(200, Vec::new(), format!(r#"{{"token":"{name}"}}"#))
}

/// Answers `/v2/` with the challenge, `/token…` with `token`, the rest with `rest`, if a token comes with it.
fn registry(
    token: impl Fn(&Asked, usize) -> Said + Send + 'static,
    rest: impl Fn(&Asked) -> Said + Send + 'static,
) -> Tiny {
    Tiny::start(move |own, asked, before| match asked.line.as_str() {
        line if line.starts_with("GET /token") => token(asked, before),
        line if line.starts_with("POST /token") => token(asked, before),
        _ if asked.authorization.as_ref().is_some_and(|text| text.starts_with("Bearer ")) => rest(asked),
        _ => challenge(own),
    })
}

async fn look(tiny: &Tiny, password: Option<&str>) -> RemoteSeen {
    let credential = password.map(|password| me(&tiny.server, password));
    client(&tiny.server, credential).look_up(&format!("{}/me/s2:v1", tiny.server), AMD).await
}

#[tokio::test]
async fn a_token_is_asked_for_once_with_the_credential_and_sent_with_every_request() {
    let tiny = registry(|_, _| token("t1"), |_| status(404));
    let client = client(&tiny.server, Some(me(&tiny.server, "hunter2")));
    for tag in ["v1", "v2"] {
        let seen = client.look_up(&format!("{}/me/s2:{tag}", tiny.server), AMD).await;
        assert_eq!(seen, RemoteSeen::Absent);
    }
    let asked = tiny.asked();
    let lines: Vec<_> = asked.iter().map(|asked| asked.line.as_str()).collect();
    let token = "GET /token?scope=repository%3Ame%2Fs2%3Apull&service=own.test";
    let want = ["GET /v2/", token, "HEAD /v2/me/s2/manifests/v1", "HEAD /v2/me/s2/manifests/v2"];
    assert_eq!(lines, want);
    let sent: Vec<_> = asked.iter().map(|asked| asked.authorization.as_deref()).collect();
    let basic = Some("Basic bWU6aHVudGVyMg==");
    assert_eq!(sent, [None, basic, Some("Bearer t1"), Some("Bearer t1")]);
}

#[tokio::test]
async fn denied_with_a_good_credential_is_not_visible() {
    // GHCR: already the token server says so.
    let tiny = registry(|_, _| Said(403, Vec::new(), DENIED.into()), |_| status(404));
    assert_eq!(look(&tiny, Some("hunter2")).await, RemoteSeen::NotVisible);
    // Others: a token that is good for nothing.
    for refusal in [401, 403] {
        let tiny = registry(|_, _| token("t"), move |_| status(refusal));
        assert_eq!(look(&tiny, Some("hunter2")).await, RemoteSeen::NotVisible, "{refusal}");
    }
}

#[tokio::test]
async fn denied_without_a_credential_asks_for_a_login() {
    let tiny = registry(|_, _| Said(403, Vec::new(), DENIED.into()), |_| status(404));
    let cause = unreachable(look(&tiny, None).await);
    assert!(cause.message.contains("asks for a login for `me/s2`"), "{}", cause.message);
}

#[tokio::test]
async fn a_wrong_password_is_told_from_a_missing_right() {
    let tiny = registry(|_, _| status(401), |_| status(404));
    let cause = unreachable(look(&tiny, Some("hunter3")).await);
    assert_eq!(cause.message, format!("registry {} refuses the password of user `me`", tiny.server));
    let cause = unreachable(look(&tiny, Some("")).await);
    assert!(cause.message.ends_with("the password is empty"), "{}", cause.message);
}

#[tokio::test]
async fn no_right_to_push_is_an_answer_with_the_registrys_words() {
    let tiny = registry(
        |asked, _| {
            if asked.line.contains("push") { Said(403, Vec::new(), DENIED.into()) } else { token("t") }
        },
        |_| status(404),
    );
    let client = client(&tiny.server, Some(me(&tiny.server, "hunter2")));
    let PushRight::Denied { why, help } = client.may_push("me/s2").await.unwrap() else {
        panic!("not denied")
    };
    let server = &tiny.server;
    let want = "does not let this credential push to `me/s2`: DENIED requested access is denied";
    assert_eq!(why, format!("registry {server} {want}"));
    assert!(help.is_some());
}

#[tokio::test]
async fn a_token_that_has_run_out_is_renewed_once() {
    let tiny = Tiny::start(|own, asked, before| match asked.line.as_str() {
        line if line.starts_with("GET /token") => token(if before == 0 { "old" } else { "new" }),
        _ if asked.authorization.as_deref() == Some("Bearer new") => status(404),
        _ => challenge(own),
    });
    assert_eq!(look(&tiny, Some("hunter2")).await, RemoteSeen::Absent);
    assert_eq!(tiny.count("GET /token"), 2);
    assert_eq!(tiny.count("HEAD "), 2);
}

#[tokio::test]
async fn an_identity_token_is_exchanged_by_post() {
    let tiny = registry(|_, _| token("t"), |_| status(404));
    let mut credential = me(&tiny.server, "identity");
    credential.username = "<token>".into();
    let client = client(&tiny.server, Some(credential));
    assert_eq!(client.look_up(&format!("{}/me/s2:v1", tiny.server), AMD).await, RemoteSeen::Absent);
    assert_eq!((tiny.count("POST /token"), tiny.count("GET /token")), (1, 0));
}

#[tokio::test]
async fn no_credential_goes_to_a_token_server_without_tls() {
    let tiny = Tiny::start(|_, _, _| {
        let value = "Bearer realm=\"http://192.0.2.1/token\",service=\"x\"".to_owned();
        Said(401, vec![("www-authenticate", value)], String::new())
    });
    let client = client(&tiny.server, Some(me(&tiny.server, "hunter2")));
    let error = client.may_push("me/s2").await.unwrap_err();
    assert!(matches!(error, RegistryError::OpenRealm { .. }), "{error}");
}

#[tokio::test]
async fn a_token_server_in_trouble_is_named() {
    let tiny = registry(|_, _| status(500), |_| status(404));
    let cause = unreachable(look(&tiny, Some("hunter2")).await);
    assert!(cause.message.contains("is in trouble: it answers 500"), "{}", cause.message);
    assert_eq!(tiny.count("GET /token"), 3);
    let tiny = registry(|_, _| Said(200, Vec::new(), "{}".into()), |_| status(404));
    let cause = unreachable(look(&tiny, Some("hunter2")).await);
    assert!(cause.message.contains("there is no token in it"), "{}", cause.message);
}
