//! What an apply does to the world, on plain data: so that "plan, apply, plan" can be asked for its
//! second answer without a machine.

use std::collections::BTreeMap;

use a3::id::{Digest, Slot};
use a3::observed::{
    CloudSeen, ContainerSeen, ContainerState, FileSeen, HostFacts, HostSeen, IngressRule, InstanceState,
    KeptImage, LocalImage, ManagedSeen, NotYet, Observed, OwnedInstance, RemoteSeen, SecurityGroup, Seen,
};
use a3::plan::names::{self, kept_image, label, own_mark};
use a3::plan::step::{Action, Firewall, Image, Installer, Launch, Modify, Plan, Run, Step, StepId, TagFrom};
use a3::plan::{Options, hash, paths, plan, plan_host};
use a3::record::{CopiedFile, Record, Release, ReleaseStatus, ReleasedService, Stopped, VERSION};
use a3::spec::{Restart, Spec, VolumeSource};
use indexmap::IndexMap;
use secrecy::SecretString;

use super::parts::{fresh_host, let_go, published, set, silence, slot_of, tagged};
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
    let mut world = World::of(spec, seen);
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
            later.extend(slot_of(&step.action).filter(|slot| !later.contains(slot)));
        } else {
            world.step(step);
        }
    }
    let mut first = u32::try_from(planned.steps.len()).unwrap();
    for slot in later {
        // A machine that gets its engine on the way is planned once more after that.
        loop {
            let again = plan_host(spec, &world.seen, &slot, &world.images, first);
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

/// The world after a crash: the first `done` steps have happened, and what is planned again on the way
/// has not. The release that they began is not complete.
#[allow(dead_code, reason = "only the properties crash")]
pub(crate) fn apply_prefix(spec: &Spec, seen: &Observed, planned: &Plan, done: usize) -> Observed {
    let mut world = World::of(spec, seen);
    for step in planned.steps.iter().take(done).filter(|step| !step.provisional) {
        world.step(step);
    }
    let release = world.release;
    let unfinished = |release: &mut Release| release.status = ReleaseStatus::Started;
    for host in world.seen.hosts.values_mut() {
        let HostSeen::Ready(facts) = host else { continue };
        let releases = facts.record.iter_mut().flat_map(|record| &mut record.releases);
        releases.filter(|one| one.number == release).for_each(unfinished);
    }
    world.seen
}

struct World<'a> {
    spec: &'a Spec,
    seen: Observed,
    /// The number of the release that this apply makes.
    release: u64,
    /// What a build or push yields.
    made: BTreeMap<StepId, Digest>,
    images: BTreeMap<String, Image>,
    disks: Disks,
    /// The machines as the plan saw them.
    before: IndexMap<Slot, HostSeen>,
    /// Machines that took another's place.
    replaced: Vec<Slot>,
    /// The number of the release that was begun on a machine.
    begun: BTreeMap<Slot, u64>,
}

impl<'a> World<'a> {
    fn of(spec: &'a Spec, seen: &Observed) -> Self {
        let records =
            seen.hosts.values().filter_map(HostSeen::facts).filter_map(|facts| facts.record.as_ref());
        let release = records.map(Record::last_release).max().unwrap_or(0) + 1;
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

    fn step(&mut self, step: &Step) {
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
            Action::Start { slot, .. } => {
                self.each(slot, |one| {
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

    fn cloud(&mut self, group: &str) -> &mut CloudSeen {
        let Some(Seen::Present(cloud)) = self.seen.clouds.get_mut(group) else {
            panic!("no cloud of {group}")
        };
        cloud
    }

    /// Changes a slot's live instance, which every group in its region sees.
    fn each(&mut self, slot: &Slot, change: impl Fn(&mut OwnedInstance)) {
        let clouds = self.seen.clouds.values_mut().filter_map(|seen| match seen {
            Seen::Present(cloud) => Some(cloud),
            _ => None,
        });
        let all = clouds.flat_map(|cloud| &mut cloud.instances);
        let live: Vec<_> = all.filter(|one| one.slot == *slot && one.state.is_live()).collect();
        assert!(!live.is_empty(), "{slot} has no instance");
        live.into_iter().for_each(change);
    }

    /// A machine that was away answers; what is on its disk is what scenarios put there.
    fn answer(&mut self, slot: &Slot) {
        let host = self.seen.hosts.get_mut(slot).unwrap();
        if host.facts().is_none() {
            let disk = self.disks.get(slot).cloned();
            *host = HostSeen::Ready(Box::new(disk.unwrap_or_else(|| fresh_host(self.spec))));
        }
    }

    fn firewall(&mut self, firewall: &Firewall) {
        let group = &mut self.cloud(&firewall.group).security_group;
        let group = group.get_or_insert_with(|| SecurityGroup {
            id: "sg-0a3".into(),
            rules: Vec::new(),
            asked: None,
        });
        group.asked = Some(firewall.asked.clone());
        group.rules.retain(|rule| !firewall.close.iter().any(|(id, _)| *id == rule.id));
        for rule in &firewall.open {
            let id = format!("sgr-{}", group.rules.len());
            let (from_port, to_port) = (rule.port, rule.port);
            let (cidr, description) = (Some(rule.cidr.clone()), rule.description.clone());
            let protocol = Some(rule.protocol);
            group.rules.push(IngressRule { id, protocol, from_port, to_port, cidr, description });
        }
        let slots: Vec<Slot> = self.seen.hosts.keys().cloned().collect();
        for slot in slots {
            if matches!(self.seen.hosts[&slot], HostSeen::NotYet(NotYet::NoRule)) {
                self.answer(&slot);
            }
        }
    }

    fn launch(&mut self, launch: &Launch) {
        let before = self.seen.hosts.get(&launch.slot).and_then(HostSeen::facts);
        let record = before.and_then(|facts| facts.record.clone()).filter(|_| launch.replaces.is_some());
        if let Some(old) = &launch.replaces {
            self.replaced.push(launch.slot.clone());
            self.terminate(&launch.slot, old);
        }
        let cloud = self.cloud(&launch.slot.group).clone();
        let managed = cloud.security_group.iter().map(|group| group.id.clone()).collect();
        let named = &launch.security_group_ids;
        let security_groups = if named.is_empty() { managed } else { named.clone() };
        let one = OwnedInstance {
            id: format!("i-{}{}", launch.slot.index, launch.generation),
            slot: launch.slot.clone(),
            generation: launch.generation,
            name: launch.name.clone(),
            state: InstanceState::Running,
            launched: world::NOW,
            created: world::NOW,
            instance_type: launch.instance_type.clone(),
            arch: cloud.image.as_ref().unwrap().arch,
            image_id: launch.image_id.clone(),
            user: Some("ec2-user".into()),
            key_name: launch.key_name.clone(),
            subnet_id: launch.subnet_id.clone().or(Some("subnet-0".into())),
            vpc_id: cloud.vpc_id.clone(),
            security_groups,
            iam_instance_profile: launch.iam_instance_profile.clone(),
            hop_limit: Some(launch.hop_limit),
            public_ip: Some(format!("203.0.113.{}", 10 * launch.generation + launch.slot.index)),
            private_ip: None,
            spot: launch.spot.is_some(),
            protected: Some(launch.protected),
            hash: Some(launch.hash.clone()),
            host_key: None,
            deadline: None,
            tags: tagged(launch),
            state_reason: None,
        };
        for seen in self.seen.clouds.values_mut() {
            match seen {
                Seen::Present(other) if other.region == cloud.region => other.instances.push(one.clone()),
                _ => {}
            }
        }
        // A machine that takes another's place goes on with its history.
        let host = HostFacts { record: record.as_ref().map(Record::carried_over), ..fresh_host(self.spec) };
        self.seen.hosts.insert(launch.slot.clone(), HostSeen::Ready(Box::new(host)));
    }

    fn modify(&mut self, modify: &Modify) {
        let managed = self.cloud(&modify.slot.group).security_group.clone();
        self.each(&modify.slot, |one| {
            for (key, value) in &modify.set_tags {
                if key == "a3:hash" {
                    one.hash = Some(value.clone());
                } else {
                    one.tags.insert(key.clone(), value.clone());
                }
            }
            modify.remove_tags.iter().for_each(|key| drop(one.tags.remove(key)));
            match &modify.security_group_ids {
                Some(ids) if ids.is_empty() => one.security_groups = vec![managed.clone().unwrap().id],
                Some(ids) => one.security_groups.clone_from(ids),
                None => {}
            }
            one.instance_type = modify.instance_type.clone().unwrap_or(one.instance_type.clone());
            one.hop_limit = modify.hop_limit.or(one.hop_limit);
            one.protected = modify.protected.or(one.protected);
            // Written down on the machine, and then as a tag.
            if let Some(ttl) = modify.ttl {
                one.deadline =
                    Some(ttl.map_or_else(String::new, |ttl| (one.created + ttl.as_secs()).to_string()));
            }
        });
        if modify.instance_type.is_some() {
            self.restarted(&modify.slot);
        }
    }

    /// A machine that stops and starts has its disk, and of its containers those run that its engine starts.
    fn restarted(&mut self, slot: &Slot) {
        let services = self.spec.services.clone();
        let Some(HostSeen::Ready(facts)) = self.seen.hosts.get_mut(slot) else { return };
        for one in &mut facts.containers {
            let service = one.labels.get(label::SERVICE).and_then(|name| services.get(name));
            let policy = service.map(|service| service.restart);
            if one.state == ContainerState::Running
                && matches!(policy, Some(Restart::No | Restart::OnFailure(_)))
            {
                (one.state, one.ports) = (ContainerState::Exited(143), Vec::new());
            }
        }
    }

    /// Deletes what is left in a region, and else what the group there has.
    fn delete(&mut self, (group, region): (&str, &str), forget: fn(&mut ManagedSeen)) {
        for (name, seen) in &mut self.seen.clouds {
            let Seen::Present(cloud) = seen else { continue };
            if cloud.region != region {
                continue;
            }
            cloud.left.iter_mut().filter(|left| left.group == *group).for_each(forget);
            if name != group {
                continue;
            }
            let mut own = ManagedSeen {
                security_group: cloud.security_group.as_ref().map(|group| group.id.clone()),
                key_pair: cloud.key_pair.take(),
                ..ManagedSeen::default()
            };
            forget(&mut own);
            cloud.security_group = cloud.security_group.take().filter(|_| own.security_group.is_some());
            cloud.key_pair = own.key_pair;
        }
    }

    fn terminate(&mut self, slot: &Slot, id: &str) {
        let clouds = self.seen.clouds.iter_mut().filter_map(|(name, seen)| match seen {
            Seen::Present(cloud) => Some((name, cloud)),
            _ => None,
        });
        let all = clouds.flat_map(|(name, cloud)| cloud.instances.iter_mut().map(move |one| (name, one)));
        let (mut found, mut elsewhere) = (false, true);
        for (name, one) in all.filter(|(_, one)| one.id == id) {
            assert_ne!(one.protected, Some(true), "{id} is protected");
            one.state = InstanceState::Terminated;
            (found, elsewhere) = (true, elsewhere && name.starts_with("region "));
        }
        assert!(found, "{id} is not there");
        if elsewhere {
            return;
        }
        if self.spec.slots().any(|(wanted, _)| wanted == *slot) {
            self.seen.hosts.insert(slot.clone(), HostSeen::NotYet(NotYet::NotLaunched));
        } else {
            self.seen.hosts.shift_remove(slot);
        }
    }

    fn host(&mut self, slot: &Slot) -> &mut HostFacts {
        let Some(HostSeen::Ready(facts)) = self.seen.hosts.get_mut(slot) else { panic!("{slot} is away") };
        // Any write makes the key and the record.
        facts.key.get_or_insert_with(|| SecretString::from("made on the way".to_owned()));
        facts.record.get_or_insert_with(|| Record { version: VERSION, ..Record::default() });
        facts
    }

    /// The release that this apply makes on a machine: complete, since all of it is done.
    fn begun(&mut self, slot: &Slot) -> &mut Release {
        let (known, rollback) = (self.begun.get(slot).copied(), self.spec.rollback.clone());
        let release = self.release;
        let record = self.host(slot).record.clone().unwrap();
        // A machine that could not be seen when the plan was made may be further.
        let number = known.unwrap_or_else(|| release.max(record.last_release() + 1));
        self.begun.insert(slot.clone(), number);
        let there = self.may_be_there(slot, &record);
        let releases = &mut self.host(slot).record.as_mut().unwrap().releases;
        if known.is_none() {
            let mut services = releases.last().map(|last| last.services.clone()).unwrap_or_default();
            services.retain(|service, _| there.contains(service));
            let (status, by, at) = (ReleaseStatus::Complete, "me@laptop".into(), world::NOW);
            releases.push(Release { number, status, by, at, services, rollback });
        }
        releases.last_mut().unwrap()
    }

    /// The services of the last release that may still be on a machine.
    fn may_be_there(&self, slot: &Slot, record: &Record) -> Vec<String> {
        let wanted = |service: &str| self.spec.services_on(&slot.group).any(|one| one.name == service);
        let before = self.before.get(slot).and_then(HostSeen::facts);
        let last = record.releases.last().into_iter().flat_map(|last| last.services.keys());
        let there = last.filter(|service| {
            wanted(service)
                || match before {
                    _ if self.replaced.contains(slot) => false,
                    Some(facts) => {
                        facts.containers.iter().any(|one| one.labels.get(label::SERVICE) == Some(*service))
                    }
                    None => true,
                }
        });
        there.cloned().collect()
    }

    fn on_host(&mut self, step: &Step) {
        match &step.action {
            Action::Copy { slot, service, files } => {
                let host = self.host(slot);
                for file in files {
                    let target = paths::resolve(&file.target, &host.base, &host.home);
                    let (digest, mode) = (file.digest.clone(), file.mode);
                    host.files.insert(target.clone(), FileSeen::File { digest: digest.clone(), mode });
                    let copied = CopiedFile { service: service.clone(), digest, mode, sudo: file.sudo };
                    host.record.as_mut().unwrap().files.insert(target, copied);
                }
            }
            Action::RemoveFiles { slot, targets } => {
                let host = self.host(slot);
                for target in targets {
                    host.files.remove(target);
                    host.record.as_mut().unwrap().files.remove(target);
                }
            }
            Action::Run(run) => self.run(run),
            Action::Restart { slot, service, container, .. }
            | Action::StartContainer { slot, service, container, .. } => {
                let ports = self.spec.services.get(service).map(|service| published(&service.ports));
                let host = self.host(slot);
                let one = host.containers.iter_mut().find(|one| one.name == *container).unwrap();
                (one.state, one.health) = (ContainerState::Running, None);
                one.ports = ports.unwrap_or_default();
                host.record.as_mut().unwrap().stopped.remove(service);
            }
            Action::StopContainer { slot, service, container, .. } => {
                let removes_itself = self.spec.services.get(service).is_some_and(|one| one.auto_remove);
                let host = self.host(slot);
                silence(host, container);
                if removes_itself {
                    return host.containers.retain(|one| one.name != *container);
                }
                let one = host.containers.iter_mut().find(|one| one.name == *container).unwrap();
                // What does not run publishes nothing.
                (one.state, one.ports, one.health) = (ContainerState::Exited(0), Vec::new(), None);
                let stopped =
                    Stopped { by: "me@laptop".into(), container: one.id.clone(), started: one.started };
                host.record.as_mut().unwrap().stopped.insert(service.clone(), stopped);
            }
            Action::UpdateContainer { slot, service, container, settings } => {
                let host = self.host(slot);
                let one = host.containers.iter_mut().find(|one| one.name == *container).unwrap();
                one.in_place = Some(set(settings, one.in_place.as_ref()));
                let record = host.record.as_mut().unwrap();
                record.in_place.insert(service.clone(), settings.clone());
            }
            Action::RemoveContainer { slot, service, container, .. } => {
                let host = self.host(slot);
                silence(host, container);
                host.containers.retain(|one| one.name != *container);
                if step.begins_release_on(slot) {
                    self.begun(slot).services.remove(service);
                }
            }
            Action::Prune { slot, releases, tags } => {
                let host = self.host(slot);
                let record = host.record.as_mut().unwrap();
                record.releases.retain(|release| !releases.contains(&release.number));
                assert!(record.releases.iter().any(|release| release.status == ReleaseStatus::Complete));
                let_go(host, tags);
            }
            Action::RemoveImages { slot: Some(slot), tags } => let_go(self.host(slot), tags),
            Action::RemoveImages { slot: None, .. } => self.seen.built = Seen::Absent,
            Action::RemoveVolumes { slot, volumes } => {
                self.host(slot).volumes.retain(|volume| !volumes.contains(volume));
            }
            Action::CleanHost { slot } => {
                let prefix = format!("a3/{}/", self.spec.name);
                let host = self.host(slot);
                host.kept.iter_mut().for_each(|image| image.tags.retain(|tag| !tag.starts_with(&prefix)));
                host.kept.retain(|image| image.tags.iter().any(|tag| tag.starts_with(&prefix)));
                (host.record, host.key) = (None, None);
            }
            Action::Admit { slot, keys } => self.host(slot).admitted.clone_from(keys),
            Action::Install(install) => {
                let disk = self.disks.get(&install.slot).cloned();
                let host = self.host(&install.slot);
                // What an engine had is there again when it is started.
                if let (Some(disk), Some(Installer::Start)) = (disk, install.with) {
                    (host.containers, host.kept) = (disk.containers, disk.kept);
                    (host.repo_digests, host.volumes) = (disk.repo_digests, disk.volumes);
                }
                (host.engine, host.engine_stopped) = (Seen::Present("26.1.5".into()), false);
            }
            _ => {}
        }
    }

    fn resolved(&self, image: &Image) -> Image {
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

    fn run(&mut self, run: &Run) {
        let image = match self.resolved(&run.image) {
            Image::Pinned { repository, digest } => format!("{repository}@{digest}"),
            Image::Local { id } => id.to_string(),
            Image::From { .. } => panic!("{} has no image", run.service),
        };
        let (spec, secrets) = (self.spec, self.seen.secrets.clone());
        let platform = self.seen.images.get(&run.service).map(|seen| seen.platform);
        let number = self.begun(&run.slot).number;
        let host = self.host(&run.slot);
        let service = &spec.services[&run.service];
        let config = hash::config(&run.settings, service, &secrets, host.key.as_ref()).unwrap();
        let record = host.record.as_mut().unwrap();
        let settings = serde_json::to_value(&run.settings).unwrap();
        let check = run.check.clone();
        let (image, config) = (image.clone(), config.clone());
        let released =
            ReleasedService { image: image.clone(), config: config.clone(), settings, check, platform };
        record.in_place.insert(run.service.clone(), run.settings.in_place.clone());
        record.stopped.remove(&run.service);
        let name = &run.settings.name;
        let labels = [
            (label::DEPLOYMENT, spec.name.clone()),
            (label::SERVICE, run.service.clone()),
            (label::REPLICA, "0".to_owned()),
            (label::OWN, own_mark(&spec.name, &run.slot, &run.service, name)),
            (label::CONFIG, config),
            (label::IMAGE, image.clone()),
            (label::RELEASE, number.to_string()),
            (label::HOME, host.folder.clone()),
        ];
        let named = run.settings.volumes.iter().filter_map(|volume| match &volume.source {
            VolumeSource::Named(name) => Some(names::volume(&spec.name, name)),
            VolumeSource::Bind(_) | VolumeSource::Anonymous => None,
        });
        for volume in named {
            if !host.volumes.contains(&volume) {
                host.volumes.push(volume);
            }
        }
        let ports = published(&run.settings.ports);
        let free = |one: &ContainerSeen| {
            assert!(one.name != *name || one.labels.get(label::SERVICE) == Some(&run.service), "{name}");
        };
        host.containers.iter().for_each(free);
        for former in &run.formerly {
            let one = host.containers.iter().find(|one| one.name == *former).unwrap();
            assert_eq!(one.labels.get(label::SERVICE), Some(&run.service), "{former}");
        }
        for gone in run.formerly.iter().cloned().chain([name.clone(), names::old_container(name)]) {
            silence(host, &gone);
            host.containers.retain(|one| one.name != gone);
        }
        host.containers.push(ContainerSeen {
            id: format!("container of release {number}"),
            name: name.clone(),
            image_id: image.clone(),
            labels: labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            state: ContainerState::Running,
            started: Some(world::NOW),
            restarts: 0,
            health: None,
            ports,
            mounts: Vec::new(),
            in_place: Some(set(&run.settings.in_place, None)),
        });
        let tag = kept_image(&spec.name, &run.service, number);
        host.kept.iter_mut().for_each(|kept| kept.tags.retain(|known| *known != tag));
        match host.kept.iter_mut().find(|kept| kept.is(&image)) {
            Some(kept) => kept.tags.push(tag),
            None => {
                let digests = if image.contains('@') { vec![image.clone()] } else { Vec::new() };
                host.kept.push(KeptImage { id: image.clone(), tags: vec![tag], digests });
            }
        }
        host.kept.retain(|kept| !kept.tags.is_empty());
        if image.contains('@') {
            host.repo_digests.insert(image);
        }
        self.begun(&run.slot).services.insert(run.service.clone(), released);
    }
}
