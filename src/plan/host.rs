//! One machine: data files, and the containers of its services.
//!
//! Called for a machine that answered, and again on the way for one that could not be asked when
//! the plan was made.

use std::collections::{BTreeMap, BTreeSet};

use super::container::ServiceContext;
use super::draft::{Draft, NewStep};
use super::image::Wanted;
use super::install::{self, Footing};
use super::paths::{covers, resolve};
use super::reason::{FieldChange, Reason, Shown};
use super::step::{Action, BlockedKind, Change, FileCopy, Image, Step, StepId};
use super::{admit, container, held, names, stray};
use crate::id::{Arch, Slot};
use crate::observed::{FileSeen, HostFacts, LocalFile, Observed, Unchecked};
use crate::spec::{Group, Machine, OnChange, Service, Spec, VolumeSource};

/// One machine and everything that its decisions rest on.
#[derive(Clone, Copy)]
pub(crate) struct HostContext<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) observed: &'a Observed,
    pub(crate) slot: &'a Slot,
    pub(crate) group: &'a Group,
    /// `None`: it cannot be asked yet, and a fresh one is assumed.
    pub(crate) facts: Option<&'a HostFacts>,
    /// Images by service; a service without one is blocked.
    pub(crate) images: &'a BTreeMap<String, Wanted>,
    /// The step after which the machine can be reached.
    pub(crate) reach: Option<StepId>,
    /// Whether everything there is planned, rather than a few services: only then is anything
    /// removed.
    pub(crate) whole: bool,
    /// Whether the machine is launched in this plan.
    pub(crate) new: bool,
    /// Whether it stops and starts in this plan: what is on its disk stays, what runs has to be started.
    pub(crate) restarts: bool,
    /// Whether its steps are planned again on the way: it cannot be asked yet, it stops first, or its
    /// engine is still to be installed.
    pub(crate) late: bool,
}

/// Plans one machine. `runs` is filled with each service's last step there, for `depends_on` and
/// for hosts that are updated one after the other.
pub(crate) fn plan(cx: &HostContext<'_>, runs: &mut BTreeMap<(String, Slot), StepId>, draft: &mut Draft) {
    let cx = &match install::plan(cx, draft) {
        Footing::Firm => *cx,
        Footing::After(step) => HostContext { reach: Some(step), late: true, ..*cx },
        Footing::Blocked => return,
    };
    let before = draft.steps.len();
    if cx.whole {
        admit::plan(cx, draft);
    }
    let mut copies = Vec::new();
    let disputed = cx.disputed_files(draft);
    // What has no image is blocked, or left out on purpose: its files wait too.
    for service in cx.spec.services_on(&cx.group.name).filter(|one| cx.images.contains_key(&one.name)) {
        if !disputed.contains(service.name.as_str()) {
            cx.copy(service, &mut copies, draft);
        }
    }
    let mut strays = if cx.whole { stray::left(cx, draft) } else { Vec::new() };
    let (services, crossed) = held::order(cx, &strays);
    strays.extend(stray::crossed(cx, crossed, draft));
    stray::remove_idle(cx, false, &mut strays, draft);
    let mut login = BTreeMap::new();
    for service in services {
        let Some(wanted) = cx.images.get(&service.name).filter(|_| cx.fits(service, draft)) else { continue };
        let alone = ServiceContext { host: cx, service, wanted, copies: &copies, strays: &[] };
        stray::make_room(&alone, &mut strays, &mut login, runs, draft);
        let step = container::plan(&ServiceContext { strays: &strays, ..alone }, &mut login, runs, draft);
        if let Some(step) = step {
            runs.insert((service.name.clone(), cx.slot.clone()), step);
        }
    }
    stray::remove_idle(cx, true, &mut strays, draft);
    cx.network(before, draft);
    if cx.whole {
        cx.remove_files(before, draft);
    }
    if cx.facts.is_none() && draft.steps.len() > before {
        draft.not_checked(cx.slot.to_string(), unseen_machine());
    }
}

/// Everything that a machine says itself.
fn unseen_machine() -> Unchecked {
    let why = "the machine cannot be asked yet; apply asks once it answers, before it changes anything there";
    Unchecked { what: "disk space, held ports, Docker, sudo".to_owned(), why: why.to_owned(), help: None }
}

