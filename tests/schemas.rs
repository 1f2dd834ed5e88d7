//! The JSON Schemas of what a3 prints for machines: those in `schemas/` are those of the code, a
//! validator that a3 shares no code with accepts the goldens, and refuses what is broken.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use a3::plan::step::Action;
use a3::report::schemas::Document;
use jsonschema::Validator;
use serde_json::{Value, json};

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn validator(document: Document) -> Validator {
    jsonschema::draft202012::new(&document.schema()).unwrap()
}

/// `A3_GENERATE=1` writes them first.
#[test]
fn the_checked_in_schemas_are_current() {
    for document in Document::ALL {
        let path = format!("schemas/{}.schema.json", document.name());
        let current = format!("{:#}\n", document.schema());
        if std::env::var_os("A3_GENERATE").is_some() {
            fs::write(root(&path), &current).unwrap();
        }
        let checked_in = fs::read_to_string(root(&path)).unwrap_or_default();
        assert!(checked_in == current, "{path} is old: make generate");
    }
}

#[test]
fn each_is_a_schema_itself() {
    for document in Document::ALL {
        let schema = document.schema();
        if let Err(error) = jsonschema::draft202012::meta::validate(&schema) {
            panic!("{}: {error} at {}", document.name(), error.instance_path());
        }
    }
}

/// The JSON of every golden plan.
fn goldens() -> Vec<(String, Value)> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(root("tests/golden")).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    let json = found.iter().filter(|path| path.to_string_lossy().ends_with(".json.snap"));
    let read = json.map(|path| {
        let text = fs::read_to_string(path).unwrap();
        let body = text.splitn(3, "---\n").nth(2).unwrap();
        (path.file_name().unwrap().to_string_lossy().into_owned(), serde_json::from_str(body).unwrap())
    });
    read.collect()
}

fn errors(validator: &Validator, document: &Value) -> Vec<String> {
    validator.iter_errors(document).map(|error| format!("{error} at {}", error.instance_path())).collect()
}

#[test]
fn every_golden_plan_fits() {
    let validator = validator(Document::Plan);
    let goldens = goldens();
    assert!(goldens.len() >= 60, "{}", goldens.len());
    for (name, plan) in goldens {
        let errors = errors(&validator, &plan);
        assert!(errors.is_empty(), "{name}: {}", errors.join("\n"));
    }
}

/// Each of these is one mistake in a document that fits without it.
#[test]
fn what_is_broken_is_refused() {
    type Breaking = fn(&mut Value);
    let breaking: [(&str, Breaking); 10] = [
        ("another version", |plan| plan["format_version"] = json!(2)),
        ("a field too many", |plan| plan["colour"] = json!("red")),
        ("a step's field too many", |plan| plan["steps"][0]["colour"] = json!("red")),
        ("a missing field", |plan| drop(plan["steps"][0].as_object_mut().unwrap().remove("drift"))),
        ("an unknown change", |plan| plan["steps"][0]["change"] = json!("explode")),
        ("an unknown kind of step", |plan| plan["steps"][0]["kind"] = json!("explode")),
        ("an unknown reason", |plan| plan["steps"][0]["reasons"][0]["reason"] = json!("whim")),
        ("a reason's field too many", |plan| plan["steps"][0]["reasons"][0]["colour"] = json!("red")),
        ("no digest", |plan| plan["steps"][0]["reasons"][0]["source"] = json!("sha256:12")),
        ("a value that is no value", |plan| {
            plan["steps"][0]["fields"][0]["after"] = json!({ "known": true })
        }),
    ];
    let validator = validator(Document::Plan);
    let (_, whole) = goldens().into_iter().find(|(name, _)| name == "preflight.json.snap").unwrap();
    assert!(errors(&validator, &whole).is_empty());
    for (what, breaks) in breaking {
        let mut broken = whole.clone();
        breaks(&mut broken);
        assert_ne!(broken, whole, "{what}");
        assert!(!errors(&validator, &broken).is_empty(), "accepted: {what}");
    }
}

/// The enum of the schema is written by hand; serde knows every kind by itself.
#[test]
fn every_kind_of_step_is_in_the_schema() {
    let known = serde_json::from_value::<Action>(json!({ "kind": "none" })).unwrap_err().to_string();
    let named: Vec<&str> = known.split('`').skip(3).step_by(2).collect();
    let mut kinds = Action::KINDS.to_vec();
    kinds.sort_unstable();
    let mut named = named;
    named.sort_unstable();
    assert_eq!(kinds, named);
}
