//! Releases that are not kept any more, and images that only they needed.
//!
//! Nothing leaves that a kept release, a container (anyone's) or the source here needs; of an image,
//! only the tags that a3 gave it, and it goes itself where it has no other name.

use std::collections::{BTreeMap, BTreeSet};

use super::container::owned_service;
use super::draft::{Draft, NewStep};
use super::image::Wanted;
use super::names;
use super::reason::{FieldChange, Reason, Shown};
use super::released::last_release;
use super::step::{Action, Change, Image, StepId};
use crate::id::Slot;
use crate::observed::{HostFacts, KeptImage, Observed, Seen};
use crate::record::{Record, Release, ReleaseStatus};
use crate::spec::{Machine, Rollback, Spec};

/// One machine, and what it keeps.
#[derive(Clone, Copy)]
pub(crate) struct Kept<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) observed: &'a Observed,
    pub(crate) slot: &'a Slot,
    pub(crate) facts: &'a HostFacts,
    /// What services run; one that is left out, or whose image could not be decided, is not there.
    pub(crate) images: &'a BTreeMap<String, Wanted>,
}

/// Plans what goes once the steps that are planned so far are done.
pub(crate) fn plan(kept: &Kept<'_>, draft: &mut Draft) {
    let begins = draft.steps.iter().any(|step| step.begins_release_on(kept.slot));
    let nothing = Record::default();
    let record = kept.facts.record.as_ref().unwrap_or(&nothing);
    let complete = record.releases.iter().any(|release| release.status == ReleaseStatus::Complete);
    // A lost record says nothing about what may go; the next release begins it again.
    if !(begins || complete) || kept.facts.engine.present().is_none() {
        return;
    }
    // A rollback is what an earlier release was, and must not push out a way further down.
    let adds = begins && !kept.spec.rollback.as_ref().is_some_and(is_whole);
    let gone = forgotten(record, kept.spec.keep_releases, adds);
    let needed = kept.needed(record, &gone, draft);
    let images: Vec<(&KeptImage, Vec<String>)> = kept
        .facts
        .kept
        .iter()
        .filter(|image| !needed.iter().any(|needed| image.is(needed)) && kept.is_decided(image))
        .map(|image| (image, kept.own_tags(image, draft)))
        .filter(|(_, tags)| !tags.is_empty())
        .collect();
    if gone.is_empty() && images.is_empty() {
        return;
    }
    let reason = match gone.is_empty() {
        true => Reason::NotNeeded,
        false => Reason::PastKeep { keep: kept.spec.keep_releases },
    };
    let mut fields: Vec<FieldChange> = record
        .releases
        .iter()
        .filter(|release| gone.contains(&release.number))
        .map(|release| {
            FieldChange::changed(format!("release {}", release.number), said(release), Shown::Nothing)
        })
        .collect();
    fields.extend(images.iter().flat_map(|(image, tags)| image_fields(image, tags)));
    let tags = images.into_iter().flat_map(|(_, tags)| tags).collect();
    let before: Vec<StepId> =
        draft.steps.iter().filter(|step| kept.is_before(&step.action)).map(|step| step.id).collect();
    let releases = gone.into_iter().collect();
    let action = Action::Prune { slot: kept.slot.clone(), releases, tags };
    let step = NewStep::new(format!("{}.releases", kept.slot), Change::Delete, action);
    draft.add(step.because(reason).fields(fields).after(before));
}

/// The releases below the oldest complete one that stays; rollbacks count as what they went back to.
fn forgotten(record: &Record, keep: u32, adds: bool) -> BTreeSet<u64> {
    let mut complete: Vec<u64> = record
        .releases
        .iter()
        .filter(|release| release.status == ReleaseStatus::Complete)
        .filter(|release| !release.rollback.as_ref().is_some_and(is_whole))
        .map(|release| release.number)
        .collect();
    complete.sort_unstable();
    let stay = usize::try_from(keep).unwrap_or(usize::MAX).max(1) - usize::from(adds);
    let numbers = record.releases.iter().map(|release| release.number);
    match complete.len().checked_sub(stay) {
        None => BTreeSet::new(),
        Some(surplus) => match complete.get(surplus) {
            Some(oldest) => numbers.filter(|number| number < oldest).collect(),
            // The one that begins is all that stays.
            None => numbers.collect(),
        },
    }
}

fn is_whole(rollback: &Rollback) -> bool {
    rollback.services.is_empty()
}

fn said(release: &Release) -> Shown {
    let status = match release.status {
        ReleaseStatus::Complete => "complete",
        ReleaseStatus::Started | ReleaseStatus::Failed => "failed",
    };
    Shown::Text(format!("{status}, by {}", release.by))
}

/// The tags that go, and the image, by the name that a person knows it by, where it goes with the last one.
pub(super) fn image_fields(image: &KeptImage, tags: &[String]) -> Vec<FieldChange> {
    let gone = |field: &str, what: &String| FieldChange::changed(field, Shown::text(what), Shown::Nothing);
    let mut fields: Vec<FieldChange> = tags.iter().map(|tag| gone("tag", tag)).collect();
    if image.tags.len() == tags.len() {
        fields.push(gone("image", image.digests.first().unwrap_or(&image.id)));
    }
    fields
}

