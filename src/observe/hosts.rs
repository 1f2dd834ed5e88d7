//! Machines: how to reach each one, and what it says of itself, its files and its engine.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use futures_util::join;
use indexmap::IndexMap;

use super::approach::{self, Approach};
use super::contact::{self, Contact};
use super::{World, now};
use crate::docker::EngineError;
use crate::docker::network::VolumesSeen;
use crate::explain::Explain as _;
use crate::host::{
    Ask, AskedFile, DockerState, Facts, FolderState, Host, HostError, engine_cause, is_denied,
};
use crate::id::Slot;
use crate::observed::{
    Cause, CloudSeen, ContainerSeen, HostFacts, HostSeen, IngressRule, InstanceState, KeptImage, LocalFile,
    NotYet, OwnedInstance, Seen,
};
use crate::plan::names::{self, keys_mark, label};
use crate::plan::owned_service;
use crate::record::HostKeyTag;
use crate::spec::{Group, Machine, Spec};
use crate::ssh::SshError;

/// Launched less than this ago, a machine that does not answer boots.
const BOOTS_FOR: u64 = 600;

/// By group.
pub(crate) type Clouds = IndexMap<String, Seen<CloudSeen>>;
/// By service.
pub(crate) type Files = IndexMap<String, Vec<LocalFile>>;

/// Every machine of the spec.
pub(crate) async fn observe(
    spec: &Spec,
    world: &World,
    clouds: &Clouds,
    files: &Files,
) -> IndexMap<Slot, HostSeen> {
    let asked = spec.slots().map(async |(slot, group)| {
        let seen = match &group.machine {
            Machine::Ec2(_) => match clouds.get(&group.name) {
                Some(Seen::Present(cloud)) => on_ec2(spec, world, &slot, cloud, files).await,
                Some(Seen::Unreachable(cause)) => HostSeen::Unreachable(cause.clone()),
                Some(Seen::Absent) | None => HostSeen::NotYet(NotYet::NotLaunched),
            },
            Machine::Host(_) | Machine::Local => known(spec, world, (&slot, group), files).await,
        };
        (slot, seen)
    });
    join_all(asked).await.into_iter().collect()
}

async fn known(spec: &Spec, world: &World, (slot, group): (&Slot, &Group), files: &Files) -> HostSeen {
    if let Some(seen) = again(spec, world, slot, files).await {
        return seen;
    }
    match approach::known(spec, world, group, slot).await {
        Ok(host) => {
            world.keep_host(slot, host.clone());
            observe_one(spec, &host, slot, files).await
        }
        Err(seen) => seen,
    }
}

/// Over the connection that an earlier look has made; `None` where there is none that works.
async fn again(spec: &Spec, world: &World, slot: &Slot, files: &Files) -> Option<HostSeen> {
    let host = world.host(slot)?;
    match observe_one(spec, &host, slot, files).await {
        HostSeen::Unreachable(_) => {
            world.forget_host(slot);
            None
        }
        seen => Some(seen),
    }
}

async fn on_ec2(spec: &Spec, world: &World, slot: &Slot, cloud: &CloudSeen, files: &Files) -> HostSeen {
    let Some(group) = spec.groups.get(&slot.group) else { return HostSeen::NotYet(NotYet::NotLaunched) };
    // Two live instances stop the plan, whatever either says.
    let Some(one) = cloud.instances.iter().find(|one| one.slot == *slot && one.state.is_live()) else {
        return HostSeen::NotYet(NotYet::NotLaunched);
    };
    if matches!(one.state, InstanceState::Stopped | InstanceState::Stopping) {
        return HostSeen::NotYet(NotYet::Stopped);
    }
    let way_in = way_in(group, cloud, one);
    if way_in == WayIn::Closed {
        return HostSeen::NotYet(NotYet::NoRule);
    }
    // Another instance in the slot has another address.
    let addresses = [one.public_ip.as_deref(), one.private_ip.as_deref()];
    if world.host(slot).is_some_and(|host| addresses.contains(&Some(host.name())))
        && let Some(seen) = again(spec, world, slot, files).await
    {
        return seen;
    }
    let boots = one.state == InstanceState::Pending || now().saturating_sub(one.launched) < BOOTS_FOR;
    let image = cloud.image.as_ref();
    let approach = match Approach::to_instance(world, group, one, image) {
        Ok(approach) => approach,
        Err(_) if boots => return HostSeen::NotYet(NotYet::Booting),
        Err(cause) => return HostSeen::Unreachable(cause),
    };
    let mut approach = approach;
    let tagged = approach.is_pinned();
    let mut tag = if tagged { None } else { contact::pin(world, group, one, &mut approach).await };
    if group.ssh.strict && !approach.is_pinned() {
        return contact::silent_console(one, boots);
    }
    let (connected, contact) = join!(approach.connect(), contact::check(world, group, one));
    if let Contact::Denied(cause) = contact {
        return HostSeen::Refused(cause);
    }
    match connected {
        Ok(host) => {
            match (contact, host.session()) {
                (Contact::Confirmed(confirmed), _) => tag = Some(confirmed),
                // Whoever launched it was cut off before it answered.
                (_, Some(session)) if !tagged && tag.is_none() => {
                    tag = Some(HostKeyTag::from_contact(session.host_key()));
                }
                _ => {}
            }
            if let Some(tag) = tag {
                world.keep_host_key(slot, tag);
            }
            world.keep_host(slot, host.clone());
            let seen = observe_one(spec, &host, slot, files).await;
            if boots && engine_still_starts(&seen) { HostSeen::NotYet(NotYet::Booting) } else { seen }
        }
        Err(error) if boots && is_noise(&error, one) => HostSeen::NotYet(NotYet::Booting),
        // The rules that are wanted open the way.
        Err(error) if way_in == WayIn::Tried && error.is_boot_noise() => HostSeen::NotYet(NotYet::NoRule),
        Err(error) => approach::not_seen(&error),
    }
}

