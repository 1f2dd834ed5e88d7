//! Overlays: several files become one, as Compose merges them
//! (<https://docs.docker.com/reference/compose-file/merge/>). Mappings merge, lists grow, scalars are
//! replaced; volumes and files merge by target and ports by container port, so that an overlay can
//! move one. `!reset` takes a key away, `!override` replaces it whole.

use std::collections::BTreeSet;

use super::node::{Entry, Kind, Map, Node, Overlay, Scalar};
use super::raw::mount::cleaned;

/// How the values of a key are laid over one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// By what they are.
    Natural,
    /// The later one.
    Replace,
    /// `NAME=VALUE` lists and mappings, name by name; a value is replaced whole.
    Pairs,
    /// As pairs of `HOST:ADDRESS`.
    Hosts,
    /// One or a list.
    Append,
    /// Lists whose items have an identity.
    Ports,
    Volumes,
    Files,
    /// A list of names, or a mapping.
    Names,
    /// A folder, or a mapping.
    Build,
    /// One, or a list told apart by server.
    Registry,
    /// The options only count with the driver that they were written for.
    Logging,
}

fn rule(path: &[&str]) -> Rule {
    match path {
        ["registry"] => Rule::Registry,
        ["registry", "password"] => Rule::Replace,
        ["services", _, rest @ ..] => service_rule(rest),
        ["instances", _, "host"] => Rule::Replace,
        _ => Rule::Natural,
    }
}

fn service_rule(path: &[&str]) -> Rule {
    match path {
        ["command" | "entrypoint"] | ["healthcheck", "test"] => Rule::Replace,
        ["environment" | "labels"] | ["build", "args" | "labels" | "secrets"] => Rule::Pairs,
        ["extra_hosts"] => Rule::Hosts,
        ["env_file" | "tmpfs" | "profiles" | "cap_add" | "cap_drop"] | ["build", "cache_from"] => {
            Rule::Append
        }
        ["ports"] => Rule::Ports,
        ["volumes"] => Rule::Volumes,
        ["files"] => Rule::Files,
        ["depends_on"] => Rule::Names,
        ["build"] => Rule::Build,
        ["logging"] => Rule::Logging,
        ["ulimits", _] => Rule::Replace,
        _ => Rule::Natural,
    }
}

/// Lays the documents over one another, the first at the bottom.
pub(crate) fn all(documents: Vec<Node>) -> Option<Node> {
    let merged = documents.into_iter().reduce(|base, over| merge(base, over, &[]))?;
    strip(merged)
}

fn merge(base: Node, over: Node, path: &[&str]) -> Node {
    if over.overlay != Overlay::Merge || base.overlay == Overlay::Reset {
        return over;
    }
    // A key that is only mentioned changes nothing, as in Compose.
    if over.is_null() && base.scalar().is_none() {
        return base;
    }
    match rule(path) {
        Rule::Natural => natural(base, over, path),
        Rule::Replace => over,
        Rule::Pairs => pairs_over(base, over, "="),
        Rule::Hosts => pairs_over(base, over, ":="),
        Rule::Append => natural(listed(base), listed(over), path),
        Rule::Ports => by_identity(base, over, port_identity),
        Rule::Volumes => by_identity(base, over, volume_identity),
        Rule::Files => by_identity(base, over, file_identity),
        Rule::Names => natural(named(base), named(over), path),
        Rule::Build => natural(context(base), context(over), path),
        Rule::Registry => registries(base, over, path),
        Rule::Logging => logging(base, over, path),
    }
}

fn natural(mut base: Node, over: Node, path: &[&str]) -> Node {
    match (&mut base.kind, over.kind) {
        (Kind::Map(below), Kind::Map(above)) => {
            maps(below, above, path);
            base
        }
        (Kind::Seq(below), Kind::Seq(above)) => {
            for item in above {
                let same = |other: &Node| match (other.scalar(), item.scalar()) {
                    (Some(a), Some(b)) => a.text == b.text,
                    _ => false,
                };
                if !below.iter().any(same) {
                    below.push(item);
                }
            }
            base
        }
        (_, kind) => Node { kind, ..over },
    }
}

fn maps(below: &mut Map, above: Map, path: &[&str]) {
    for (key, entry) in above {
        let path: Vec<&str> = path.iter().copied().chain([key.as_str()]).collect();
        let merged = match below.get(&key) {
            Some(found) => Entry { key: entry.key, node: merge(found.node.clone(), entry.node, &path) },
            None => entry,
        };
        below.insert(key, merged);
    }
}

/// `NAME=VALUE` items as a mapping; anything else stays for the reader to refuse.
fn pairs(node: Node, separators: &str) -> Node {
    let Kind::Seq(items) = &node.kind else { return node };
    let mut map = Map::new();
    for item in items {
        let Some(scalar) = item.scalar() else { return node };
        if item.trouble.is_some() {
            return node;
        }
        let (name, value) = match scalar.text.split_once(|c| separators.contains(c)) {
            Some((name, value)) => {
                let template = scalar.template.as_ref().map(|template| {
                    template.split_once(|c| separators.contains(c)).map_or("", |(_, value)| value).to_owned()
                });
                (name, Scalar { text: value.to_owned(), quoted: true, template, unset: scalar.unset.clone() })
            }
            None => (scalar.text.as_str(), Scalar::default()),
        };
        let value = Node { kind: Kind::Scalar(value), ..item.clone() };
        map.insert(name.to_owned(), Entry { key: item.at, node: value });
    }
    Node { kind: Kind::Map(map), ..node }
}

