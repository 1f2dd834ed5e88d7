//! What the world, and other people, do to a deployment between two plans; and what is away when one
//! looks. `at` counts slots, services, groups or regions, and goes round.

use a3::id::Slot;
use a3::observed::{
    ContainerSeen, ContainerState, FileSeen, Health, HostFacts, HostSeen, IngressRule, InstanceState,
    KeptImage, NotYet, Observed, PublishedPort, RemoteSeen, Seen,
};
use a3::plan::names::{label, one_off, one_off_mark};
use a3::plan::owned_service;
use a3::record::{ReleaseStatus, Stopped};
use a3::spec::{Ec2, Machine, Protocol, Spec};

use crate::support::on_ec2::restarted;
use crate::support::world::cause;

use super::stage::{Stage, other_digest, region_of, someone_elses};

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accident {
    SourceEdited,
    DataEdited,
    ReferenceMoved { at: u8 },
    RegistryEmptied,
    LocalImagesPruned,
    ImageNotVisible { at: u8 },
    ImageUnusable { at: u8 },
    DataEditedThere { at: u8 },
    DataRemovedThere { at: u8 },
    Killed { at: u8 },
    Paused { at: u8 },
    Unhealthy { at: u8 },
    OffNetwork { at: u8 },
    Removed { at: u8 },
    SwapBeforeCreate { at: u8 },
    SwapBeforeStart { at: u8 },
    SwapBeforeRemove { at: u8 },
    SwapBeforeRecord { at: u8 },
    PrunedThere { at: u8 },
    NamedByOthers { at: u8 },
    UsedByOthers { at: u8 },
    RecordLost { at: u8 },
    KeyLost { at: u8 },
    StoppedByPerson { at: u8 },
    KeysAdmitted { at: u8 },
    OneOff { at: u8 },
    ForeignName { at: u8 },
    ForeignPort { at: u8 },
    ForeignNetwork { at: u8 },
    NoDocker { at: u8 },
    DockerStopped { at: u8 },
    MachineStopped { at: u8 },
    MachineTerminated { at: u8 },
    MachineBoots { at: u8 },
    RuleRemoved { at: u8 },
    RuleOfOthers { at: u8 },
    CallerMoved,
    KeyPairRemoved { at: u8 },
    ForeignGroup { at: u8 },
    ForeignKey { at: u8 },
    TaggedByHand { at: u8 },
    TokensByHand { at: u8 },
    ProtectedByHand { at: u8 },
}

/// Those that a case is drawn from.
pub(crate) const ACCIDENTS: [fn(u8) -> Accident; 43] = [
    |_| Accident::SourceEdited,
    |_| Accident::DataEdited,
    |at| Accident::ReferenceMoved { at },
    |_| Accident::RegistryEmptied,
    |_| Accident::LocalImagesPruned,
    |at| Accident::ImageNotVisible { at },
    |at| Accident::DataEditedThere { at },
    |at| Accident::DataRemovedThere { at },
    |at| Accident::Killed { at },
    |at| Accident::Paused { at },
    |at| Accident::Unhealthy { at },
    |at| Accident::OffNetwork { at },
    |at| Accident::Removed { at },
    |at| Accident::SwapBeforeCreate { at },
    |at| Accident::SwapBeforeStart { at },
    |at| Accident::SwapBeforeRemove { at },
    |at| Accident::SwapBeforeRecord { at },
    |at| Accident::PrunedThere { at },
    |at| Accident::NamedByOthers { at },
    |at| Accident::UsedByOthers { at },
    |at| Accident::RecordLost { at },
    |at| Accident::KeyLost { at },
    |at| Accident::StoppedByPerson { at },
    |at| Accident::KeysAdmitted { at },
    |at| Accident::OneOff { at },
    |at| Accident::DockerStopped { at },
    |at| Accident::MachineStopped { at },
    |at| Accident::MachineTerminated { at },
    |at| Accident::MachineBoots { at },
    |at| Accident::RuleRemoved { at },
    |at| Accident::RuleOfOthers { at },
    |_| Accident::CallerMoved,
    |at| Accident::KeyPairRemoved { at },
    |at| Accident::TaggedByHand { at },
    |at| Accident::TokensByHand { at },
    // These stop a plan.
    |at| Accident::ProtectedByHand { at },
    |at| Accident::ForeignGroup { at },
    |at| Accident::ForeignKey { at },
    |at| Accident::ForeignName { at },
    |at| Accident::ForeignPort { at },
    |at| Accident::ForeignNetwork { at },
    |at| Accident::NoDocker { at },
    |at| Accident::ImageUnusable { at },
];

