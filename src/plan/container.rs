//! One service on one machine: run, start, restart, update in place, remove.

mod upkeep;

use std::collections::BTreeMap;

use super::diff;
use super::draft::{Draft, NewStep};
use super::hash;
use super::host::{Copied, HostContext};
use super::image::Wanted;
use super::names::{self, label};
use super::reason::{FieldChange, Forces, Reason, Shown};
use super::released;
use super::settings::Settings;
use super::step::{Action, BlockedKind, Change, Cost, Image, Run, StepId};
use super::stray::{Before, Stray};
use crate::id::Slot;
use crate::observed::{ContainerSeen, HostFacts, Unchecked};
use crate::record::{ReleaseStatus, ReleasedService};
use crate::spec::{Machine, Service, Spec, VolumeSource};
pub(crate) use upkeep::why_stopped;

/// One service on one machine.
#[derive(Clone, Copy)]
pub(crate) struct ServiceContext<'a> {
    pub(crate) host: &'a HostContext<'a>,
    pub(crate) service: &'a Service,
    pub(crate) wanted: &'a Wanted,
    pub(crate) copies: &'a [Copied],
    /// Containers that are removed in the same plan.
    pub(crate) strays: &'a [Stray<'a>],
}

/// Steps by service and slot.
pub(crate) type Runs = BTreeMap<(String, Slot), StepId>;

/// Plans the container; its last step, if there is one.
pub(crate) fn plan(
    cx: &ServiceContext<'_>,
    logins: &mut BTreeMap<String, Option<StepId>>,
    runs: &Runs,
    draft: &mut Draft,
) -> Option<StepId> {
    let Some(facts) = cx.host.facts else {
        return Some(cx.run((vec![cx.host.unseen()], Vec::new()), logins, runs, draft));
    };
    if cx.clashes(facts, draft) {
        // Everything that stands in the way is said at once.
        if cx.needs_pull() {
            cx.check_disk(draft);
        }
        return None;
    }
    let current = cx.own(facts, &cx.service.container_name);
    // What a swap had set aside, or what has a name of before: it serves until the new one does.
    let before = cx.set_aside(facts).or_else(|| cx.former().next());
    let Some(current) = current else {
        let Some(before) = before else {
            return Some(cx.run((vec![cx.absent_reason(facts)], Vec::new()), logins, runs, draft));
        };
        let (mut reasons, fields) = cx.recreate_reasons(facts, before);
        if cx.set_aside(facts).is_some() {
            reasons.push(Reason::SwapInterrupted);
        }
        return Some(cx.run((reasons, fields), logins, runs, draft));
    };
    let (mut reasons, fields) = cx.recreate_reasons(facts, current);
    // Both under the old name and the new: one has not been proven yet.
    if cx.set_aside(facts).is_some() || cx.formerly().next().is_some() {
        reasons.push(Reason::SwapInterrupted);
    }
    if !reasons.is_empty() {
        return Some(cx.run((reasons, fields), logins, runs, draft));
    }
    let updated = cx.update_in_place(facts, current, draft);
    let running = cx.keep_running(current, runs, draft);
    let proven = cx.prove(facts, current, (runs, &[updated, running]), draft);
    if updated.is_none() && running.is_none() && proven.is_none() {
        draft.unchanged.push(cx.address());
    }
    proven.or(running).or(updated)
}

/// Whether a container of a service has the name that the service had before.
fn is_renamed(service: &Service, seen: &ContainerSeen) -> bool {
    seen.name != service.container_name && seen.name != names::old_container(&service.container_name)
}

/// Removes one container of ours.
pub(crate) fn remove(
    cx: &HostContext<'_>,
    seen: &ContainerSeen,
    (reason, before): (Reason, Before),
    draft: &mut Draft,
) -> StepId {
    let owned = owned_service(cx.spec, cx.slot, seen);
    let service = owned.or_else(|| one_off_service(cx.spec, cx.slot, seen));
    let known = service.and_then(|service| cx.spec.services.get(service));
    let grace = known.map_or(10, |service| service.stop_grace_period.as_secs());
    let (slot, container) = (cx.slot.clone(), seen.name.clone());
    // A one-off is no service that a release could lose.
    let service = owned.unwrap_or(&seen.name);
    let (service_name, replaced_by) = (service.to_owned(), before.pull);
    let action = Action::RemoveContainer { slot, service: service_name, container, grace, replaced_by };
    let step = NewStep::new(cx.address(service), Change::Delete, action)
        .because(reason)
        .fields(vec![FieldChange::changed("container_name", Shown::text(&seen.name), Shown::Nothing)])
        .after(cx.reach)
        .after(before.steps)
        .provisional(cx.late);
    draft.add(step)
}

