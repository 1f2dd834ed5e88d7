//! What single values look like: text, booleans, words, paths. Each reads itself and says so in
//! the schema. Where a variable may stand, the schema also takes text with a `$`.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::diagnostic::Problem;
use super::node::{Class, Node, Scalar};
use super::read::{Cx, Read};

/// Gives a type a schema that is written out where it is used.
macro_rules! inline_schema {
    ($type:ty, $schema:expr) => {
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::Schema::try_from($schema).unwrap_or_else(|_| schemars::json_schema!(true))
            }
        }
    };
}
pub(crate) use inline_schema;

/// The schema, or text with a variable in it.
pub(crate) fn or_variable(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "type": "string", "pattern": "\\$" }] })
}

/// The scalar of a node, or a report that it is none.
pub(crate) fn scalar<'n>(node: &'n Node, cx: &mut Cx<'_>, what: &str) -> Option<&'n Scalar> {
    let scalar = node.scalar().filter(|_| !node.is_null());
    if scalar.is_none() {
        cx.expected_like(node, what, "write one value, without `[ ]`, `{ }` or lines under it");
    }
    scalar
}

/// Text: what looks like a number or a boolean has to be quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) String);

impl Read for Text {
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        let scalar = scalar(node, cx, "text")?;
        if scalar.class() != Class::Text {
            let message = format!("expected text, found {}", node.noun());
            let problem = Problem::new(node.at, message).label("reads as such without quotes");
            cx.report(problem.help(format!("write \"{}\"", scalar.text)));
            return None;
        }
        Some(Self(scalar.text.clone()))
    }
}
inline_schema!(Text, json!({ "type": "string" }));

/// Text in which numbers and booleans are taken as they are spelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loose(pub(crate) String);

impl Read for Loose {
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        Some(Self(scalar(node, cx, "text")?.text.clone()))
    }
}
inline_schema!(Loose, json!({ "type": ["string", "number", "boolean"] }));

/// `true` or `false`; nothing else is a boolean (YAML 1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flag(pub(crate) bool);

impl Read for Flag {
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        let scalar = scalar(node, cx, "true or false")?;
        match (scalar.class(), scalar.text.as_str()) {
            (Class::Bool(value), _) => return Some(Self(value)),
            (Class::Text, "true") if scalar.template.is_some() => return Some(Self(true)),
            (Class::Text, "false") if scalar.template.is_some() => return Some(Self(false)),
            _ => {}
        }
        cx.expected_like(node, "true or false", "write `true` or `false`");
        let meant = match scalar.text.to_lowercase().as_str() {
            "yes" | "y" | "on" | "1" | "true" => Some("write `true`"),
            "no" | "n" | "off" | "0" | "false" => Some("write `false`"),
            _ => None,
        };
        if let (Some(problem), Some(meant)) = (cx.problems.last_mut(), meant) {
            problem.help = Some(meant.to_owned());
        }
        None
    }
}
inline_schema!(Flag, or_variable(json!({ "type": "boolean" })));

/// A path on this machine, already joined with the folder of the file that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LocalPath(pub(crate) PathBuf);

impl Read for LocalPath {
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        let Text(text) = Text::read(node, cx)?;
        if text.is_empty() {
            cx.report(Problem::new(node.at, "an empty path"));
            return None;
        }
        Some(Self(cx.local_path(node.at, &text)))
    }
}
inline_schema!(LocalPath, json!({ "type": "string", "minLength": 1 }));

/// One of a few words.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident = $what:literal { $( $(#[$word_meta:meta])* $word:ident = $text:literal, )+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $( $(#[$word_meta])* $word, )+ }

        impl $crate::spec::read::Read for $name {
            fn read(
                node: &$crate::spec::node::Node,
                cx: &mut $crate::spec::read::Cx<'_>,
            ) -> Option<Self> {
                let scalar = $crate::spec::scalars::scalar(node, cx, $what)?;
                match scalar.text.as_str() {
                    $( $text => Some(Self::$word), )+
                    other => {
                        $crate::spec::scalars::not_a_word(node, cx, $what, other, &[$($text),+]);
                        None
                    }
                }
            }
        }

        $crate::spec::scalars::inline_schema!(
            $name,
            $crate::spec::scalars::or_variable(serde_json::json!({ "enum": [$($text),+] }))
        );
    };
}
pub(crate) use words;

/// Reports a word that is none of the known ones.
pub(crate) fn not_a_word(node: &Node, cx: &mut Cx<'_>, what: &str, word: &str, known: &[&str]) {
    cx.expected(node, what);
    if let Some(problem) = cx.problems.last_mut() {
        let meant = super::diagnostic::did_you_mean(word, known.iter().copied());
        let words = super::diagnostic::listed(known.iter().copied());
        problem.help = Some(match meant {
            Some(meant) => format!("did you mean `{meant}`? Known are {words}"),
            None => format!("known are {words}"),
        });
    }
}
