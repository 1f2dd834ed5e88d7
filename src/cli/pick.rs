//! Which machine and which container is meant, by the names that people have for them.

use super::exit::Exit;
use super::fault::Fault;
use super::work::{self, Looked};
use crate::host::Host;
use crate::id::Slot;
use crate::observe::live_instances;
use crate::observed::{ContainerSeen, HostFacts, HostSeen, NotYet};
use crate::plan::{names, owned_service};
use crate::spec::{Machine, Spec};

/// A machine that answers.
pub(crate) struct Place<'a> {
    pub(crate) slot: Slot,
    pub(crate) host: Host,
    pub(crate) facts: &'a HostFacts,
}

/// A service's container on a machine that answers.
pub(crate) struct Found<'a> {
    pub(crate) place: Place<'a>,
    pub(crate) service: String,
    pub(crate) container: &'a ContainerSeen,
}

impl Found<'_> {
    /// `s2`, or `web/1/s2` where the deployment has several machines.
    pub(crate) fn name(&self, spec: &Spec) -> String {
        let Self { place, service, .. } = self;
        if spec.slots().count() > 1 { format!("{}/{service}", place.slot) } else { service.clone() }
    }
}

/// The one machine that `--instance` names: a slot, a group with one machine, a mnemonic name, an id
/// or an address. Without a name, the only one there is.
///
/// # Errors
/// 64 for a name that fits none or several, with the list; the code of its state for one that does
/// not answer.
pub(crate) fn machine<'a>(spec: &Spec, looked: &'a Looked, name: Option<&str>) -> Result<Place<'a>, Fault> {
    let slots: Vec<Slot> = spec.slots().map(|(slot, _)| slot).collect();
    place(looked, &one_of(spec, looked, &slots, name)?)
}

/// As [`machine`], for a person who logs in: every machine that can be connected to will do, also one
/// that a3 would not work on (its engine does not start, its folder is another's).
///
/// # Errors
/// As [`machine`].
pub(crate) fn login(spec: &Spec, looked: &Looked, name: Option<&str>) -> Result<(Slot, Host), Fault> {
    let slots: Vec<Slot> = spec.slots().map(|(slot, _)| slot).collect();
    let slot = one_of(spec, looked, &slots, name)?;
    match looked.world.host(&slot) {
        Some(host) => Ok((slot, host)),
        None => place(looked, &slot).map(|place| (place.slot, place.host)),
    }
}

/// The one machine of a service's group that `--instance` names, whether or not the service runs there.
///
/// # Errors
/// As [`machine`]; 64 for an unknown service.
pub(crate) fn machine_of<'a>(
    spec: &Spec,
    looked: &'a Looked,
    service: &str,
    name: Option<&str>,
) -> Result<Place<'a>, Fault> {
    place(looked, &one_of(spec, looked, &slots_of(spec, service)?, name)?)
}

/// The one container of a service.
///
/// # Errors
/// As [`machine_of`]; 1 where the service has no container there.
pub(crate) fn container<'a>(
    spec: &Spec,
    looked: &'a Looked,
    service: &str,
    name: Option<&str>,
) -> Result<Found<'a>, Fault> {
    let place = machine_of(spec, looked, service, name)?;
    let seen = own_container(spec, &place, service);
    let missing = || {
        let message = format!("`{service}` has no container on {}", place.slot);
        Fault::new(Exit::Failed, message, Some("a3 status shows what there is; a3 apply starts it"))
    };
    let container = seen.ok_or_else(missing)?;
    Ok(Found { place, service: service.to_owned(), container })
}

/// Every container of these services (all, when none is named) on the machines that answer, and why
/// each other machine does not.
///
/// # Errors
/// 64 for an unknown service or machine.
pub(crate) fn containers<'a>(
    spec: &Spec,
    looked: &'a Looked,
    services: &[String],
    name: Option<&str>,
) -> Result<(Vec<Found<'a>>, Vec<Fault>), Fault> {
    services.iter().try_for_each(|service| work::known_service(spec, service))?;
    let slots = slots(spec, looked, name)?;
    let (mut found, mut away) = (Vec::new(), Vec::new());
    for slot in slots {
        let wanted =
            spec.services_on(&slot.group).filter(|one| services.is_empty() || services.contains(&one.name));
        let wanted: Vec<&str> = wanted.map(|service| service.name.as_str()).collect();
        if wanted.is_empty() {
            continue;
        }
        match place(looked, &slot) {
            Ok(at) => found.extend(wanted.into_iter().filter_map(|service| {
                let container = own_container(spec, &at, service)?;
                let place = Place { slot: at.slot.clone(), host: at.host.clone(), facts: at.facts };
                Some(Found { place, service: service.to_owned(), container })
            })),
            Err(fault) => away.push(fault),
        }
    }
    Ok((found, away))
}