/// How many of them never stop a plan by themselves.
pub(crate) const MENDABLE: usize = 33;

impl Stage {
    /// Something happens, where there is something that it can happen to.
    pub(crate) fn happens(&mut self, what: Accident) {
        match what {
            Accident::SourceEdited => self.edits.0 += 1,
            Accident::DataEdited => self.edits.1 += 1,
            Accident::ReferenceMoved { at } => {
                self.reference(at, |name| RemoteSeen::Found(someone_elses(name)))
            }
            Accident::ImageNotVisible { at } => self.built_reference(at, RemoteSeen::NotVisible),
            Accident::ImageUnusable { at } => {
                self.reference(at, |_| RemoteSeen::Unusable(cause("it is for linux/s390x", "push another")));
            }
            Accident::RegistryEmptied => self.registry.retain(|_, _| false),
            Accident::LocalImagesPruned => self.engine.clear(),
            Accident::CallerMoved => self.caller_moves(),
            Accident::RuleRemoved { .. }
            | Accident::RuleOfOthers { .. }
            | Accident::KeyPairRemoved { .. }
            | Accident::ForeignGroup { .. }
            | Accident::ForeignKey { .. } => self.in_region(what),
            Accident::MachineStopped { at } => self.machine_stops(at, InstanceState::Stopped),
            Accident::MachineTerminated { at } => self.machine_stops(at, InstanceState::Terminated),
            Accident::MachineBoots { at } => self.machine_stops(at, InstanceState::Pending),
            Accident::TaggedByHand { at } => self.instance(at, |one| {
                one.tags.insert("by-hand".into(), "keep".into());
            }),
            Accident::TokensByHand { at } => self.instance(at, |one| one.tokens_required = Some(false)),
            Accident::ProtectedByHand { at } => self.instance(at, |one| {
                if !one.spot {
                    one.protected = Some(true);
                }
            }),
            _ => self.on_machine(what),
        }
        // What was edited is seen.
        let spec = self.spec.clone();
        self.refresh(&spec);
    }

    fn reference(&mut self, at: u8, seen: impl Fn(&str) -> RemoteSeen) {
        let Some(service) = nth(self.spec.services.values(), at) else { return };
        self.registry.insert(service.image.clone(), seen(&service.name));
    }

    /// A name that is not there (yet) is not visible; one that is only pulled has to be.
    fn built_reference(&mut self, at: u8, seen: RemoteSeen) {
        let Some(service) = nth(self.spec.services.values(), at).filter(|one| one.build.is_some()) else {
            return;
        };
        self.registry.insert(service.image.clone(), seen);
    }

    fn caller_moves(&mut self) {
        self.caller = "198.51.100.99/32".into();
        self.locked_out(|_, ec2| ec2.allow_ssh_from.is_none());
    }

    /// Machines behind a managed security group do not answer this caller.
    fn locked_out(&mut self, those: impl Fn(&String, &Ec2) -> bool) {
        for (slot, group) in self.spec.slots() {
            let Machine::Ec2(ec2) = &group.machine else { continue };
            if ec2.vpc_security_group_ids.is_empty() && those(&group.name, ec2) {
                let asleep = sleeps(self.seen.hosts.get_mut(&slot), NotYet::NoRule);
                self.asleep.extend(asleep.map(|facts| (slot, facts)));
            }
        }
    }

