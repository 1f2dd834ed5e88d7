//! What an apply does to the world, on plain data: so that "plan, apply, plan" can be asked for its
//! second answer without a machine.

use std::collections::BTreeMap;

use a3::apply::graph::slot_of;
use a3::id::{Digest, Slot};
use a3::observed::{HostFacts, HostSeen, InstanceState, LocalImage, NotYet, Observed, RemoteSeen, Seen};
use a3::plan::released::{last_release, last_run};
use a3::plan::step::{Action, Image, Plan, Step, StepId, TagFrom};
use a3::plan::{OnTheWay, Options, plan, plan_host};
use a3::record::Record;
use a3::spec::Spec;
use indexmap::IndexMap;

use super::parts::fresh_host;
use super::world;

/// Plans and applies, the machines that answer only on the way included.
pub(crate) fn apply(spec: &Spec, seen: &Observed, options: &Options) -> Observed {
    let planned = plan(spec, seen, options);
    assert!(planned.blocked.is_empty(), "{:?}", planned.blocked);
    apply_plan(spec, seen, &planned)
}

/// The world after a plan.
pub(crate) fn apply_plan(spec: &Spec, seen: &Observed, planned: &Plan) -> Observed {
    apply_plan_on(spec, seen, planned, &Disks::new())
}

/// What is on machines that could not be asked.
pub(crate) type Disks = BTreeMap<Slot, HostFacts>;

/// The same, where machines that answer on the way have something on their disks.
pub(crate) fn apply_plan_on(spec: &Spec, seen: &Observed, planned: &Plan, disks: &Disks) -> Observed {
    let mut world = World::new(spec, seen);
    world.disks.clone_from(disks);
    let mut later: Vec<Slot> = Vec::new();
    for step in &planned.steps {
        for before in &step.after {
            assert!(before.0 < step.id.0, "{} comes before what it needs", step.title());
        }
        for (service, image) in &planned.images {
            world.images.insert(service.clone(), world.resolved(image));
        }
        if step.provisional {
            later.extend(slot_of(&step.action).filter(|slot| !later.contains(slot)).cloned());
        } else {
            world.step(step);
        }
    }
    for slot in world.replaced.clone() {
        world.carry_over(&slot);
    }
    let mut first = u32::try_from(planned.steps.len()).unwrap();
    for slot in later {
        // A machine that gets its engine on the way is planned once more after that.
        loop {
            let (images, partial) = (&world.images, planned.partial.contains(&slot));
            let again = plan_host(spec, &world.seen, &slot, OnTheWay { images, partial, first });
            assert!(again.blocked.is_empty(), "{:?}", again.blocked);
            again.steps.iter().filter(|step| !step.provisional).for_each(|step| world.step(step));
            first += u32::try_from(again.steps.len()).unwrap();
            if !again.steps.iter().any(|step| step.provisional) {
                break;
            }
        }
    }
    world.seen
}

/// Where a step is cut off that has an inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    First,
    Second,
    Third,
}

/// The world while an apply is at work.
#[derive(Clone)]
pub(crate) struct World<'a> {
    pub(super) spec: &'a Spec,
    pub(crate) seen: Observed,
    /// The number of the release that this apply makes, as far as was known when it was planned.
    release: u64,
    /// What it is on a machine that was begun with: one that was not seen may have been further.
    begun: BTreeMap<Slot, u64>,
    /// What a build or push yields.
    made: BTreeMap<StepId, Digest>,
    images: BTreeMap<String, Image>,
    /// What is on the disks of machines that cannot be asked now; of others a fresh one is assumed.
    pub(crate) disks: Disks,
    /// The machines as the plan saw them.
    pub(super) before: IndexMap<Slot, HostSeen>,
    /// Machines that took another's place.
    pub(super) replaced: Vec<Slot>,
}

impl<'a> World<'a> {
    pub(crate) fn new(spec: &'a Spec, seen: &Observed) -> Self {
        let release = last_release(spec, seen) + 1;
        let (made, images, disks) = (BTreeMap::new(), BTreeMap::new(), Disks::new());
        Self {
            spec,
            seen: seen.clone(),
            release,
            made,
            images,
            disks,
            before: seen.hosts.clone(),
            replaced: Vec::new(),
            begun: BTreeMap::new(),
        }
    }

    /// The number that a release of this apply has on a machine, if something was begun there.
    pub(crate) fn begun_there(&self, slot: &Slot) -> Option<u64> {
        self.begun.get(slot).copied()
    }

    /// The number of this apply's release on a machine.
    pub(crate) fn number(&mut self, slot: &Slot) -> u64 {
        let facts = self.seen.hosts.get(slot).and_then(HostSeen::facts);
        let last = facts.map_or(0, |facts| {
            let run = last_run(self.spec, slot, &facts.containers);
            facts.record.as_ref().map_or(0, Record::last_release).max(run)
        });
        *self.begun.entry(slot.clone()).or_insert(self.release.max(last + 1))
    }

