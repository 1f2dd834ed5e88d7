//! Text → validated [`Spec`]. Takes strings, reads no file, asks nobody.
//!
//! `yaml` makes a tree in which every value keeps its place; `interpolate` fills in variables;
//! `merge` lays overlays over it; `read` and `raw` check the shape; `lower` checks what it means.

mod config;
mod diagnostic;
pub mod dotenv;
pub mod fields;
mod interpolate;
mod known;
mod lower;
mod merge;
mod model;
mod node;
mod quantities;
mod raw;
mod read;
mod scalars;
mod schema;
mod shapes;
mod source;
mod yaml;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub use config::{Config, ConfigValue, config};
use diagnostic::Problem;
pub(crate) use diagnostic::did_you_mean;
pub use diagnostic::{DiagnosticData, Diagnostics};

pub use model::*;
use node::{Kind, Map, Node};
pub use quantities::duration as parse_duration;
use raw::RawSpec;
use read::{Cx, Read as _};
pub use schema::schema;
pub use source::Source;
use source::{Origin, Texts};

/// Everything that a spec is made from.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The files in the order of merging.
    pub sources: &'a [Source],
    /// The process environment, over `.env` of the first file's folder.
    pub env: &'a BTreeMap<String, String>,
    /// The active profiles; `*` is all.
    pub profiles: &'a BTreeSet<String>,
    /// A service that is active whatever its profiles: one that was asked for by name.
    pub service: Option<&'a str>,
    /// Texts of the files that [`files_named`] asked for, by the path it gave; `Err` says why a
    /// file could not be read. A file that does not exist is left out.
    pub files: &'a BTreeMap<PathBuf, Result<String, String>>,
}

/// A spec, and what a person should know about how it was read.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The spec.
    pub spec: Spec,
    /// One line each.
    pub notices: Vec<String>,
}

/// Reads, merges and validates.
///
/// # Errors
///
/// All that is wrong, at once.
pub fn parse(inputs: &Inputs<'_>) -> Result<Parsed, Diagnostics> {
    let texts = Texts::of(inputs.sources);
    let mut problems = Vec::new();
    let document = document(inputs, &texts, &mut problems);
    let Some(root) = &document else { return Err(Diagnostics::new(problems, texts)) };
    let mut cx = cx(inputs, &texts);
    let spec = lowered(root, inputs, &mut cx);
    problems.append(&mut cx.problems);
    match spec {
        Some(spec) if problems.is_empty() => {
            let mut unset = cx.notices;
            root.unset(&mut unset);
            let notices =
                unset.into_iter().map(|name| format!("`{name}` is not set, so it is empty")).collect();
            Ok(Parsed { spec, notices })
        }
        _ => Err(Diagnostics::new(problems, texts)),
    }
}

/// The files whose text the spec takes in (`env_file`, `{ file: … }` of keys and user data), with
/// whether each must exist. A caller reads them and hands them to [`parse`].
pub fn files_named(inputs: &Inputs<'_>) -> Vec<(PathBuf, bool)> {
    let texts = Texts::of(inputs.sources);
    let document = document(inputs, &texts, &mut Vec::new());
    let mut cx = cx(inputs, &texts);
    if let Some(root) = &document {
        lowered(root, inputs, &mut cx);
    }
    cx.wanted.into_inner().into_iter().collect()
}

/// A deployment's name made of any text, a folder's name say.
pub fn name_from(text: &str) -> Option<String> {
    const LONGEST: usize = 40;
    let name = lower::names::suggestion(text);
    let name = name.get(..LONGEST).unwrap_or(&name).trim_end_matches('-');
    (!name.is_empty()).then(|| name.to_owned())
}

/// One file as an editor's schema check sees it: YAML's core types, variables not filled in, tags
/// left out. `None` where it is not YAML.
pub fn as_json(source: &Source) -> Option<serde_json::Value> {
    let texts = Texts::of(std::slice::from_ref(source));
    let mut problems = Vec::new();
    let node = yaml::parse(0, &texts, &mut problems)?;
    problems.is_empty().then(|| node.to_json())
}

fn cx<'a>(inputs: &Inputs<'a>, texts: &'a Texts) -> Cx<'a> {
    Cx {
        texts,
        env: inputs.env,
        files: inputs.files,
        wanted: RefCell::default(),
        problems: Vec::new(),
        notices: BTreeSet::new(),
    }
}

fn lowered(root: &Node, inputs: &Inputs<'_>, cx: &mut Cx<'_>) -> Option<Spec> {
    let raw = RawSpec::read(root, cx)?;
    let spec = lower::lower(&raw, (inputs.profiles, inputs.service), cx);
    Some(Spec { files: inputs.sources.iter().map(|source| source.path.clone()).collect(), ..spec })
}

/// All files as one tree; `None` where one is no YAML: whatever it holds would seem to be missing.
fn document(inputs: &Inputs<'_>, texts: &Texts, problems: &mut Vec<Problem>) -> Option<Node> {
    let mut documents = Vec::new();
    for (file, source) in inputs.sources.iter().enumerate() {
        if let Err(error) = std::str::from_utf8(&source.bytes) {
            let start = error.valid_up_to();
            let at = Origin { file, start, end: start + char::REPLACEMENT_CHARACTER.len_utf8() };
            let problem = Problem::new(at, "the file is not UTF-8").label("this byte begins no character");
            let path = source.path.display();
            problems
                .push(problem.help(format!("convert it: iconv -f latin1 -t utf-8 -o {path}.utf8 {path}")));
            continue;
        }
        let Some(mut node) = yaml::parse(file, texts, problems) else { continue };
        if node.is_null() {
            node.kind = Kind::Map(Map::new());
        }
        interpolate::tree(&mut node, inputs.env, texts);
        documents.push(node);
    }
    let complete = documents.len() == inputs.sources.len();
    let nothing = || Node::new(Origin::default(), Kind::Map(Map::new()));
    complete.then(|| merge::all(documents).unwrap_or_else(nothing))
}
