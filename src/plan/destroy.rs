//! Taking a deployment away: all of it, or one instance.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::{Draft, NewStep};
use super::host::HostContext;
use super::reason::{FieldChange, Reason, Shown};
use super::step::{Action, Change, Cost, Plan, StepId};
use super::stray::Before;
use super::{admit, container, machine, names, prune};
use crate::id::Slot;
use crate::observed::{
    CloudSeen, ContainerSeen, HostFacts, HostSeen, KeptImage, ManagedSeen, Observed, OwnedInstance, Seen,
};
use crate::spec::{Machine, Spec};

/// What shall go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destroy {
    /// Instances by mnemonic name, slot or id; empty is everything.
    pub instances: BTreeSet<String>,
    /// Images too, on the machines and here.
    pub images: bool,
    /// Named volumes too, with their data.
    pub volumes: bool,
}

/// Plans a destroy. On EC2 it needs EC2 only: whatever is on the machines ends with them.
pub fn plan_destroy(spec: &Spec, observed: &Observed, wanted: &Destroy) -> Plan {
    let mut draft = Draft::default();
    let mut kept = Vec::new();
    let mut ends = BTreeMap::new();
    for (name, seen) in &observed.clouds {
        match seen {
            Seen::Present(cloud) => end_instances((spec, observed), cloud, wanted, &mut ends, &mut draft),
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
                        restarts: false,
                        late: false,
                    };
                    destroy_host(&cx, (facts, wanted), &mut draft, &mut kept);
                }
                Some(HostSeen::Unreachable(cause)) => draft.unreachable(slot.to_string(), cause),
                Some(HostSeen::Refused(cause)) => draft.refused(slot.to_string(), cause),
                Some(HostSeen::NotYet(_)) | None => {}
            }
        }
        remove_built(spec, observed, wanted, &mut draft);
        kept.extend(kept_images(spec, wanted));
    }
    Plan {
        deployment: spec.name.clone(),
        destroy: true,
        scope: observed.scope.clone(),
        steps: draft.steps,
        blocked: draft.blocked,
        notices: draft.notices,
        not_checked: draft.not_checked,
        unchanged: Vec::new(),
        kept,
        images: BTreeMap::new(),
        partial: BTreeSet::new(),
        unseen: BTreeSet::new(),
    }
}

fn kept_images(spec: &Spec, wanted: &Destroy) -> impl Iterator<Item = String> {
    let built = spec.services.values().filter(|service| service.build.is_some());
    let images = wanted.images;
    built.filter_map(move |service| {
        let group = spec.groups.get(&service.on).map(|group| &group.machine);
        match group {
            Some(Machine::Local) if images => None,
            Some(Machine::Local) => Some(format!("image {} in the local engine", service.image)),
            _ if images => Some(format!("image {} in the registry", service.image)),
            _ => Some(format!("image {} in the registry, and what was built here", service.image)),
        }
    })
}

/// What was built in the engine here; asked for by itself, since on `local` the machine's own step has
/// let go of the releases first.
fn remove_built(spec: &Spec, observed: &Observed, wanted: &Destroy, draft: &mut Draft) {
    if !wanted.images {
        return;
    }
    if let Seen::Unreachable(cause) = &observed.built {
        return draft.unreachable("images", cause);
    }
    let built = prune::built_tags(spec, &observed.built);
    let before: Vec<StepId> = draft.steps.iter().map(|step| step.id).collect();
    if let Some(step) = remove_images(None, "images".to_owned(), &built) {
        draft.add(step.after(before));
    }
}

fn remove_images(
    slot: Option<Slot>,
    address: String,
    images: &[(KeptImage, Vec<String>)],
) -> Option<NewStep> {
    let fields = images.iter().flat_map(|(image, tags)| prune::image_fields(image, tags)).collect();
    let tags: Vec<String> = images.iter().flat_map(|(_, tags)| tags.iter().cloned()).collect();
    let action = Action::RemoveImages { slot, tags };
    let step = NewStep::new(address, Change::Delete, action).because(Reason::Destroy).fields(fields);
    (!images.is_empty()).then_some(step)
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
    (spec, observed): (&Spec, &Observed),
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
            let own = observed.clouds.get(&one.slot.group).and_then(Seen::present);
            let elsewhere = own.filter(|own| own.region != cloud.region).map(|_| cloud.region.as_str());
            let step = machine::terminate(spec, (one, elsewhere), Reason::Destroy, draft);
            ends.insert(one.id.clone(), End { named, step });
        }
    }
}

/// Security groups and key pairs, but those that an instance still needs.
fn delete_managed(spec: &Spec, observed: &Observed, ends: &BTreeMap<String, End>, draft: &mut Draft) {
    let steps: Vec<StepId> = ends.values().filter_map(|end| end.step).collect();
    for (name, cloud) in super::present_clouds(observed) {
        let own = ManagedSeen {
            deployment: spec.name.clone(),
            group: name.to_owned(),
            security_group: cloud.security_group.as_ref().map(|found| found.id.clone()),
            key_pair: cloud.key_pair.clone(),
        };
        for managed in std::iter::once(&own).chain(&cloud.left) {
            let of_group = |one: &&OwnedInstance| one.slot.group == managed.group && one.state.is_live();
            let mut live = cloud.instances.iter().filter(of_group);
            if live.all(|one| ends.get(&one.id).is_some_and(|end| end.step.is_some())) {
                delete(spec, (cloud, managed), (&Reason::Destroy, &steps), draft);
            }
        }
    }
}