/// Services in the order of `depends_on`, else as declared; the spec has no cycles.
pub(crate) fn in_start_order<'a>(spec: &'a Spec, group: &'a str) -> Vec<&'a Service> {
    fn visit<'a>(spec: &'a Spec, service: &'a Service, done: &mut Vec<&'a Service>) {
        if done.iter().any(|other| other.name == service.name) {
            return;
        }
        for name in &service.depends_on {
            if let Some(before) = spec.services.get(name).filter(|before| before.on == service.on) {
                visit(spec, before, done);
            }
        }
        done.push(service);
    }
    let mut done = Vec::new();
    for service in spec.services_on(group) {
        visit(spec, service, &mut done);
    }
    done
}

/// A data file that is about to change on the machine.
#[derive(Debug)]
pub(crate) struct Copied {
    pub(crate) step: StepId,
    /// Resolved where the machine's paths are known.
    pub(crate) target: String,
    pub(crate) restarts: bool,
}

impl HostContext<'_> {
    /// `web/0/s2`.
    pub(crate) fn address(&self, service: &str) -> String {
        format!("{}/{service}", self.slot)
    }

    /// An absolute path there; as the spec has it while the machine's home is not known.
    pub(crate) fn resolve(&self, path: &str) -> String {
        match self.facts {
            Some(facts) => resolve(path, &facts.base, &facts.home),
            None => resolve(path, "/~", "/~"),
        }
    }

    /// Why a fresh machine is assumed.
    pub(crate) fn unseen(&self) -> Reason {
        if self.new { Reason::NewMachine } else { Reason::NotSeen }
    }

    /// The architecture of the machine, or of the one that will be launched.
    fn arch(&self) -> Option<Arch> {
        let cloud = || self.observed.clouds.get(&self.group.name)?.present()?.image.as_ref();
        self.facts.map(|facts| facts.arch).or_else(|| Some(cloud()?.arch))
    }

    /// Whether the service's image runs on the machine. This one's own engine may emulate others.
    fn fits(&self, service: &Service, draft: &mut Draft) -> bool {
        let Some(platform) = self.observed.images.get(&service.name).map(|image| image.platform) else {
            return true;
        };
        let Some(arch) = self.arch().filter(|arch| *arch != platform.0) else { return true };
        if matches!(self.group.machine, Machine::Local) {
            return true;
        }
        let why = format!("its image is for {platform}, the machine is {arch}");
        let help = format!("leave `platform` out, or set `platform: linux/{arch}`");
        draft.block(self.address(&service.name), BlockedKind::Impossible, why, Some(help));
        false
    }

    fn local_files(&self, service: &str) -> &[LocalFile] {
        self.observed.files.get(service).map_or(&[], Vec::as_slice)
    }

    /// Services that want another content or mode where an earlier one has a file: one of the two
    /// would change it back at every apply.
    fn disputed_files(&self, draft: &mut Draft) -> BTreeSet<&str> {
        let mut first: BTreeMap<String, (&str, &LocalFile)> = BTreeMap::new();
        let mut disputed = BTreeSet::new();
        for service in self.spec.services_on(&self.group.name) {
            for file in self.local_files(&service.name) {
                let target = self.resolve(&file.target);
                let (other, known) = *first.entry(target.clone()).or_insert((&service.name, file));
                if (&known.digest, known.mode) == (&file.digest, file.mode) {
                    continue;
                }
                let why = format!("`{other}` and `{}` copy different files to {target}", service.name);
                let help = "give one of them another target".to_owned();
                let address = format!("{}.files", self.address(&service.name));
                draft.block(address, BlockedKind::Impossible, why, Some(help));
                disputed.insert(service.name.as_str());
            }
        }
        disputed
    }

    /// Services share a network. One of that name that is not ours is not taken for it: whoever made it may
    /// have their own containers there.
    fn network(&self, first: usize, draft: &mut Draft) {
        let runs = |step: &Step| matches!(step.action, Action::Run(_));
        let foreign = self.facts.is_some_and(|facts| facts.foreign_network);
        if !foreign || !draft.steps.iter().skip(first).any(runs) {
            return;
        }
        let name = names::network(&self.spec.name);
        let why = format!("a network named `{name}` exists there and does not belong to this deployment");
        let help = format!("set another `name`, or remove it yourself: docker network rm {name}");
        draft.block(self.slot.to_string(), BlockedKind::Refused, why, Some(help));
    }

    /// Adds to `copies` what the service's step copies. A file that another service's step copies
    /// already is left to that one.
    fn copy(&self, service: &Service, copies: &mut Vec<Copied>, draft: &mut Draft) {
        let mut reasons = Vec::new();
        let mut files = Vec::new();
        let mut fields = Vec::new();
        let mut copied = Vec::new();
        let mut elsewhere = false;
        for file in self.local_files(&service.name) {
            if self.is_in_the_way(file, service, draft) {
                elsewhere = true;
                continue;
            }
            let Some(reason) = self.file_reason(file) else { continue };
            let entry = service.files.get(file.entry);
            let restarts = entry.is_some_and(|entry| entry.on_change == OnChange::Restart);
            let target = self.resolve(&file.target);
            if let Some(shared) = copies.iter_mut().find(|copied| copied.target == target) {
                shared.restarts |= restarts;
                elsewhere = true;
                continue;
            }
            copied.push((target, restarts));
            fields.push(self.file_field(file));
            files.push(FileCopy {
                source: file.source.clone(),
                target: file.target.clone(),
                digest: file.digest.clone(),
                mode: file.mode,
                size: file.size,
                sudo: entry.is_some_and(|entry| entry.sudo),
            });
            reasons.push(reason);
        }
        let address = format!("{}.files", self.address(&service.name));
        if files.is_empty() {
            if !service.files.is_empty() && !elsewhere {
                draft.unchanged.push(address);
            }
            return;
        }
        let fresh = reasons.iter().all(|reason| {
            matches!(reason, Reason::FileMissing { .. } | Reason::NewMachine | Reason::NotSeen)
        });
        let change = if fresh { Change::Create } else { Change::Update };
        let action = Action::Copy { slot: self.slot.clone(), service: service.name.clone(), files };
        let step = NewStep::new(address, change, action).reasons(reasons).fields(fields);
        let step = draft.add(step.after(self.reach).provisional(self.late));
        copies.extend(copied.into_iter().map(|(target, restarts)| Copied { step, target, restarts }));
    }

    fn file_reason(&self, file: &LocalFile) -> Option<Reason> {
        let Some(facts) = self.facts else { return Some(self.unseen()) };
        let target = self.resolve(&file.target);
        let recorded = facts.record.as_ref().and_then(|record| record.files.get(&target));
        match facts.files.get(&target) {
            Some(FileSeen::File { digest, mode }) if *digest == file.digest => {
                let there = recorded.is_some_and(|recorded| recorded.mode == file.mode);
                let (before, after) = (*mode, file.mode);
                (before != after).then_some(Reason::ModeDiffers { target, before, after, there })
            }
            Some(FileSeen::File { .. }) => Some(match recorded {
                None => Reason::FileNotOurs { target },
                Some(recorded) if recorded.digest == file.digest => Reason::FileDrifted { target },
                Some(_) => Reason::FileEdited { target },
            }),
            Some(FileSeen::Absent | FileSeen::Other) | None => Some(Reason::FileMissing { target }),
        }
    }

    /// A folder where a file shall go: Docker makes one for a mount whose source is missing.
    fn is_in_the_way(&self, file: &LocalFile, service: &Service, draft: &mut Draft) -> bool {
        let target = self.resolve(&file.target);
        let found = self.facts.and_then(|facts| facts.files.get(&target));
        if !matches!(found, Some(FileSeen::Other)) {
            return false;
        }
        let why = format!("{target} is a folder there, and a file shall be copied to it");
        let help = "remove it there, or name another target in `files`".to_owned();
        let address = format!("{}.files", self.address(&service.name));
        draft.block(address, BlockedKind::Refused, why, Some(help));
        true
    }

    fn file_field(&self, file: &LocalFile) -> FieldChange {
        let target = self.resolve(&file.target);
        let found = self.facts.and_then(|facts| facts.files.get(&target));
        let before = match found {
            Some(FileSeen::File { digest, mode }) => Shown::Text(format!("{} {mode:04o}", digest.short())),
            Some(FileSeen::Absent | FileSeen::Other) | None => Shown::Nothing,
        };
        let after = Shown::Text(format!("{} {:04o} ({} bytes)", file.digest.short(), file.mode, file.size));
        FieldChange::changed(file.target.clone(), before, after)
    }

    /// Files that a3 copied and nobody wants any more. Those of inactive services stay. What serves now, or
    /// runs again if its new container fails, still reads them: they go after the machine's other steps,
    /// which begin at `first`.
    fn remove_files(&self, first: usize, draft: &mut Draft) {
        let Some(record) = self.facts.and_then(|facts| facts.record.as_ref()) else { return };
        let services = self.spec.services_on(&self.group.name);
        let wanted: BTreeSet<String> = services
            .flat_map(|service| self.local_files(&service.name))
            .map(|file| self.resolve(&file.target))
            .collect();
        let gone = record.files.iter().filter(|(target, copied)| {
            !wanted.contains(*target) && !self.spec.inactive.contains(&copied.service)
        });
        let targets: Vec<String> = gone.map(|(target, _)| target.clone()).collect();
        // Going back leaves data files alone.
        if targets.is_empty() || self.is_empty_spec() || self.spec.rollback.is_some() {
            return;
        }
        let fields =
            targets.iter().map(|target| FieldChange::changed("file", Shown::text(target), Shown::Nothing));
        let fields = fields.collect();
        let is_before = |step: &&Step| {
            matches!(
                step.action,
                Action::Copy { .. }
                    | Action::Run(_)
                    | Action::Restart { .. }
                    | Action::StartContainer { .. }
                    | Action::RemoveContainer { .. }
            )
        };
        let before: Vec<StepId> =
            draft.steps.iter().skip(first).filter(is_before).map(|step| step.id).collect();
        let action = Action::RemoveFiles { slot: self.slot.clone(), targets };
        let step = NewStep::new(format!("{}.files", self.slot), Change::Delete, action);
        let step = step.because(Reason::LeftSpec).fields(fields).after(self.reach).after(before);
        draft.add(step.provisional(self.late));
    }

    /// An empty `services` never means that everything goes while machines stay.
    pub(crate) fn is_empty_spec(&self) -> bool {
        self.spec.services.is_empty() && self.spec.inactive.is_empty()
    }

    /// Whether the service mounts a path.
    pub(crate) fn mounts(&self, service: &Service, path: &str) -> bool {
        service.volumes.iter().any(|volume| match &volume.source {
            VolumeSource::Bind(source) => covers(&self.resolve(source), path),
            VolumeSource::Named(_) | VolumeSource::Anonymous => false,
        })
    }

    /// The step that sees to it that the machine may pull from a registry: planned once a machine
    /// and registry, when nothing from there was ever pulled.
    pub(crate) fn login(
        &self,
        image: &Image,
        done: &mut BTreeMap<String, Option<StepId>>,
        after: Option<StepId>,
        draft: &mut Draft,
    ) -> Option<StepId> {
        let repository = match image {
            Image::Pinned { repository, .. } | Image::From { repository: Some(repository), .. } => repository,
            Image::Local { .. } | Image::From { repository: None, .. } => return None,
        };
        let server = names::server(repository);
        let registry = self.spec.registries.get(server)?;
        let pulled_before = self
            .facts
            .is_some_and(|facts| facts.repo_digests.iter().any(|known| names::server(known) == server));
        if pulled_before && !registry.persist_login {
            return None;
        }
        if let Some(step) = done.get(server) {
            return *step;
        }
        let action = Action::Login {
            slot: self.slot.clone(),
            server: server.to_owned(),
            image: image.clone(),
            persist: registry.persist_login,
        };
        let mut fields = vec![FieldChange::new("server", Shown::text(server))];
        if registry.persist_login {
            fields.push(FieldChange::new("persist_login", Shown::text("the credential stays there")));
        }
        let reason = if self.facts.is_none() { self.unseen() } else { Reason::ToPull };
        let step = NewStep::new(format!("{}.login", self.slot), Change::Create, action)
            .because(reason)
            .fields(fields)
            .after(self.reach.into_iter().chain(after))
            .provisional(self.late);
        let step = draft.add(step);
        done.insert(server.to_owned(), Some(step));
        Some(step)
    }
}
