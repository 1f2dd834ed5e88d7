//! Going back: which release, and the spec that it was.
//!
//! A rollback is planned and applied as any other spec; what makes it one is [`Spec::rollback`]. Its
//! services come from the machines' records: settings as they were, images pinned by digest. Data
//! files, volumes and machines stay as they are.

mod error;
mod was;

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

use super::names::label;
use super::{owned_service, released};
use crate::id::Slot;
use crate::observed::{Cause, ContainerSeen, HostFacts, HostSeen, NotYet, Observed};
use crate::record::ReleasedService;
use crate::record::history::History;
use crate::spec::{Rollback, Service, Spec};
pub use error::RollbackError;
use was::{Was, same};

/// What a person asked for.
#[derive(Clone, Debug, Default)]
pub struct Back {
    /// Only these services; empty is all.
    pub services: Vec<String>,
    /// This release; `None` is the highest complete one below what runs.
    pub to: Option<u64>,
}

/// The spec of an earlier release, and what a person should know of it.
#[derive(Clone, Debug)]
pub struct Past {
    /// To be planned and applied.
    pub spec: Spec,
    /// Where machines were taken to be alike.
    pub notices: Vec<String>,
}

/// The releases that the machines of a spec remember.
pub fn history<'a>(observed: &'a Observed) -> History<'a> {
    History::of(asked(observed).filter_map(|(slot, facts)| Some((slot, facts.record.as_ref()?))))
}

/// The machines that answered.
fn asked(observed: &Observed) -> impl Iterator<Item = (&Slot, &HostFacts)> {
    observed.hosts.iter().filter_map(|(slot, seen)| Some((slot, seen.facts()?)))
}

/// Finds the release to go back to, and makes its spec.
///
/// # Errors
/// [`RollbackError`].
pub fn past(spec: &Spec, observed: &Observed, back: &Back) -> Result<Past, RollbackError> {
    for (slot, seen) in &observed.hosts {
        if let HostSeen::Unreachable(cause) | HostSeen::Refused(cause) = seen {
            return Err(RollbackError::Unseen { slot: slot.clone(), cause: cause.clone() });
        }
        if let HostSeen::NotYet(NotYet::Stopped | NotYet::Booting | NotYet::NoRule) = seen {
            let message = "it does not answer (yet)".to_owned();
            let cause = Cause { message, help: Some("a3 plan says why; a3 apply first".to_owned()) };
            return Err(RollbackError::Unseen { slot: slot.clone(), cause });
        }
    }
    let way = Way { spec, observed, history: history(observed), back };
    way.check_known()?;
    let to = way.release()?;
    let (services, notices) = way.services(to)?;
    // Going back to a rollback is going back to where that one went.
    let to = way.origin(to, None);
    let rollback = Some(Rollback { to, services: back.services.clone() });
    Ok(Past { spec: Spec { services, rollback, ..spec.clone() }, notices })
}

/// The number of the rollback that runs, and where it went; `None` when what runs is no rollback.
pub(super) fn running_rollback(observed: &Observed) -> Option<(u64, Rollback)> {
    let history = history(observed);
    let last = history.last_complete()?;
    Some((last, history.rollback(last)?.clone()))
}

struct Way<'a> {
    spec: &'a Spec,
    observed: &'a Observed,
    history: History<'a>,
    back: &'a Back,
}

impl<'a> Way<'a> {
    fn check_known(&self) -> Result<(), RollbackError> {
        let releases = self.history.numbers().flat_map(|number| self.history.release(number));
        let known: BTreeSet<&str> =
            releases.flat_map(|(_, release)| release.services.keys().map(String::as_str)).collect();
        match self.back.services.iter().find(|service| !known.contains(service.as_str())) {
            Some(service) if !known.is_empty() => {
                let known = known.into_iter().collect::<Vec<_>>().join(", ");
                Err(RollbackError::Unknown { service: service.clone(), known })
            }
            _ => Ok(()),
        }
    }

