//! Going back: which release, and the spec that it was.
//!
//! A rollback is planned and applied as any other spec; what makes it one is [`Spec::rollback`]. Its
//! services come from the machines' records: settings as they were, images pinned by digest. Data
//! files, volumes and machines stay as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use indexmap::IndexMap;

use super::names::label;
use super::owned_service;
use super::settings::{Env, Settings};
use crate::explain::Explain;
use crate::id::Slot;
use crate::observed::{Cause, HostSeen, NotYet, Observed};
use crate::record::ReleasedService;
use crate::record::history::History;
use crate::spec::{EnvValue, Rollback, Service, Spec};

/// What a person asked for.
#[derive(Clone, Debug, Default)]
pub struct Back {
    /// Only these services; empty is all.
    pub services: Vec<String>,
    /// This release; `None` is the highest complete one below what runs.
    pub to: Option<u64>,
}

/// Why there is no way back.
#[derive(Debug, thiserror::Error)]
pub enum RollbackError {
    /// What a machine remembers is not known.
    #[error("{slot} cannot be asked what it ran: {}", cause.message)]
    Unseen {
        /// The machine.
        slot: Slot,
        /// Why.
        cause: Cause,
    },
    /// Nothing was ever released.
    #[error("nothing of `{0}` was released yet, so there is nothing to go back to")]
    NoRelease(String),
    /// The running one is the first.
    #[error("there is nothing to go back to: no complete release is remembered below {below}")]
    NothingBelow {
        /// What runs, or what it went back to.
        below: u64,
    },
    /// `--to` names none.
    #[error("no complete release {to} is remembered; there are {known}")]
    NotThere {
        /// What was asked for.
        to: u64,
        /// `1, 2`
        known: String,
    },
    /// A service that was never released.
    #[error("no release has a service `{service}`; there are {known}")]
    Unknown {
        /// The service.
        service: String,
        /// Those of the releases.
        known: String,
    },
    /// A service that the release does not have.
    #[error("release {to} has no service `{service}`; it has {known}")]
    NoService {
        /// The release.
        to: u64,
        /// The service.
        service: String,
        /// Those it has.
        known: String,
    },
    /// A group whose machines remember nothing so early.
    #[error("{slot} does not remember what it ran in release {to}: its history begins later")]
    Lacks {
        /// The machine.
        slot: Slot,
        /// The release.
        to: u64,
    },
    /// Machines of one group ran different things.
    #[error("in release {to}, `{service}` was not the same on {one} and {other}")]
    Differs {
        /// The release.
        to: u64,
        /// The service.
        service: String,
        /// A machine.
        one: Slot,
        /// Another one.
        other: Slot,
    },
    /// A value that was never written down.
    #[error(
        "release {to} of `{service}` took `environment.{name}` from a variable or an env_file, and deploy.yaml no longer does"
    )]
    NoValue {
        /// The release.
        to: u64,
        /// The service.
        service: String,
        /// The variable.
        name: String,
    },
    /// Written by another a3.
    #[error("what {slot} remembers of `{service}` in release {to} cannot be read")]
    Unreadable {
        /// The machine.
        slot: Slot,
        /// The service.
        service: String,
        /// The release.
        to: u64,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Explain for RollbackError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Unseen { cause, .. } => return cause.help.clone(),
            Self::NoRelease(_) => "a3 apply makes the first release".to_owned(),
            Self::NothingBelow { .. } => {
                "a3 history lists the releases; else set deploy.yaml back yourself, and a3 apply".to_owned()
            }
            Self::NotThere { .. } | Self::Unknown { .. } | Self::NoService { .. } => {
                "a3 history lists them".to_owned()
            }
            Self::Lacks { .. } => {
                "a3 rollback SERVICE, for services of other machines; else a3 apply with an \
                                   earlier deploy.yaml"
                    .to_owned()
            }
            Self::Differs { .. } => "a3 history; another release with a3 rollback --to N".to_owned(),
            Self::NoValue { name, .. } => {
                format!("add `{name}` to the service's env_file again, or choose another release: a3 history")
            }
            Self::Unreadable { .. } => "a3 rollback with the a3 that wrote it (a3 --version)".to_owned(),
        })
    }
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
    let facts = observed.hosts.iter().filter_map(|(slot, seen)| Some((slot, seen.facts()?)));
    History::of(facts.filter_map(|(slot, facts)| Some((slot, facts.record.as_ref()?))))
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
        let facts = self.observed.hosts.iter().filter_map(|(slot, seen)| Some((slot, seen.facts()?)));
        for (slot, seen) in
            facts.flat_map(|(slot, facts)| facts.containers.iter().map(move |seen| (slot, seen)))
        {
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
            let slots = || self.history.slots().iter().filter(|slot| slot.group == *group);
            let at = slots().map(|slot| (*slot, self.history.services_at(slot, to)));
            let (has, lacks): (Vec<_>, Vec<_>) = at.partition(|(_, services)| services.is_some());
            match (has.first(), lacks.first()) {
                (None, Some((slot, _))) if self.concerns(slot) => {
                    return Err(RollbackError::Lacks { slot: (*slot).clone(), to });
                }
                (Some((like, _)), Some(_)) => notices.extend(lacks.iter().map(|(slot, _)| {
                    format!("{slot} does not remember release {to}; it gets what {like} ran then")
                })),
                _ => {}
            }
            for slot in has.into_iter().map(|(slot, _)| slot) {
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
            let was = self.service(name, slot, released, to)?;
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

    /// Whether anything that shall go back runs there.
    fn concerns(&self, slot: &Slot) -> bool {
        let now = self.history.services_at(slot, u64::MAX);
        now.is_some_and(|(_, services)| services.keys().any(|name| self.wants(name)))
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

    fn service(
        &self,
        name: &str,
        slot: &Slot,
        released: &ReleasedService,
        to: u64,
    ) -> Result<Service, RollbackError> {
        let settings: Settings = serde_json::from_value(released.settings.clone()).map_err(|error| {
            let (slot, service) = (slot.clone(), name.to_owned());
            RollbackError::Unreadable { slot, service, to, source: Box::new(error) }
        })?;
        let now = self.spec.services.get(name);
        let mut environment = IndexMap::new();
        for (variable, value) in &settings.environment {
            let value = match value {
                Env::Plain(text) => EnvValue::Plain(text.clone()),
                Env::Unset => EnvValue::Unset,
                // What is not asked for is not planned either.
                Env::Secret(_) | Env::Resolved if !self.wants(name) => continue,
                Env::Secret(source) => EnvValue::Secret(source.clone()),
                Env::Resolved => match now.and_then(|now| now.environment.get(variable)) {
                    Some(value @ EnvValue::Resolved(_)) => value.clone(),
                    _ => {
                        let (service, name) = (name.to_owned(), variable.clone());
                        return Err(RollbackError::NoValue { to, service, name });
                    }
                },
            };
            environment.insert(variable.clone(), value);
        }
        let was = Was { name, on: &slot.group, released, environment };
        Ok(was.service(settings, now))
    }
}

/// Configuration hashes are of each machine's own key, so they cannot be compared.
fn same(one: &ReleasedService, other: &ReleasedService) -> bool {
    one.image == other.image && one.settings == other.settings
}

struct Was<'a> {
    name: &'a str,
    on: &'a str,
    released: &'a ReleasedService,
    environment: IndexMap<String, EnvValue>,
}

impl Was<'_> {
    /// The inverse of [`Settings::of`]. What is no setting of a container is as the file has it now.
    fn service(self, was: Settings, now: Option<&Service>) -> Service {
        Service {
            name: self.name.to_owned(),
            on: self.on.to_owned(),
            image: self.released.image.clone(),
            build: None,
            platform: self.released.platform.or_else(|| now.and_then(|now| now.platform)),
            files: Vec::new(),
            volumes: was.volumes,
            ports: was.ports,
            container_name: was.name,
            restart: was.in_place.restart,
            auto_remove: was.auto_remove,
            check: self.released.check.clone(),
            command: was.command,
            entrypoint: was.entrypoint,
            environment: self.environment,
            user: was.user,
            working_dir: was.working_dir,
            labels: was.labels.into_iter().collect(),
            hostname: was.hostname,
            healthcheck: was.healthcheck,
            depends_on: now.map(|now| now.depends_on.clone()).unwrap_or_default(),
            profiles: now.map(|now| now.profiles.clone()).unwrap_or_default(),
            stop_grace_period: Duration::from_secs(was.stop_grace_period),
            read_only: was.read_only,
            cap_add: was.cap_add,
            cap_drop: was.cap_drop,
            mem_limit: was.in_place.mem_limit,
            nano_cpus: was.in_place.nano_cpus,
            logging: was.logging,
            ulimits: was.ulimits.into_iter().collect(),
            tmpfs: was.tmpfs,
            shm_size: was.shm_size,
            init: was.init,
            extra_hosts: was.extra_hosts,
            parallelism: now.map_or(1, |now| now.parallelism),
        }
    }
}