/// Deletes a group's security group and key pair in a region, both with our mark, after the instances
/// that end.
pub(super) fn delete(
    spec: &Spec,
    (cloud, managed): (&CloudSeen, &ManagedSeen),
    (reason, ends): (&Reason, &[StepId]),
    draft: &mut Draft,
) {
    let ManagedSeen { group, security_group, key_pair, .. } = managed;
    let name = names::managed(&spec.name, group);
    let region = &cloud.region;
    // The spec may have the group elsewhere, with a step of that address.
    let moved = spec.groups.contains_key(group) && cloud.left.contains(managed);
    let at = if moved { format!(" in {region}") } else { String::new() };
    let was = |field: &str, value: &str| FieldChange::changed(field, Shown::text(value), Shown::Nothing);
    if let Some(id) = security_group {
        let action = Action::DeleteFirewall { group: group.clone(), id: id.clone(), region: region.clone() };
        let step = NewStep::new(format!("{group}.firewall{at}"), Change::Delete, action);
        let fields = vec![was("name", &name), was("region", region)];
        draft.add(step.because(reason.clone()).fields(fields).after(ends.iter().copied()));
    }
    if key_pair.is_some() {
        let action = Action::DeleteKey { group: group.clone(), name, region: region.clone() };
        let step = NewStep::new(format!("{group}.key{at}"), Change::Delete, action);
        let fields = vec![was("region", region)];
        draft.add(step.because(reason.clone()).fields(fields).after(ends.iter().copied()));
    }
}

fn destroy_host(
    cx: &HostContext<'_>,
    (facts, wanted): (&HostFacts, &Destroy),
    draft: &mut Draft,
    kept: &mut Vec<String>,
) {
    if let Seen::Unreachable(cause) = &facts.engine {
        return draft.unreachable(cx.slot.to_string(), cause);
    }
    let mut before = Vec::new();
    let is_own = |seen: &&ContainerSeen| {
        container::owned_service(cx.spec, cx.slot, seen).is_some()
            || container::one_off_service(cx.spec, cx.slot, seen).is_some()
    };
    let own: Vec<_> = facts.containers.iter().filter(is_own).collect();
    for seen in &own {
        before.push(container::remove(cx, seen, (Reason::Destroy, Before::default()), draft));
    }
    let targets: Vec<String> = facts.record.iter().flat_map(|record| record.files.keys().cloned()).collect();
    if !targets.is_empty() {
        let fields =
            targets.iter().map(|target| FieldChange::changed("file", Shown::text(target), Shown::Nothing));
        let fields = fields.collect();
        let action = Action::RemoveFiles { slot: cx.slot.clone(), targets };
        let step = NewStep::new(format!("{}.files", cx.slot), Change::Delete, action);
        before.push(draft.add(step.because(Reason::Destroy).fields(fields).after(before.clone())));
    }
    before.extend(destroy_data(cx, (facts, wanted), &before, draft));
    before.extend(admit::remove(cx, draft));
    let mut names = facts.kept.iter().flat_map(|image| &image.tags);
    let keeps = names.any(|tag| names::kept_by(&cx.spec.name, tag).is_some());
    if facts.record.is_some() || !before.is_empty() || keeps {
        let action = Action::CleanHost { slot: cx.slot.clone() };
        let mut fields = vec![FieldChange::changed("folder", Shown::text(&facts.folder), Shown::Nothing)];
        // They stay as images, without the tag that is ours.
        let tags = facts.kept.iter().filter(|_| !wanted.images).flat_map(|image| &image.tags);
        let ours = tags.filter(|tag| names::kept_by(&cx.spec.name, tag).is_some());
        fields.extend(ours.map(|tag| FieldChange::changed("tag", Shown::text(tag), Shown::Nothing)));
        if facts.foreign_network {
            let network = names::network(&cx.spec.name);
            kept.push(format!("network {network} on {}, which a3 did not make", cx.slot));
        }
        let step = NewStep::new(format!("{}.a3", cx.slot), Change::Delete, action);
        draft.add(step.because(Reason::Destroy).fields(fields).after(before));
    }
    if !wanted.volumes {
        kept.extend(facts.volumes.iter().map(|volume| format!("volume {volume} on {}", cx.slot)));
    }
}

/// Images and volumes, where a person asked for that.
fn destroy_data(
    cx: &HostContext<'_>,
    (facts, wanted): (&HostFacts, &Destroy),
    before: &[StepId],
    draft: &mut Draft,
) -> Vec<StepId> {
    let mut steps = Vec::new();
    if wanted.images {
        let own = |image: &KeptImage| {
            let tags = image.tags.iter().filter(|tag| names::kept_by(&cx.spec.name, tag).is_some());
            (image.clone(), tags.cloned().collect())
        };
        let images: Vec<(KeptImage, Vec<String>)> = facts.kept.iter().map(own).collect();
        let step = remove_images(Some(cx.slot.clone()), format!("{}.images", cx.slot), &images);
        steps.extend(step.map(|step| draft.add(step.after(before.iter().copied()))));
    }
    if wanted.volumes && !facts.volumes.is_empty() {
        let fields = facts.volumes.iter();
        let fields = fields.map(|name| FieldChange::changed("volume", Shown::text(name), Shown::Nothing));
        let fields = fields.collect();
        let action = Action::RemoveVolumes { slot: cx.slot.clone(), volumes: facts.volumes.clone() };
        let step = NewStep::new(format!("{}.volumes", cx.slot), Change::Delete, action);
        let step = step.because(Reason::Destroy).cost(Cost::DataLost).fields(fields);
        steps.push(draft.add(step.after(before.iter().copied())));
    }
    steps
}