    fn release(&self) -> Result<u64, RollbackError> {
        let complete: Vec<u64> =
            self.history.numbers().filter(|number| self.history.is_complete(*number)).collect();
        if let Some(to) = self.back.to {
            let list = |numbers: &[u64]| match numbers {
                [] => "none".to_owned(),
                some => some.iter().map(u64::to_string).collect::<Vec<_>>().join(", "),
            };
            let found = complete.contains(&to).then_some(to);
            return found.ok_or_else(|| RollbackError::NotThere { to, known: list(&complete) });
        }
        let Some(position) = self.position() else {
            return Err(RollbackError::NoRelease(self.spec.name.clone()));
        };
        let mut below = complete.iter().rev().copied().filter(|number| *number < position);
        let found = below.find(|number| self.is_another(*number));
        found.ok_or(RollbackError::NothingBelow { below: position })
    }

    /// For a few services, a release in which one of them was another.
    fn is_another(&self, number: u64) -> bool {
        self.back.services.is_empty()
            || self.back.services.iter().any(|service| {
                self.history.slots().iter().any(|slot| {
                    let at = |number| self.history.services_at(slot, number)?.1.get(service);
                    let (then, now) = (at(number), at(u64::MAX));
                    then.zip(now).is_some_and(|(then, now)| !same(then, now))
                })
            })
    }

    /// Where a release stands in the order of going back: a rollback, where it went.
    fn origin(&self, number: u64, service: Option<&str>) -> u64 {
        let rollback = self.history.rollback(number);
        let covers = |rollback: &&Rollback| match service {
            Some(service) => rollback.covers(service),
            None => rollback.services.is_empty(),
        };
        rollback.filter(covers).map_or(number, |rollback| rollback.to)
    }

    /// What runs stands here; a rollback of a rollback goes further down, not back to what was left.
    fn position(&self) -> Option<u64> {
        let made = self.made();
        let newest = self.history.last_complete().into_iter().chain(made.values().copied()).max()?;
        let of = |service: &String| made.get(service).map(|number| self.origin(*number, Some(service)));
        let services: Vec<String> = match self.back.services.as_slice() {
            [] => made.keys().cloned().collect(),
            some => some.to_vec(),
        };
        let each = services.iter().filter_map(of).max();
        let partial = self.history.rollback(newest).is_some_and(|rollback| !rollback.services.is_empty());
        match each {
            Some(each) if partial || !self.back.services.is_empty() => Some(each),
            _ => Some(self.origin(newest, None)),
        }
    }

