//! Free text of a service that a variable took part in. A variable may hold a token, and plans are read in
//! the logs of CI: what came of it is not shown.

use std::collections::BTreeSet;

use super::node::{Kind, Map, Node};

/// Lists and lines that are one value.
const WHOLE: [&[&str]; 3] = [&["command"], &["entrypoint"], &["healthcheck", "test"]];

/// Maps from names to values, or lists of `NAME=VALUE`.
const NAMED: [&[&str]; 4] = [&["labels"], &["logging", "options"], &["build", "args"], &["build", "labels"]];

/// Whether a variable in the value of a key is taken for a secret; the path is that from the top.
pub(crate) fn may_be_secret(path: &[String]) -> bool {
    let [services, _, within @ ..] = path else { return false };
    let begins = |keys: &&[&str]| within.len() >= keys.len() && keys.iter().zip(within).all(|(a, b)| a == b);
    services == "services" && [&["environment"][..]].iter().chain(&WHOLE).chain(&NAMED).any(begins)
}

/// The paths of such values under a service: `command`, `labels.owner`, `build.args.TOKEN`. Its environment
/// is not among them; there each value says so itself.
pub(crate) fn paths(service: &Node) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for keys in WHOLE {
        let touched = at(service, keys).is_some_and(takes_part);
        paths.extend(touched.then(|| keys.join(".")));
    }
    for keys in NAMED {
        let names = at(service, keys).map(names).unwrap_or_default();
        let passed_on = keys.ends_with(&["args"]);
        let names = names.into_iter().filter(|(_, how)| match how {
            How::Interpolated => true,
            // A bare argument is the variable of that name; a bare label is empty.
            How::Bare => passed_on,
            How::Literal => false,
        });
        paths.extend(names.map(|(name, _)| format!("{}.{name}", keys.join("."))));
    }
    paths
}

enum How {
    Literal,
    Interpolated,
    Bare,
}

fn at<'a>(node: &'a Node, keys: &[&str]) -> Option<&'a Node> {
    keys.iter()
        .try_fold(node, |node, key| node.map().and_then(|map: &Map| map.get(*key)).map(|entry| &entry.node))
}

fn takes_part(node: &Node) -> bool {
    match &node.kind {
        Kind::Scalar(_) => node.is_interpolated(),
        Kind::Seq(items) => items.iter().any(takes_part),
        Kind::Map(map) => map.values().any(|entry| takes_part(&entry.node)),
    }
}

fn names(node: &Node) -> Vec<(String, How)> {
    let how = |node: &Node, bare: bool| match node.is_interpolated() {
        true => How::Interpolated,
        false if bare => How::Bare,
        false => How::Literal,
    };
    match &node.kind {
        Kind::Map(map) => {
            map.iter().map(|(name, entry)| (name.clone(), how(&entry.node, entry.node.is_null()))).collect()
        }
        Kind::Seq(items) => items
            .iter()
            .filter_map(|item| {
                let line = &item.scalar()?.text;
                let name = line.split_once('=').map_or(line.as_str(), |(name, _)| name);
                Some((name.to_owned(), how(item, !line.contains('='))))
            })
            .collect(),
        Kind::Scalar(_) => Vec::new(),
    }
}