    /// Things of one group in its region.
    fn in_region(&mut self, what: Accident) {
        let (Accident::RuleRemoved { at }
        | Accident::RuleOfOthers { at }
        | Accident::KeyPairRemoved { at }
        | Accident::ForeignGroup { at }
        | Accident::ForeignKey { at }) = what
        else {
            return;
        };
        let groups = self.spec.groups.values().filter_map(|group| match &group.machine {
            Machine::Ec2(ec2) => Some((group.name.clone(), region_of(ec2))),
            _ => None,
        });
        let Some((group, region)) = nth(groups, at) else { return };
        let kept = self.regions.entry(region).or_default().groups.entry(group.clone()).or_default();
        let rules = kept.security_group.as_mut().map(|found| &mut found.rules);
        match (what, rules) {
            (Accident::RuleRemoved { .. }, Some(rules)) => {
                let gone = rules.pop();
                if gone.is_some_and(|rule| rule.description == "ssh me@laptop") {
                    self.locked_out(|name, _| *name == group);
                }
            }
            (Accident::RuleOfOthers { .. }, Some(rules)) => rules.push(IngressRule {
                id: "sgr-theirs".into(),
                protocol: Some(Protocol::Tcp),
                from_port: 22,
                to_port: 22,
                cidr: Some("192.0.2.99/32".into()),
                description: "ssh ann@desk".into(),
            }),
            (Accident::KeyPairRemoved { .. }, _) => kept.key_pair = None,
            (Accident::ForeignGroup { .. }, None) => kept.foreign_group = Some("sg-theirs".into()),
            (Accident::ForeignKey { .. }, _) if kept.key_pair.is_none() => kept.foreign_key = true,
            _ => {}
        }
    }

    fn machine_stops(&mut self, at: u8, state: InstanceState) {
        let is_live = |slot: &Slot| self.machine(&self.spec, slot).is_some_and(|id| id.starts_with("i-"));
        let slots = self.spec.slots().map(|(slot, _)| slot).filter(is_live);
        let Some(slot) = nth(slots, at) else { return };
        let Some(id) = self.machine(&self.spec, &slot) else { return };
        let mut all = self.regions.values_mut().flat_map(|region| &mut region.instances);
        let Some(one) = all.find(|one| one.id == id) else { return };
        // A one-time spot instance cannot be stopped.
        if one.spot && state == InstanceState::Stopped {
            return;
        }
        one.state = state;
        let not_yet = match state {
            InstanceState::Stopped => NotYet::Stopped,
            InstanceState::Pending => NotYet::Booting,
            _ => NotYet::NotLaunched,
        };
        let asleep = sleeps(self.seen.hosts.get_mut(&slot), not_yet);
        if let Some(mut facts) = asleep.filter(|_| state != InstanceState::Terminated) {
            restarted(&mut facts);
            self.asleep.insert(slot, facts);
        }
    }

    fn instance(&mut self, at: u8, change: impl Fn(&mut a3::observed::OwnedInstance)) {
        let all = self.regions.values_mut().flat_map(|region| &mut region.instances);
        if let Some(one) = nth(all.filter(|one| one.state.is_live()), at) {
            change(one);
        }
    }

