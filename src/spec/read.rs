//! Tree → raw types. A value that does not fit is reported and left out, and reading goes on: all
//! problems of a file come out of one run.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::diagnostic::{Problem, did_you_mean, listed};
use super::node::{Entry, Kind, Map, Node};
use super::source::{Origin, Texts};
use super::{fields, known};

/// What reading needs besides the tree, and where it reports.
pub(crate) struct Cx<'a> {
    pub(crate) texts: &'a Texts,
    pub(crate) env: &'a BTreeMap<String, String>,
    /// Contents of files that the spec names, as far as they were read.
    pub(crate) files: &'a BTreeMap<PathBuf, Result<String, String>>,
    /// Files that were asked for and are not in `files`, with whether they must exist.
    pub(crate) wanted: RefCell<BTreeMap<PathBuf, bool>>,
    pub(crate) problems: Vec<Problem>,
    /// Variables that a bare `NAME` asked for.
    pub(crate) notices: BTreeSet<String>,
}

/// A raw type.
pub(crate) trait Read: Sized {
    /// Whether `key:` with nothing after it is a value, and not the same as no key.
    const TAKES_NULL: bool = false;

    /// Reads a value, or reports why it does not fit.
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self>;
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) at: Origin,
    /// Whether a variable took part.
    pub(crate) interpolated: bool,
}

impl<T: Read> Read for At<T> {
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        if let Some(trouble) = &node.trouble {
            cx.problems.push((**trouble).clone());
            return None;
        }
        let value = T::read(node, cx)?;
        Some(Self { value, at: node.at, interpolated: node.is_interpolated() })
    }
}

/// A key of a mapping.
#[derive(Clone, Debug)]
pub(crate) struct Key<T> {
    given: Option<At<T>>,
    /// Where the key itself stands, also when its value was refused.
    key: Option<Origin>,
}

impl<T> Default for Key<T> {
    fn default() -> Self {
        Self { given: None, key: None }
    }
}

impl<T> Key<T> {
    /// The value with its place; `None` also for one that was refused.
    pub(crate) fn at(&self) -> Option<&At<T>> {
        self.given.as_ref()
    }

    pub(crate) fn get(&self) -> Option<&T> {
        self.given.as_ref().map(|at| &at.value)
    }

    /// A key that stands where its value does.
    pub(crate) fn of(value: At<T>) -> Self {
        Self { key: Some(value.at), given: Some(value) }
    }

    /// The key's place, when it was written.
    pub(crate) fn key(&self) -> Option<Origin> {
        self.key
    }

    /// Whether the key was not written at all (a refused value has been reported already).
    pub(crate) fn is_absent(&self) -> bool {
        self.key.is_none()
    }
}

impl<'a> Cx<'a> {
    pub(crate) fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Reports that a value is of the wrong kind.
    pub(crate) fn expected(&mut self, node: &Node, what: &str) {
        let found = match node.scalar() {
            Some(scalar) if !node.is_null() => format!("`{}`", scalar.shown()),
            _ => node.noun().to_owned(),
        };
        self.report(Problem::new(node.at, format!("expected {what}, found {found}")).label("here"));
    }

    /// The same, with what would be right.
    pub(crate) fn expected_like(&mut self, node: &Node, what: &str, help: impl Into<String>) {
        self.expected(node, what);
        if let Some(problem) = self.problems.last_mut() {
            problem.help = Some(help.into());
        }
    }

