//! What `a3 status` says of a container without asking a registry.

use super::*;

use a3::plan::drift;
use a3::plan::reason::Reason;
use a3::record::{InPlaceSeen, Limit};
use a3::report::difference::words;

/// `settings (ports), stopped`.
fn told(spec: &Spec, seen: &Observed) -> String {
    let slot = Slot::new("web", 0);
    let facts = seen.hosts[&slot].facts().unwrap();
    let found = drift(spec, (&slot, facts), &facts.containers[0], &seen.secrets);
    words(&found)
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
    assert_eq!(told(&spec, &seen), "settings (environment.LOG, ports), in place (mem_limit)");
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
    assert_eq!(told(&spec, &seen), "settings (working_dir)");
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

/// What `docker update` has set since.
fn updated(seen: &mut Observed, update: impl Fn(&mut InPlaceSeen)) {
    update(facts(seen, 0).containers[0].in_place.as_mut().unwrap());
}

fn origins(plan: &Plan) -> Vec<String> {
    let document: serde_json::Value = serde_json::from_str(&PlanDocument::of(plan).to_text()).unwrap();
    let steps = document["steps"].as_array().unwrap();
    let fields = steps.iter().flat_map(|step| step["fields"].as_array().unwrap());
    fields.map(|field| format!("{}: {}", field["field"], field["origin"]).replace('"', "")).collect()
}

#[test]
fn docker_update_is_told_apart_from_an_edit_and_mended_in_place() {
    let (mut spec, mut seen) = on_host();
    updated(&mut seen, |there| {
        (there.mem_limit, there.restart) = (Limit::At(1 << 27), Restart::No);
    });
    assert_eq!(told(&spec, &seen), "changed outside a3 (restart, mem_limit)");
    let plan = planned("docker_update_there", &spec, &seen);
    assert_eq!((kinds(&plan), plan.steps[0].is_drift()), (vec!["update_container"], true));
    assert_eq!(origins(&plan), ["restart: outside", "mem_limit: outside"]);

    let service = &mut spec.services["s2"];
    (service.mem_limit, service.nano_cpus) = (Some(1 << 28), Some(500_000_000));
    let plan = planned("docker_update_there_and_an_edit", &spec, &seen);
    assert_eq!(origins(&plan), ["restart: outside", "mem_limit: both", "cpus: spec"]);

    // Somebody has done by hand what the file asks for: it is still to be written down.
    updated(&mut seen, |there| {
        (there.mem_limit, there.restart) = (Limit::At(1 << 28), Restart::UnlessStopped)
    });
    spec.services["s2"].nano_cpus = None;
    assert_eq!(origins(&plan_of(&spec, &seen)), ["mem_limit: spec"]);
}

fn plan_of(spec: &Spec, seen: &Observed) -> Plan {
    plan(spec, seen, &Options::default())
}

#[test]
fn after_a_lost_record_the_engine_says_what_it_has() {
    let (mut spec, _) = on_host();
    (spec.services["s2"].mem_limit, spec.services["s2"].nano_cpus) = (Some(1 << 27), Some(500_000_000));
    let mut seen = deployed(&spec);
    facts(&mut seen, 0).record = None;
    let kinds_of = |spec: &Spec| kinds(&plan_of(spec, &seen));
    assert!(!kinds_of(&spec).contains(&"update_container"), "nothing was changed");
    (spec.services["s2"].mem_limit, spec.services["s2"].nano_cpus) = (Some(1 << 28), None);
    let plan = planned("record_lost_memory_changed", &spec, &seen);
    let step = plan.steps.iter().find(|step| step.action.kind() == "update_container").unwrap();
    assert_eq!(step.reasons, [Reason::FieldsDiffer], "whether it is an edit is not known");
}

#[test]
fn no_limit_in_whatever_way_the_engine_has_it_is_no_limit() {
    let (mut spec, mut seen) = on_host();
    updated(&mut seen, |there| {
        (there.mem_limit, there.nano_cpus) = (Limit::All(1 << 50), Limit::All(ALL_PROCESSORS));
    });
    assert!(plan_of(&spec, &seen).is_empty());
    facts(&mut seen, 0).record.as_mut().unwrap().in_place.clear();
    assert!(plan_of(&spec, &seen).is_empty());
    // All processors there are may be just what was asked for.
    spec.services["s2"].nano_cpus = Some(ALL_PROCESSORS);
    assert!(plan_of(&spec, &seen).is_empty());
    // An engine that cannot limit memory leaves it out, and would do so again.
    spec.services["s2"].mem_limit = Some(1 << 28);
    let mut limited = simulate::apply(&spec, &seen, &Options::default());
    updated(&mut limited, |there| there.mem_limit = Limit::Never);
    assert!(plan_of(&spec, &limited).is_empty());
}
