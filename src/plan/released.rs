//! What containers say about releases, and releases about containers: numbers, and what was written down.

use super::hash;
use super::names::label;
use super::owned_service;
use super::settings::Settings;
use crate::id::Slot;
use crate::observed::{ContainerSeen, HostFacts, HostSeen, Observed};
use crate::record::{InPlace, Record, ReleasedService};
use crate::spec::{Service, Spec};

/// The highest number of a release that any machine remembers or runs. After a lost record only the
/// containers know it, and a swap rests on a higher one.
pub fn last_release(spec: &Spec, observed: &Observed) -> u64 {
    let facts = observed.hosts.iter().filter_map(|(slot, seen)| Some((slot, seen.facts()?)));
    let numbers = facts.map(|(slot, facts)| {
        let recorded = facts.record.as_ref().map_or(0, Record::last_release);
        recorded.max(last_run(spec, slot, &facts.containers))
    });
    numbers.max().unwrap_or(0)
}

/// The highest number that a container of ours carries.
pub fn last_run(spec: &Spec, slot: &Slot, containers: &[ContainerSeen]) -> u64 {
    let ours = containers.iter().filter(|seen| owned_service(spec, slot, seen).is_some());
    ours.filter_map(release).max().unwrap_or(0)
}

/// The release that made a container.
pub(super) fn release(seen: &ContainerSeen) -> Option<u64> {
    seen.labels.get(label::RELEASE)?.parse().ok()
}

/// What a container was made with: no other settings have its hash.
pub(super) fn made<'a>(
    record: &'a Record,
    service: &str,
    seen: &ContainerSeen,
) -> Option<&'a ReleasedService> {
    let config = seen.labels.get(label::CONFIG)?;
    let releases = record.releases.iter().rev();
    releases.filter_map(|release| release.services.get(service)).find(|one| one.config == *config)
}

/// Whether the newest release names a container as what runs, which it does once that was proven to work.
/// A record without a release was lost, and says nothing.
pub fn is_written(record: Option<&Record>, service: &str, seen: &ContainerSeen) -> bool {
    let Some(newest) = record.and_then(|record| record.releases.last()) else { return true };
    newest.services.get(service).is_some_and(|known| {
        let labelled = [label::IMAGE, label::CONFIG].map(|key| seen.labels.get(key));
        labelled == [Some(&known.image), Some(&known.config)]
    })
}

/// Writes down what `docker update` was asked for: the newest release runs with it from now on, and what
/// comes after it starts from there.
pub fn update_in_place(record: &mut Record, service: &str, in_place: &InPlace) {
    let newest = record.releases.last_mut();
    if let Some(known) = newest.and_then(|release| release.services.get_mut(service))
        // What another a3 wrote stays as it is.
        && let Ok(was) = serde_json::from_value::<Settings>(known.settings.clone())
        && let Ok(now) = serde_json::to_value(Settings { in_place: in_place.clone(), ..was })
    {
        known.settings = now;
    }
    record.in_place.insert(service.to_owned(), in_place.clone());
}

/// What a release says of a service that runs as the spec wants it; `None` where that is not sure. With it
/// a history begins again that was lost.
pub fn as_it_runs(
    spec: &Spec,
    observed: &Observed,
    (slot, facts): (&Slot, &HostFacts),
    service: &Service,
) -> Option<ReleasedService> {
    let own = |seen: &&ContainerSeen| owned_service(spec, slot, seen) == Some(service.name.as_str());
    let mut all = facts.containers.iter().filter(own);
    // Of two, one was never proven.
    let (Some(seen), None) = (all.next(), all.next()) else { return None };
    let settings = Settings::of(&spec.name, service);
    let config = hash::config(&settings, service, &observed.secrets, facts.key.as_ref())?;
    let image = seen.labels.get(label::IMAGE)?.clone();
    let same = seen.name == service.container_name && seen.labels.get(label::CONFIG) == Some(&config);
    same.then(|| ReleasedService {
        image,
        config,
        settings: serde_json::to_value(&settings).unwrap_or_default(),
        check: service.check.clone(),
        platform: observed.images.get(&service.name).map(|seen| seen.platform),
        interpolated: service.interpolated.clone(),
    })
}

/// The same of every service of a machine.
pub fn all_as_they_run<'a>(
    spec: &'a Spec,
    observed: &'a Observed,
    slot: &'a Slot,
) -> impl Iterator<Item = (String, ReleasedService)> + 'a {
    let facts = observed.hosts.get(slot).and_then(HostSeen::facts);
    let known = move |service: &'a Service| {
        Some((service.name.clone(), as_it_runs(spec, observed, (slot, facts?), service)?))
    };
    spec.services_on(&slot.group).filter_map(known)
}
