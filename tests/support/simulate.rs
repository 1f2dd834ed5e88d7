//! What an apply does to the world, on plain data: so that "plan, apply, plan" can be asked for its
//! second answer without a machine.

use std::collections::BTreeMap;

use a3::id::{Digest, Slot};
use a3::observed::{
    ContainerSeen, ContainerState, FileSeen, HostFacts, HostSeen, IngressRule, InstanceState, KeptImage,
    LocalImage, ManagedSeen, NotYet, Observed, OwnedInstance, PublishedPort, RemoteSeen, SecurityGroup, Seen,
};
use a3::plan::names::{kept_image, label, own_mark};
use a3::plan::step::{Action, Firewall, Image, Launch, Modify, Plan, Run, Step, StepId, TagFrom};
use a3::plan::{Options, asked, hash, own_tags, paths, plan, plan_host};
use a3::record::{
    CopiedFile, InPlace, InPlaceSeen, Limit, Record, Release, ReleaseStatus, ReleasedService, Stopped,
};
use a3::spec::{Port, Restart, Spec};
use secrecy::SecretString;

use super::world;

/// Plans and applies, the machines that answer only on the way included.
pub(crate) fn apply(spec: &Spec, seen: &Observed, options: &Options) -> Observed {
    let planned = plan(spec, seen, options);
    assert!(planned.blocked.is_empty(), "{:?}", planned.blocked);
    apply_plan(spec, seen, &planned)
}

/// The world after a plan.
pub(crate) fn apply_plan(spec: &Spec, seen: &Observed, planned: &Plan) -> Observed {
    let records = seen.hosts.values().filter_map(HostSeen::facts).filter_map(|facts| facts.record.as_ref());
    let release = records.map(Record::last_release).max().unwrap_or(0) + 1;
    let (made, images) = (BTreeMap::new(), BTreeMap::new());
    let mut world = World { spec, seen: seen.clone(), release, made, images };
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
    let records = seen.hosts.values().filter_map(HostSeen::facts).filter_map(|facts| facts.record.as_ref());
    let release = records.map(Record::last_release).max().unwrap_or(0) + 1;
    let (made, images) = (BTreeMap::new(), BTreeMap::new());
    let mut world = World { spec, seen: seen.clone(), release, made, images };
    for step in planned.steps.iter().take(done).filter(|step| !step.provisional) {
        world.step(step);
    }
    let unfinished = |release: &mut Release| release.status = ReleaseStatus::Started;
    for host in world.seen.hosts.values_mut() {
        let HostSeen::Ready(facts) = host else { continue };
        let releases = facts.record.iter_mut().flat_map(|record| &mut record.releases);
        releases.filter(|one| one.number == release).for_each(unfinished);
    }
    world.seen
}

fn slot_of(action: &Action) -> Option<Slot> {
    match action {
        Action::Run(run) => Some(run.slot.clone()),
        Action::Install(install) => Some(install.slot.clone()),
        Action::Admit { slot, .. } => Some(slot.clone()),
        Action::Copy { slot, .. }
        | Action::RemoveFiles { slot, .. }
        | Action::Login { slot, .. }
        | Action::Restart { slot, .. }
        | Action::StartContainer { slot, .. }
        | Action::UpdateContainer { slot, .. }
        | Action::RemoveContainer { slot, .. }
        | Action::Prune { slot, .. } => Some(slot.clone()),
        _ => None,
    }
}

struct World<'a> {
    spec: &'a Spec,
    seen: Observed,
    /// The number of the release that this apply makes.
    release: u64,
    /// What a build or push yields.
    made: BTreeMap<StepId, Digest>,
    images: BTreeMap<String, Image>,
}

