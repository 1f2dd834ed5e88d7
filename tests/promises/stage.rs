//! A world of plain data that outlives its spec: regions, registries, the engine here, machines. What is
//! seen of it depends on the spec that one looks with.

use std::collections::{BTreeMap, BTreeSet};

use a3::id::{Arch, Digest, Platform, Slot};
use a3::observed::{
    CloudSeen, HostFacts, HostSeen, ImageSeen, LocalFile, LocalImage, ManagedSeen, NotYet, Observed,
    OwnedInstance, RemoteImage, RemoteSeen, Scope, Secrets, SecurityGroup, Seen,
};
use a3::plan::step::Plan;
use a3::plan::{Options, hash, names, plan};
use a3::spec::{self, Ec2, EnvValue, Inputs, Machine, SecretSource, Service, Source, Spec};
use indexmap::IndexMap;
use secrecy::SecretString;

use crate::support::world::{NOW, digest, fresh_host, machine_image, remote};

use super::walk;

/// The value of every secret; nothing that leaves a plan may hold it.
pub(crate) const SECRET: &str = "hunter2";

/// What a3 reads of a `deploy.yaml`, by its real rules.
pub(crate) fn spec_of(text: &str) -> Spec {
    let sources = [Source::new("deploy.yaml", text)];
    let env = BTreeMap::from([("LEVEL".to_owned(), SECRET.to_owned())]);
    let (profiles, files) = (BTreeSet::new(), BTreeMap::new());
    let inputs = Inputs { sources: &sources, env: &env, profiles: &profiles, service: None, files: &files };
    spec::parse(&inputs).unwrap_or_else(|wrong| panic!("{wrong:?}\n{text}")).spec
}

/// What a3 keeps for one group in a region, or finds in the place of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) security_group: Option<SecurityGroup>,
    pub(crate) key_pair: Option<String>,
    pub(crate) foreign_group: Option<String>,
    pub(crate) foreign_key: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Region {
    pub(crate) instances: Vec<OwnedInstance>,
    pub(crate) groups: BTreeMap<String, Kept>,
}

/// The world, and what is seen of it with a spec.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    pub(crate) seen: Observed,
    /// What is on the disks of machines that cannot be asked now.
    pub(crate) asleep: BTreeMap<Slot, HostFacts>,
    /// The spec that was looked with.
    pub(crate) spec: Spec,
    pub(crate) regions: BTreeMap<String, Region>,
    /// By reference, `REPO@sha256:…` too.
    pub(crate) registry: BTreeMap<String, RemoteSeen>,
    pub(crate) engine: BTreeMap<String, LocalImage>,
    /// Machines that the spec does not have (any more), by address or instance id.
    elsewhere: BTreeMap<String, HostSeen>,
    /// How often sources, and data files, were edited here.
    pub(crate) edits: (u32, u32),
    /// Where this caller's address is now.
    pub(crate) caller: String,
}

impl Stage {
    /// Nothing of the deployment exists.
    pub(crate) fn nothing(spec: &Spec) -> Self {
        let seen = Observed {
            now: NOW,
            scope: Scope::default(),
            images: IndexMap::new(),
            clouds: IndexMap::new(),
            hosts: IndexMap::new(),
            files: IndexMap::new(),
            missing: Vec::new(),
            unread: BTreeSet::new(),
            secrets: Secrets::default(),
            built: Seen::Absent,
        };
        let nothing = Spec { groups: IndexMap::new(), services: IndexMap::new(), ..spec.clone() };
        let stage = Self {
            seen,
            asleep: BTreeMap::new(),
            spec: nothing,
            regions: BTreeMap::new(),
            registry: BTreeMap::new(),
            engine: BTreeMap::new(),
            elsewhere: BTreeMap::new(),
            edits: (0, 0),
            caller: "198.51.100.4/32".into(),
        };
        stage.with(spec)
    }

    /// A deployment that has seen so many releases of edited sources, each applied to its end.
    pub(crate) fn lived(spec: &Spec, releases: u32) -> Self {
        let mut stage = Self::nothing(spec);
        for _ in 0..releases {
            stage.edits.0 += 1;
            stage = stage.with(spec);
            let plan = stage.plan(spec);
            if !plan.blocked.is_empty() {
                break;
            }
            stage = walk::to_the_end(spec, &stage, &plan);
        }
        stage
    }