impl Kept<'_> {
    /// What images have to stay, as `REPO@sha256:…` or ids.
    fn needed(&self, record: &Record, gone: &BTreeSet<u64>, draft: &Draft) -> BTreeSet<String> {
        let stay = record.releases.iter().filter(|release| !gone.contains(&release.number));
        let released = stay.flat_map(|release| release.services.values()).map(|one| one.image.clone());
        let mut needed: BTreeSet<String> = released.collect();
        let mut replaced = BTreeSet::new();
        for action in draft.steps.iter().map(|step| &step.action) {
            match action {
                Action::Run(run) if run.slot == *self.slot => {
                    needed.extend(match &run.image {
                        Image::Pinned { repository, digest } => Some(format!("{repository}@{digest}")),
                        Image::Local { id } => Some(id.to_string()),
                        Image::From { .. } => None,
                    });
                    replaced.insert(run.service.as_str());
                }
                Action::RemoveContainer { slot, service, .. } if slot == self.slot => {
                    replaced.insert(service);
                }
                _ => {}
            }
        }
        for seen in &self.facts.containers {
            let own = owned_service(self.spec, self.slot, seen);
            if !own.is_some_and(|service| replaced.contains(service)) {
                needed.insert(seen.image_id.clone());
                needed.extend(seen.labels.get(names::label::IMAGE).filter(|_| own.is_some()).cloned());
            }
        }
        let images = self.observed.images.values();
        let here = images.filter_map(|image| image.local_source.present());
        needed.extend(here.map(|image| image.id.to_string()));
        needed
    }

    /// Whether it is known what the services need that an image was kept for.
    fn is_decided(&self, image: &KeptImage) -> bool {
        let services = image.tags.iter().filter_map(|tag| names::kept_by(&self.spec.name, tag));
        let mut open =
            services.map(|(service, _)| service).filter(|service| !self.images.contains_key(*service));
        !open.any(|service| self.spec.services_on(&self.slot.group).any(|one| one.name == service))
    }

    /// Tags that a3 gave it. After a lost record, what runs anew may take one of them over.
    fn own_tags(&self, image: &KeptImage, draft: &Draft) -> Vec<String> {
        let last = last_release(self.spec, self.observed);
        let on_local = self.spec.groups.get(&self.slot.group).map(|group| &group.machine);
        let on_local = matches!(on_local, Some(Machine::Local));
        let runs = |service: &str| {
            let on = |action: &Action| matches!(action, Action::Run(run) | Action::Prove(run) if run.slot == *self.slot && run.service == service);
            draft.steps.iter().any(|step| on(&step.action))
        };
        let is_own = |tag: &&String| match names::kept_by(&self.spec.name, tag) {
            Some((service, release)) => release != last + 1 || !runs(service),
            None => on_local && is_built(self.spec, tag),
        };
        image.tags.iter().filter(is_own).cloned().collect()
    }

    /// Steps that make, prove or end a release, anywhere: as long as they may fail, nothing goes.
    fn is_before(&self, action: &Action) -> bool {
        match action {
            Action::Run(_) | Action::Prove(_) | Action::RemoveContainer { .. } => true,
            Action::Restart { slot, .. } | Action::StartContainer { slot, .. } => slot == self.slot,
            _ => false,
        }
    }
}

/// Whether a tag is what a build of a service of the spec yields: `NAME-SERVICE:src-…`, `REPO:src-…`.
pub(super) fn is_built(spec: &Spec, tag: &str) -> bool {
    spec.services.values().any(|service| {
        let local = format!("{}-{}", spec.name, service.name);
        let repository = names::repository(&service.image);
        let repository = repository.strip_prefix("docker.io/library/").unwrap_or(&repository).to_owned();
        [local, repository].iter().any(|repository| names::is_source_tag(tag, repository))
    })
}

/// The tags here of images that were built for a deployment: those by source, and beside them the
/// spec's reference.
pub(super) fn built_tags(spec: &Spec, seen: &Seen<Vec<KeptImage>>) -> Vec<(KeptImage, Vec<String>)> {
    let images = seen.present().into_iter().flatten();
    let own = images.filter_map(|image| {
        let built = image.tags.iter().any(|tag| is_built(spec, tag));
        let reference = |tag: &String| {
            let short = |reference: &str| reference.strip_prefix("docker.io/library/").map(str::to_owned);
            spec.services
                .values()
                .any(|service| service.image == *tag || short(&service.image).as_ref() == Some(tag))
        };
        let is_own = |tag: &&String| {
            is_built(spec, tag) || reference(tag) || names::kept_by(&spec.name, tag).is_some()
        };
        let tags: Vec<String> = image.tags.iter().filter(is_own).cloned().collect();
        built.then(|| (image.clone(), tags))
    });
    own.collect()
}
