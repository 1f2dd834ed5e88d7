//! Raw types → [`Spec`]: defaults, references, and the rules between keys. Every problem is
//! reported; what comes out is only used when there was none.

mod build;
mod ec2;
mod environment;
mod group;
mod image;
pub(super) mod interpolated;
pub(super) mod names;
mod network;
mod reference;
mod registry;
mod service;
mod tags;
mod together;

use std::collections::BTreeSet;

use indexmap::IndexMap;

use super::diagnostic::Problem;
use super::model::Spec;
use super::raw::RawSpec;
use super::raw::service::RawService;
use super::read::Cx;
use super::source::Origin;
use service::{Around, Declared, Lowered};

/// Releases whose images a host keeps, unless said.
const KEEP_RELEASES: u32 = 3;

/// Lowers a whole spec; `profiles` are the active ones, and `asked` is a service that is active
/// whatever its own.
pub(crate) fn lower(
    raw: &RawSpec,
    (profiles, asked): (&BTreeSet<String>, Option<&str>),
    cx: &mut Cx<'_>,
) -> Spec {
    if let Some(version) = raw.required_version.at() {
        names::required_version(version, cx);
    }
    if raw.name.is_absent() {
        let start = Origin::default();
        let problem = Problem::new(start, "the spec has no `name`").label("it marks everything that a3 owns");
        cx.report(problem.help("add `name: music`"));
    }
    let name = raw.name.at().map(|at| names::deployment(at, cx)).unwrap_or_default();
    let registries = registry::lower(&raw.registry, cx);
    let groups = group::lower(&raw.instances, cx);
    let around = Around {
        deployment: &name,
        groups: &groups.groups,
        group_names: &groups.names,
        registries: &registries,
    };
    let mut active: Vec<Lowered> = Vec::new();
    let mut inactive: IndexMap<String, Vec<String>> = IndexMap::new();
    for (name, named) in raw.services.get().into_iter().flat_map(|table| &table.0) {
        let Some(raw) = &named.value else { continue };
        let declared = Declared {
            name,
            key: named.key,
            raw,
            active: asked == Some(name.as_str()) || is_active(raw, profiles),
        };
        let lowered = service::lower(&declared, &around, cx);
        if declared.active {
            active.push(lowered);
        } else {
            inactive.insert(name.clone(), lowered.service.profiles);
        }
    }
    together::check(&active, &inactive, cx);
    let services = active.into_iter().map(|lowered| (lowered.service.name.clone(), lowered.service));
    Spec {
        services: services.collect(),
        inactive: inactive.into_keys().collect(),
        keep_releases: raw.keep_releases.get().map_or(KEEP_RELEASES, |number| number.unsigned()),
        rollback: None,
        files: Vec::new(),
        groups: groups.groups,
        name,
        registries,
    }
}

fn is_active(raw: &RawService, profiles: &BTreeSet<String>) -> bool {
    let own = raw.profiles.get().map(|list| list.0.as_slice()).unwrap_or_default();
    own.is_empty() || profiles.contains("*") || own.iter().any(|profile| profiles.contains(&profile.value.0))
}
