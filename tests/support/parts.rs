//! Parts of what a step does: tags, a machine that is new, what runs and what is let go.

use std::collections::BTreeMap;

use a3::observed::{ContainerSeen, HostFacts, Listening, PublishedPort};
use a3::plan::step::Launch;
use a3::plan::{asked, own_tags};
use a3::record::{InPlace, InPlaceSeen, Limit};
use a3::spec::{Port, Spec};

use super::world;

/// The person's tags, and which they are.
pub(super) fn tagged(launch: &Launch) -> BTreeMap<String, String> {
    let own = own_tags::to_tag(launch.tags.keys().map(String::as_str));
    let own = own.map(|own| (own_tags::TAG.to_owned(), own));
    let asked = Some((asked::TAG.to_owned(), launch.asked.clone()));
    launch.tags.clone().into_iter().chain(own).chain(asked).collect()
}

/// A machine that was just launched: a3 has not been there yet.
pub(super) fn fresh_host(spec: &Spec) -> HostFacts {
    HostFacts { key: None, folder: format!("/var/lib/a3/{}", spec.name), ..world::fresh_host() }
}

/// Nothing listens for a container that does not run.
pub(super) fn silence(host: &mut HostFacts, container: &str) {
    let own = host.containers.iter().filter(|one| one.name == container).flat_map(|one| &one.ports);
    let own: Vec<PublishedPort> = own.cloned().collect();
    let of = |held: &Listening| {
        own.iter().any(|port| port.published == held.port && port.protocol == held.protocol)
    };
    host.listening.retain(|held| !of(held));
}

/// What a container that runs publishes.
pub(super) fn published(ports: &[Port]) -> Vec<PublishedPort> {
    let published = ports.iter().map(|port| PublishedPort {
        host_ip: port.host_ip.clone(),
        published: port.published.unwrap_or(49153),
        target: port.target,
        protocol: port.protocol,
    });
    published.collect()
}

/// An image that has no name left goes; of one that somebody else has named, only our tags.
pub(super) fn let_go(host: &mut HostFacts, tags: &[String]) {
    for image in &mut host.kept {
        image.tags.retain(|tag| !tags.contains(tag));
        if image.tags.is_empty() {
            let used = |one: &ContainerSeen| image.is(&one.image_id);
            assert!(!host.containers.iter().any(used), "an image in use was pruned: {image:?}");
            host.repo_digests.retain(|digest| !image.digests.contains(digest));
        }
    }
    host.kept.retain(|image| !image.tags.is_empty());
}

/// What the engine has of such settings: a limit that was there cannot be taken away, only raised.
pub(super) fn set(asked: &InPlace, before: Option<&InPlaceSeen>) -> InPlaceSeen {
    let memory_was = before.map_or(Limit::Never, |before| before.mem_limit);
    let cpus_were = before.map_or(Limit::Never, |before| before.nano_cpus);
    InPlaceSeen {
        restart: asked.restart,
        mem_limit: match (asked.mem_limit, memory_was) {
            (Some(limit), _) => Limit::At(limit),
            (None, Limit::Never) => Limit::Never,
            (None, _) => Limit::All(1 << 50),
        },
        nano_cpus: match (asked.nano_cpus, cpus_were) {
            (Some(world::ALL_PROCESSORS), _) => Limit::All(world::ALL_PROCESSORS),
            (Some(limit), _) => Limit::At(limit),
            (None, Limit::Never) => Limit::Never,
            (None, _) => Limit::All(world::ALL_PROCESSORS),
        },
    }
}