    fn on_machine(&mut self, what: Accident) {
        let Some(at) = at_of(what) else { return };
        let spec = self.spec.clone();
        // Without an engine that answers there is nothing to be seen that it could happen to.
        let hosts = self.seen.hosts.iter_mut().filter_map(|(slot, seen)| match seen {
            HostSeen::Ready(facts) if facts.engine.present().is_some() => Some((slot.clone(), facts)),
            _ => None,
        });
        let Some((slot, facts)) = nth(hosts, at) else { return };
        match what {
            Accident::DataEditedThere { .. } | Accident::DataRemovedThere { .. } => on_data(what, facts),
            Accident::PrunedThere { .. } => facts.repo_digests.clear(),
            Accident::NamedByOthers { .. } => {
                facts.kept.iter_mut().for_each(name_by_others);
            }
            Accident::UsedByOthers { .. } => {
                let image_id = facts.kept.first().map(|image| image.id.clone()).unwrap_or_default();
                facts.containers.push(ContainerSeen { image_id, ..foreign("user") });
            }
            Accident::RecordLost { .. } => (facts.record, facts.key) = (None, None),
            Accident::KeyLost { .. } => facts.key = None,
            // Every second time there is a release before, which had the same.
            Accident::SwapBeforeRecord { at } => {
                let releases = facts.record.iter_mut().flat_map(|record| &mut record.releases);
                for newest in releases.skip(usize::from(at % 2)) {
                    newest.status = ReleaseStatus::Started;
                    newest.services.clear();
                }
            }
            Accident::KeysAdmitted { .. } => {
                // On this machine nobody logs in.
                if !spec.groups.get(&slot.group).is_some_and(|group| group.machine == Machine::Local) {
                    facts.admitted = vec!["ssh-ed25519 BBBB gone@laptop".into()];
                }
            }
            Accident::NoDocker { .. } => {
                no_docker(facts);
                self.asleep.remove(&slot);
            }
            // Nobody tells what is there until it runs again.
            Accident::DockerStopped { .. } => {
                let mut asleep = HostFacts::clone(facts);
                restarted(&mut asleep);
                no_docker(facts);
                facts.engine = Seen::Unreachable(cause("Docker does not run there", "start it"));
                facts.engine_stopped = true;
                self.asleep.insert(slot, asleep);
            }
            Accident::OneOff { .. } => facts.containers.extend(one_off_of(&spec, &slot, at)),
            Accident::ForeignName { .. } => facts.containers.extend(named_as(&spec, &slot, facts, at)),
            Accident::ForeignNetwork { .. } => {
                // Once ours is there, nobody else can have its name.
                facts.foreign_network |=
                    !facts.containers.iter().any(|one| owned_service(&spec, &slot, one).is_some());
            }
            Accident::ForeignPort { .. } => facts.containers.extend(holding(&spec, &slot, facts, at)),
            _ => on_container(what, &spec, &slot, facts),
        }
    }
}

fn at_of(what: Accident) -> Option<u8> {
    let text = format!("{what:?}");
    text.rsplit_once("at: ")?.1.trim_end_matches(" }").parse().ok()
}

/// One of those that there are; none of nothing.
pub(crate) fn nth<T>(all: impl Iterator<Item = T>, at: u8) -> Option<T> {
    let mut all: Vec<T> = all.collect();
    (!all.is_empty()).then(|| all.swap_remove(usize::from(at) % all.len()))
}

fn sleeps(host: Option<&mut HostSeen>, not_yet: NotYet) -> Option<HostFacts> {
    let host = host?;
    let facts = host.facts().cloned();
    if facts.is_some() || matches!(host, HostSeen::NotYet(NotYet::Stopped | NotYet::Booting | NotYet::NoRule))
    {
        *host = HostSeen::NotYet(not_yet);
    }
    facts
}

fn on_data(what: Accident, facts: &mut HostFacts) {
    for file in facts.record.iter().flat_map(|record| record.files.keys()) {
        let seen = match what {
            Accident::DataRemovedThere { .. } => FileSeen::Absent,
            _ => FileSeen::File { digest: other_digest(), mode: 0o644 },
        };
        facts.files.insert(file.clone(), seen);
    }
}

fn name_by_others(image: &mut KeptImage) {
    if !image.tags.iter().any(|tag| tag == "others:1") {
        image.tags.push("others:1".into());
    }
}

fn no_docker(facts: &mut HostFacts) {
    facts.engine = Seen::Absent;
    facts.engine_stopped = false;
    facts.containers.clear();
    (facts.kept, facts.volumes, facts.foreign_network) = (Vec::new(), Vec::new(), false);
    facts.repo_digests.clear();
}

