//! Registries.

use indexmap::IndexMap;

use super::reference;
use crate::spec::diagnostic::Problem;
use crate::spec::model::Registry;
use crate::spec::raw::RawRegistry;
use crate::spec::read::{At, Cx, Key, OneOrMany};
use crate::spec::scalars::Text;

/// All registries, by server.
pub(crate) fn lower(key: &Key<OneOrMany<RawRegistry>>, cx: &mut Cx<'_>) -> IndexMap<String, Registry> {
    let mut registries = IndexMap::new();
    let mut places = IndexMap::new();
    for raw in key.get().iter().flat_map(|list| &list.0) {
        let Some(registry) = one(raw, cx) else { continue };
        let at = raw.value.server.at().map_or(raw.at, |server| server.at);
        if let Some(first) = places.insert(registry.server.clone(), at) {
            let message = format!("the registry `{}` is given twice", registry.server);
            let problem = Problem::new(at, message).label("and again here").and(first, "first here");
            cx.report(problem.help("keep one of them"));
        }
        registries.insert(registry.server.clone(), registry);
    }
    registries
}

fn one(raw: &At<RawRegistry>, cx: &mut Cx<'_>) -> Option<Registry> {
    let (at, raw) = (raw.at, &raw.value);
    if raw.server.is_absent() {
        let problem = Problem::new(at, "a registry needs `server`").label("here");
        cx.report(problem.help("add `server: ghcr.io`"));
    }
    if let (Some(password), true) = (raw.password.key(), raw.username.is_absent()) {
        let problem = Problem::new(password, "a password needs `username`").label("of whom?");
        cx.report(problem.help("add `username: …`, or take `password` out to use ~/.docker/config.json"));
    }
    let server = raw.server.at()?;
    let Text(name) = &server.value;
    let help = if let Some((_, rest)) = name.split_once("://") {
        Some(format!("write {}", rest.trim_end_matches('/')))
    } else if let Some((host, _)) = name.split_once('/') {
        Some(format!("write {host}; the rest belongs to each service's `image`"))
    } else if !reference::looks_like_server(name) || name.chars().any(|c| c.is_whitespace() || c == '@') {
        Some("write ghcr.io, docker.io or HOST:PORT".to_owned())
    } else {
        None
    };
    if let Some(help) = help {
        let problem = Problem::new(server.at, format!("`{name}` is not a registry's server"));
        cx.report(problem.label("HOST or HOST:PORT, as image references begin").help(help));
        return None;
    }
    Some(Registry {
        server: reference::server_name(name).to_owned(),
        username: raw.username.get().map(|Text(name)| name.clone()),
        password: raw.password.get().map(|secret| secret.0.clone()),
        persist_login: raw.persist_login.get().is_some_and(|flag| flag.0),
    })
}
