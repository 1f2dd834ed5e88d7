//! The spec as a person meets it: broken files with what is said about them, the schema, examples,
//! overlays.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use a3::spec::{self, Diagnostics, EnvValue, Inputs, Machine, Parsed, Source, VolumeSource};
use proptest::prelude::*;

fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The variables that the example and the broken files use.
fn usual_env() -> BTreeMap<String, String> {
    env(&[("REGID", "me"), ("KEY_FILE", "key"), ("HOME", "/home/me"), ("TOKEN", "hunter2"), ("UPPER", "Me")])
}

fn parse_all(sources: &[Source], env: &BTreeMap<String, String>) -> Result<Parsed, Diagnostics> {
    parse_with(sources, env, &BTreeMap::new())
}

fn parse_with(
    sources: &[Source],
    env: &BTreeMap<String, String>,
    files: &BTreeMap<PathBuf, Result<String, String>>,
) -> Result<Parsed, Diagnostics> {
    let profiles = BTreeSet::new();
    spec::parse(&Inputs { sources, env, profiles: &profiles, files })
}

fn parse(text: &str) -> Result<Parsed, Diagnostics> {
    parse_all(&[Source::new("deploy.yaml", text)], &usual_env())
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file of the project, under its path in the project.
fn project_file(path: &str) -> Source {
    Source { path: path.into(), bytes: std::fs::read(root(path)).unwrap() }
}

fn yaml_files(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root(folder)).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".yaml"));
    names.sort();
    names
}

/// Every broken file, rendered as `a3 validate` would without colour. Look at a new one by eye.
#[test]
fn broken_files_say_what_is_wrong_where_and_what_to_do() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("spec_errors");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let names = yaml_files("tests/spec_errors");
    assert!(names.len() >= 30, "only {} broken files", names.len());
    for name in names {
        let bytes = std::fs::read(root("tests/spec_errors").join(&name)).unwrap();
        let sources = [Source { path: "deploy.yaml".into(), bytes }];
        let diagnostics = parse_all(&sources, &usual_env()).expect_err(&name);
        let rendered = diagnostics.render(false, 100);
        let stem = name.trim_end_matches(".yaml");
        settings.bind(|| insta::assert_snapshot!(stem, rendered));
    }
}