/// The machines that `--instance` names, or all. They need not answer.
///
/// # Errors
/// 64 for a name that fits none or several.
pub(crate) fn slots(spec: &Spec, looked: &Looked, name: Option<&str>) -> Result<Vec<Slot>, Fault> {
    let all: Vec<Slot> = spec.slots().map(|(slot, _)| slot).collect();
    match name {
        Some(_) => Ok(vec![one_of(spec, looked, &all, name)?]),
        None => Ok(all),
    }
}

/// The service's container under its own name: an interrupted swap leaves a second, older one, or only
/// that.
fn own_container<'a>(spec: &Spec, place: &Place<'a>, service: &str) -> Option<&'a ContainerSeen> {
    let own = |seen: &&ContainerSeen| owned_service(spec, &place.slot, seen) == Some(service);
    let is_old = |name: &str| name == names::old_container(name.trim_end_matches(".a3-old"));
    let all = || place.facts.containers.iter().filter(own);
    all().find(|seen| !is_old(&seen.name)).or_else(|| all().next())
}

fn slots_of(spec: &Spec, service: &str) -> Result<Vec<Slot>, Fault> {
    work::known_service(spec, service)?;
    let on = spec.services.get(service).map(|service| service.on.as_str());
    Ok(spec.slots().map(|(slot, _)| slot).filter(|slot| Some(slot.group.as_str()) == on).collect())
}

/// The slot among `slots` that is meant.
fn one_of(spec: &Spec, looked: &Looked, slots: &[Slot], name: Option<&str>) -> Result<Slot, Fault> {
    let fits: Vec<&Slot> = match name {
        None => slots.iter().collect(),
        Some(name) => slots
            .iter()
            .filter(|slot| names_of(spec, looked, slot).iter().any(|known| known == name))
            .collect(),
    };
    let listed = |slots: &[&Slot]| {
        let shown = slots.iter().map(|slot| names_of(spec, looked, slot).join(" or "));
        shown.collect::<Vec<_>>().join("; ")
    };
    match (fits.as_slice(), name) {
        ([slot], _) => Ok((*slot).clone()),
        ([], None) => Err(Fault::new(Exit::Usage, "the spec names no machine", None)),
        ([], Some(name)) => {
            let all: Vec<&Slot> = slots.iter().collect();
            let message = format!("no machine is named `{name}`; there are {}", listed(&all));
            Err(Fault::new(Exit::Usage, message, None))
        }
        ([first, ..], _) => {
            let message = format!("which machine? There are {}", listed(&fits));
            Err(Fault::new(Exit::Usage, message, Some(&format!("add --instance {first}"))))
        }
    }
}

/// Everything that a slot's machine goes by, the slot first.
fn names_of(spec: &Spec, looked: &Looked, slot: &Slot) -> Vec<String> {
    let mut names = vec![slot.to_string()];
    if let Some(one) = live_instances(&looked.observed.clouds).get(slot) {
        names.extend([one.name.clone(), one.id.clone()]);
    }
    let Some(group) = spec.groups.get(&slot.group) else { return names };
    if group.count() == 1 {
        names.push(slot.group.clone());
    }
    if let Machine::Host(hosts) = &group.machine {
        let host = usize::try_from(slot.index).ok().and_then(|index| hosts.get(index));
        names.extend(host.map(|host| host.host.clone()));
    }
    names
}

/// A machine that is to answer now.
fn place<'a>(looked: &'a Looked, slot: &Slot) -> Result<Place<'a>, Fault> {
    let failed = |what: &str, help: &str| Err(Fault::new(Exit::Failed, format!("{slot} {what}"), Some(help)));
    match looked.observed.hosts.get(slot) {
        Some(HostSeen::Ready(facts)) => match looked.world.host(slot) {
            Some(host) => Ok(Place { slot: slot.clone(), host, facts }),
            None => failed("is not connected any more", "type the command again"),
        },
        Some(HostSeen::Unreachable(cause)) => Err(Fault::cause(Exit::Unreachable, cause.clone())),
        Some(HostSeen::Refused(cause)) => Err(Fault::cause(Exit::Refused, cause.clone())),
        Some(HostSeen::NotYet(NotYet::Stopped)) => failed("is stopped", "a3 apply starts it"),
        Some(HostSeen::NotYet(NotYet::Booting)) => failed("boots", "wait a little; a3 apply waits for it"),
        Some(HostSeen::NotYet(NotYet::NoRule)) => {
            failed("is behind a security group that does not let you in", "a3 apply adds the rule")
        }
        Some(HostSeen::NotYet(NotYet::NotLaunched)) | None => {
            failed("is not launched", "a3 apply launches it")
        }
    }
}
