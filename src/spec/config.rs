//! `a3 config`: the merged spec, each value with the file and line that it comes from.

use std::fmt::Write as _;

use serde::Serialize;

use super::diagnostic::Diagnostics;
use super::lower::interpolated;
use super::node::{Class, Kind, Node, Scalar};
use super::source::{Origin, Texts};
use super::{Inputs, document, parse};

/// The merged spec in its own order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Config {
    /// One for each scalar, and for each empty list or mapping.
    pub values: Vec<ConfigValue>,
    #[serde(skip)]
    text: String,
}

/// A value, and where it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigValue {
    /// Keys and list positions from the top.
    pub path: Vec<String>,
    /// As YAML; `None` for one that may be a secret (a variable in free text).
    pub value: Option<String>,
    /// The file, as the person named it.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
}

impl Config {
    /// As YAML, with `# FILE:LINE` behind every value.
    pub fn to_yaml(&self) -> &str {
        &self.text
    }
}

/// The merged spec of a valid input.
///
/// # Errors
///
/// All that is wrong, as [`parse`] reports it.
pub fn config(inputs: &Inputs<'_>) -> Result<Config, Diagnostics> {
    parse(inputs)?;
    let texts = Texts::of(inputs.sources);
    let mut problems = Vec::new();
    let document = document(inputs, &texts, &mut problems);
    let Some(root) = document else { return Err(Diagnostics::new(problems, texts)) };
    let mut writer = Writer { texts: &texts, values: Vec::new(), lines: Vec::new() };
    writer.node(&root, &mut Vec::new(), "");
    let text = writer.text();
    Ok(Config { values: writer.values, text })
}

struct Writer<'a> {
    texts: &'a Texts,
    values: Vec<ConfigValue>,
    /// Each with where it comes from; keys of collections have no place of their own.
    lines: Vec<(String, Option<(String, usize)>)>,
}

impl Writer<'_> {
    /// Writes the children of a collection; `indent` is theirs.
    fn node(&mut self, node: &Node, path: &mut Vec<String>, indent: &str) {
        match &node.kind {
            Kind::Map(map) => {
                for (key, entry) in map.iter().filter(|(key, _)| !key.starts_with("x-")) {
                    path.push(key.clone());
                    let key = quoted(key);
                    self.value(&entry.node, path, &format!("{indent}{key}:"), &format!("{indent}  "));
                    path.pop();
                }
            }
            Kind::Seq(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.push(index.to_string());
                    self.value(item, path, &format!("{indent}-"), &format!("{indent}  "));
                    path.pop();
                }
            }
            Kind::Scalar(_) => {}
        }
    }

    fn value(&mut self, node: &Node, path: &mut Vec<String>, head: &str, indent: &str) {
        let text = match &node.kind {
            Kind::Scalar(scalar) if is_sensitive(scalar, path) => None,
            Kind::Scalar(scalar) => Some(shown(scalar)),
            Kind::Seq(items) if items.is_empty() => Some("[]".into()),
            Kind::Map(map) if map.is_empty() => Some("{}".into()),
            Kind::Seq(_) | Kind::Map(_) => {
                self.lines.push((head.to_owned(), None));
                return self.node(node, path, indent);
            }
        };
        let (file, line) = self.place(node.at);
        let written = text.as_deref().unwrap_or("(sensitive)");
        self.lines.push((format!("{head} {written}").trim_end().to_owned(), Some((file.clone(), line))));
        self.values.push(ConfigValue { path: path.clone(), value: text, file, line });
    }

    fn place(&self, at: Origin) -> (String, usize) {
        (self.texts.path(at.file).display().to_string(), self.texts.position(at).0)
    }

    fn text(&self) -> String {
        let widest =
            self.lines.iter().map(|(line, _)| line.chars().count()).filter(|width| *width <= 60).max();
        let widest = widest.unwrap_or_default();
        let mut text = String::new();
        for (line, place) in &self.lines {
            // Writing into a String cannot fail.
            let _ = match place {
                Some((file, number)) => writeln!(text, "{line:widest$}  # {file}:{number}"),
                None => writeln!(text, "{line}"),
            };
        }
        text
    }
}

/// A variable in free text may be a secret.
fn is_sensitive(scalar: &Scalar, path: &[String]) -> bool {
    scalar.template.is_some() && interpolated::may_be_secret(path)
}

fn shown(scalar: &Scalar) -> String {
    match scalar.class() {
        Class::Null => "null".to_owned(),
        Class::Bool(_) | Class::Int(_) | Class::Float(_) => scalar.text.clone(),
        Class::Text => quoted(&scalar.text),
    }
}

/// Plain where YAML reads it back as the same text, else in JSON's double quotes, which are YAML's.
fn quoted(text: &str) -> String {
    let plain = Scalar { text: text.to_owned(), ..Scalar::default() };
    let inner = |c: char| c.is_alphanumeric() || "-_./@:+*~^=,()% ".contains(c);
    let begins = text.starts_with(|c: char| c.is_alphanumeric() || "/._~".contains(c));
    let unclear = text.contains(": ") || text.ends_with([':', ' ']) || text.contains(" #");
    let word = matches!(text.to_lowercase().as_str(), "yes" | "no" | "on" | "off" | "y" | "n");
    if begins && text.chars().all(inner) && plain.class() == Class::Text && !unclear && !word {
        text.to_owned()
    } else {
        serde_json::Value::String(text.to_owned()).to_string()
    }
}
