//! Names and ports of a machine: who holds what a service wants there, and when it is free.

use std::collections::{BTreeMap, BTreeSet};

use super::container::{ServiceContext, owned_service};
use super::draft::Draft;
use super::host::{HostContext, in_start_order};
use super::names;
use super::step::{Action, BlockedKind, StepId};
use super::stray::Stray;
use crate::observed::{ContainerSeen, HostFacts};
use crate::spec::{Protocol, Service};

/// What a container has that a service wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    Name,
    Port(u16, Protocol),
}

impl Held {
    /// `the name`, `port 80/tcp`.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Name => "the name".to_owned(),
            Self::Port(port, protocol) => format!("port {port}/{}", protocol.as_str()),
        }
    }
}

/// Why a service's container can only go away before the new one is proven to work.
pub(crate) struct Crossed<'a> {
    pub(crate) owner: &'a str,
    pub(crate) taker: &'a str,
    pub(crate) what: Held,
    pub(crate) seen: &'a ContainerSeen,
}

/// Services in the order in which they start: those that they depend on first, and those that let go of a
/// name or port before those that take it. Where both cannot be, as in an exchange, the container that
/// stands in the way is among the second: it cannot wait for its successor.
pub(crate) fn order<'a>(cx: &HostContext<'a>, strays: &[Stray<'a>]) -> (Vec<&'a Service>, Vec<Crossed<'a>>) {
    let services = in_start_order(cx.spec, &cx.group.name);
    let depended = |service: &&'a Service| (service.name.as_str(), names_of(&service.depends_on));
    let mut before: BTreeMap<&str, Vec<&str>> = services.iter().map(depended).collect();
    let mut crossed: Vec<Crossed<'a>> = Vec::new();
    for taker in services.iter().filter(|taker| cx.images.contains_key(&taker.name)) {
        for (owner, seen, what) in held_by_others(cx, taker) {
            let goes = strays.iter().map(|stray| stray.seen).chain(crossed.iter().map(|one| one.seen));
            if goes.into_iter().any(|gone| std::ptr::eq(gone, seen)) {
                continue;
            }
            if waits(&before, owner, &taker.name) {
                crossed.push(Crossed { owner, taker: &taker.name, what, seen });
            } else {
                before.entry(&taker.name).or_default().push(owner);
            }
        }
    }
    let mut order: Vec<&Service> = Vec::new();
    services.iter().for_each(|service| visit(service, &services, &before, &mut order));
    (order, crossed)
}

fn names_of(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// Whether a service comes after another one, directly or by others.
fn waits<'a>(before: &BTreeMap<&'a str, Vec<&'a str>>, service: &'a str, other: &str) -> bool {
    let (mut open, mut seen) = (vec![service], BTreeSet::new());
    while let Some(name) = open.pop() {
        if name == other {
            return true;
        }
        if seen.insert(name) {
            open.extend(before.get(name).into_iter().flatten());
        }
    }
    false
}

fn visit<'a>(
    service: &'a Service,
    all: &[&'a Service],
    before: &BTreeMap<&str, Vec<&str>>,
    order: &mut Vec<&'a Service>,
) {
    if order.iter().any(|one| one.name == service.name) {
        return;
    }
    for name in before.get(service.name.as_str()).into_iter().flatten() {
        if let Some(first) = all.iter().find(|one| one.name == *name) {
            visit(first, all, before, order);
        }
    }
    order.push(service);
}

/// What containers of other services hold that get new ones in the same plan.
fn held_by_others<'a>(cx: &HostContext<'a>, taker: &Service) -> Vec<(&'a str, &'a ContainerSeen, Held)> {
    let containers = cx.facts.into_iter().flat_map(|facts| &facts.containers);
    let held = containers.filter_map(|seen| {
        let owner = owned_service(cx.spec, cx.slot, seen)?;
        let planned = cx.images.contains_key(owner) && cx.spec.services.contains_key(owner);
        let what = held(taker, seen).filter(|_| planned && owner != taker.name)?;
        Some((owner, seen, what))
    });
    held.collect()
}

/// What of that which a service wants a container has.
pub(crate) fn held(service: &Service, seen: &ContainerSeen) -> Option<Held> {
    if names::own_container(&seen.name) == service.container_name {
        return Some(Held::Name);
    }
    held_port(service, seen).map(|(port, protocol)| Held::Port(port, protocol))
}

fn held_port(service: &Service, seen: &ContainerSeen) -> Option<(u16, Protocol)> {
    if !seen.state.is_up() {
        return None;
    }
    let wanted = service.ports.iter().filter_map(|port| Some((port, port.published?)));
    wanted
        .filter(|(port, number)| {
            seen.ports.iter().any(|held| {
                held.published == *number
                    && held.protocol == port.protocol
                    && overlaps(held.host_ip.as_deref(), port.host_ip.as_deref())
            })
        })
        .map(|(port, number)| (number, port.protocol))
        .next()
}

/// Whether two sockets of a port are in each other's way.
fn overlaps(a: Option<&str>, b: Option<&str>) -> bool {
    let any = |ip: Option<&str>| ip.is_none_or(|ip| ip == "0.0.0.0" || ip == "::");
    any(a) || any(b) || a == b
}