/// The containers of ours that a plan would look at.
fn on_container(what: Accident, spec: &Spec, slot: &Slot, facts: &mut HostFacts) {
    let at = at_of(what).unwrap_or_default();
    let own = |one: &ContainerSeen| a3::plan::owned_service(spec, slot, one).is_some();
    match what {
        Accident::Removed { .. } => facts.containers.retain(|one| !own(one)),
        Accident::SwapBeforeCreate { .. } => {
            facts.containers.iter_mut().filter(|one| own(one)).for_each(|one| one.name = old(&one.name));
        }
        Accident::SwapBeforeStart { .. } | Accident::SwapBeforeRemove { .. } => {
            let mut new: Vec<ContainerSeen> =
                facts.containers.iter().filter(|one| own(one)).cloned().collect();
            new.retain(|one| !one.name.ends_with(".a3-old"));
            facts.containers.iter_mut().filter(|one| own(one)).for_each(|one| one.name = old(&one.name));
            let begun = matches!(what, Accident::SwapBeforeStart { .. });
            for one in &mut new {
                one.id.push_str(" new");
                // Numbers go on; those of an earlier a3 began again after a lost record.
                let release = one.labels.get(label::RELEASE).and_then(|number| number.parse::<u64>().ok());
                let release = release.map(|number| [number + 1, number, 1][usize::from(at) % 3]);
                one.labels.extend(release.map(|number| (label::RELEASE.to_owned(), number.to_string())));
                let (now, then) = if begun {
                    (ContainerState::Created, one.state)
                } else {
                    (one.state, ContainerState::Exited(0))
                };
                one.state = now;
                let name = old(&one.name);
                let before = facts.containers.iter_mut().filter(|old| old.name == name);
                before.for_each(|old| old.state = then);
                if begun {
                    one.ports.clear();
                }
            }
            facts.containers.extend(new);
        }
        Accident::StoppedByPerson { .. } => {
            for one in facts.containers.iter_mut().filter(|one| own(one)) {
                (one.state, one.ports) = (ContainerState::Exited(0), Vec::new());
                let (container, started) = (one.id.clone(), one.started);
                let stopped = Stopped { by: "you@laptop".into(), container, started };
                let service = one.labels.get(label::SERVICE).cloned().unwrap_or_default();
                facts.record.iter_mut().for_each(|record| {
                    record.stopped.insert(service.clone(), stopped.clone());
                });
            }
        }
        _ => {
            for one in facts.containers.iter_mut().filter(|one| own(one)) {
                match what {
                    Accident::Killed { .. } => {
                        (one.state, one.ports) = (ContainerState::Exited(137), Vec::new());
                    }
                    Accident::Paused { .. } => one.state = ContainerState::Paused,
                    Accident::Unhealthy { .. } => one.health = Some(Health::Unhealthy),
                    Accident::OffNetwork { .. } => one.networks.clear(),
                    other => panic!("{other:?} happens to no container"),
                }
            }
        }
    }
}

fn old(name: &str) -> String {
    if name.ends_with(".a3-old") { name.to_owned() } else { format!("{name}.a3-old") }
}

fn one_off_of(spec: &Spec, slot: &Slot, at: u8) -> Option<ContainerSeen> {
    let service = nth(spec.services_on(&slot.group), at)?;
    let name = one_off(&spec.name, &service.name, "ab12");
    let labels = [
        (label::DEPLOYMENT, spec.name.clone()),
        (label::SERVICE, service.name.clone()),
        (label::ONE_OFF, one_off_mark(&spec.name, slot, &service.name, &name)),
    ];
    let labels = labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Some(ContainerSeen { labels, ..foreign(&name) })
}

/// Somebody's container has the name that a service's would get.
fn named_as(spec: &Spec, slot: &Slot, facts: &HostFacts, at: u8) -> Option<ContainerSeen> {
    let free = spec
        .services_on(&slot.group)
        .filter(|service| !facts.containers.iter().any(|one| one.name == service.container_name));
    Some(foreign(&nth(free, at)?.container_name))
}

/// Somebody's container holds the port that a service's would publish.
fn holding(spec: &Spec, slot: &Slot, facts: &HostFacts, at: u8) -> Option<ContainerSeen> {
    let ports = spec.services_on(&slot.group).flat_map(|service| &service.ports).filter_map(|port| {
        let published = port.published?;
        let held = facts.containers.iter().flat_map(|one| &one.ports).any(|held| held.published == published);
        (!held).then_some((published, port.protocol))
    });
    let (published, protocol) = nth(ports, at)?;
    let ports = vec![PublishedPort { host_ip: None, published, target: 80, protocol }];
    Some(ContainerSeen { ports, ..foreign("holder") })
}

