//! How an image is built.

use indexmap::IndexMap;

use super::service::refuse_own_labels;
use crate::spec::diagnostic::Problem;
use crate::spec::model::Build;
use crate::spec::raw::service::RawBuild;
use crate::spec::read::{At, Cx};
use crate::spec::scalars::Text;
use crate::spec::shapes::{arguments, plain};

/// The build; `None` when its folder is missing.
pub(crate) fn lower(at: &At<RawBuild>, cx: &mut Cx<'_>) -> Option<Build> {
    let raw = &at.value.0;
    if raw.context.is_absent() {
        let problem = Problem::new(at.at, "a build needs `context`").label("here");
        cx.report(problem.help("add `context: .`"));
    }
    refuse_own_labels(&raw.labels, cx);
    if let Some(file) = raw.dockerfile.at()
        && file.value.0.starts_with('/')
    {
        let problem = Problem::new(file.at, "the Dockerfile is inside the context").label("absolute");
        cx.report(problem.help("write its path in the folder of `context`"));
    }
    let mut secrets = IndexMap::new();
    for (id, named) in raw.secrets.get().into_iter().flat_map(|table| &table.0) {
        if let Some(secret) = &named.value {
            secrets.insert(id.clone(), secret.0.clone());
        }
    }
    let cache_from = raw.cache_from.get().into_iter().flat_map(|list| &list.0);
    Some(Build {
        context: raw.context.get()?.0.clone(),
        dockerfile: raw.dockerfile.get().map_or_else(|| "Dockerfile".into(), |Text(path)| path.clone()),
        args: arguments(&raw.args, cx),
        target: raw.target.get().map(|Text(target)| target.clone()),
        secrets,
        cache_from: cache_from.map(|image| image.value.0.clone()).collect(),
        labels: plain(&raw.labels),
        pull: raw.pull.get().is_some_and(|flag| flag.0),
        no_cache: raw.no_cache.get().is_some_and(|flag| flag.0),
    })
}