    /// The release that made what runs of each service.
    fn made(&self) -> BTreeMap<String, u64> {
        let mut made: BTreeMap<String, u64> = BTreeMap::new();
        let on = |(slot, facts): (_, &'a HostFacts)| facts.containers.iter().map(move |seen| (slot, seen));
        for (slot, seen) in asked(self.observed).flat_map(on) {
            let number = seen.labels.get(label::RELEASE).and_then(|number| number.parse().ok());
            if let (Some(service), Some(number)) = (owned_service(self.spec, slot, seen), number) {
                let known = made.entry(service.to_owned()).or_default();
                *known = (*known).max(number);
            }
        }
        made
    }

    fn services(&self, to: u64) -> Result<(IndexMap<String, Service>, Vec<String>), RollbackError> {
        let mut found: IndexMap<String, (&Slot, &'a ReleasedService)> = IndexMap::new();
        let mut notices = Vec::new();
        for group in self.spec.groups.keys() {
            let slots = asked(self.observed).map(|(slot, _)| slot).filter(|slot| slot.group == *group);
            let at = slots.map(|slot| (slot, self.history.services_at(slot, to)));
            let (has, lacks): (Vec<_>, Vec<_>) = at.partition(|(_, services)| services.is_some());
            match (has.first(), lacks.first()) {
                (None, Some(_)) => lacks.iter().try_for_each(|(slot, _)| self.check_idle(slot, to))?,
                (Some((like, _)), Some(_)) => notices.extend(lacks.iter().map(|(slot, _)| {
                    format!("{slot} does not remember release {to}; it gets what {like} ran then")
                })),
                _ => {}
            }
            for slot in has.into_iter().map(|(slot, _)| slot) {
                self.check_named(slot, to)?;
                for (name, service) in self.of_slot(slot, to) {
                    let (one, known) = *found.entry(name.clone()).or_insert((slot, service));
                    if !same(known, service) && self.wants(name) {
                        let (service, other) = (name.clone(), slot.clone());
                        return Err(RollbackError::Differs { to, service, one: one.clone(), other });
                    }
                }
            }
        }
        self.check_services(to, &found)?;
        let present: BTreeSet<&str> = found.keys().map(String::as_str).collect();
        let mut services = IndexMap::new();
        // In the order of the file, which is that of starting them.
        let known = self.spec.services.keys().filter(|name| found.contains_key(*name));
        let gone = found.keys().filter(|name| !self.spec.services.contains_key(*name));
        for name in known.chain(gone) {
            let (slot, released) = found[name];
            let (now, wanted) = (self.spec.services.get(name), self.wants(name));
            let was = Was { name, slot, to, released, now, wanted }.service()?;
            let depends_on = was.depends_on.iter().filter(|name| present.contains(name.as_str()));
            services.insert(name.clone(), Service { depends_on: depends_on.cloned().collect(), ..was });
        }
        Ok((services, notices))
    }

    /// What is asked for as it was then, everything else as it is now.
    fn of_slot(&self, slot: &Slot, to: u64) -> impl Iterator<Item = (&'a String, &'a ReleasedService)> {
        let at = move |number, wanted| {
            let services = self.history.services_at(slot, number).map(|(_, services)| services);
            services.into_iter().flatten().filter(move |(name, _)| self.wants(name) == wanted)
        };
        at(to, true).chain(at(u64::MAX, false)).filter(|(name, _)| !self.is_inactive(name))
    }

    fn wants(&self, service: &str) -> bool {
        self.back.services.is_empty() || self.back.services.iter().any(|wanted| wanted == service)
    }

    /// A service of a profile that is not active is left alone.
    fn is_inactive(&self, service: &str) -> bool {
        self.spec.inactive.iter().any(|inactive| inactive == service)
    }

    /// Refuses a machine that runs what shall go back and does not remember what that was: left out of
    /// the spec that is gone back to, it would be removed.
    fn check_idle(&self, slot: &'a Slot, to: u64) -> Result<(), RollbackError> {
        if let Some((_, services)) = self.history.services_at(slot, u64::MAX) {
            return match services.keys().any(|name| self.wants(name) && !self.is_inactive(name)) {
                true => Err(RollbackError::Lacks { slot: slot.clone(), to }),
                false => Ok(()),
            };
        }
        match self.runs(slot).next() {
            Some((service, _)) => {
                Err(RollbackError::Lost { slot: slot.clone(), service: service.to_owned() })
            }
            None => Ok(()),
        }
    }

    /// Refuses a machine that runs what ran when a release was the newest, and is not in it: its part of
    /// the history was lost, and left out of the spec that is gone back to, it would be removed.
    fn check_named(&self, slot: &'a Slot, to: u64) -> Result<(), RollbackError> {
        let Some((_, services)) = self.history.services_at(slot, to) else { return Ok(()) };
        // A number that nobody remembers is from before the history that there is.
        let since = |made: &u64| *made > to && self.history.numbers().any(|number| number == *made);
        let mut runs = self.runs(slot).filter(|(service, _)| !services.contains_key(*service));
        match runs.find(|(_, seen)| !released::release(seen).as_ref().is_some_and(since)) {
            Some((service, _)) => {
                Err(RollbackError::Unnamed { slot: slot.clone(), service: service.to_owned(), to })
            }
            None => Ok(()),
        }
    }

    /// What a machine runs of what shall go back.
    fn runs(&self, slot: &'a Slot) -> impl Iterator<Item = (&'a str, &'a ContainerSeen)> {
        let facts = self.observed.hosts.get(slot).and_then(HostSeen::facts);
        let seen = facts.into_iter().flat_map(|facts| &facts.containers);
        let ours = seen.filter_map(move |seen| Some((owned_service(self.spec, slot, seen)?, seen)));
        ours.filter(|(service, _)| self.wants(service) && !self.is_inactive(service))
    }

    fn check_services(
        &self,
        to: u64,
        found: &IndexMap<String, (&Slot, &ReleasedService)>,
    ) -> Result<(), RollbackError> {
        let mut asked = self.back.services.iter();
        let Some(service) = asked.find(|service| !found.contains_key(*service)) else { return Ok(()) };
        let known = found.keys().cloned().collect::<Vec<_>>().join(", ");
        Err(RollbackError::NoService { to, service: service.clone(), known })
    }
}
