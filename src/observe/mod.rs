//! Looks at everything at once and returns plain data. Four answers, not two: present, absent,
//! different (the plan's finding), unreachable. Changes nothing but a3's own cache on this machine.

mod approach;
mod clouds;
mod contact;
mod everywhere;
mod files;
mod hosts;
mod images;
pub mod preflight;
pub mod secrets;
mod world;

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::join;
use indexmap::IndexMap;

use crate::explain::Explain as _;
use crate::id::{Arch, Platform, Slot};
use crate::observed::{Cause, CloudSeen, HostSeen, ImageSeen, KeptImage, Missing, Observed, Scope, Seen};
use crate::spec::{Machine, Service, Spec};

pub use approach::Approach;
pub use everywhere::{Account, Everywhere, Region};
pub use hosts::{live_instances, observe_one as observe_host};
pub use world::{Need, World};

/// Seconds since 1970 on this machine.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Observes what the plan rests on.
pub async fn observe(spec: &Spec, world: &World) -> Observed {
    let stated = stated_platforms(spec);
    let wants_images = world.need != Need::Machines;
    // What needs no machine is asked from the start, beside the clouds.
    let at_once = wants_images && stated.len() == spec.services.len();
    let first = async { if at_once { Some(images::observe(spec, world, &stated).await) } else { None } };
    let (first, rest) = join!(first, machines(spec, world, wants_images && !at_once));
    let (images, unread) = first.unwrap_or(rest.images);
    let mut missing = world.missing.clone();
    missing.extend(rest.missing);
    if world.need == Need::Everything {
        missing.extend(files::unreadable_keys(spec));
    }
    let of =
        |(service, cause): (&String, &Cause)| Missing { cause: cause.clone(), of: [service.clone()].into() };
    missing.extend(unread.iter().map(of));
    Observed {
        now: now(),
        scope: Scope { applied_by: applied_by(&rest.hosts), ..scope(spec, world, &rest.clouds) },
        images,
        clouds: rest.clouds,
        hosts: rest.hosts,
        files: rest.files,
        missing,
        unread: unread.into_keys().collect(),
        secrets: world.secrets.clone(),
        built: Seen::Absent,
    }
}

/// What the engine here has, for who removes what was built in it.
pub async fn observe_built(world: &World) -> Seen<Vec<KeptImage>> {
    let engine = match &world.engine {
        Ok(engine) => engine,
        Err(cause) => return Seen::Unreachable(cause.clone()),
    };
    match engine.images().await {
        Ok(images) => Seen::Present(images),
        Err(error) => Seen::Unreachable(error.cause()),
    }
}

/// What is seen beside the images, and those whose platform only a machine says.
struct Rest {
    clouds: hosts::Clouds,
    files: hosts::Files,
    hosts: IndexMap<Slot, HostSeen>,
    images: (IndexMap<String, ImageSeen>, BTreeMap<String, Cause>),
    missing: Vec<Missing>,
}

async fn machines(spec: &Spec, world: &World, with_images: bool) -> Rest {
    let mut missing = Vec::new();
    let read = async {
        match world.need {
            Need::Everything => files::read(spec, &mut missing).await,
            Need::Machines | Need::Images | Need::LocalImages => IndexMap::new(),
        }
    };
    let (clouds, engine_arch, files) = join!(clouds::observe(spec, world), engine_arch(world), read);
    // Most often a cloud says it, and images and machines are asked side by side.
    let known = platforms(spec, &clouds, &IndexMap::new(), engine_arch);
    let hosts = hosts::observe(spec, world, &clouds, &files);
    let (hosts, images) = if !with_images {
        (hosts.await, Default::default())
    } else if known.len() == spec.services.len() {
        join!(hosts, images::observe(spec, world, &known))
    } else {
        let (hosts, ()) = join!(hosts, images::greet(world));
        let known = platforms(spec, &clouds, &hosts, engine_arch);
        let images = images::observe(spec, world, &known).await;
        (hosts, images)
    };
    Rest { clouds, files, hosts, images, missing }
}

/// What the spec itself says.
fn stated_platforms(spec: &Spec) -> BTreeMap<String, Platform> {
    let services = spec.services.values();
    services.filter_map(|service| Some((service.name.clone(), service.platform?))).collect()
}

async fn engine_arch(world: &World) -> Option<Arch> {
    let engine = world.engine.as_ref().ok()?;
    engine.version().await.ok().map(|version| version.arch)
}

/// What each service's image is for: what the spec says, else the architecture of where it runs.
fn platforms(
    spec: &Spec,
    clouds: &IndexMap<String, Seen<CloudSeen>>,
    hosts: &IndexMap<Slot, HostSeen>,
    engine: Option<Arch>,
) -> BTreeMap<String, Platform> {
    let of = |service: &Service| {
        if let Some(platform) = service.platform {
            return Some(platform);
        }
        let on_host = || {
            let mut of_group = hosts.iter().filter(|(slot, _)| slot.group == service.on);
            of_group.find_map(|(_, seen)| seen.facts().map(|facts| facts.arch))
        };
        let arch = match &spec.groups.get(&service.on)?.machine {
            Machine::Local => engine,
            Machine::Host(_) => on_host(),
            Machine::Ec2(_) => clouds.get(&service.on)?.present().and_then(|cloud| {
                let mut of_group = cloud.instances.iter().filter(|one| one.slot.group == service.on);
                let running = of_group.find(|one| one.state.is_live()).map(|one| one.arch);
                running.or(cloud.image.as_ref().map(|image| image.arch))
            }),
        };
        arch.map(Platform)
    };
    spec.services.values().filter_map(|service| Some((service.name.clone(), of(service)?))).collect()
}

fn applied_by(hosts: &IndexMap<Slot, HostSeen>) -> Option<String> {
    let records = hosts.values().filter_map(HostSeen::facts).filter_map(|facts| facts.record.as_ref());
    let newest = records.flat_map(|record| &record.releases).max_by_key(|release| release.number);
    newest.map(|release| release.by.clone())
}

fn scope(spec: &Spec, world: &World, clouds: &IndexMap<String, Seen<CloudSeen>>) -> Scope {
    let connected = world.clouds.values().find_map(|cloud| cloud.as_ref().ok());
    let mut regions: Vec<String> =
        clouds.values().filter_map(Seen::present).map(|cloud| cloud.region.clone()).collect();
    regions.sort_unstable();
    regions.dedup();
    let mut engines = Vec::new();
    for group in spec.groups.values() {
        match &group.machine {
            Machine::Local => engines.push("local engine".to_owned()),
            Machine::Host(addresses) => engines.extend(addresses.iter().map(|at| at.host.clone())),
            Machine::Ec2(_) => {}
        }
    }
    Scope {
        account: connected.map(|cloud| cloud.account.clone()),
        caller: connected.map(|cloud| cloud.caller.clone()),
        regions,
        registries: world.registries.keys().cloned().collect(),
        engines,
        applied_by: None,
    }
}