/// The service of a container that carries our full mark, under its own name or `.a3-old`.
pub fn owned_service<'a>(spec: &Spec, slot: &Slot, seen: &'a ContainerSeen) -> Option<&'a str> {
    let deployment = seen.labels.get(label::DEPLOYMENT)?;
    let service = seen.labels.get(label::SERVICE)?;
    let name = names::own_container(&seen.name);
    let mark = names::own_mark(&spec.name, slot, service, name);
    (*deployment == spec.name && seen.labels.get(label::OWN) == Some(&mark)).then_some(service)
}

/// Whether somebody took a container that runs, or should, off the deployment's network: the others do not
/// find it any more, nor it them.
pub(crate) fn off_network(
    spec: &Spec,
    service: &Service,
    facts: &HostFacts,
    seen: &ContainerSeen,
) -> Option<Reason> {
    let network = names::network(&spec.name);
    let runs = seen.state.is_up() || why_stopped(service, facts.record.as_ref(), seen).is_some();
    (runs && !seen.networks.contains(&network)).then_some(Reason::OffNetwork { network })
}

/// The service of a one-off container of ours (`a3 run`).
pub fn one_off_service<'a>(spec: &Spec, slot: &Slot, seen: &'a ContainerSeen) -> Option<&'a str> {
    let deployment = seen.labels.get(label::DEPLOYMENT)?;
    let service = seen.labels.get(label::SERVICE)?;
    let mark = names::one_off_mark(&spec.name, slot, service, &seen.name);
    (*deployment == spec.name && seen.labels.get(label::ONE_OFF) == Some(&mark)).then_some(service)
}

