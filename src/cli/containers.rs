//! The containers of `a3 status`: a row each, one for what is missing, and how it differs from the
//! spec.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::status::age;
use crate::id::Slot;
use crate::observe::World;
use crate::observed::{ContainerSeen, ContainerState, Health, HostFacts, HostSeen, Observed};
use crate::plan::names::label;
use crate::plan::{Difference, drift, missing, one_off_service, owned_service};
use crate::report::status::ContainerRow;
use crate::report::words;
use crate::spec::Spec;

/// Bytes by the engine's id of an image, by machine.
pub(super) type Sizes = BTreeMap<Slot, BTreeMap<String, u64>>;

/// Asks every machine that answered for the sizes of its images; one that does not say has none.
pub(super) async fn sizes(world: &World, observed: &Observed) -> Sizes {
    let ready = observed.hosts.iter().filter(|(_, seen)| {
        seen.facts().is_some_and(|facts| facts.engine.present().is_some() && !facts.containers.is_empty())
    });
    let asked = ready.filter_map(|(slot, _)| Some((slot.clone(), world.host(slot)?.engine())));
    let asked = asked.map(async |(slot, engine)| (slot, engine.image_sizes().await.unwrap_or_default()));
    join_all(asked).await.into_iter().collect()
}

/// By slot and service, as in the spec; what left it comes last.
pub(super) fn rows(spec: &Spec, observed: &Observed, sizes: &Sizes, all: bool) -> Vec<ContainerRow> {
    let mut rows = Vec::new();
    for (slot, seen) in &observed.hosts {
        let HostSeen::Ready(facts) = seen else { continue };
        let place = Place { spec, observed, slot, facts, sizes: sizes.get(slot) };
        rows.extend(facts.containers.iter().filter_map(|seen| place.container(seen)));
        rows.extend(facts.containers.iter().filter_map(|seen| place.one_off(seen, all)));
        if facts.engine.present().is_some() {
            rows.extend(place.missing());
        }
    }
    rows
}

#[derive(Clone, Copy)]
struct Place<'a> {
    spec: &'a Spec,
    observed: &'a Observed,
    slot: &'a Slot,
    facts: &'a HostFacts,
    sizes: Option<&'a BTreeMap<String, u64>>,
}

impl Place<'_> {
    fn container(&self, seen: &ContainerSeen) -> Option<ContainerRow> {
        let service = owned_service(self.spec, self.slot, seen)?;
        let differences = drift(self.spec, (self.slot, self.facts), seen, &self.observed.secrets);
        let differences: Vec<String> = differences.iter().map(difference).collect();
        Some(ContainerRow {
            release: seen.labels.get(label::RELEASE).cloned().unwrap_or_default(),
            drift: differences.join(", "),
            ..self.row(service, seen)
        })
    }

    /// A container of `a3 run`; with `all`, also one that ended.
    fn one_off(&self, seen: &ContainerSeen, all: bool) -> Option<ContainerRow> {
        let service = one_off_service(self.spec, self.slot, seen)?;
        let shown = all || seen.state.is_up();
        shown.then(|| ContainerRow { one_off: true, ..self.row(service, seen) })
    }

    fn row(&self, service: &str, seen: &ContainerSeen) -> ContainerRow {
        let running = seen.state == ContainerState::Running;
        let since = seen.started.filter(|_| running).map(|at| age(self.facts.now.saturating_sub(at)));
        let size = self.sizes.and_then(|sizes| sizes.get(&seen.image_id)).copied();
        ContainerRow {
            slot: self.slot.to_string(),
            service: service.to_owned(),
            container: seen.name.clone(),
            digest: digest(seen),
            size: size.map(words::bytes).unwrap_or_default(),
            size_bytes: size,
            state: state(seen.state),
            exit_code: match seen.state {
                ContainerState::Exited(code) => Some(code),
                _ => None,
            },
            restarts: seen.restarts,
            health: health(seen.health),
            uptime: since.unwrap_or_default(),
            ports: ports(seen),
            ..ContainerRow::default()
        }
    }

    /// Services of the spec that have no container here.
    fn missing(&self) -> Vec<ContainerRow> {
        let has = |name: &str| {
            let mut own = self.facts.containers.iter();
            own.any(|seen| owned_service(self.spec, self.slot, seen) == Some(name))
        };
        let missed = self.spec.services_on(&self.slot.group).filter(|service| !has(&service.name));
        let row = |service: &crate::spec::Service| ContainerRow {
            slot: self.slot.to_string(),
            service: service.name.clone(),
            container: service.container_name.clone(),
            state: "missing".to_owned(),
            drift: difference(&missing(service, self.facts)),
            ..ContainerRow::default()
        };
        missed.map(row).collect()
    }
}

/// In a few words: `settings (ports, command)`.
fn difference(difference: &Difference) -> String {
    let word = words::drift_text(&difference.reason);
    match difference.fields.as_slice() {
        [] => word,
        fields => format!("{word} ({})", fields.join(", ")),
    }
}

fn digest(seen: &ContainerSeen) -> String {
    let image = seen.labels.get(label::IMAGE).map_or(seen.image_id.as_str(), String::as_str);
    let short = |(_, hex): (&str, &str)| format!("sha256:{}", &hex[..hex.len().min(12)]);
    image.rsplit_once("sha256:").map_or_else(|| image.to_owned(), short)
}

fn ports(seen: &ContainerSeen) -> String {
    let text = seen
        .ports
        .iter()
        .map(|port| format!("{}→{}/{}", port.published, port.target, port.protocol.as_str()));
    text.collect::<Vec<_>>().join(", ")
}

fn health(health: Option<Health>) -> String {
    match health {
        None => String::new(),
        Some(Health::Starting) => "starting".to_owned(),
        Some(Health::Healthy) => "healthy".to_owned(),
        Some(Health::Unhealthy) => "unhealthy".to_owned(),
    }
}

fn state(state: ContainerState) -> String {
    match state {
        ContainerState::Created => "created".to_owned(),
        ContainerState::Running => "running".to_owned(),
        ContainerState::Paused => "paused".to_owned(),
        ContainerState::Restarting => "restarting".to_owned(),
        ContainerState::Exited(code) => format!("exited ({code})"),
        ContainerState::Gone => "dead".to_owned(),
    }
}
