//! How what runs differs from the spec, as far as it can be told without registry and sources: what
//! `a3 status` shows. A plan tells the rest, a moved tag and an edited source.

use super::container::{off_network, owned_service, why_stopped};
use super::draft::Draft;
use super::machine::GroupContext;
use super::names::{self, label};
use super::reason::{FieldChange, Origin, Reason};
use super::settings::Settings;
use super::{diff, firewall, hash, in_place, released};
use crate::id::Slot;
use crate::observed::{ContainerSeen, Health, HostFacts, InstanceState, Observed, OwnedInstance, Secrets};
use crate::record::Record;
use crate::spec::{Machine, Service, Spec};

/// One difference: why apply would do something, and the fields that differ where there are any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// As the plan will give it.
    pub reason: Reason,
    /// By their keys in `deploy.yaml`; the one that it is about, for what was changed outside a3.
    pub fields: Vec<FieldChange>,
}

impl Difference {
    fn of(reason: Reason) -> Self {
        Self { reason, fields: Vec::new() }
    }
}

/// One for each field that was changed outside a3, and one for all others of a kind.
fn differences(fields: Vec<FieldChange>) -> Vec<Difference> {
    let (mut spec, mut not_known, mut found) = (Vec::new(), Vec::new(), Vec::new());
    for field in fields {
        match (field.drifted(), field.origin.is_not_known()) {
            (Some(reason), _) => found.push(Difference { reason, fields: vec![field] }),
            (None, true) => not_known.push(field),
            (None, false) => spec.push(field),
        }
    }
    let rest = [(Reason::FieldsChanged, spec), (Reason::FieldsDiffer, not_known)];
    let rest = rest.into_iter().filter(|(_, fields)| !fields.is_empty());
    found.extend(rest.map(|(reason, fields)| Difference { reason, fields }));
    found
}

/// How an instance that runs or is stopped differs from what the spec asks for.
pub fn instance_drift(spec: &Spec, observed: &Observed, one: &OwnedInstance) -> Vec<Difference> {
    if spec.slots().all(|(slot, _)| slot != one.slot) {
        return vec![Difference::of(Reason::LeftSpec)];
    }
    let Some(cx) = group_context(spec, observed, &one.slot.group).filter(|_| one.state.is_live()) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    if matches!(one.state, InstanceState::Stopped | InstanceState::Stopping) {
        found.push(Difference::of(Reason::InstanceStopped));
    }
    let (forcing, in_place, _) = cx.compare(one);
    found.extend(differences(forcing.into_iter().chain(in_place).collect()));
    found
}

/// How the managed security group of an instance group differs, where there are machines that it is for.
pub fn firewall_drift(spec: &Spec, observed: &Observed, group: &str) -> Vec<Difference> {
    let Some(cx) = group_context(spec, observed, group) else { return Vec::new() };
    if !cx.cloud.instances.iter().any(|one| one.slot.group == group && one.state.is_live()) {
        return Vec::new();
    }
    let mut draft = Draft::default();
    firewall::plan(&cx, &mut draft);
    draft.steps.into_iter().flat_map(|step| step.reasons).map(Difference::of).collect()
}

fn group_context<'a>(spec: &'a Spec, observed: &'a Observed, name: &str) -> Option<GroupContext<'a>> {
    let group = spec.groups.get(name)?;
    let Machine::Ec2(ec2) = &group.machine else { return None };
    let cloud = observed.clouds.get(name)?.present()?;
    Some(GroupContext { spec, group, ec2, cloud, now: observed.now, hosts: &observed.hosts })
}

/// How one of our containers differs from what the spec asks for on its machine.
pub fn drift(
    spec: &Spec,
    (slot, facts): (&Slot, &HostFacts),
    seen: &ContainerSeen,
    secrets: &Secrets,
) -> Vec<Difference> {
    let Some(name) = owned_service(spec, slot, seen) else { return Vec::new() };
    if spec.inactive.iter().any(|inactive| inactive == name) {
        return Vec::new();
    }
    let Some(service) = spec.services.get(name).filter(|service| service.on == slot.group) else {
        return vec![Difference::of(Reason::LeftSpec)];
    };
    if seen.name == names::old_container(&service.container_name) {
        return vec![Difference::of(Reason::SwapInterrupted)];
    }
    let record = facts.record.as_ref();
    let mut found = Vec::new();
    found.extend(image(service, seen).map(Difference::of));
    found.extend(config(spec, service, (facts, secrets), seen));
    if found.is_empty() && !released::is_written(record, name, seen) {
        found.push(Difference::of(Reason::SwapInterrupted));
    }
    found.extend(in_place(service, record, seen));
    found.extend(off_network(spec, service, facts, seen).map(Difference::of));
    found.extend(why_stopped(service, record, seen).map(Difference::of));
    if seen.health == Some(Health::Unhealthy) {
        found.push(Difference::of(Reason::Unhealthy));
    }
    found
}

/// Why a service of the spec has no container on a machine that answers.
pub fn missing(service: &Service, facts: &HostFacts) -> Difference {
    let mut releases = facts.record.iter().flat_map(|record| &record.releases);
    let had = releases.any(|release| release.services.contains_key(&service.name));
    Difference::of(if had { Reason::ContainerGone } else { Reason::NoContainer })
}

/// Another repository, or another digest than the spec pins. Which digest a tag stands for, only the
/// registry knows.
fn image(service: &Service, seen: &ContainerSeen) -> Option<Reason> {
    let runs = seen.labels.get(label::IMAGE)?;
    // Built and run here, it is known by the engine's id.
    let (repository, _) = runs.split_once('@')?;
    let pinned = service.image.contains('@');
    let same = match pinned {
        true => {
            names::repository(&service.image) == repository
                && service.image.split('@').nth(1) == runs.split('@').nth(1)
        }
        false => names::repository(&service.image) == repository,
    };
    let after = pinned.then(|| service.image.clone());
    (!same).then(|| Reason::ImageChanged { before: runs.clone(), after })
}

fn config(
    spec: &Spec,
    service: &Service,
    (facts, secrets): (&HostFacts, &Secrets),
    seen: &ContainerSeen,
) -> Option<Difference> {
    let wanted = Settings::of(&spec.name, service);
    let recorded = facts.record.as_ref().and_then(|record| released::made(record, &service.name, seen));
    let hidden = recorded.map(|released| &released.interpolated).into_iter().flatten();
    let recorded = recorded.map(|released| &released.settings);
    let label = seen.labels.get(label::CONFIG);
    let mut fields = match hash::config(&wanted, service, secrets, facts.key.as_ref()) {
        Some(config) if label == Some(&config) => return None,
        Some(_) => diff::settings(recorded, &wanted),
        // Without its secrets there is no hash; everything else is written down.
        None => diff::visible(recorded?, &wanted),
    };
    diff::hide(&mut fields, hidden.chain(&service.interpolated));
    // Labels of a container cannot be changed, so what was asked for is what it has.
    let fields: Vec<FieldChange> = fields.into_iter().map(|field| field.by(Origin::Spec)).collect();
    (!fields.is_empty()).then_some(Difference { reason: Reason::ConfigChanged, fields })
}

fn in_place(service: &Service, record: Option<&Record>, seen: &ContainerSeen) -> Vec<Difference> {
    let recorded = record.and_then(|record| record.in_place.get(&service.name));
    let fields = in_place::compare(&in_place::wanted(service), recorded, seen.in_place.as_ref());
    differences(fields)
}
