//! What a person orders by name, whatever the spec's other differences are: stop, start, restart or
//! remove the containers of services, in the order of `depends_on`.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::{Draft, NewStep};
use super::host::in_start_order;
use super::reason::Reason;
use super::step::{Action, BlockedKind, Change, Cost, Plan, StepId};
use super::{names, owned_service};
use crate::id::Slot;
use crate::observed::{ContainerSeen, ContainerState, HostFacts, HostSeen, NotYet, Observed, Seen};
use crate::spec::{Service, Spec};

/// What is done to containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// They stop, and stay.
    Stop,
    /// They run, and what they depend on does.
    Start,
    /// They stop and start.
    Restart,
    /// They go away; the next apply runs them again.
    Remove,
}

impl Verb {
    /// The command.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Restart => "restart",
            Self::Remove => "rm",
        }
    }
}

/// What a person orders.
#[derive(Clone, Debug)]
pub struct Order {
    /// What is done.
    pub verb: Verb,
    /// To which services; empty: all.
    pub services: BTreeSet<String>,
    /// On which machines.
    pub slots: BTreeSet<Slot>,
    /// Seconds between SIGTERM and SIGKILL; `None`: each service's `stop_grace_period`.
    pub timeout: Option<u64>,
    /// Whether [`Verb::Remove`] may stop what runs.
    pub stop: bool,
}

/// Plans an order. What is so already is in [`Plan::unchanged`]; what cannot be done, machine by
/// machine, in [`Plan::blocked`].
pub fn plan_order(spec: &Spec, observed: &Observed, order: &Order) -> Plan {
    let mut draft = Draft::default();
    let services = order.with_depended(spec);
    for (slot, group) in spec.slots().filter(|(slot, _)| order.slots.contains(slot)) {
        let wanted = |service: &&Service| services.is_empty() || services.contains(&service.name);
        let mut wanted: Vec<&Service> =
            in_start_order(spec, &group.name).into_iter().filter(wanted).collect();
        if matches!(order.verb, Verb::Stop | Verb::Remove) {
            wanted.reverse();
        }
        if wanted.is_empty() {
            continue;
        }
        if let Some(facts) = order.facts(observed, &slot, &mut draft) {
            let mut place = Place { spec, order, slot: &slot, facts, steps: BTreeMap::new() };
            wanted.into_iter().for_each(|service| place.service(service, &mut draft));
        }
    }
    super::finish(spec, observed, draft)
}

impl Order {
    /// What is started needs what it depends on; the other orders are about what was named.
    fn with_depended(&self, spec: &Spec) -> BTreeSet<String> {
        let mut services = self.services.clone();
        let mut open: Vec<String> = services.iter().cloned().collect();
        while let Some(service) = open.pop().filter(|_| self.verb == Verb::Start) {
            let depended = spec.services.get(&service).map_or(&[][..], |service| &service.depends_on);
            open.extend(depended.iter().filter(|name| services.insert((*name).clone())).cloned());
        }
        services
    }

    /// What a machine says, or why nothing can be done there.
    fn facts<'a>(&self, observed: &'a Observed, slot: &Slot, draft: &mut Draft) -> Option<&'a HostFacts> {
        let not_yet = match observed.hosts.get(slot) {
            Some(HostSeen::Ready(facts)) => {
                if let Seen::Unreachable(cause) = &facts.engine {
                    draft.unreachable(slot.to_string(), cause);
                    return None;
                }
                return Some(facts);
            }
            Some(HostSeen::Unreachable(cause)) => {
                draft.unreachable(slot.to_string(), cause);
                return None;
            }
            Some(HostSeen::Refused(cause)) => {
                draft.refused(slot.to_string(), cause);
                return None;
            }
            Some(HostSeen::NotYet(not_yet)) => *not_yet,
            None => NotYet::NotLaunched,
        };
        let (kind, why, help) = match not_yet {
            NotYet::NotLaunched => (BlockedKind::Impossible, "is not launched", "a3 apply launches it"),
            NotYet::Stopped => (BlockedKind::Impossible, "is stopped", "a3 apply starts it"),
            NotYet::Booting => (BlockedKind::Unreachable, "boots", "wait a little; a3 apply waits for it"),
            NotYet::NoRule => (
                BlockedKind::Unreachable,
                "is behind a security group that does not let you in",
                "a3 apply adds the rule",
            ),
        };
        // Nothing runs there: that is what was wanted.
        if kind == BlockedKind::Impossible && matches!(self.verb, Verb::Stop | Verb::Remove) {
            draft.notices.push(format!("{slot} {why}"));
        } else {
            draft.block(slot.to_string(), kind, format!("the machine {why}"), Some(help.to_owned()));
        }
        None
    }
}

