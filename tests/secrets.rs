//! Which secrets a spec needs, and how they are read.
#![allow(clippy::unwrap_used)]

#[allow(dead_code, reason = "shared with other tests")]
#[path = "support/world.rs"]
mod world;

use a3::observe::Need;
use a3::observe::secrets::{Consent, commands, needed, read_secrets};
use a3::plan::hash::source_key;
use a3::spec::{EnvValue, Machine, SecretSource, Spec};
use secrecy::ExposeSecret as _;

fn command(words: &[&str]) -> SecretSource {
    SecretSource::Command(words.iter().map(|word| (*word).to_owned()).collect())
}

/// The music service with a secret of each kind, one of them twice.
fn spec() -> Spec {
    let mut spec = world::spec();
    let service = &mut spec.services["s2"];
    service.environment.insert("KEY".into(), EnvValue::Secret(command(&["printf", "k\\n"])));
    service.environment.insert("TOKEN".into(), EnvValue::Secret(SecretSource::Env("PATH".into())));
    service.environment.insert("KNOWN".into(), EnvValue::Resolved("x".into()));
    let build = service.build.as_mut().unwrap();
    build.secrets.insert("again".into(), SecretSource::Env("PATH".into()));
    build.secrets.insert("pip".into(), SecretSource::Env("A3_TEST_IS_NOT_SET".into()));
    spec
}

#[test]
fn every_source_is_needed_once_and_says_what_for() {
    let purposes: Vec<_> = needed(&spec(), Need::Everything).into_iter().map(|one| one.purpose).collect();
    let want = [
        "the password of registry ghcr.io",
        "the value of KEY for service s2",
        "the value of TOKEN for service s2",
        "build secret pip of service s2",
    ];
    assert_eq!(purposes, want);
    assert_eq!(commands(&spec(), Need::Everything), ["printf k\\n"]);
}

#[test]
fn a_registry_that_is_not_asked_needs_no_password() {
    let password =
        |spec: &Spec| needed(spec, Need::Everything).iter().any(|one| one.purpose.contains("registry"));
    let mut local = world::spec();
    local.groups.insert("web".into(), world::group(Machine::Local));
    assert!(!password(&local), "built here, run here");
    local.services["s2"].build = None;
    assert!(password(&local), "pulled here");
    let mut elsewhere = world::spec();
    elsewhere.services["s2"].image = "docker.io/library/python:3.12".into();
    assert!(!password(&elsewhere), "another registry's image");
}

#[tokio::test]
async fn what_is_there_is_read_and_what_is_missing_is_said_all_at_once() {
    let (secrets, missing) = read_secrets(&spec(), Need::Everything, Consent { commands: true }).await;
    let value = |source: &SecretSource| secrets.values[&source_key(source)].expose_secret().to_owned();
    assert_eq!(value(&command(&["printf", "k\\n"])), "k");
    assert_eq!(value(&SecretSource::Env("PATH".into())), std::env::var("PATH").unwrap());
    let messages: Vec<_> = missing.iter().map(|one| one.cause.message.as_str()).collect();
    let [file, variable] = messages[..] else { panic!("{messages:?}") };
    assert!(
        file.starts_with("cannot read cluster/ghcr.io-token.txt, the password of registry ghcr.io: "),
        "{file}"
    );
    assert_eq!(
        variable,
        "environment variable A3_TEST_IS_NOT_SET, build secret pip of service s2, is not set"
    );
    assert!(missing.iter().all(|one| one.cause.help.is_some()));
    assert!(!format!("{secrets:?}").contains(&std::env::var("PATH").unwrap()));
}
