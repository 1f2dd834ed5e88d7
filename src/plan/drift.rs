//! How a container differs from the spec, as far as it can be told without registry and sources: what
//! `a3 status` shows. A plan tells the rest, a moved tag and an edited source.

use super::container::{owned_service, why_stopped};
use super::names::{self, label};
use super::reason::{FieldChange, Reason};
use super::settings::Settings;
use super::{diff, hash};
use crate::id::Slot;
use crate::observed::{ContainerSeen, Health, HostFacts, Secrets};
use crate::record::{InPlace, Record, ReleasedService};
use crate::spec::{Service, Spec};

/// One difference: why apply would do something, and the keys that differ where there are any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// As the plan will give it.
    pub reason: Reason,
    /// Keys in `deploy.yaml`.
    pub fields: Vec<String>,
}

impl Difference {
    fn of(reason: Reason) -> Self {
        Self { reason, fields: Vec::new() }
    }

    fn with(reason: Reason, fields: &[FieldChange]) -> Self {
        let mut fields: Vec<String> = fields.iter().map(|change| change.field.clone()).collect();
        fields.dedup();
        Self { reason, fields }
    }
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
    found.extend(in_place(service, record));
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
    let recorded = facts.record.as_ref().and_then(|record| made_with(record, service, seen));
    let recorded = recorded.map(|released| &released.settings);
    let label = seen.labels.get(label::CONFIG);
    let fields = match hash::config(&wanted, service, secrets, facts.key.as_ref()) {
        Some(config) if label == Some(&config) => return None,
        Some(_) => diff::settings(recorded, &wanted),
        // Without its secrets there is no hash; everything else is written down.
        None => diff::visible(recorded?, &wanted),
    };
    (!fields.is_empty()).then(|| Difference::with(Reason::ConfigChanged, &fields))
}

/// What the release that made a container asked for.
fn made_with<'a>(record: &'a Record, service: &Service, seen: &ContainerSeen) -> Option<&'a ReleasedService> {
    let number: u64 = seen.labels.get(label::RELEASE)?.parse().ok()?;
    record.releases.iter().find(|release| release.number == number)?.services.get(&service.name)
}

fn in_place(service: &Service, record: Option<&Record>) -> Option<Difference> {
    let recorded = record?.in_place.get(&service.name)?;
    let wanted =
        InPlace { restart: service.restart, mem_limit: service.mem_limit, nano_cpus: service.nano_cpus };
    let fields = diff::in_place(recorded, &wanted);
    (!fields.is_empty()).then(|| Difference::with(Reason::FieldsChanged, &fields))
}