impl ServiceContext<'_> {
    pub(crate) fn address(&self) -> String {
        self.host.address(&self.service.name)
    }

    fn own<'a>(&self, facts: &'a HostFacts, name: &str) -> Option<&'a ContainerSeen> {
        facts.containers.iter().filter(|seen| seen.name == name).find(|seen| self.is_ours(seen))
    }

    fn released<'a>(&self, facts: &'a HostFacts) -> Option<&'a ReleasedService> {
        let releases = &facts.record.as_ref()?.releases;
        let complete = releases.iter().rev().filter(|release| release.status == ReleaseStatus::Complete);
        complete.filter_map(|release| release.services.get(&self.service.name)).next()
    }

    fn absent_reason(&self, facts: &HostFacts) -> Reason {
        if self.released(facts).is_some() { Reason::ContainerGone } else { Reason::NoContainer }
    }

    fn wanted_image(&self) -> Option<String> {
        match &self.wanted.image {
            Image::Pinned { repository, digest } => Some(format!("{repository}@{digest}")),
            Image::Local { id } => Some(id.to_string()),
            Image::From { .. } => None,
        }
    }

    fn known_later(&self) -> Shown {
        let local = matches!(self.wanted.image, Image::From { repository: None, .. });
        Shown::KnownAfter(if local { "build" } else { "push" }.to_owned())
    }

    fn recreate_reasons(
        &self,
        facts: &HostFacts,
        current: &ContainerSeen,
    ) -> (Vec<Reason>, Vec<FieldChange>) {
        let mut reasons = Vec::new();
        let mut fields = Vec::new();
        let image = self.wanted_image();
        let running = current.labels.get(label::IMAGE).cloned().unwrap_or_else(|| current.image_id.clone());
        if image.as_ref() != Some(&running) {
            let after = image.clone().map_or_else(|| self.known_later(), Shown::Text);
            let change = FieldChange::changed("image", Shown::text(&running), after);
            fields.push(change.forcing(Forces::Recreate));
            reasons.push(Reason::ImageChanged { before: running, after: image });
        }
        let settings = Settings::of(&self.host.spec.name, self.service);
        let config = hash::config(&settings, self.service, &self.host.observed.secrets, facts.key.as_ref());
        if config.is_none() || current.labels.get(label::CONFIG) != config.as_ref() {
            reasons.push(Reason::ConfigChanged);
            let record = facts.record.as_ref();
            let made = record.and_then(|record| released::made(record, &self.service.name, current));
            fields.extend(diff::settings(made.map(|made| &made.settings), &settings));
            let hidden = made.map(|made| &made.interpolated).into_iter().flatten();
            diff::hide(&mut fields, hidden.chain(&self.service.interpolated));
        }
        reasons.extend(off_network(self.host.spec, self.service, facts, current));
        if !reasons.is_empty() {
            // By itself it would change in place; the new container has it from the start.
            let record = facts.record.as_ref();
            let in_place = record.and_then(|record| record.in_place.get(&self.service.name));
            fields.extend(in_place.iter().flat_map(|before| diff::in_place(before, &settings.in_place)));
        }
        (reasons, fields)
    }

    /// The container that a swap which was cut off had renamed.
    fn set_aside<'a>(&self, facts: &'a HostFacts) -> Option<&'a ContainerSeen> {
        self.own(facts, &names::old_container(&self.service.container_name))
    }

    /// Files about to change that this service sees.
    fn copies_mounted(&self) -> impl Iterator<Item = &Copied> {
        self.copies.iter().filter(|copied| self.host.mounts(self.service, &copied.target))
    }

    /// What its new container waits for, wherever that is: its image, its files, and those that start first.
    pub(crate) fn needed(&self, runs: &Runs) -> Vec<StepId> {
        let mut steps: Vec<StepId> = self.wanted.after.into_iter().collect();
        steps.extend(self.copies_mounted().map(|copied| copied.step));
        steps.extend(self.started_before(runs));
        steps
    }

    fn started_before(&self, runs: &Runs) -> Vec<StepId> {
        let slot = self.host.slot;
        let depended = self.service.depends_on.iter();
        let mut steps: Vec<StepId> =
            depended.filter_map(|name| runs.get(&(name.clone(), slot.clone()))).copied().collect();
        // `update_config.parallelism` hosts at a time, of those that change; a failed one stops
        // those after it.
        let name = &self.service.name;
        let first = (name.clone(), Slot::new(slot.group.clone(), 0));
        let earlier: Vec<StepId> =
            runs.range(first..(name.clone(), slot.clone())).map(|(_, step)| *step).collect();
        let at_once = usize::try_from(self.service.parallelism.max(1)).unwrap_or(usize::MAX);
        steps.extend(earlier.len().checked_sub(at_once).and_then(|index| earlier.get(index)));
        steps
    }

    fn run(
        &self,
        (mut reasons, mut fields): (Vec<Reason>, Vec<FieldChange>),
        logins: &mut BTreeMap<String, Option<StepId>>,
        runs: &Runs,
        draft: &mut Draft,
    ) -> StepId {
        let host = self.host;
        let pull = self.needs_pull();
        let login =
            if pull { host.login(&self.wanted.image, logins, self.wanted.after, draft) } else { None };
        if pull && host.facts.is_some() {
            reasons.push(Reason::ToPull);
            self.check_disk(draft);
        }
        self.note_unchecked(pull, draft);
        let fresh = host.facts.is_none_or(|facts| {
            self.own(facts, &self.service.container_name).or(self.set_aside(facts)).is_none()
        });
        let fresh = fresh && self.former().next().is_none();
        if fresh {
            fields.extend(self.new_fields());
        }
        let settings = Settings::of(&host.spec.name, self.service);
        let key = host.facts.and_then(|facts| facts.key.as_ref());
        let config = hash::config(&settings, self.service, &host.observed.secrets, key);
        let run = Run {
            slot: host.slot.clone(),
            service: self.service.name.clone(),
            image: self.wanted.image.clone(),
            pull,
            config,
            settings,
            check: self.service.check.clone(),
            formerly: self.formerly().map(|seen| seen.name.clone()).collect(),
        };
        let grace = self.service.stop_grace_period.as_secs();
        let (change, cost) =
            if fresh { (Change::Create, Cost::None) } else { (Change::Replace, Cost::Restart { grace }) };
        self.notice_volumes(draft);
        let step = NewStep::new(self.address(), change, Action::Run(Box::new(run)))
            .reasons(reasons)
            .fields(fields)
            .cost(cost)
            .after(host.reach.into_iter().chain(self.wanted.after).chain(login))
            .after(self.needed(runs))
            .after(self.freed_by(draft))
            .provisional(host.late);
        draft.add(step)
    }

    /// The service's containers under names that it had before.
    fn former(&self) -> impl Iterator<Item = &ContainerSeen> {
        let seen = self.host.facts.into_iter().flat_map(|facts| &facts.containers);
        seen.filter(|seen| self.is_ours(seen) && is_renamed(self.service, seen))
    }

    /// Those of them that the new one is swapped with, and that do not go before.
    fn formerly(&self) -> impl Iterator<Item = &ContainerSeen> {
        self.former().filter(|seen| !self.strays.iter().any(|stray| stray.seen.name == seen.name))
    }

    pub(crate) fn is_ours(&self, seen: &ContainerSeen) -> bool {
        owned_service(self.host.spec, self.host.slot, seen) == Some(self.service.name.as_str())
    }

    /// A mount that shows a container who may log in, or a3's records; and one that lets it write what
    /// somebody else keeps.
    fn notice_volumes(&self, draft: &mut Draft) {
        let folder = self.host.facts.map_or("/var/lib/a3", |facts| facts.folder.as_str());
        let secret = [self.host.resolve("~/.ssh"), folder.to_owned()];
        for path in secret.iter().filter(|path| self.host.mounts(self.service, path)) {
            let path = path.strip_prefix('/').filter(|path| path.starts_with('~')).unwrap_or(path);
            draft.notices.push(format!("{}: a volume shows {path} to the container", self.address()));
        }
        let foreign = self.host.facts.map_or(&[][..], |facts| &facts.foreign_volumes);
        for volume in self.service.volumes.iter().filter(|volume| !volume.read_only) {
            let VolumeSource::Named(name) = &volume.source else { continue };
            let name = names::volume(&self.host.spec.name, name);
            if foreign.contains(&name) {
                draft.notices.push(format!(
                    "{}: the volume {name} was there before and is not a3's; the container writes into it, and \
                     a3 destroy --volumes leaves it",
                    self.address()
                ));
            }
        }
    }

    pub(crate) fn needs_pull(&self) -> bool {
        match (&self.wanted.image, self.host.facts) {
            (Image::Local { .. } | Image::From { repository: None, .. }, _) => false,
            (Image::Pinned { repository, digest }, Some(facts)) => {
                !facts.repo_digests.contains(&format!("{repository}@{digest}"))
            }
            (Image::Pinned { .. }, None) | (Image::From { .. }, _) => true,
        }
    }

    /// What a machine that answered did not say.
    fn note_unchecked(&self, pull: bool, draft: &mut Draft) {
        let Some(facts) = self.host.facts else { return };
        let note = |draft: &mut Draft, what: &str, why: &str, help: Option<String>| {
            let what = Unchecked { what: what.to_owned(), why: why.to_owned(), help };
            draft.not_checked(self.host.slot.to_string(), what);
        };
        let mut published = self.service.ports.iter().filter_map(|port| port.published);
        if let (false, Some(port)) = (facts.ports_known, published.next()) {
            let why = "the engine is on another machine than a3, or /proc/net cannot be read there";
            let help = format!("sudo ss -lptu 'sport = :{port}' where the engine is");
            note(draft, "whether processes hold the published ports", why, Some(help));
        }
        if pull && facts.disk_free.is_none() {
            let why = "the engine's folder cannot be seen from here";
            note(
                draft,
                "disk space for the image",
                why,
                Some("docker system df, and df -h where the engine is".into()),
            );
        } else if pull && self.wanted.size.is_none() {
            note(draft, "disk space for the image", "its size is known once it is built", None);
        }
    }

    /// An image takes about three times its compressed size: the download and its unpacked layers.
    fn check_disk(&self, draft: &mut Draft) {
        let free = self.host.facts.and_then(|facts| facts.disk_free);
        if let (Some(size), Some(free)) = (self.wanted.size, free)
            && free < size.saturating_mul(3)
        {
            let mib = |bytes: u64| bytes / (1 << 20);
            let why =
                format!("the disk has {} MiB free, the image takes about {} MiB", mib(free), mib(size * 3));
            let mut help = "free some there: docker system df, docker image prune".to_owned();
            if matches!(self.host.group.machine, Machine::Ec2(_)) {
                help.push_str(
                    "; or set a larger `root_block_device.volume_size` (that replaces the machine)",
                );
            }
            draft.block(self.address(), BlockedKind::Impossible, why, Some(help));
        }
    }

    fn new_fields(&self) -> Vec<FieldChange> {
        let image = self.wanted_image().map_or_else(|| self.known_later(), Shown::Text);
        let mut fields = vec![
            FieldChange::new("image", image),
            FieldChange::new("container_name", Shown::text(&self.service.container_name)),
        ];
        fields.extend(diff::given(&Settings::of(&self.host.spec.name, self.service)));
        diff::hide(&mut fields, self.service.interpolated.iter());
        fields
    }
}
