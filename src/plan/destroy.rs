//! Taking a deployment away: all of it, or one instance.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::{Draft, NewStep};
use super::host::HostContext;
use super::reason::{FieldChange, Reason, Shown};
use super::step::{Action, Change, Plan, StepId};
use super::{container, machine, names};
use crate::observed::{CloudSeen, HostFacts, HostSeen, Observed, Seen};
use crate::spec::{Group, Machine, Spec};

/// What shall go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destroy {
    /// Instances by mnemonic name, slot or id; empty is everything.
    pub instances: BTreeSet<String>,
}

/// Plans a destroy. On EC2 it needs EC2 only: whatever is on the machines ends with them.
pub fn plan_destroy(spec: &Spec, observed: &Observed, wanted: &Destroy) -> Plan {
    let mut draft = Draft::default();
    let mut kept = Vec::new();
    let mut found = BTreeSet::new();
    for (name, seen) in &observed.clouds {
        match seen {
            Seen::Present(cloud) => destroy_cloud(spec, name, cloud, wanted, &mut draft, &mut found),
            Seen::Unreachable(cause) => draft.unreachable(name.clone(), cause),
            Seen::Absent => {}
        }
    }
    for missing in wanted.instances.difference(&found) {
        let why = format!("no live instance of this deployment is named `{missing}`");
        let help = Some("a3 status lists them".to_owned());
        draft.block(missing.clone(), super::step::BlockedKind::Impossible, why, help);
    }
    if wanted.instances.is_empty() {
        for (slot, group) in spec.slots() {
            if matches!(group.machine, Machine::Ec2(_)) {
                continue;
            }
            match observed.hosts.get(&slot) {
                Some(HostSeen::Ready(facts)) => {
                    let images = BTreeMap::new();
                    let facts_of = Some(facts.as_ref());
                    let cx = HostContext {
                        spec,
                        observed,
                        slot: &slot,
                        group,
                        facts: facts_of,
                        images: &images,
                        reach: None,
                    };
                    destroy_host(&cx, facts, &mut draft, &mut kept);
                }
                Some(HostSeen::Unreachable(cause)) => draft.unreachable(slot.to_string(), cause),
                Some(HostSeen::NotYet(_)) | None => {}
            }
        }
        kept.extend(kept_images(spec));
    }
    Plan {
        deployment: spec.name.clone(),
        destroy: true,
        scope: observed.scope.clone(),
        steps: draft.steps,
        blocked: draft.blocked,
        notices: draft.notices,
        unchanged: Vec::new(),
        kept,
    }
}

fn kept_images(spec: &Spec) -> impl Iterator<Item = String> {
    let built = spec.services.values().filter(|service| service.build.is_some());
    built.map(|service| {
        let group = spec.groups.get(&service.on).map(|group| &group.machine);
        match group {
            Some(Machine::Local) => format!("image {} in the local engine", service.image),
            _ => format!("image {} in the registry, and what was built here", service.image),
        }
    })
}

fn destroy_cloud(
    spec: &Spec,
    group: &str,
    cloud: &CloudSeen,
    wanted: &Destroy,
    draft: &mut Draft,
    found: &mut BTreeSet<String>,
) {
    let mut ends = Vec::new();
    let already: BTreeSet<String> = draft.steps.iter().filter_map(|step| terminated(&step.action)).collect();
    for one in cloud.instances.iter().filter(|one| one.state.is_live() && !already.contains(&one.id)) {
        let names = [one.name.clone(), one.slot.to_string(), one.id.clone()];
        let named: Vec<String> = names.into_iter().filter(|name| wanted.instances.contains(name)).collect();
        if wanted.instances.is_empty() || !named.is_empty() {
            found.extend(named);
            ends.extend(machine::terminate(one, Reason::Destroy, draft));
        }
    }
    if wanted.instances.is_empty() && spec.groups.get(group).is_some_and(is_on_ec2) {
        destroy_managed(spec, group, cloud, &ends, draft);
    }
}

fn terminated(action: &Action) -> Option<String> {
    match action {
        Action::Terminate { id, .. } => Some(id.clone()),
        _ => None,
    }
}

fn is_on_ec2(group: &Group) -> bool {
    matches!(group.machine, Machine::Ec2(_))
}

fn destroy_managed(spec: &Spec, group: &str, cloud: &CloudSeen, ends: &[StepId], draft: &mut Draft) {
    let name = names::managed(&spec.name, group);
    if let Some(found) = &cloud.security_group {
        let action = Action::DeleteFirewall { group: group.to_owned(), id: found.id.clone() };
        let fields = vec![FieldChange::changed("id", Shown::text(&found.id), Shown::Nothing)];
        let step = NewStep::new(format!("{group}.firewall"), Change::Delete, action);
        draft.add(step.because(Reason::Destroy).fields(fields).after(ends.iter().copied()));
    }
    if cloud.key_pair.is_some() {
        let fields = vec![FieldChange::changed("key_name", Shown::text(&name), Shown::Nothing)];
        let action = Action::DeleteKey { group: group.to_owned(), name };
        let step = NewStep::new(format!("{group}.key"), Change::Delete, action);
        draft.add(step.because(Reason::Destroy).fields(fields).after(ends.iter().copied()));
    }
}

fn destroy_host(cx: &HostContext<'_>, facts: &HostFacts, draft: &mut Draft, kept: &mut Vec<String>) {
    let mut before = Vec::new();
    let own: Vec<_> =
        facts.containers.iter().filter(|seen| container::owned_service(cx, seen).is_some()).collect();
    for seen in &own {
        before.push(container::remove(cx, seen, Reason::Destroy, draft));
    }
    let targets: Vec<String> = facts.record.iter().flat_map(|record| record.files.keys().cloned()).collect();
    if !targets.is_empty() {
        let fields = targets.iter().map(|target| {
            FieldChange::changed(target.clone(), Shown::Text("present".into()), Shown::Nothing)
        });
        let fields = fields.collect();
        let action = Action::RemoveFiles { slot: cx.slot.clone(), targets };
        let step = NewStep::new(format!("{}.files", cx.slot), Change::Delete, action);
        before.push(draft.add(step.because(Reason::Destroy).fields(fields).after(before.clone())));
    }
    if facts.record.is_some() || !own.is_empty() {
        let action = Action::CleanHost { slot: cx.slot.clone() };
        let fields = vec![FieldChange::changed("folder", Shown::text(&facts.folder), Shown::Nothing)];
        let step = NewStep::new(format!("{}.a3", cx.slot), Change::Delete, action);
        draft.add(step.because(Reason::Destroy).fields(fields).after(before));
    }
    let named = cx.spec.services_on(&cx.group.name).flat_map(|service| &service.volumes);
    for volume in named {
        if let crate::spec::VolumeSource::Named(name) = &volume.source {
            kept.push(format!("volume {} on {}", names::volume(&cx.spec.name, name), cx.slot));
        }
    }
}