impl ServiceContext<'_> {
    /// What is in the way of the name or a port, and does not go in this plan: what is not ours, and what
    /// the plan leaves as it is.
    pub(crate) fn clashes(&self, facts: &HostFacts, draft: &mut Draft) -> bool {
        let before = draft.blocked.len();
        for seen in &facts.containers {
            let blocked = match owned_service(self.host.spec, self.host.slot, seen) {
                None => self.foreign(seen),
                Some(owner) if owner == self.service.name => None,
                Some(owner) => self.stays(owner, seen, draft),
            };
            if let Some((why, help)) = blocked {
                draft.block(self.address(), BlockedKind::Refused, why, Some(help));
            }
        }
        for (port, protocol) in self.held_by_processes(facts) {
            let why =
                format!("port {port}/{} is held by a process there that is no container", protocol.as_str());
            let help = format!(
                "publish another port, or stop the process: sudo ss -lptu 'sport = :{port}' names it"
            );
            draft.block(self.address(), BlockedKind::Refused, why, Some(help));
        }
        draft.blocked.len() > before
    }

    fn foreign(&self, seen: &ContainerSeen) -> Option<(String, String)> {
        let name = &seen.name;
        if *name == self.service.container_name {
            let why = format!("a container named `{name}` exists and does not belong to this deployment");
            let help = format!("set another `container_name`, or remove it yourself: docker rm -f {name}");
            return Some((why, help));
        }
        let (port, protocol) = held_port(self.service, seen)?;
        let why = format!(
            "port {port}/{} is held by the container `{name}`, which does not belong to this deployment",
            protocol.as_str(),
        );
        Some((why, format!("publish another port, or stop it yourself: docker stop {name}")))
    }

    /// A container of another service that no step takes away or replaces.
    fn stays(&self, owner: &str, seen: &ContainerSeen, draft: &Draft) -> Option<(String, String)> {
        let what = held(self.service, seen)?;
        let goes = self.strays.iter().any(|stray| std::ptr::eq(stray.seen, seen));
        if goes || self.run_of(owner, draft).is_some() {
            return None;
        }
        let spec = self.host.spec;
        let here = spec.services.get(owner).is_some_and(|service| service.on == self.host.group.name);
        let (who, help) = if spec.inactive.iter().any(|inactive| inactive == owner) {
            (
                "whose profile is not active",
                format!("a3 --profile NAME rm --stop {owner}, where NAME is its profile"),
            )
        } else if here && self.host.images.contains_key(owner) {
            let help = format!("publish another port, or see to what keeps `{owner}` from being replaced");
            ("which does not let go of it in this plan", help)
        } else if here {
            ("which this plan leaves as it is", format!("plan it too: --target {owner}, or no --target"))
        } else {
            ("which left the spec and stays in this plan", "plan without --target, which removes it".into())
        };
        let what = what.words();
        Some((format!("{what} is held by the container `{}` of `{owner}`, {who}", seen.name), help))
    }

    /// Published ports that somebody listens on, and no container that was seen publishes. Docker's own
    /// processes listen for containers.
    fn held_by_processes(&self, facts: &HostFacts) -> Vec<(u16, Protocol)> {
        let of_container = |number: u16, protocol: Protocol| {
            let mut ports = facts.containers.iter().flat_map(|seen| &seen.ports);
            ports.any(|port| port.published == number && port.protocol == protocol)
        };
        let wanted = self.service.ports.iter().filter_map(|port| Some((port, port.published?)));
        let held = wanted.filter(|(port, number)| {
            !of_container(*number, port.protocol)
                && facts.listening.iter().any(|held| {
                    held.port == *number
                        && held.protocol == port.protocol
                        && overlaps(held.ip.as_deref(), port.host_ip.as_deref())
                })
        });
        held.map(|(port, number)| (number, port.protocol)).collect()
    }

    fn run_of(&self, service: &str, draft: &Draft) -> Option<StepId> {
        let runs = |action: &Action| match action {
            Action::Run(run) => run.slot == *self.host.slot && run.service == service,
            _ => false,
        };
        draft.steps.iter().find(|step| runs(&step.action)).map(|step| step.id)
    }

    /// Whether the container has to be gone before this service's can be: it has its name or a port, or it
    /// is the service's own.
    pub(crate) fn is_in_the_way(&self, seen: &ContainerSeen) -> bool {
        held(self.service, seen).is_some() || self.is_ours(seen)
    }

    /// The steps that free the name or a port, or that take the service's own container away.
    pub(crate) fn freed_by(&self, draft: &Draft) -> Vec<StepId> {
        let strays = self.strays.iter().filter(|stray| self.is_in_the_way(stray.seen));
        let mut steps: Vec<StepId> = strays.filter_map(|stray| stray.step).collect();
        for seen in self.host.facts.into_iter().flat_map(|facts| &facts.containers) {
            let owner = owned_service(self.host.spec, self.host.slot, seen);
            let other = owner.filter(|owner| *owner != self.service.name);
            let other = other.filter(|_| held(self.service, seen).is_some());
            steps.extend(other.and_then(|owner| self.run_of(owner, draft)));
        }
        steps
    }
}