pub(crate) fn foreign(name: &str) -> ContainerSeen {
    ContainerSeen {
        id: format!("foreign {name}"),
        name: name.into(),
        image_id: "sha256:foreign".into(),
        labels: std::collections::BTreeMap::new(),
        state: ContainerState::Running,
        started: None,
        restarts: 0,
        health: None,
        ports: Vec::new(),
        mounts: Vec::new(),
        networks: Vec::new(),
        in_place: None,
    }
}

/// What cannot be reached while one looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Away {
    /// EC2 in one region.
    Region { at: u8 },
    /// One machine.
    Machine { at: u8 },
    /// One machine's engine.
    Docker { at: u8 },
    /// One registry.
    Registry { at: u8 },
    /// The engine here.
    Engine,
}

pub(crate) const AWAY: [fn(u8) -> Away; 5] = [
    |at| Away::Region { at },
    |at| Away::Machine { at },
    |at| Away::Docker { at },
    |at| Away::Registry { at },
    |_| Away::Engine,
];

pub(crate) fn unreached() -> a3::observed::Cause {
    cause("cannot reach it", "check the network")
}

impl Away {
    /// Takes it out of sight; what it was, by region, slot or server. `None` where there is none.
    pub(crate) fn leaves(self, spec: &Spec, seen: &mut Observed) -> Option<String> {
        match self {
            Self::Region { at } => {
                let regions =
                    seen.clouds.values().filter_map(Seen::present).map(|cloud| cloud.region.clone());
                let region = nth(regions, at)?;
                for cloud in seen.clouds.values_mut() {
                    if cloud.present().is_some_and(|cloud| cloud.region == region) {
                        *cloud = Seen::Unreachable(unreached());
                    }
                }
                for (slot, group) in spec.slots() {
                    if matches!(&group.machine, Machine::Ec2(ec2) if region_of(ec2) == region) {
                        seen.hosts.insert(slot, HostSeen::Unreachable(unreached()));
                    }
                }
                Some(region)
            }
            Self::Machine { at } => {
                let ready = seen.hosts.iter_mut().filter(|(_, host)| host.facts().is_some());
                let (slot, host) = nth(ready, at)?;
                *host = HostSeen::Unreachable(unreached());
                Some(slot.to_string())
            }
            Self::Docker { at } => {
                let ready = seen.hosts.iter_mut().filter_map(|(slot, host)| match host {
                    HostSeen::Ready(facts) => Some((slot, facts)),
                    _ => None,
                });
                let (slot, facts) = nth(ready, at)?;
                facts.engine = Seen::Unreachable(unreached());
                facts.engine_stopped = false;
                // Nobody tells what is there.
                (facts.containers, facts.kept, facts.volumes) = (Vec::new(), Vec::new(), Vec::new());
                facts.foreign_network = false;
                facts.repo_digests.clear();
                Some(slot.to_string())
            }
            Self::Registry { at } => {
                let servers =
                    spec.services.values().map(|one| a3::plan::names::server(&one.image).to_owned());
                let server = nth(servers, at)?;
                for service in spec.services.values() {
                    let of = a3::plan::names::server(&service.image) == server;
                    let Some(image) = seen.images.get_mut(&service.name).filter(|_| of) else { continue };
                    for asked in [&mut image.reference, &mut image.source_tag] {
                        if !matches!(asked, RemoteSeen::NotAsked) {
                            *asked = RemoteSeen::Unreachable(unreached());
                        }
                    }
                }
                Some(server)
            }
            Self::Engine => {
                for image in seen.images.values_mut() {
                    image.local_reference = Seen::Unreachable(unreached());
                    image.local_source = Seen::Unreachable(unreached());
                }
                for (slot, group) in spec.slots() {
                    if matches!(group.machine, Machine::Local) {
                        seen.hosts.insert(slot, HostSeen::Unreachable(unreached()));
                    }
                }
                Some("engine".into())
            }
        }
    }
}
