//! Keys with several forms that are too small for a file of their own.

use std::borrow::Cow;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

pub(crate) use super::lists::{DependsOn, ExtraHosts, Test, UlimitEntry};
pub(crate) use super::mount::{FileEntry, VolumeEntry};
pub(crate) use super::port::PortEntry;
use crate::id::Platform;
use crate::spec::diagnostic::Problem;
use crate::spec::model::{Ami, Restart};
use crate::spec::node::{Class, Node};
use crate::spec::raw::service::{RawBuild, RawBuildDetails};
use crate::spec::read::{At, Cx, Key, Read, raw};
use crate::spec::scalars::{Flag, LocalPath, Text, inline_schema, or_variable, scalar, words};

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
