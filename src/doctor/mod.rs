//! `a3 doctor`: looks at everything around a3, side by side, and changes nothing. One part a file; what
//! goes wrong in one is a finding of its own and ends no other.

mod clock;
mod cloud;
mod engine;
mod here;
mod hosts;
mod keys;
mod policy;
mod registries;

use futures_util::join;

use crate::observe::secrets::{self, Consent};
use crate::observe::{Need, World, observe};
use crate::report::doctor::Diagnosis;
use crate::spec::{Machine, Spec};

/// Looks around without a deployment: what any of them would need.
pub async fn look_around() -> Diagnosis {
    let (engine, cloud, keys) = join!(engine::check(None), cloud::check_any(), keys::check(None));
    let mut findings = here::check(None);
    findings.extend(engine);
    findings.extend(cloud);
    findings.extend(keys);
    findings.extend(registries::without_a_spec());
    Diagnosis { findings, policies: Vec::new() }
}

/// Looks at everything that a deployment needs.
pub async fn look_at(spec: &Spec, consent: Consent) -> Diagnosis {
    let machines = async {
        let world = World::open(spec, Need::Machines, consent).await;
        let observed = observe(spec, &world).await;
        hosts::check(spec, &world, &observed).await
    };
    let images = async {
        let commands = secrets::commands(spec, Need::Images);
        let world = World::open(spec, Need::Images, consent).await;
        registries::check(spec, &world, if consent.commands { &[] } else { &commands }).await
    };
    let (engine, keys, images, hosts, (clouds, policies)) =
        join!(engine::check(Some(spec)), keys::check(Some(spec)), images, machines, cloud::check(spec));
    let mut findings = here::check(Some(spec));
    for part in [engine, images, clouds, keys, hosts] {
        findings.extend(part);
    }
    Diagnosis { findings, policies }
}

/// Whether a group's machines are this one.
fn is_local(spec: &Spec, group: &str) -> bool {
    spec.groups.get(group).is_some_and(|group| matches!(group.machine, Machine::Local))
}