/// One machine that an order is about.
struct Place<'a> {
    spec: &'a Spec,
    order: &'a Order,
    slot: &'a Slot,
    facts: &'a HostFacts,
    /// The steps of each service.
    steps: BTreeMap<&'a str, Vec<StepId>>,
}

impl<'a> Place<'a> {
    fn service(&mut self, service: &'a Service, draft: &mut Draft) {
        let both = matches!(self.order.verb, Verb::Stop | Verb::Remove);
        // An interrupted swap leaves an older one beside it, which stops and goes with it.
        let has_its_name = self.facts.containers.iter().any(|seen| seen.name == service.container_name);
        let is_old = |seen: &ContainerSeen| {
            seen.name.ends_with(names::OLD_SUFFIX) || (has_its_name && seen.name != service.container_name)
        };
        let own = self.facts.containers.iter().filter(|seen| {
            owned_service(self.spec, self.slot, seen) == Some(service.name.as_str())
                && (both || !is_old(seen))
        });
        let own: Vec<&ContainerSeen> = own.collect();
        if own.is_empty() {
            self.missing(service, draft);
        }
        for seen in own {
            self.container(service, seen, draft);
        }
    }

    fn missing(&self, service: &Service, draft: &mut Draft) {
        let why = format!("`{}` has no container there", service.name);
        match self.order.verb {
            Verb::Stop | Verb::Remove => draft.notices.push(format!("{}: {why}", self.slot)),
            Verb::Start | Verb::Restart => {
                let help = "a3 apply runs it".to_owned();
                draft.block(self.address(service), BlockedKind::Impossible, why, Some(help));
            }
        }
    }

    fn container(&mut self, service: &'a Service, seen: &ContainerSeen, draft: &mut Draft) {
        let runs = matches!(seen.state, ContainerState::Running | ContainerState::Restarting);
        let is_up = runs || seen.state == ContainerState::Paused;
        let grace = self.order.timeout.unwrap_or(service.stop_grace_period.as_secs());
        let slot = self.slot.clone();
        let (name, container) = (service.name.clone(), seen.name.clone());
        let (change, cost, action) = match self.order.verb {
            Verb::Stop if !is_up => return draft.unchanged.push(self.address(service)),
            Verb::Stop => {
                let action = Action::StopContainer { slot, service: name, container, grace };
                (Change::Update, Cost::None, action)
            }
            Verb::Start if runs => return draft.unchanged.push(self.address(service)),
            Verb::Start => {
                let check = service.check.clone();
                let action = Action::StartContainer { slot, service: name, container, check };
                (Change::Update, Cost::None, action)
            }
            Verb::Restart => {
                let action = Action::Restart { slot, service: name, container, grace };
                (Change::Update, Cost::Restart { grace }, action)
            }
            Verb::Remove if is_up && !self.order.stop => return self.still_runs(service, draft),
            Verb::Remove => {
                let action =
                    Action::RemoveContainer { slot, service: name, container, grace, replaced_by: None };
                (Change::Delete, Cost::None, action)
            }
        };
        let step = NewStep::new(self.address(service), change, action)
            .because(Reason::Asked { command: self.order.verb.word().to_owned() })
            .cost(cost)
            .after(self.before(service));
        self.steps.entry(&service.name).or_default().push(draft.add(step));
    }

    /// Named, it is refused; among all, only what is stopped was meant, as in Compose.
    fn still_runs(&self, service: &Service, draft: &mut Draft) {
        if self.order.services.is_empty() {
            return draft.unchanged.push(self.address(service));
        }
        let why = format!("`{}` runs", service.name);
        let help = format!("a3 rm --stop {}, which stops it first", service.name);
        draft.block(self.address(service), BlockedKind::Refused, why, Some(help));
    }

    /// The steps of those that have to be done first: what depends on it when it stops, what it
    /// depends on when it starts.
    fn before(&self, service: &Service) -> Vec<StepId> {
        let first = self.steps.iter().filter(|(name, _)| match self.order.verb {
            Verb::Stop | Verb::Remove => {
                let other = self.spec.services.get(**name);
                other.is_some_and(|other| other.depends_on.contains(&service.name))
            }
            Verb::Start | Verb::Restart => service.depends_on.iter().any(|depended| depended == *name),
        });
        first.flat_map(|(_, steps)| steps.iter().copied()).collect()
    }

    fn address(&self, service: &Service) -> String {
        format!("{}/{}", self.slot, service.name)
    }
}
