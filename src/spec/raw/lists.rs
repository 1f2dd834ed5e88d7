//! Keys of a service that take a list or a mapping of their own kind.

use std::borrow::Cow;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

use crate::spec::diagnostic::Problem;
use crate::spec::model::Ulimit;
use crate::spec::node::{Kind, Node};
use crate::spec::quantities::Int;
use crate::spec::read::{At, Cx, Read, raw};
use crate::spec::scalars::{Text, inline_schema, words};
use crate::spec::source::Origin;

/// One limit: one number, or soft and hard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UlimitEntry(pub(crate) Ulimit);

raw! {
    /// A limit.
    RawUlimit = "a ulimit" {
        /// Where the program is warned; -1 is no limit.
        soft: LimitNumber,
        /// What it cannot raise; -1 is no limit.
        hard: LimitNumber,
    }
}

type LimitNumber = Int<-1, { i64::MAX }>;

impl Read for UlimitEntry {
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        if node.map().is_none() {
            return LimitNumber::read(node, cx).map(|both| Self(Ulimit { soft: both.0, hard: both.0 }));
        }
        let raw = RawUlimit::read(node, cx)?;
        for (absent, key) in [(raw.soft.is_absent(), "soft"), (raw.hard.is_absent(), "hard")] {
            if absent {
                cx.report(
                    Problem::new(node.at, format!("a ulimit needs `{key}`"))
                        .label("here")
                        .help(format!("add `{key}: 1024`")),
                );
            }
        }
        Some(Self(Ulimit { soft: raw.soft.get()?.0, hard: raw.hard.get()?.0 }))
    }
}

impl JsonSchema for UlimitEntry {
    fn schema_name() -> Cow<'static, str> {
        "Limit".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (one, long) = (LimitNumber::json_schema(generator), generator.subschema_for::<RawUlimit>());
        json_schema!({ "anyOf": [one, long] })
    }
}

/// Services that are started first: a list, or a mapping with conditions.
#[derive(Clone, Debug)]
pub(crate) struct DependsOn(pub(crate) Vec<(String, Origin)>);

raw! {
    /// How far the other service has to be.
    RawDependency = "depends_on" {
        /// `service_started`.
        condition: ConditionWord,
    }
}

words! {
    /// How far the other service has to be.
    ConditionWord = "`service_started`, the one condition that a3 has yet" {
        Started = "service_started",
    }
}

impl Read for DependsOn {
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        let mut names = Vec::new();
        match &node.kind {
            Kind::Seq(items) => {
                for item in items {
                    if let Some(name) = At::<Text>::read(item, cx) {
                        names.push((name.value.0, name.at));
                    }
                }
            }
            Kind::Map(map) => {
                for (name, entry) in map {
                    if !entry.node.is_null() {
                        let raw = RawDependency::read(&entry.node, cx);
                        if raw.is_some_and(|raw| raw.condition.is_absent()) {
                            let problem =
                                Problem::new(entry.key, "`condition` is missing").label("of this one");
                            cx.report(problem.help("add `condition: service_started`"));
                        }
                    }
                    names.push((name.clone(), entry.key));
                }
            }
            Kind::Scalar(_) => {
                cx.expected_like(node, "a list of services", "write [NAME]");
                return None;
            }
        }
        Some(Self(names))
    }
}

impl JsonSchema for DependsOn {
    fn schema_name() -> Cow<'static, str> {
        "Depends_on".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<Option<RawDependency>>();
        json_schema!({ "anyOf": [
            { "type": "array", "items": { "type": "string" } },
            { "type": "object", "additionalProperties": one },
        ] })
    }
}

/// `HOST:ADDRESS` lines, `HOST=ADDRESS`, or a mapping.
#[derive(Clone, Debug)]
pub(crate) struct ExtraHosts(pub(crate) Vec<String>);

impl Read for ExtraHosts {
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        let mut hosts: IndexMap<String, String> = IndexMap::new();
        match &node.kind {
            Kind::Seq(items) => {
                for item in items {
                    let Some(At { value: Text(line), .. }) = At::read(item, cx) else { continue };
                    match line.split_once([':', '=']) {
                        Some((host, address)) if !host.is_empty() && !address.is_empty() => {
                            hosts.insert(host.to_owned(), bare(address));
                        }
                        _ => {
                            let problem = Problem::new(item.at, "a host needs an address").label("here");
                            cx.report(problem.help("write \"db:192.0.2.7\""));
                        }
                    }
                }
            }
            Kind::Map(map) => {
                for (host, entry) in map {
                    if let Some(At { value: Text(address), .. }) = At::read(&entry.node, cx) {
                        hosts.insert(host.clone(), bare(&address));
                    }
                }
            }
            Kind::Scalar(_) => {
                cx.expected_like(node, "a list of HOST:ADDRESS", "write [\"db:192.0.2.7\"]");
                return None;
            }
        }
        Some(Self(hosts.into_iter().map(|(host, address)| format!("{host}:{address}")).collect()))
    }
}

/// An IPv6 address may stand in brackets.
fn bare(address: &str) -> String {
    address.trim_start_matches('[').trim_end_matches(']').to_owned()
}

inline_schema!(
    ExtraHosts,
    json!({ "anyOf": [
        { "type": "array", "items": { "type": "string", "pattern": "[:=]|\\$" } },
        { "type": "object", "additionalProperties": { "type": "string" } },
    ] })
);

/// A HEALTHCHECK's command.
#[derive(Clone, Debug)]
pub(crate) struct Test(pub(crate) Vec<String>);

impl Read for Test {
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        let Kind::Seq(items) = &node.kind else {
            let Text(line) = Text::read(node, cx)?;
            return Some(Self(vec!["CMD-SHELL".into(), line]));
        };
        let words: Vec<String> =
            items.iter().filter_map(|item| At::<Text>::read(item, cx)).map(|word| word.value.0).collect();
        let first = words.first().map(String::as_str);
        if matches!((first, words.len()), (Some("NONE"), 1) | (Some("CMD"), 2..) | (Some("CMD-SHELL"), 2)) {
            return Some(Self(words));
        }
        let problem = Problem::new(node.at, "a test begins with `CMD`, `CMD-SHELL` or `NONE`").label("here");
        cx.report(
            problem
                .help("write [\"CMD\", \"curl\", \"-f\", \"http://localhost\"], or the command line as text"),
        );
        None
    }
}
inline_schema!(
    Test,
    json!({ "anyOf": [
        { "type": "string" },
        {
            "type": "array",
            "items": { "type": "string" },
            "minItems": 1,
            "contains": { "pattern": "^(CMD|CMD-SHELL|NONE)$|\\$" },
        },
    ] })
);