    pub(crate) fn plan(&self, spec: &Spec) -> Plan {
        plan(spec, &self.seen, &Options::default())
    }

    /// The same world, looked at with another spec (or once more).
    pub(crate) fn with(mut self, spec: &Spec) -> Self {
        self.keep();
        self.see(spec);
        self
    }

    /// Looks again at what has changed beneath: regions, registries, the engine and the sources here.
    pub(crate) fn refresh(&mut self, spec: &Spec) {
        let hosts = std::mem::take(&mut self.seen.hosts);
        self.see(spec);
        self.seen.hosts = hosts;
    }

    /// What an apply did to what was seen, it did to the world.
    fn keep(&mut self) {
        let images: Vec<(Service, ImageSeen)> = self
            .seen
            .images
            .iter()
            .filter_map(|(name, image)| Some((self.spec.services.get(name)?.clone(), image.clone())))
            .collect();
        for (service, image) in images {
            self.keep_image(&service, &image);
        }
        for (name, seen) in self.seen.clouds.clone() {
            let Seen::Present(cloud) = seen else { continue };
            let region = self.regions.entry(cloud.region.clone()).or_default();
            region.instances.clone_from(&cloud.instances);
            for left in &cloud.left {
                let kept = region.groups.entry(left.group.clone()).or_default();
                kept.security_group = kept.security_group.take().filter(|_| left.security_group.is_some());
                kept.key_pair.clone_from(&left.key_pair);
            }
            if self.spec.groups.contains_key(&name) {
                let kept = region.groups.entry(name).or_default();
                kept.security_group = cloud.security_group;
                kept.key_pair = cloud.key_pair;
            }
        }
        for (slot, seen) in std::mem::take(&mut self.seen.hosts) {
            if let Some(machine) = self.machine(&self.spec, &slot) {
                self.elsewhere.insert(machine, seen);
            }
        }
    }

    fn keep_image(&mut self, service: &Service, image: &ImageSeen) {
        let repository = names::repository(&service.image);
        let mut put = |reference: String, seen: &RemoteSeen| {
            if let RemoteSeen::Found(found) = seen {
                self.registry.insert(format!("{repository}@{}", found.digest), seen.clone());
            }
            if !matches!(seen, RemoteSeen::NotAsked) {
                self.registry.insert(reference, seen.clone());
            }
        };
        put(service.image.clone(), &image.reference);
        if let Some(source) = &image.source {
            put(format!("{repository}:{}", names::source_tag(source)), &image.source_tag);
            let name = names::local_image(&self.spec.name, &service.name, source);
            keep_local(&mut self.engine, name, &image.local_source);
        }
        keep_local(&mut self.engine, service.image.clone(), &image.local_reference);
    }

    /// What tells a machine from others: its address, or its instance's id.
    pub(crate) fn machine(&self, spec: &Spec, slot: &Slot) -> Option<String> {
        let group = spec.groups.get(&slot.group)?;
        match &group.machine {
            Machine::Local => Some("local".into()),
            Machine::Host(addresses) => {
                let index = usize::try_from(slot.index).unwrap();
                Some(addresses.get(index)?.host.clone())
            }
            Machine::Ec2(ec2) => {
                let region = self.regions.get(&region_of(ec2))?;
                let mut live = region.instances.iter().filter(|one| one.slot == *slot && one.state.is_live());
                live.next().map(|one| one.id.clone())
            }
        }
    }

