//! Whose logs are read.

use std::time::Duration;

use super::options::Wanted;
use super::track::Track;
use crate::cli::exit::Exit;
use crate::cli::fault::Fault;
use crate::cli::pick;
use crate::cli::work::Looked;
use crate::docker::{ContainerDetail, Engine, EngineError};
use crate::explain::Explain as _;
use crate::id::Slot;
use crate::observed::{Cause, ContainerState};
use crate::plan::names;
use crate::spec::Spec;

/// A service on one machine; its containers come and go.
#[derive(Debug)]
pub(super) struct Source {
    /// Among those that are shown.
    pub(super) index: usize,
    /// Among all of the deployment.
    pub(super) number: usize,
    pub(super) slot: Slot,
    pub(super) service: String,
    /// `s2`, or `web/1/s2` where there are several machines.
    pub(super) name: String,
    /// The name that its container has.
    pub(super) container: String,
    /// The engine's id of the container that was there first.
    pub(super) id: String,
    pub(super) state: ContainerState,
    pub(super) engine: Engine,
    /// Of its machine, since 1970.
    pub(super) clock: Duration,
    pub(super) track: Track,
}

/// The sources that are meant, and why others cannot be read.
pub(super) fn sources(
    spec: &Spec,
    looked: &Looked,
    services: &[String],
    instance: Option<&str>,
) -> Result<(Vec<Source>, Vec<Fault>), Fault> {
    let (found, away) = pick::containers(spec, looked, services, instance)?;
    let all: Vec<(Slot, &str)> = spec
        .slots()
        .flat_map(|(slot, _)| {
            let group = slot.group.clone();
            let on: Vec<&str> = spec
                .services
                .values()
                .filter(|service| service.on == group)
                .map(|service| service.name.as_str())
                .collect();
            on.into_iter().map(move |service| (slot.clone(), service))
        })
        .collect();
    let sources = found.into_iter().enumerate().map(|(index, found)| {
        let same = |(slot, service): &(Slot, &str)| *slot == found.place.slot && *service == found.service;
        let container = found.container.name.trim_end_matches(".a3-old").to_owned();
        Source {
            index,
            number: all.iter().position(same).unwrap_or(index),
            name: found.name(spec),
            container,
            id: found.container.id.clone(),
            state: found.container.state,
            engine: found.place.host.engine(),
            clock: Duration::from_secs(found.place.facts.now),
            track: Track::default(),
            slot: found.place.slot,
            service: found.service,
        }
    });
    Ok((sources.collect(), away))
}

impl Source {
    /// Where the log of the first container begins for whoever follows it.
    pub(super) fn begin(&mut self, wanted: &Wanted) {
        let since = match wanted.tail {
            Some(0) => Some(self.clock),
            _ => wanted.since.map(|when| when.at(self.clock)),
        };
        self.track.begin(&self.id, since);
    }

    /// The service's containers that there are now: a left-over of a swap, and the one with its name.
    pub(super) async fn containers(&self, spec: &Spec) -> Result<Vec<ContainerDetail>, EngineError> {
        let old_name = names::old_container(&self.container);
        let (old, current) =
            tokio::try_join!(self.engine.container(&old_name), self.engine.container(&self.container))?;
        let is_own = |found: &ContainerDetail| {
            crate::plan::owned_service(spec, &self.slot, &found.seen) == Some(&self.service)
        };
        Ok([old, current].into_iter().flatten().filter(is_own).collect())
    }

    /// A failed reading, with the service and what can be done.
    pub(super) fn cause(&self, error: &EngineError) -> Cause {
        let Cause { message, help } = error.cause();
        let unreadable = message.contains("does not support reading");
        let help = if unreadable {
            let service = &self.service;
            Some(format!(
                "its lines go where that driver sends them; for a3 logs set services.{service}.logging.driver: json-file"
            ))
        } else {
            help
        };
        Cause { message: format!("{}: {message}", self.name), help }
    }

    pub(super) fn fault(&self, error: &EngineError) -> Fault {
        let exit = if error.is_unreachable() { Exit::Unreachable } else { Exit::Failed };
        Fault::cause(exit, self.cause(error))
    }
}

/// Why a container does not run: `exited (137) at 2026-11-24T20:00:00Z, killed for memory`.
pub(super) fn ending(detail: &ContainerDetail) -> Option<String> {
    let again = match detail.seen.state {
        ContainerState::Exited(_) => String::new(),
        ContainerState::Restarting => {
            format!(", and is started again and again ({} times so far)", detail.restart_count)
        }
        ContainerState::Created if !detail.error.is_empty() => {
            return Some(format!("did not start: {}", detail.error));
        }
        ContainerState::Created => return Some("was never started".to_owned()),
        _ => return None,
    };
    let at = detail.finished.and_then(|at| i64::try_from(at).ok());
    let at = at.and_then(|at| time::OffsetDateTime::from_unix_timestamp(at).ok());
    let at = at.and_then(|at| at.format(&time::format_description::well_known::Rfc3339).ok());
    let at = at.map_or(String::new(), |at| format!(" at {at}"));
    let why = match detail.exit_code {
        _ if detail.oom_killed => ", killed for memory",
        137 => ", killed",
        139 => ", by a bad access to memory (SIGSEGV)",
        143 => ", as it was told to (SIGTERM)",
        _ => "",
    };
    let error = if detail.error.is_empty() { String::new() } else { format!(": {}", detail.error) };
    Some(format!("exited ({}){at}{why}{again}{error}", detail.exit_code))
}