    pub(crate) fn step(&mut self, step: &Step) {
        match &step.action {
            Action::Build(build) => {
                let id = world::digest(&format!("built of {}", build.source));
                self.made.insert(step.id, id.clone());
                let source = Some(build.source.clone());
                let image = LocalImage { id, repo_digests: Vec::new(), source, arch: None };
                self.seen.images[&build.service].local_source = Seen::Present(image);
            }
            Action::Tag(tag) => {
                let image = &mut self.seen.images[&tag.service];
                match &tag.from {
                    TagFrom::Engine { .. } => image.local_reference = image.local_source.clone(),
                    TagFrom::Registry { .. } => image.reference = image.source_tag.clone(),
                }
            }
            Action::Push(push) => {
                let image = &mut self.seen.images[&push.service];
                let local = image.local_source.present().unwrap();
                let mut pushed = world::remote(&format!("pushed {}", local.id), None);
                pushed.source = Some(push.source.clone());
                pushed.config_digest = local.id.clone();
                self.made.insert(step.id, pushed.digest.clone());
                image.reference = RemoteSeen::Found(pushed.clone());
                image.source_tag = RemoteSeen::Found(pushed);
            }
            Action::ImportKey { group, .. } => {
                let cloud = self.cloud(group);
                cloud.key_pair.clone_from(&cloud.own_key);
            }
            Action::DeleteKey { group, region, .. } => {
                self.delete((group, region), |left| left.key_pair = None)
            }
            Action::Firewall(firewall) => self.firewall(firewall),
            Action::DeleteFirewall { group, region, .. } => {
                self.delete((group, region), |left| left.security_group = None);
            }
            Action::Launch(launch) => self.launch(launch),
            Action::Start { slot, id } => {
                self.instance(id, |one| {
                    one.state = InstanceState::Running;
                    one.public_ip.get_or_insert_with(|| "203.0.113.9".to_owned());
                });
                self.answer(slot);
            }
            Action::Modify(modify) => self.modify(modify),
            Action::Terminate { slot, id, .. } => self.terminate(slot, id),
            _ => self.on_host(step),
        }
    }

    /// A machine that was away answers, with what was on its disk.
    pub(super) fn answer(&mut self, slot: &Slot) {
        let disk = self.disks.remove(slot);
        let host = self.seen.hosts.get_mut(slot).unwrap();
        if host.facts().is_none() {
            *host = HostSeen::Ready(Box::new(disk.unwrap_or_else(|| fresh_host(self.spec))));
        }
    }

    /// What a step leaves when it is cut off inside; false where it has no such inside.
    pub(crate) fn half(&mut self, step: &Step, how: Half) -> bool {
        match (&step.action, how) {
            (Action::Launch(launch), Half::First) if launch.replaces.is_some() => {
                self.terminate(&launch.slot, launch.replaces.as_ref().unwrap());
            }
            (Action::Copy { slot, service, files }, Half::First) if files.len() > 1 => {
                let files = files[..1].to_vec();
                let action = Action::Copy { slot: slot.clone(), service: service.clone(), files };
                self.on_host(&Step { action, ..step.clone() });
            }
            (Action::Run(run), how) => return self.half_swap(run, how),
            _ => return false,
        }
        true
    }

    /// A machine that boots by itself has come up.
    pub(crate) fn answers(&mut self, slot: &Slot) {
        if let Some(HostSeen::NotYet(NotYet::Booting)) = self.seen.hosts.get(slot) {
            self.answer(slot);
            for seen in self.seen.clouds.values_mut() {
                let Seen::Present(cloud) = seen else { continue };
                for one in cloud.instances.iter_mut().filter(|one| one.slot == *slot) {
                    if one.state == InstanceState::Pending {
                        one.state = InstanceState::Running;
                    }
                }
            }
        }
    }

    /// A machine that took another's place goes on with its history, once it answers.
    pub(crate) fn carry_over(&mut self, slot: &Slot) {
        let before = self.before.get(slot).and_then(HostSeen::facts);
        let carried = before.and_then(|facts| facts.record.as_ref()).map(Record::carried_over);
        if let (true, Some(HostSeen::Ready(facts))) =
            (self.replaced.contains(slot), self.seen.hosts.get_mut(slot))
            && facts.record.is_none()
        {
            facts.record = carried;
        }
    }

    pub(crate) fn resolved(&self, image: &Image) -> Image {
        match image {
            Image::From { step, repository } => match (self.made.get(step), repository) {
                (Some(digest), Some(repository)) => {
                    Image::Pinned { repository: repository.clone(), digest: digest.clone() }
                }
                (Some(id), None) => Image::Local { id: id.clone() },
                (None, _) => image.clone(),
            },
            known => known.clone(),
        }
    }
}