    fn see(&mut self, spec: &Spec) {
        self.spec = spec.clone();
        self.seen.images =
            spec.services.values().map(|one| (one.name.clone(), self.image(spec, one))).collect();
        self.seen.files = spec.services.values().map(|one| (one.name.clone(), self.files(one))).collect();
        self.seen.clouds = self.clouds(spec);
        let is_ec2 = |slot: &Slot| matches!(spec.groups[&slot.group].machine, Machine::Ec2(_));
        for (slot, _) in spec.slots() {
            let known = self.machine(spec, &slot).map(|machine| self.elsewhere.remove(&machine));
            let seen = match known {
                Some(Some(seen)) => seen,
                // It was launched, and nothing was done there yet.
                Some(None) => HostSeen::Ready(Box::new(HostFacts { key: None, ..fresh_host() })),
                None => HostSeen::NotYet(NotYet::NotLaunched),
            };
            let seen = match seen {
                HostSeen::NotYet(NotYet::NotLaunched)
                    if self.machine(spec, &slot).is_some() && is_ec2(&slot) =>
                {
                    HostSeen::Ready(Box::new(HostFacts { key: None, ..fresh_host() }))
                }
                seen => seen,
            };
            self.seen.hosts.insert(slot, seen);
        }
        self.seen.secrets = secrets(spec);
        let clouds = self.seen.clouds.values().filter_map(Seen::present);
        self.seen.scope.regions = clouds.map(|cloud| cloud.region.clone()).collect();
        self.seen.scope.registries = spec.registries.keys().cloned().collect();
    }

    fn image(&self, spec: &Spec, service: &Service) -> ImageSeen {
        let source = service.build.as_ref().map(|build| {
            digest(&format!(
                "{} {:?} {:?} {}",
                build.context.display(),
                build.args,
                build.labels,
                self.edits.0
            ))
        });
        let on_local =
            matches!(spec.groups.get(&service.on).map(|group| &group.machine), Some(Machine::Local));
        let in_engine = names::image_id(&service.image);
        let asks = in_engine.is_none() && !(on_local && service.build.is_some());
        let repository = names::repository(&service.image);
        let remote_of = |reference: String, made_by_others: bool| match self.registry.get(&reference) {
            _ if !asks => RemoteSeen::NotAsked,
            Some(seen) => seen.clone(),
            None if made_by_others => RemoteSeen::Found(remote(&reference, None)),
            None => RemoteSeen::Absent,
        };
        let local =
            |name: &str| self.engine.get(name).map_or(Seen::Absent, |image| Seen::Present(image.clone()));
        let local_source =
            source.as_ref().map(|source| names::local_image(&spec.name, &service.name, source));
        let of_id = in_engine.map(|id| {
            let kept = self.engine.values().find(|image| image.id == id);
            kept.map_or(Seen::Absent, |image| Seen::Present(image.clone()))
        });
        let others = source.is_none() && names::pinned(&service.image).is_none();
        ImageSeen {
            platform: Platform(Arch::Amd64),
            reference: remote_of(service.image.clone(), others),
            source_tag: match &source {
                Some(source) => remote_of(format!("{repository}:{}", names::source_tag(source)), false),
                None => RemoteSeen::NotAsked,
            },
            context: source.as_ref().map(|_| (8, 5812)),
            source,
            local_source: local_source.map_or(Seen::Absent, |name| local(&name)),
            local_reference: of_id.unwrap_or_else(|| local(&service.image)),
        }
    }

    fn files(&self, service: &Service) -> Vec<LocalFile> {
        let file = |(entry, file): (usize, &a3::spec::DataFile)| {
            let name = file.source.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let name = if file.target.ends_with('/') { name } else { String::new() };
            LocalFile {
                entry,
                source: file.source.clone(),
                target: format!("{}{name}", file.target),
                mode: file.mode.unwrap_or(0o644),
                digest: digest(&format!("{} {}", file.source.display(), self.edits.1)),
                size: 1234,
            }
        };
        service.files.iter().enumerate().map(file).collect()
    }