impl World<'_> {
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
            Action::ImportKey { .. } => {
                let cloud = world::cloud(&mut self.seen);
                cloud.key_pair.clone_from(&cloud.own_key);
            }
            Action::DeleteKey { region, .. } => self.delete(region, |left| left.key_pair = None),
            Action::Firewall(firewall) => self.firewall(firewall),
            Action::DeleteFirewall { region, .. } => self.delete(region, |left| left.security_group = None),
            Action::Launch(launch) => self.launch(launch),
            Action::Start { slot, .. } => {
                self.of(slot).state = InstanceState::Running;
                self.answer(slot);
            }
            Action::Modify(modify) => self.modify(modify),
            Action::Terminate { slot, id, .. } => self.terminate(slot, id),
            _ => self.on_host(&step.action),
        }
    }

    fn of(&mut self, slot: &Slot) -> &mut OwnedInstance {
        let live = |one: &&mut OwnedInstance| one.slot == *slot && one.state.is_live();
        world::cloud(&mut self.seen).instances.iter_mut().find(live).unwrap()
    }

    /// A machine that was away answers; what is on its disk is what scenarios put there.
    fn answer(&mut self, slot: &Slot) {
        let host = self.seen.hosts.get_mut(slot).unwrap();
        if host.facts().is_none() {
            *host = HostSeen::Ready(Box::new(HostFacts { key: None, ..world::fresh_host() }));
        }
    }

    fn firewall(&mut self, firewall: &Firewall) {
        let group = &mut world::cloud(&mut self.seen).security_group;
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
        if let Some(old) = &launch.replaces {
            self.terminate(&launch.slot, old);
        }
        let cloud = world::cloud(&mut self.seen);
        let managed = cloud.security_group.iter().map(|group| group.id.clone()).collect();
        let named = &launch.security_group_ids;
        let security_groups = if named.is_empty() { managed } else { named.clone() };
        cloud.instances.push(OwnedInstance {
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
        });
        let host = HostFacts { key: None, ..world::fresh_host() };
        self.seen.hosts.insert(launch.slot.clone(), HostSeen::Ready(Box::new(host)));
    }

    fn modify(&mut self, modify: &Modify) {
        let managed = world::cloud(&mut self.seen).security_group.clone();
        let one = self.of(&modify.slot);
        for (key, value) in &modify.set_tags {
            if key == "a3:hash" {
                one.hash = Some(value.clone());
            } else {
                one.tags.insert(key.clone(), value.clone());
            }
        }
        modify.remove_tags.iter().for_each(|key| drop(one.tags.remove(key)));
        match &modify.security_group_ids {
            Some(ids) if ids.is_empty() => one.security_groups = vec![managed.unwrap().id],
            Some(ids) => one.security_groups.clone_from(ids),
            None => {}
        }
        one.instance_type = modify.instance_type.clone().unwrap_or(one.instance_type.clone());
        one.hop_limit = modify.hop_limit.or(one.hop_limit);
        one.protected = modify.protected.or(one.protected);
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
    fn delete(&mut self, region: &str, forget: fn(&mut ManagedSeen)) {
        for seen in self.seen.clouds.values_mut() {
            let Seen::Present(cloud) = seen else { continue };
            if cloud.region != region {
                continue;
            }
            for left in &mut cloud.left {
                forget(left);
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
        let mut all = clouds.flat_map(|(name, cloud)| cloud.instances.iter_mut().map(move |one| (name, one)));
        let (name, one) = all.find(|(_, one)| one.id == id).unwrap();
        assert_ne!(one.protected, Some(true), "{id} is protected");
        one.state = InstanceState::Terminated;
        if name.starts_with("region ") {
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
        facts.record.get_or_insert_with(Record::default);
        facts
    }

    /// The release that this apply makes on a machine: complete, since all of it is done.
    fn begun(&mut self, slot: &Slot) -> &mut Release {
        let (number, rollback) = (self.release, self.spec.rollback.clone());
        let releases = &mut self.host(slot).record.as_mut().unwrap().releases;
        if releases.last().is_none_or(|last| last.number != number) {
            let services = releases.last().map(|last| last.services.clone()).unwrap_or_default();
            let (status, by, at) = (ReleaseStatus::Complete, "me@laptop".into(), world::NOW);
            releases.push(Release { number, status, by, at, services, rollback });
        }
        releases.last_mut().unwrap()
    }

    fn on_host(&mut self, action: &Action) {
        match action {
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
            }
            Action::StopContainer { slot, service, container, .. } => {
                let host = self.host(slot);
                let one = host.containers.iter_mut().find(|one| one.name == *container).unwrap();
                // What does not run publishes nothing.
                (one.state, one.ports) = (ContainerState::Exited(0), Vec::new());
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
                self.host(slot).containers.retain(|one| one.name != *container);
                self.begun(slot).services.remove(service);
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
                host.record = None;
            }
            Action::Admit { slot, keys } => self.host(slot).admitted.clone_from(keys),
            Action::Install(install) => {
                let host = self.host(&install.slot);
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
        let (spec, secrets, number) = (self.spec, self.seen.secrets.clone(), self.release);
        let host = self.host(&run.slot);
        let service = &spec.services[&run.service];
        let config = hash::config(&run.settings, service, &secrets, host.key.as_ref()).unwrap();
        let record = host.record.as_mut().unwrap();
        let settings = serde_json::to_value(&run.settings).unwrap();
        let (check, platform) = (run.check.clone(), None);
        let (image, config) = (image.clone(), config.clone());
        let released =
            ReleasedService { image: image.clone(), config: config.clone(), settings, check, platform };
        record.in_place.insert(run.service.clone(), run.settings.in_place.clone());
        let name = &run.settings.name;
        let labels = [
            (label::DEPLOYMENT, spec.name.clone()),
            (label::SERVICE, run.service.clone()),
            (label::OWN, own_mark(&spec.name, &run.slot, &run.service, name)),
            (label::CONFIG, config),
            (label::IMAGE, image.clone()),
            (label::RELEASE, number.to_string()),
        ];
        let ports = published(&run.settings.ports);
        let free = |one: &ContainerSeen| {
            assert!(one.name != *name || one.labels.get(label::SERVICE) == Some(&run.service), "{name}");
        };
        host.containers.iter().for_each(free);
        for former in &run.formerly {
            let one = host.containers.iter().find(|one| one.name == *former).unwrap();
            assert_eq!(one.labels.get(label::SERVICE), Some(&run.service), "{former}");
        }
        host.containers.retain(|one| one.name != *name && one.name != format!("{name}.a3-old"));
        host.containers.retain(|one| !run.formerly.contains(&one.name));
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

/// What the engine has of such settings: a limit that was there cannot be taken away, only raised.
fn set(asked: &InPlace, before: Option<&InPlaceSeen>) -> InPlaceSeen {
    let memory_was = before.map_or(Limit::Never, |before| before.mem_limit);
    let cpus_were = before.map_or(Limit::Never, |before| before.nano_cpus);
    InPlaceSeen {
        restart: asked.restart,
        mem_limit: match (asked.mem_limit, memory_was) {
            (Some(limit), _) => Limit::At(limit),
            (None, Limit::Never) => Limit::Never,
            (None, _) => Limit::All(1 << 50),
        },
        nano_cpus: match (asked.nano_cpus, cpus_were) {
            (Some(world::ALL_PROCESSORS), _) => Limit::All(world::ALL_PROCESSORS),
            (Some(limit), _) => Limit::At(limit),
            (None, Limit::Never) => Limit::Never,
            (None, _) => Limit::All(world::ALL_PROCESSORS),
        },
    }
}

/// The person's tags, and which they are.
fn tagged(launch: &Launch) -> BTreeMap<String, String> {
    let own = own_tags::to_tag(launch.tags.keys().map(String::as_str));
    let own = own.map(|own| (own_tags::TAG.to_owned(), own));
    let asked = Some((asked::TAG.to_owned(), launch.asked.clone()));
    launch.tags.clone().into_iter().chain(own).chain(asked).collect()
}

/// What a container that runs publishes.
fn published(ports: &[Port]) -> Vec<PublishedPort> {
    let published = ports.iter().map(|port| PublishedPort {
        host_ip: port.host_ip.clone(),
        published: port.published.unwrap_or(49153),
        target: port.target,
        protocol: port.protocol,
    });
    published.collect()
}

/// An image that has no name left goes; of one that somebody else has named, only our tags.
fn let_go(host: &mut HostFacts, tags: &[String]) {
    for image in &mut host.kept {
        image.tags.retain(|tag| !tags.contains(tag));
        if image.tags.is_empty() {
            let used = |one: &ContainerSeen| image.is(&one.image_id);
            assert!(!host.containers.iter().any(used), "an image in use was pruned: {image:?}");
            host.repo_digests.retain(|digest| !image.digests.contains(digest));
        }
    }
    host.kept.retain(|image| !image.tags.is_empty());
}
