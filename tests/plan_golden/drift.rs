//! What `a3 status` says of a container without asking a registry.

use super::*;
use a3::plan::drift;
use a3::plan::reason::Reason;
use a3::report::words::drift_text;

/// `settings: ports; stopped`.
fn told(spec: &Spec, seen: &Observed) -> String {
    let slot = Slot::new("web", 0);
    let facts = seen.hosts[&slot].facts().unwrap();
    let found = drift(spec, (&slot, facts), &facts.containers[0], &seen.secrets);
    let words = found.iter().map(|one| match one.fields.as_slice() {
        [] => drift_text(&one.reason),
        fields => format!("{}: {}", drift_text(&one.reason), fields.join(" ")),
    });
    words.collect::<Vec<_>>().join("; ")
}

#[test]
fn what_runs_as_it_should_does_not_differ() {
    let (spec, seen) = on_ec2();
    assert_eq!(told(&spec, &seen), "");
}

#[test]
fn edits_are_told_by_their_keys() {
    let (mut spec, seen) = on_ec2();
    let service = &mut spec.services["s2"];
    service.ports = vec![port(30002)];
    service.environment.insert("LOG".into(), EnvValue::Plain("debug".into()));
    service.mem_limit = Some(256 << 20);
    assert_eq!(told(&spec, &seen), "settings: environment.LOG ports; in place: mem_limit");
}

#[test]
fn another_repository_or_digest_is_another_image_and_another_tag_is_not_known() {
    let (mut spec, seen) = on_ec2();
    let image = spec.services["s2"].image.clone();
    spec.services["s2"].image = format!("{}:v9", a3::plan::names::repository(&image));
    assert_eq!(told(&spec, &seen), "", "only a registry knows what a tag stands for");
    spec.services["s2"].image = format!("{image}@{}", digest("another"));
    assert_eq!(told(&spec, &seen), "image");
    spec.services["s2"].image = "ghcr.io/me/other:v1".into();
    assert_eq!(told(&spec, &seen), "image");
}

#[test]
fn a_secret_that_is_not_read_hides_nothing_else() {
    let mut spec = spec();
    let source = SecretSource::Env("TOKEN".into());
    spec.services["s2"].environment.insert("TOKEN".into(), EnvValue::Secret(source.clone()));
    let mut seen = nothing(&spec);
    seen.secrets.values.insert(hash::source_key(&source), SecretString::from("hunter2".to_owned()));
    let mut seen = simulate::apply(&spec, &seen, &Options::default());
    seen.secrets.values.clear();
    assert_eq!(told(&spec, &seen), "", "its value cannot be told, and is no difference");
    spec.services["s2"].working_dir = Some("/srv".into());
    assert_eq!(told(&spec, &seen), "settings: working_dir");
}

#[test]
fn the_state_and_what_left_the_spec() {
    let (mut spec, mut seen) = on_ec2();
    facts(&mut seen, 0).containers[0].state = ContainerState::Exited(1);
    assert_eq!(told(&spec, &seen), "stopped");
    facts(&mut seen, 0).containers[0].health = Some(Health::Unhealthy);
    facts(&mut seen, 0).containers[0].state = ContainerState::Running;
    assert_eq!(told(&spec, &seen), "unhealthy");
    let service = spec.services["s2"].clone();
    let host = facts(&mut seen, 0);
    assert_eq!(a3::plan::missing(&service, host).reason, Reason::ContainerGone);
    host.record = None;
    assert_eq!(a3::plan::missing(&service, host).reason, Reason::NoContainer);
    spec.services.shift_remove("s2");
    assert_eq!(told(&spec, &seen), "left the spec");
}
