//! Keys with several forms that are too small for a file of their own.

use std::borrow::Cow;
use std::path::PathBuf;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

pub(crate) use super::mount::{FileEntry, VolumeEntry};
pub(crate) use super::port::PortEntry;
use crate::id::Platform;
use crate::spec::diagnostic::Problem;
use crate::spec::model::{Ami, Restart, Ulimit};
use crate::spec::node::{Class, Kind, Node};
use crate::spec::raw::service::{RawBuild, RawBuildDetails};
use crate::spec::read::{At, Cx, Key, Read, raw};
use crate::spec::scalars::{Flag, Int, LocalPath, Text, inline_schema, or_variable, scalar, words};
use crate::spec::source::Origin;

/// `linux/amd64`, or the bare architecture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlatformText(pub(crate) Platform);

impl Read for PlatformText {
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        let platform = node.scalar().and_then(|scalar| scalar.text.parse().ok());
        if platform.is_none() {
            cx.expected_like(node, "one platform", "write linux/amd64 or linux/arm64");
        }
        platform.map(Self)
    }
}
inline_schema!(
    PlatformText,
    or_variable(json!({ "type": "string", "pattern": "^(linux/)?(amd64|x86_64|x86-64|arm64|aarch64)$" }))
);

/// Compose's `restart`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RestartText(pub(crate) Restart);

impl Read for RestartText {
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        let scalar = scalar(node, cx, "a restart policy")?;
        let restart = match scalar.text.as_str() {
            "no" => Some(Restart::No),
            "always" => Some(Restart::Always),
            "unless-stopped" => Some(Restart::UnlessStopped),
            "on-failure" => Some(Restart::OnFailure(0)),
            other => {
                other.strip_prefix("on-failure:").and_then(|times| times.parse().ok()).map(Restart::OnFailure)
            }
        };
        if restart.is_none() {
            let help = match scalar.class() {
                Class::Bool(false) => "write restart: \"no\"".to_owned(),
                Class::Bool(true) => "write restart: always".to_owned(),
                _ => "known are `no`, `always`, `unless-stopped`, `on-failure` and `on-failure:3`".to_owned(),
            };
            cx.expected_like(node, "a restart policy", help);
        }
        restart.map(Self)
    }
}
inline_schema!(
    RestartText,
    or_variable(json!({ "type": "string", "pattern": "^(no|always|unless-stopped|on-failure(:[0-9]+)?)$" }))
);

/// An AMI by id, or the newest of a name.
#[derive(Clone, Debug)]
pub(crate) struct AmiEntry(pub(crate) Ami);

raw! {
    /// The newest image whose name matches.
    RawAmi = "ami" {
        /// A glob, as DescribeImages takes it.
        name: Text,
        /// The account that owns it: an id, `amazon` or `self`.
        owner: crate::spec::scalars::Loose,
    }
}

impl Read for AmiEntry {
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        if node.map().is_some() {
            let raw = RawAmi::read(node, cx)?;
            let missing = |absent: bool, key: &str, help: &str| {
                absent.then(|| Problem::new(node.at, format!("`ami` needs `{key}`")).label("here").help(help))
            };
            cx.problems.extend(missing(
                raw.name.is_absent(),
                "name",
                "add `name: \"al2023-ami-2023.*-x86_64\"`",
            ));
            cx.problems.extend(missing(
                raw.owner.is_absent(),
                "owner",
                "add `owner: amazon`: anyone can publish an image of any name",
            ));
            let name = raw.name.get()?.0.clone();
            return Some(Self(Ami::Newest { name, owner: raw.owner.get()?.0.clone() }));
        }
        let Text(id) = Text::read(node, cx)?;
        if !id.starts_with("ami-") {
            cx.expected_like(
                node,
                "the id of a machine image",
                "write ami-…, or { name: \"al2023-ami-2023.*-x86_64\", owner: amazon }",
            );
            return None;
        }
        Some(Self(Ami::Id(id)))
    }
}

impl JsonSchema for AmiEntry {
    fn schema_name() -> Cow<'static, str> {
        "Image".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let newest = generator.subschema_for::<RawAmi>();
        json_schema!({ "anyOf": [{ "type": "string", "pattern": "^ami-|\\$" }, newest] })
    }
}

/// Text, or the text of a file.
#[derive(Clone, Debug)]
pub(crate) struct UserText(pub(crate) String);

raw! {
    /// The text of a file.
    RawFileText = "a file" {
        /// Its path, relative to this file's folder.
        file: LocalPath,
    }
}

impl Read for UserText {
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        if node.map().is_none() {
            return Text::read(node, cx).map(|text| Self(text.0));
        }
        let raw = RawFileText::read(node, cx)?;
        let path = raw.file.at()?;
        cx.file(path.at, &path.value.0.clone(), true).map(Self)
    }
}

impl JsonSchema for UserText {
    fn schema_name() -> Cow<'static, str> {
        "Text_or_file".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let file = generator.subschema_for::<RawFileText>();
        json_schema!({ "anyOf": [{ "type": "string" }, file] })
    }
}

/// One item of `env_file`.
#[derive(Clone, Debug)]
pub(crate) struct EnvFileEntry {
    pub(crate) path: PathBuf,
    pub(crate) required: bool,
    /// Whether values are taken as they are.
    pub(crate) raw: bool,
}

raw! {
    /// A file with environment variables.
    RawEnvFile = "env_file" {
        /// Its path, relative to this file's folder.
        path: LocalPath,
        /// Whether it is an error when it is missing (true).
        required: Flag,
        /// `raw` takes values as they are, without quotes and variables.
        format: FormatWord,
    }
}

words! {
    /// How values are read.
    FormatWord = "`raw`" {
        Raw = "raw",
    }
}

impl Read for EnvFileEntry {
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        if node.map().is_none() {
            return LocalPath::read(node, cx).map(|path| Self { path: path.0, required: true, raw: false });
        }
        let entry = RawEnvFile::read(node, cx)?;
        if entry.path.is_absent() {
            cx.report(
                Problem::new(node.at, "an env_file needs `path`").label("here").help("add `path: FILE`"),
            );
        }
        Some(Self {
            path: entry.path.get()?.0.clone(),
            required: entry.required.get().is_none_or(|flag| flag.0),
            raw: entry.format.get().is_some(),
        })
    }
}

impl JsonSchema for EnvFileEntry {
    fn schema_name() -> Cow<'static, str> {
        "Env_file".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut long = RawEnvFile::json_schema(generator);
        long.insert("x-required".into(), json!(["path"]));
        json_schema!({ "anyOf": [{ "type": "string", "minLength": 1 }, long] })
    }
}

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

impl Read for RawBuild {
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        if node.map().is_some() {
            return RawBuildDetails::read(node, cx).map(Self);
        }
        let context = At::<LocalPath>::read(node, cx)?;
        Some(Self(RawBuildDetails {
            context: Key::of(context),
            dockerfile: Key::default(),
            args: Key::default(),
            target: Key::default(),
            secrets: Key::default(),
            cache_from: Key::default(),
            labels: Key::default(),
            pull: Key::default(),
            no_cache: Key::default(),
        }))
    }
}

impl JsonSchema for RawBuild {
    fn schema_name() -> Cow<'static, str> {
        "Build".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let details = generator.subschema_for::<RawBuildDetails>();
        json_schema!({ "anyOf": [{ "type": "string", "minLength": 1 }, details] })
    }
}