/// A machine whose host key is tagged has let somebody in before, so its user's keys are in place.
fn is_noise(error: &SshError, one: &OwnedInstance) -> bool {
    error.is_boot_noise() && !(error.is_login() && one.host_key.is_some())
}

/// Whether an instance's groups let this caller in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WayIn {
    /// As far as the wanted rules go.
    Open,
    /// Some wanted rule is missing; what is there now may do.
    Tried,
    /// Not before a rule is added.
    Closed,
}

/// On one's own groups nothing is known, but that those of the spec shall open the way.
fn way_in(group: &Group, cloud: &CloudSeen, one: &OwnedInstance) -> WayIn {
    let Machine::Ec2(ec2) = &group.machine else { return WayIn::Open };
    if !ec2.vpc_security_group_ids.is_empty() {
        let named = |id: &String| ec2.vpc_security_group_ids.contains(id);
        let in_all = ec2.vpc_security_group_ids.iter().all(|id| one.security_groups.contains(id));
        return if in_all && one.security_groups.iter().all(named) { WayIn::Open } else { WayIn::Tried };
    }
    let managed = cloud.security_group.as_ref();
    // It leaves groups of one's own, which let somebody in before.
    if one.security_groups.iter().any(|id| managed.is_none_or(|managed| managed.id != *id)) {
        return WayIn::Tried;
    }
    let port = group.ssh.instance_port();
    let rules = managed.into_iter().flat_map(|managed| &managed.rules);
    let open: Vec<&IngressRule> =
        rules.filter(|rule| (rule.from_port..=rule.to_port).contains(&port)).collect();
    let lets_in = |cidr: &String| open.iter().any(|rule| rule.cidr.as_ref() == Some(cidr));
    if managed.is_some() && cloud.caller_cidrs.iter().all(lets_in) {
        WayIn::Open
    } else if ec2.allow_ssh_from.is_some() && !open.is_empty() {
        // Those are other addresses than before, and which of them is this machine's is not known.
        WayIn::Tried
    } else {
        WayIn::Closed
    }
}

/// Its first boot may bring the engine, or be about to install it. Where a3 has written something down,
/// that is over.
fn engine_still_starts(seen: &HostSeen) -> bool {
    let never_used = |facts: &HostFacts| facts.record.is_none();
    seen.facts().is_some_and(|facts| facts.engine.present().is_none() && never_used(facts))
}

/// Asks a connected machine everything at once: one remote command beside the engine's calls.
pub async fn observe_one(spec: &Spec, host: &Host, slot: &Slot, files: &Files) -> HostSeen {
    let ask = Ask::new(spec.name.clone(), asked_files(spec, slot, files));
    let ask = Ask { keys_mark: keys_mark(&spec.name, &slot.group), ..ask };
    let engine = host.engine();
    let network = names::network(&spec.name);
    let (facts, version, containers, images, volumes, network) = join!(
        facts(host, &ask),
        engine.version(),
        engine.containers(),
        engine.images(),
        engine.volumes(&spec.name),
        engine.has_foreign_network(&network, &spec.name)
    );
    let facts = match facts {
        Ok(facts) => facts,
        Err(error) => return HostSeen::Unreachable(error.cause()),
    };
    if facts.folder.state == FolderState::Refused {
        let (host, folder) = (host.name().to_owned(), facts.folder.path);
        return HostSeen::Refused(HostError::FolderRefused { host, folder }.cause());
    }
    // A machine's own; this one's may be anywhere.
    let docker = if host.session().is_some() { facts.docker } else { DockerState::There };
    let missing = version.is_err() && docker == DockerState::Missing;
    let stopped = docker == DockerState::Stopped && version.as_ref().is_err_and(|error| !is_denied(error));
    let engine = match version {
        Ok(version) => engine_says(&spec.name, (version.version, network), containers, (images, volumes)),
        Err(error) => Err(engine_cause(&error)),
    };
    if let Some(cause) = engine.as_ref().ok().and_then(|says| lives_elsewhere(spec, slot, &facts, says)) {
        return HostSeen::Refused(cause);
    }
    let mut seen = HostFacts { engine_stopped: stopped, ..merge(facts, engine) };
    if missing {
        seen.engine = Seen::Absent;
    }
    HostSeen::Ready(Box::new(seen))
}

