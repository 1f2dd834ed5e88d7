//! Golden plans: a world, a spec, and what a3 would do, as text and as JSON. Whatever a person or a
//! machine reads of a plan is looked at here once. Each plan that can be applied is applied to the
//! world on plain data, and the second plan must be empty.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../promises/mod.rs"]
#[allow(dead_code, reason = "the properties ask all of them")]
mod promises;
#[path = "../support/mod.rs"]
mod support;

mod admit;
mod containers;
mod destroy;
mod drift;
mod fields;
mod files;
mod firewall;
mod found;
mod images;
mod install;
mod machines;
mod orders;
mod outside;
mod preflight;
mod prune;
mod rollback;
mod whole;

use a3::id::{Arch, Platform, Slot};
use a3::observed::{
    ContainerSeen, ContainerState, FileSeen, Health, HostSeen, IngressRule, InstanceState, KeptImage,
    LocalImage, ManagedSeen, Missing, NotYet, Observed, PublishedPort, RemoteSeen, Seen, Unchecked,
};
use a3::plan::step::{BlockedKind, Plan};
use a3::plan::{Destroy, Options, hash, plan, plan_destroy};
use a3::report::look::Look;
use a3::report::plan_json::PlanDocument;
use a3::report::plan_text::plan_text;
use a3::spec::{
    Ami, EnvValue, Healthcheck, Logging, Machine, OnChange, Port, Protocol, Restart, SecretSource, Service,
    Spec, Ulimit,
};
use promises::accident::Accident;
use promises::promise;
use promises::stage::{Stage, spec_of};
use secrecy::SecretString;
use support::simulate;
use support::world::*;

/// What the exit code will rest on.
fn ending(plan: &Plan) -> &'static str {
    let has = |kind: BlockedKind| plan.blocked.iter().any(|blocked| blocked.kind == kind);
    if has(BlockedKind::Unreachable) {
        "unreachable"
    } else if has(BlockedKind::Refused) {
        "refused"
    } else if has(BlockedKind::Impossible) {
        "impossible"
    } else if plan.steps.is_empty() {
        "nothing"
    } else {
        "changes"
    }
}

fn golden(name: &str, plan: &Plan) {
    let text = format!("{}\nending: {}\n", plan_text(plan, &Look::plain()), ending(plan));
    insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "../golden", omit_expression => true }, {
        insta::assert_snapshot!(format!("{name}.text"), text);
        insta::assert_snapshot!(format!("{name}.json"), PlanDocument::of(plan).to_text());
    });
    assert_eq!(serde_json::from_str::<Plan>(&serde_json::to_string(plan).unwrap()).unwrap(), *plan);
}

/// The plan, and that a second one after it is empty.
fn planned(name: &str, spec: &Spec, seen: &Observed) -> Plan {
    planned_with(name, spec, seen, &Options::default())
}

fn planned_with(name: &str, spec: &Spec, seen: &Observed, options: &Options) -> Plan {
    let first = plan(spec, seen, options);
    golden(name, &first);
    if first.blocked.is_empty() {
        let after = simulate::apply_plan(spec, seen, &first);
        let options = Options { target: options.target.clone(), ..Options::default() };
        let second = plan(spec, &after, &options);
        assert!(second.is_empty(), "a second plan of {name}:\n{}", plan_text(&second, &Look::plain()));
    }
    first
}

fn deployed(spec: &Spec) -> Observed {
    simulate::apply(spec, &nothing(spec), &Options::default())
}

/// The spec, and the world after its apply.
fn on_ec2() -> (Spec, Observed) {
    let spec = spec();
    let seen = deployed(&spec);
    (spec, seen)
}

fn on_host() -> (Spec, Observed) {
    let spec = host_spec();
    let seen = deployed(&spec);
    (spec, seen)
}

fn kinds(plan: &Plan) -> Vec<&'static str> {
    plan.steps.iter().map(|step| step.action.kind()).collect()
}

fn foreign(name: &str) -> ContainerSeen {
    ContainerSeen {
        id: "not ours".into(),
        name: name.into(),
        image_id: digest("foreign").to_string(),
        labels: std::collections::BTreeMap::new(),
        state: ContainerState::Running,
        started: None,
        restarts: 0,
        health: None,
        ports: Vec::new(),
        mounts: Vec::new(),
        networks: Vec::new(),
        in_place: None,
    }
}

fn away() -> a3::observed::Cause {
    cause("cannot reach it: connection refused", "check the network")
}
