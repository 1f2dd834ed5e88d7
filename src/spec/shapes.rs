//! Shapes that several keys share: command lines, `NAME=VALUE` lists or mappings, secrets.

use std::borrow::Cow;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

use super::diagnostic::Problem;
use super::model::SecretSource;
use super::node::{Kind, Node};
use super::read::{At, Cx, Key, Read, raw};
use super::scalars::{LocalPath, Loose, Text, inline_schema};
use super::source::Origin;

/// A command line: a list, or text that is split as a shell would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Argv(pub(crate) Vec<String>);

impl Read for Argv {
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        match &node.kind {
            Kind::Scalar(_) => {
                let Text(line) = Text::read(node, cx)?;
                let words = shlex::split(&line);
                if words.is_none() {
                    let problem = Problem::new(node.at, "this command line has a quote that is never closed");
                    cx.report(problem.help("write it as a list: [\"program\", \"argument\"]"));
                }
                words.map(Self)
            }
            Kind::Seq(items) => {
                let before = cx.problems.len();
                let words: Vec<String> = items
                    .iter()
                    .filter_map(|item| At::<Loose>::read(item, cx))
                    .map(|word| word.value.0)
                    .collect();
                (cx.problems.len() == before).then_some(Self(words))
            }
            Kind::Map(_) => {
                cx.expected_like(node, "a command line", "write [\"program\", \"argument\"]");
                None
            }
        }
    }
}
inline_schema!(
    Argv,
    json!({ "anyOf": [
        { "type": "string" },
        { "type": "array", "items": { "type": ["string", "number", "boolean"] } },
    ] })
);

raw! {
    /// Where a secret comes from: exactly one of these.
    RawSecret = "a secret" {
        /// The name of an environment variable.
        env: Text,
        /// A file; one trailing newline is dropped. Relative paths start at this file's folder.
        file: LocalPath,
        /// A command line whose output is the secret; asked about before it runs.
        command: Argv,
    }
}

/// A secret, by reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) SecretSource);

impl Read for Secret {
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        if let Some(scalar) = node.scalar() {
            let problem = match scalar.template.as_deref().and_then(only_variable) {
                Some(name) => Problem::new(node.at, "a secret is named, not written out")
                    .help(format!("write {{ env: {name} }}")),
                None => Problem::new(node.at, "a secret is never written in the file")
                    .hidden()
                    .help("write { env: NAME }, { file: PATH } or { command: [program, argument] }"),
            };
            cx.report(problem.label("here"));
            return None;
        }
        let before = cx.problems.len();
        let raw = RawSecret::read(node, cx)?;
        let mut sources = Vec::new();
        sources.extend(raw.env.get().map(|Text(name)| SecretSource::Env(name.clone())));
        sources.extend(raw.file.get().map(|LocalPath(path)| SecretSource::File(path.clone())));
        sources.extend(raw.command.get().map(|Argv(line)| SecretSource::Command(line.clone())));
        let empty = matches!(sources.as_slice(), [SecretSource::Command(line)] if line.is_empty());
        if sources.len() == 1 && !empty {
            return sources.pop().map(Self);
        }
        if cx.problems.len() == before {
            let problem = Problem::new(node.at, "a secret has exactly one source");
            cx.report(problem.label("here").help("keep one of `env`, `file` and `command`"));
        }
        None
    }
}

/// The name, if the text is nothing but one variable.
fn only_variable(template: &str) -> Option<&str> {
    let inner = template.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    let name = inner.or_else(|| template.strip_prefix('$'))?;
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_').then_some(name)
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = RawSecret::json_schema(generator);
        schema.insert("minProperties".into(), 1.into());
        schema
    }
}

/// `NAME=VALUE` pairs: a mapping or a list. With `SECRETS`, a value may be a secret.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pairs<const SECRETS: bool>(pub(crate) IndexMap<String, Pair>);

/// The value of a name, and where the name stands.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) key: Origin,
    pub(crate) value: PairValue,
}

#[derive(Clone, Debug)]
pub(crate) enum PairValue {
    /// A bare name: taken from the environment.
    Inherited,
    Text {
        text: String,
        /// Whether a variable took part.
        interpolated: bool,
    },
    Secret(SecretSource),
}