/// What the machine says. This one's engine may be elsewhere, in a virtual machine or behind a socket
/// that leads out of a container: then neither the ports that are held here nor the disk here are its.
async fn facts(host: &Host, ask: &Ask) -> Result<Facts, HostError> {
    if host.session().is_some() {
        return host.facts(ask).await;
    }
    let place = host.engine().place().await.ok();
    let folder = place.as_ref().map(|place| place.folder.clone());
    let ask = Ask { docker_root: folder.unwrap_or_else(|| ask.docker_root.clone()), ..ask.clone() };
    let facts = host.facts(&ask).await?;
    if place.is_some_and(|place| place.machine == facts.machine) {
        return Ok(facts);
    }
    Ok(Facts { listening: Vec::new(), ports_known: false, disk_free: None, ..facts })
}

/// A container of ours whose records are not in the folder that this user has: deployed by somebody
/// whose records and lease we cannot see.
fn lives_elsewhere(spec: &Spec, slot: &Slot, facts: &Facts, engine: &EngineSays) -> Option<Cause> {
    let here = &facts.folder.path;
    let own = engine.containers.iter().filter(|seen| owned_service(spec, slot, seen).is_some());
    let mut homes = own.filter_map(|seen| Some((&seen.name, seen.labels.get(label::HOME)?)));
    let (name, home) = homes.find(|(_, home)| *home != here)?;
    Some(Cause {
        message: format!("`{name}` on {slot} was deployed with a3's folder {home}; this user's is {here}"),
        help: Some(format!("set `ssh.user` to who deployed it (a user that may write {home})")),
    })
}

fn asked_files(spec: &Spec, slot: &Slot, files: &Files) -> Vec<AskedFile> {
    let mut asked = Vec::new();
    for service in spec.services_on(&slot.group) {
        for file in files.get(&service.name).into_iter().flatten() {
            let sudo = service.files.get(file.entry).is_some_and(|entry| entry.sudo);
            asked.push(AskedFile { path: file.target.clone(), sudo });
        }
    }
    asked
}

#[derive(Default)]
struct EngineSays {
    version: String,
    containers: Vec<ContainerSeen>,
    digests: BTreeSet<String>,
    kept: Vec<KeptImage>,
    volumes: VolumesSeen,
    foreign_network: bool,
}

fn engine_says(
    deployment: &str,
    (version, network): (String, Result<bool, EngineError>),
    containers: Result<Vec<ContainerSeen>, EngineError>,
    (images, volumes): (Result<Vec<KeptImage>, EngineError>, Result<VolumesSeen, EngineError>),
) -> Result<EngineSays, Cause> {
    let containers = containers.map_err(|error| engine_cause(&error))?;
    let images = images.map_err(|error| engine_cause(&error))?;
    let volumes = volumes.map_err(|error| engine_cause(&error))?;
    let foreign_network = network.map_err(|error| engine_cause(&error))?;
    let digests = images.iter().flat_map(|image| image.digests.iter().cloned()).collect();
    let kept = |image: &KeptImage| image.tags.iter().any(|tag| names::kept_by(deployment, tag).is_some());
    let kept = images.into_iter().filter(kept).collect();
    Ok(EngineSays { version, containers, digests, kept, volumes, foreign_network })
}

fn merge(facts: Facts, engine: Result<EngineSays, Cause>) -> HostFacts {
    let (engine, says) = match engine {
        Ok(says) => (Seen::Present(says.version.clone()), says),
        Err(cause) => (Seen::Unreachable(cause), EngineSays::default()),
    };
    HostFacts {
        arch: facts.arch,
        base: facts.base,
        home: facts.home,
        folder: facts.folder.path,
        sudo: facts.sudo,
        disk_free: facts.disk_free,
        now: facts.now,
        engine,
        engine_stopped: false,
        distribution: facts.distribution,
        listening: facts.listening,
        ports_known: facts.ports_known,
        containers: says.containers,
        admitted: facts.admitted,
        files: facts.files,
        repo_digests: says.digests,
        kept: says.kept,
        volumes: says.volumes.own,
        foreign_volumes: says.volumes.foreign,
        foreign_network: says.foreign_network,
        record: facts.record,
        key: facts.key,
        lease: facts.lease,
    }
}

/// The live instances of a deployment by slot, of all its regions.
pub fn live_instances(clouds: &Clouds) -> BTreeMap<Slot, OwnedInstance> {
    let seen = clouds.values().filter_map(Seen::present).flat_map(|cloud| &cloud.instances);
    seen.filter(|one| one.state.is_live()).map(|one| (one.slot.clone(), one.clone())).collect()
}
