//! A YAML document as a tree in which every value still knows its place and its spelling.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use super::diagnostic::Problem;
use super::source::Origin;

/// A value.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// The scalar's text, or for a collection what to underline when it is meant as a whole.
    pub(crate) at: Origin,
    /// What an overlay does with what it lies over.
    pub(crate) overlay: Overlay,
    pub(crate) kind: Kind,
    /// An interpolation that failed: reported only if the value survives the merge.
    pub(crate) trouble: Option<Box<Problem>>,
}

/// Compose's overlay tags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Overlay {
    /// By the rules of the key.
    #[default]
    Merge,
    /// `!reset`: the key goes.
    Reset,
    /// `!override`: this value alone counts.
    Override,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Scalar(Scalar),
    Seq(Vec<Node>),
    Map(Map),
}

/// A mapping in the order of the file.
pub(crate) type Map = IndexMap<String, Entry>;

/// A key's value and the key's place.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Origin,
    pub(crate) node: Node,
}

/// A scalar in its own spelling: `0755` and `1.10` are still what the person typed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Whether it stands in quotes (or in a block): then it is text whatever it looks like.
    pub(crate) quoted: bool,
    /// The text before interpolation, where a variable took part.
    pub(crate) template: Option<String>,
    /// Variables in it that are not set and have no default.
    pub(crate) unset: BTreeSet<String>,
}

/// What a plain scalar means in YAML 1.2's core schema.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Class {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text,
}

impl Scalar {
    /// As YAML's core schema sees it; interpolated text takes the type that is asked of it.
    pub(crate) fn class(&self) -> Class {
        if self.quoted || self.template.is_some() {
            return Class::Text;
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Class::Null,
            "true" | "True" | "TRUE" => Class::Bool(true),
            "false" | "False" | "FALSE" => Class::Bool(false),
            text => number(text),
        }
    }

    /// How it may be shown in a message: interpolated text as the template.
    pub(crate) fn shown(&self) -> &str {
        self.template.as_ref().unwrap_or(&self.text)
    }
}

fn number(text: &str) -> Class {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let begins_as_number =
        digits.strip_prefix('.').unwrap_or(digits).starts_with(|c: char| c.is_ascii_digit());
    if !begins_as_number {
        return Class::Text;
    }
    if let Ok(number) = text.parse() {
        return Class::Int(number);
    }
    let radix = |prefix: &str, radix| {
        let digits = text.strip_prefix(prefix)?;
        i64::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with(['-', '+']))
    };
    if let Some(number) = radix("0x", 16).or_else(|| radix("0o", 8)) {
        return Class::Int(number);
    }
    match text.parse() {
        Ok(number) => Class::Float(number),
        Err(_) => Class::Text,
    }
}

impl Node {
    pub(crate) fn new(at: Origin, kind: Kind) -> Self {
        Self { at, overlay: Overlay::Merge, kind, trouble: None }
    }

    pub(crate) fn scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(scalar),
            Kind::Seq(_) | Kind::Map(_) => None,
        }
    }

    pub(crate) fn map(&self) -> Option<&Map> {
        match &self.kind {
            Kind::Map(map) => Some(map),
            Kind::Seq(_) | Kind::Scalar(_) => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.scalar().is_some_and(|scalar| scalar.class() == Class::Null)
    }

    /// Whether a variable took part in the value.
    pub(crate) fn is_interpolated(&self) -> bool {
        match &self.kind {
            Kind::Scalar(scalar) => scalar.template.is_some(),
            Kind::Seq(items) => items.iter().any(Self::is_interpolated),
            Kind::Map(map) => map.values().any(|entry| entry.node.is_interpolated()),
        }
    }

    /// Adds the unset variables of all values in it.
    pub(crate) fn unset(&self, names: &mut BTreeSet<String>) {
        match &self.kind {
            Kind::Scalar(scalar) => names.extend(scalar.unset.iter().cloned()),
            Kind::Seq(items) => items.iter().for_each(|item| item.unset(names)),
            Kind::Map(map) => map.values().for_each(|entry| entry.node.unset(names)),
        }
    }

    /// What it is, for "expected …, found …".
    pub(crate) fn noun(&self) -> &'static str {
        match &self.kind {
            Kind::Map(_) => "a mapping",
            Kind::Seq(_) => "a list",
            Kind::Scalar(scalar) => match scalar.class() {
                Class::Null => "nothing",
                Class::Bool(_) => "a boolean",
                Class::Int(_) | Class::Float(_) => "a number",
                Class::Text => "text",
            },
        }
    }

    /// As JSON, the way an editor sees the file: by YAML's core schema, tags ignored.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.kind {
            Kind::Map(map) => {
                Value::Object(map.iter().map(|(key, entry)| (key.clone(), entry.node.to_json())).collect())
            }
            Kind::Seq(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Kind::Scalar(scalar) => match scalar.class() {
                Class::Null => Value::Null,
                Class::Bool(value) => Value::Bool(value),
                Class::Int(value) => value.into(),
                Class::Float(value) => value.into(),
                Class::Text => Value::String(scalar.text.clone()),
            },
        }
    }
}
