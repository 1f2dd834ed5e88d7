//! Free text of a service that a variable took part in. A variable may hold a token, and plans are read in
//! the logs of CI: what came of it is not shown.

use std::collections::BTreeSet;

use crate::spec::raw::service::RawService;
use crate::spec::shapes::{PairValue, Pairs};

/// Where it may stand in a service. In `environment` each value says so itself.
const KEYS: [&[&str]; 8] = [
    &["environment"],
    &["command"],
    &["entrypoint"],
    &["healthcheck", "test"],
    &["labels"],
    &["logging", "options"],
    &["build", "args"],
    &["build", "labels"],
];

/// Whether a variable in the value at a path from the top is taken for a secret.
pub(crate) fn may_be_secret(path: &[String]) -> bool {
    let [services, _, within @ ..] = path else { return false };
    let begins =
        |keys: &&[&str]| within.len() >= keys.len() && keys.iter().zip(within).all(|(key, at)| key == at);
    services == "services" && KEYS.iter().any(begins)
}

/// The keys of such values under a service: `command`, `labels.owner`, `build.args.TOKEN`.
pub(crate) fn keys(raw: &RawService) -> BTreeSet<String> {
    let test = raw.healthcheck.get().and_then(|check| check.test.at());
    let whole = [
        ("command", raw.command.at().is_some_and(|at| at.interpolated)),
        ("entrypoint", raw.entrypoint.at().is_some_and(|at| at.interpolated)),
        ("healthcheck.test", test.is_some_and(|at| at.interpolated)),
    ];
    let whole = whole.into_iter().filter(|(_, takes_part)| *takes_part).map(|(key, _)| key.to_owned());
    let build = raw.build.get().map(|build| &build.0);
    let named = [
        ("labels", raw.labels.get()),
        ("logging.options", raw.logging.get().and_then(|logging| logging.options.get())),
        ("build.labels", build.and_then(|build| build.labels.get())),
        ("build.args", build.and_then(|build| build.args.get())),
    ];
    let named = named.into_iter().flat_map(|(key, pairs)| {
        // A bare argument is the variable of that name; a bare label is empty.
        names(pairs, key == "build.args").map(move |name| format!("{key}.{name}"))
    });
    whole.chain(named).collect()
}

fn names(pairs: Option<&Pairs<false>>, bare_too: bool) -> impl Iterator<Item = &String> {
    let all = pairs.into_iter().flat_map(|pairs| &pairs.0);
    all.filter(move |(_, pair)| match &pair.value {
        PairValue::Text { interpolated, .. } => *interpolated,
        PairValue::Inherited => bare_too,
        PairValue::Secret(_) => false,
    })
    .map(|(name, _)| name)
}