    fn clouds(&self, spec: &Spec) -> IndexMap<String, Seen<CloudSeen>> {
        let mut clouds: IndexMap<String, Seen<CloudSeen>> = IndexMap::new();
        let mut shown: BTreeSet<String> = BTreeSet::new();
        for group in spec.groups.values() {
            let Machine::Ec2(ec2) = &group.machine else { continue };
            let region = region_of(ec2);
            let there = self.regions.get(&region).cloned().unwrap_or_default();
            let own = there.groups.get(&group.name).cloned().unwrap_or_default();
            let mut cloud = self.cloud(&region, &there);
            cloud.image = Some(match &ec2.ami {
                a3::spec::Ami::Id(id) => machine_image(id),
                a3::spec::Ami::Newest { name, .. } if name.starts_with("debian") => machine_image("ami-0deb"),
                a3::spec::Ami::Newest { .. } => machine_image("ami-0aaa"),
            });
            cloud.type_archs = vec![Arch::Amd64];
            cloud.security_group = own.security_group;
            cloud.key_pair = own.key_pair;
            cloud.foreign_group = own.foreign_group;
            cloud.foreign_key = own.foreign_key;
            let named = ec2.vpc_security_group_ids.iter().map(|id| (id.clone(), "vpc-0123".to_owned()));
            cloud.own_groups = (!ec2.vpc_security_group_ids.is_empty()).then(|| named.collect());
            cloud.caller_cidrs = ec2.allow_ssh_from.clone().unwrap_or_else(|| vec![self.caller.clone()]);
            if shown.insert(region.clone()) {
                cloud.left = left(spec, &region, &there);
            }
            clouds.insert(group.name.clone(), Seen::Present(cloud));
        }
        // Regions that this machine remembers, and the spec does not name any more.
        for (region, there) in self.regions.iter().filter(|(region, _)| !shown.contains(*region)) {
            let mut cloud = self.cloud(region, there);
            cloud.left = left(spec, region, there);
            clouds.insert(format!("region {region}"), Seen::Present(cloud));
        }
        clouds
    }

    fn cloud(&self, region: &str, there: &Region) -> CloudSeen {
        CloudSeen {
            account: "123456789012".into(),
            region: region.to_owned(),
            image: None,
            type_archs: Vec::new(),
            instances: there.instances.clone(),
            vpc_id: Some("vpc-0123".into()),
            security_group: None,
            foreign_group: None,
            key_pair: None,
            foreign_key: false,
            held_by: Vec::new(),
            own_key: Some("SHA256:mine".into()),
            own_groups: None,
            no_such_type: None,
            notes: Vec::new(),
            caller_cidrs: Vec::new(),
            caller_id: "me@laptop".into(),
            refusals: Vec::new(),
            unchecked: Vec::new(),
            left: Vec::new(),
        }
    }
}

pub(crate) fn region_of(ec2: &Ec2) -> String {
    ec2.region.clone().unwrap_or_else(|| "us-west-2".into())
}

/// What a3 keeps in a region for groups that the spec does not have there.
fn left(spec: &Spec, region: &str, there: &Region) -> Vec<ManagedSeen> {
    let here = |group: &str| match spec.groups.get(group).map(|group| &group.machine) {
        Some(Machine::Ec2(ec2)) => region_of(ec2) == region,
        _ => false,
    };
    let left = there.groups.iter().filter(|(group, _)| !here(group)).map(|(group, kept)| ManagedSeen {
        deployment: spec.name.clone(),
        group: group.clone(),
        security_group: kept.security_group.as_ref().map(|found| found.id.clone()),
        key_pair: kept.key_pair.clone(),
    });
    left.filter(|left| left.security_group.is_some() || left.key_pair.is_some()).collect()
}

fn keep_local(engine: &mut BTreeMap<String, LocalImage>, name: String, seen: &Seen<LocalImage>) {
    match seen {
        Seen::Present(image) => drop(engine.insert(name, image.clone())),
        Seen::Absent => drop(engine.remove(&name)),
        Seen::Unreachable(_) => {}
    }
}

fn secrets(spec: &Spec) -> Secrets {
    let values = spec.services.values().flat_map(|service| service.environment.values());
    let sources = values.filter_map(|value| match value {
        EnvValue::Secret(source) => Some(source),
        _ => None,
    });
    let value = |source: &SecretSource| (hash::source_key(source), SecretString::from(SECRET.to_owned()));
    Secrets { values: sources.map(value).collect() }
}

/// What was pushed under a digest.
pub(crate) fn someone_elses(name: &str) -> RemoteImage {
    remote(&format!("someone's {name}"), None)
}

pub(crate) fn other_digest() -> Digest {
    digest("there")
}
