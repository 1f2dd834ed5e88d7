//! Taking a deployment away: all of it, or one instance.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::{Draft, NewStep};
use super::host::HostContext;
use super::reason::{FieldChange, Reason, Shown};
use super::step::{Action, Change, Plan, StepId};
use super::{admit, container, machine, names};
use crate::observed::{CloudSeen, HostFacts, HostSeen, Observed, Seen};
use crate::spec::{Machine, Spec};

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
    let mut ends = BTreeMap::new();
    for (name, seen) in &observed.clouds {
        match seen {
            Seen::Present(cloud) => end_instances(spec, cloud, wanted, &mut ends, &mut draft),
            Seen::Unreachable(cause) => draft.unreachable(name.clone(), cause),
            Seen::Absent => {}
        }
    }
    let found: BTreeSet<String> = ends.values().flat_map(|end| end.named.clone()).collect();
    for missing in wanted.instances.difference(&found) {
        let why = format!("no live instance of this deployment is named `{missing}`");
        let help = Some("a3 status lists them".to_owned());
        draft.block(missing.clone(), super::step::BlockedKind::Impossible, why, help);
    }
    if wanted.instances.is_empty() {
        delete_managed(spec, observed, &ends, &mut draft);
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
                        whole: true,
                        new: false,
                        late: false,
                    };
                    destroy_host(&cx, facts, &mut draft, &mut kept);
                }
                Some(HostSeen::Unreachable(cause)) => draft.unreachable(slot.to_string(), cause),
                Some(HostSeen::Refused(cause)) => draft.refused(slot.to_string(), cause),
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

/// An instance that was asked for.
struct End {
    /// The names by which it was.
    named: Vec<String>,
    /// `None` where it may not end.
    step: Option<StepId>,
}

/// A region is seen once for each of its groups, an instance ends once.
fn end_instances(
    spec: &Spec,
    cloud: &CloudSeen,
    wanted: &Destroy,
    ends: &mut BTreeMap<String, End>,
    draft: &mut Draft,
) {
    for one in cloud.instances.iter().filter(|one| one.state.is_live()) {
        if ends.contains_key(&one.id) {
            continue;
        }
        let names = [one.name.clone(), one.slot.to_string(), one.id.clone()];
        let named: Vec<String> = names.into_iter().filter(|name| wanted.instances.contains(name)).collect();
        if wanted.instances.is_empty() || !named.is_empty() {
            let step = machine::terminate(spec, one, Reason::Destroy, draft);
            ends.insert(one.id.clone(), End { named, step });
        }
    }
}

/// Security groups and key pairs, but those that an instance still needs.
fn delete_managed(spec: &Spec, observed: &Observed, ends: &BTreeMap<String, End>, draft: &mut Draft) {
    let steps: Vec<StepId> = ends.values().filter_map(|end| end.step).collect();
    for (name, cloud) in super::present_clouds(observed) {
        let mut live = cloud.instances.iter().filter(|one| one.slot.group == name && one.state.is_live());
        if live.all(|one| ends.get(&one.id).is_some_and(|end| end.step.is_some())) {
            managed(spec, name, cloud, (&Reason::Destroy, &steps), draft);
        }
    }
}

/// Deletes a group's security group and key pair, both with our mark, after the instances that
/// end.
pub(super) fn managed(
    spec: &Spec,
    group: &str,
    cloud: &CloudSeen,
    (reason, ends): (&Reason, &[StepId]),
    draft: &mut Draft,
) {
    let name = names::managed(&spec.name, group);
    if let Some(found) = &cloud.security_group {
        let action = Action::DeleteFirewall { group: group.to_owned(), id: found.id.clone() };
        let fields = vec![FieldChange::changed("name", Shown::text(&name), Shown::Nothing)];
        let step = NewStep::new(format!("{group}.firewall"), Change::Delete, action);
        draft.add(step.because(reason.clone()).fields(fields).after(ends.iter().copied()));
    }
    if cloud.key_pair.is_some() {
        let action = Action::DeleteKey { group: group.to_owned(), name };
        let step = NewStep::new(format!("{group}.key"), Change::Delete, action);
        draft.add(step.because(reason.clone()).after(ends.iter().copied()));
    }
}

fn destroy_host(cx: &HostContext<'_>, facts: &HostFacts, draft: &mut Draft, kept: &mut Vec<String>) {
    if let Seen::Unreachable(cause) = &facts.engine {
        return draft.unreachable(cx.slot.to_string(), cause);
    }
    let mut before = Vec::new();
    let own: Vec<_> = facts
        .containers
        .iter()
        .filter(|seen| container::owned_service(cx.spec, cx.slot, seen).is_some())
        .collect();
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
    before.extend(admit::remove(cx, draft));
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