fn pairs_over(base: Node, over: Node, separators: &str) -> Node {
    let (mut base, over) = (pairs(base, separators), pairs(over, separators));
    match (&mut base.kind, over.kind) {
        (Kind::Map(below), Kind::Map(above)) => {
            below.extend(above);
            base
        }
        (_, kind) => Node { kind, ..over },
    }
}

fn listed(node: Node) -> Node {
    match node.kind {
        Kind::Seq(_) => node,
        Kind::Scalar(_) | Kind::Map(_) => Node::new(node.at, Kind::Seq(vec![node])),
    }
}

fn named(node: Node) -> Node {
    let Kind::Seq(items) = &node.kind else { return node };
    let mut map = Map::new();
    for item in items {
        let Some(scalar) = item.scalar() else { return node };
        let nothing = Node { kind: Kind::Map(Map::new()), ..item.clone() };
        map.insert(scalar.text.clone(), Entry { key: item.at, node: nothing });
    }
    Node { kind: Kind::Map(map), ..node }
}

fn context(node: Node) -> Node {
    if node.scalar().is_none() {
        return node;
    }
    let at = node.at;
    let map = Map::from([("context".to_owned(), Entry { key: at, node })]);
    Node::new(at, Kind::Map(map))
}

/// Base items stay unless an item above has the same identity.
fn by_identity(mut base: Node, over: Node, identity: fn(&Node) -> Option<String>) -> Node {
    match (&mut base.kind, over.kind) {
        (Kind::Seq(below), Kind::Seq(above)) => {
            let replaced: BTreeSet<String> = above.iter().filter_map(identity).collect();
            below.retain(|item| identity(item).is_none_or(|own| !replaced.contains(&own)));
            below.extend(above);
            base
        }
        (_, kind) => Node { kind, ..over },
    }
}

fn field<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    node.map()?.get(key)?.node.scalar().map(|scalar| scalar.text.as_str())
}

/// Container port and protocol.
fn port_identity(item: &Node) -> Option<String> {
    match item.scalar() {
        Some(scalar) => {
            let (ports, protocol) = scalar.text.split_once('/').unwrap_or((&scalar.text, "tcp"));
            Some(format!("{}/{protocol}", ports.rsplit(':').next()?))
        }
        None => Some(format!("{}/{}", field(item, "target")?, field(item, "protocol").unwrap_or("tcp"))),
    }
}

fn volume_identity(item: &Node) -> Option<String> {
    let target = match item.scalar() {
        Some(scalar) => {
            let mut parts = scalar.text.split(':');
            let first = parts.next()?;
            parts.next().unwrap_or(first)
        }
        None => field(item, "target")?,
    };
    Some(cleaned(target))
}

/// Where the file ends up: a target with a trailing slash keeps the source's name.
fn file_identity(item: &Node) -> Option<String> {
    let (source, target) = match item.scalar() {
        Some(scalar) => {
            let mut parts = scalar.text.split(':');
            (parts.next()?, parts.next()?)
        }
        None => (field(item, "source")?, field(item, "target")?),
    };
    let name = if target.ends_with('/') { source.rsplit('/').next()? } else { "" };
    Some(format!("{}{name}", target.strip_prefix("./").unwrap_or(target)))
}

fn registries(base: Node, over: Node, path: &[&str]) -> Node {
    if base.map().is_some() && over.map().is_some() {
        return natural(base, over, path);
    }
    let server = |node: &Node| field(node, "server").map(str::to_owned);
    let (mut base, over) = (listed(base), listed(over));
    if let (Kind::Seq(below), Kind::Seq(above)) = (&mut base.kind, over.kind) {
        for item in above {
            let found =
                below.iter().position(|other| server(other).is_some() && server(other) == server(&item));
            match found {
                Some(index) => below[index] = natural(below[index].clone(), item, path),
                None => below.push(item),
            }
        }
    }
    base
}

fn logging(base: Node, over: Node, path: &[&str]) -> Node {
    match (field(&base, "driver"), field(&over, "driver")) {
        (Some(below), Some(above)) if below != above => over,
        _ => natural(base, over, path),
    }
}

/// Takes away what is reset, and the tags.
fn strip(mut node: Node) -> Option<Node> {
    if node.overlay == Overlay::Reset {
        return None;
    }
    node.overlay = Overlay::Merge;
    node.kind = match node.kind {
        Kind::Scalar(scalar) => Kind::Scalar(scalar),
        Kind::Seq(items) => Kind::Seq(items.into_iter().filter_map(strip).collect()),
        Kind::Map(map) => {
            let kept = map.into_iter().filter_map(|(key, entry)| {
                let node = strip(entry.node)?;
                Some((key, Entry { node, ..entry }))
            });
            Kind::Map(kept.collect())
        }
    };
    Some(node)
}