impl<const SECRETS: bool> Read for Pairs<SECRETS> {
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        let mut pairs = IndexMap::new();
        match &node.kind {
            Kind::Map(map) => {
                for (name, entry) in map {
                    if let Some(value) = Self::value(&entry.node, cx) {
                        Self::insert(name, Pair { key: entry.key, value }, &mut pairs, cx);
                    }
                }
            }
            Kind::Seq(items) => {
                for item in items {
                    let Some(line) = At::<Loose>::read(item, cx) else { continue };
                    let (name, value) = match line.value.0.split_once('=') {
                        Some((name, value)) => {
                            let text = value.to_owned();
                            (name, PairValue::Text { text, interpolated: line.interpolated })
                        }
                        None => (line.value.0.as_str(), PairValue::Inherited),
                    };
                    Self::insert(name, Pair { key: item.at, value }, &mut pairs, cx);
                }
            }
            Kind::Scalar(_) => {
                cx.expected_like(node, "a mapping, or a list of NAME=VALUE", "write `NAME: VALUE` under it");
                return None;
            }
        }
        Some(Self(pairs))
    }
}

impl<const SECRETS: bool> Pairs<SECRETS> {
    fn value(node: &Node, cx: &mut Cx<'_>) -> Option<PairValue> {
        if let Some(trouble) = &node.trouble {
            cx.report((**trouble).clone());
            return None;
        }
        if node.is_null() {
            return Some(PairValue::Inherited);
        }
        if node.map().is_some() && SECRETS {
            return Secret::read(node, cx).map(|secret| PairValue::Secret(secret.0));
        }
        let Loose(text) = Loose::read(node, cx)?;
        Some(PairValue::Text { text, interpolated: node.is_interpolated() })
    }

    fn insert(name: &str, pair: Pair, pairs: &mut IndexMap<String, Pair>, cx: &mut Cx<'_>) {
        if name.is_empty() || name.contains(['=', '\0']) {
            cx.report(Problem::new(pair.key, "a name is expected before the value").help("write NAME=VALUE"));
            return;
        }
        if let Some(first) = pairs.get(name) {
            let problem = Problem::new(pair.key, format!("`{name}` is given twice")).label("and again here");
            cx.report(problem.and(first.key, "first here").help("remove one of them"));
            return;
        }
        pairs.insert(name.to_owned(), pair);
    }
}

impl<const SECRETS: bool> JsonSchema for Pairs<SECRETS> {
    fn schema_name() -> Cow<'static, str> {
        if SECRETS { "Environment".into() } else { "Pairs".into() }
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let plain = json!({ "type": ["string", "number", "boolean", "null"] });
        let value =
            if SECRETS { json!({ "anyOf": [plain, generator.subschema_for::<Secret>()] }) } else { plain };
        json_schema!({ "anyOf": [
            { "type": "object", "additionalProperties": value },
            { "type": "array", "items": { "type": ["string", "number", "boolean"] } },
        ] })
    }
}

/// Labels, tags, options: names with plain values, a bare name with an empty one (as in Compose).
pub(crate) fn plain(pairs: &Key<Pairs<false>>) -> IndexMap<String, String> {
    let all = pairs.get().into_iter().flat_map(|pairs| &pairs.0);
    let text = |pair: &Pair| match &pair.value {
        PairValue::Text { text, .. } => text.clone(),
        PairValue::Inherited | PairValue::Secret(_) => String::new(),
    };
    all.map(|(name, pair)| (name.clone(), text(pair))).collect()
}

/// Build arguments: a bare name takes its value from the environment, and is not given where it is not set.
pub(crate) fn arguments(pairs: &Key<Pairs<false>>, cx: &mut Cx<'_>) -> IndexMap<String, String> {
    let mut arguments = IndexMap::new();
    for (name, pair) in pairs.get().iter().flat_map(|pairs| &pairs.0) {
        match &pair.value {
            PairValue::Text { text, .. } => drop(arguments.insert(name.clone(), text.clone())),
            PairValue::Inherited => match cx.env.get(name) {
                Some(value) => drop(arguments.insert(name.clone(), value.clone())),
                None => drop(cx.notices.insert(name.clone())),
            },
            PairValue::Secret(_) => {}
        }
    }
    arguments
}