    /// The mapping of a raw type: reports unknown and reserved keys.
    pub(crate) fn map<'n>(&mut self, node: &'n Node, what: &str, keys: &[&'static str]) -> Option<&'n Map> {
        let Some(map) = node.map() else {
            let first = keys.first().copied().unwrap_or("x-key");
            self.expected_like(node, &format!("{what} (a mapping)"), format!("write `{first}: …` under it"));
            return None;
        };
        for (key, entry) in map {
            if !keys.contains(&key.as_str()) && !key.starts_with("x-") {
                self.unknown_key(key, entry, what, keys);
            }
        }
        Some(map)
    }

    fn unknown_key(&mut self, key: &str, entry: &Entry, what: &str, keys: &[&'static str]) {
        if let Some(reserved) = known::reserved(what, key) {
            self.report(Problem::new(entry.key, reserved.message).label(reserved.label).help(reserved.help));
            return;
        }
        let problem = Problem::new(entry.key, format!("unknown key `{key}` in {what}"));
        let meant = did_you_mean(key, keys.iter().copied());
        let problem = match meant {
            Some(meant) => {
                problem.label(format!("did you mean `{meant}`?")).help(format!("write `{meant}:`"))
            }
            None => {
                let label = match fields::place_of(key) {
                    Some(place) => format!("a key of `{place}`"),
                    None => "not known here".to_owned(),
                };
                problem.label(label).help(format!("known are {}", listed(keys.iter().copied())))
            }
        };
        self.report(problem);
    }

    /// One key of a mapping.
    pub(crate) fn key<T: Read>(&mut self, map: &Map, key: &str) -> Key<T> {
        let Some(entry) = map.get(key) else { return Key::default() };
        let node = &entry.node;
        if node.is_null() && node.trouble.is_none() && !T::TAKES_NULL {
            return Key::default();
        }
        Key { given: At::read(node, self), key: Some(entry.key) }
    }

    /// A local path: `~` is the person's home, a relative one starts at the folder of the file that
    /// names it.
    pub(crate) fn local_path(&self, at: Origin, path: &str) -> PathBuf {
        let folder = self.texts.path(at.file).parent().unwrap_or(Path::new(""));
        let home = self.env.get("HOME").map(Path::new);
        match (path.strip_prefix("~/"), home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ if path == "~" && home.is_some() => home.unwrap_or(folder).to_owned(),
            _ => clean(&folder.join(path)),
        }
    }

    /// The text of a file that the spec names; what is missing or unreadable is reported.
    pub(crate) fn file(&mut self, at: Origin, path: &Path, required: bool) -> Option<String> {
        match self.files.get(path) {
            Some(Ok(text)) => Some(text.clone()),
            Some(Err(why)) => {
                let message = format!("{} cannot be read: {why}", path.display());
                self.report(Problem::new(at, message).label("named here"));
                None
            }
            None => {
                self.wanted
                    .borrow_mut()
                    .entry(path.to_owned())
                    .and_modify(|it| *it |= required)
                    .or_insert(required);
                if required {
                    let problem = Problem::new(at, format!("{} does not exist", path.display()));
                    let help = format!("create it (touch {}), or take it out", path.display());
                    self.report(problem.label("named here").help(help));
                }
                None
            }
        }
    }
}

/// Without `.` parts; `..` stays, since links may be in the way.
fn clean(path: &Path) -> PathBuf {
    let parts = path.components().filter(|part| *part != std::path::Component::CurDir);
    let cleaned: PathBuf = parts.collect();
    if cleaned.as_os_str().is_empty() { PathBuf::from(".") } else { cleaned }
}

/// The key of a field that Rust makes us spell `r#type`.
pub(crate) const fn unraw(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    }
}

/// Defines a raw type: a mapping with these keys. Its documentation becomes the schema's.
macro_rules! raw {
    (
        $(#[$meta:meta])*
        $name:ident = $what:literal {
            $( $(#[$key_meta:meta])* $key:ident : $type:ty, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, schemars::JsonSchema)]
        #[schemars(deny_unknown_fields)]
        pub(crate) struct $name {
            $( $(#[$key_meta])* pub(crate) $key: $crate::spec::read::Key<$type>, )*
        }

        impl $name {
            /// What messages call it.
            pub(crate) const WHAT: &str = $what;
            /// Its keys.
            pub(crate) const KEYS: &[&str] = &[$($crate::spec::read::unraw(stringify!($key))),*];
        }

        impl $crate::spec::read::Read for $name {
            fn read(
                node: &$crate::spec::node::Node,
                cx: &mut $crate::spec::read::Cx<'_>,
            ) -> Option<Self> {
                let map = cx.map(node, Self::WHAT, Self::KEYS)?;
                Some(Self { $( $key: cx.key(map, $crate::spec::read::unraw(stringify!($key))), )* })
            }
        }
    };
}
pub(crate) use raw;

/// Named things: groups, services.
#[derive(Clone, Debug)]
pub(crate) struct Table<T>(pub(crate) IndexMap<String, Named<T>>);

/// One of them. `value` is `None` when it was refused.
#[derive(Clone, Debug)]
pub(crate) struct Named<T> {
    pub(crate) key: Origin,
    pub(crate) value: Option<T>,
}

impl<T: Read> Read for Table<T> {
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        let Some(map) = node.map() else {
            cx.expected_like(node, "a mapping of names", "write `NAME: { … }` for each");
            return None;
        };
        let mut table = IndexMap::new();
        for (name, entry) in map.iter().filter(|(name, _)| !name.starts_with("x-")) {
            let value = if entry.node.is_null() {
                let problem = Problem::new(entry.key, format!("`{name}` is empty"));
                cx.report(
                    problem.label("nothing under it").help(format!("take `{name}:` out, or say what it is")),
                );
                None
            } else {
                At::<T>::read(&entry.node, cx).map(|at| at.value)
            };
            table.insert(name.clone(), Named { key: entry.key, value });
        }
        Some(Self(table))
    }
}

/// A list.
#[derive(Clone, Debug)]
pub(crate) struct List<T>(pub(crate) Vec<At<T>>);

impl<T: Read> Read for List<T> {
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        let Kind::Seq(items) = &node.kind else {
            let help = "write it as a list: `[ … ]`, or a line with `- ` for each";
            cx.expected_like(node, "a list", help);
            return None;
        };
        Some(Self(items.iter().filter_map(|item| At::read(item, cx)).collect()))
    }
}

/// One, or a list.
#[derive(Clone, Debug)]
pub(crate) struct OneOrMany<T>(pub(crate) Vec<At<T>>);

impl<T: Read> Read for OneOrMany<T> {
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        match &node.kind {
            Kind::Seq(items) => Some(Self(items.iter().filter_map(|item| At::read(item, cx)).collect())),
            Kind::Scalar(_) | Kind::Map(_) => Some(Self(vec![At::read(node, cx)?])),
        }
    }
}

impl<T: JsonSchema> JsonSchema for Key<T> {
    fn schema_name() -> Cow<'static, str> {
        Option::<T>::schema_name()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Option<T>>()
    }
}

impl<T: JsonSchema> JsonSchema for Table<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Table_of_{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        // An overlay takes one away with `NAME: !reset`, which an editor sees as null.
        let one = generator.subschema_for::<Option<T>>();
        json_schema!({ "type": "object", "additionalProperties": one })
    }
}

impl<T: JsonSchema> JsonSchema for List<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("List_of_{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<T>();
        json_schema!({ "type": "array", "items": item })
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("One_or_many_{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [item, { "type": "array", "items": item }] })
    }
}
