//! A plan that was approved, as a file: what it would do, where it came from, and how another plan
//! differs from it. Holds no secret: of settings and launches only a digest is in it.
//!
//! As with Terraform, applying it is exactly what was read, or nothing: apply looks again, plans again,
//! and goes on only if the new plan's canonical form is the same, byte by byte. Ages, uptimes and the
//! time of day are not in that form, and neither is who looks: who approves a plan and who applies it
//! may be two.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::look::{Look, Tone};
use super::plan_json::StepDocument;
use crate::id::Digest;
use crate::plan::Options;
use crate::plan::step::{Action, Plan};

/// The version of the file.
pub const SAVED_VERSION: u32 = 1;

/// A saved plan. `a3_plan` is the file's first key; a file is known by it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SavedPlan {
    /// [`SAVED_VERSION`] of who wrote it.
    #[schemars(extend("const" = SAVED_VERSION))]
    pub a3_plan: u32,
    /// The a3 that made it: another one may plan otherwise.
    pub a3_version: String,
    /// The deployment.
    pub deployment: String,
    /// The spec files, absolute.
    pub files: Vec<PathBuf>,
    /// The active profiles.
    pub profiles: Vec<String>,
    /// `--target`, `--replace` and `--rebuild`.
    pub options: Options,
    /// What is compared: [`canonical`].
    #[schemars(with = "Canonical<'_>")]
    pub canonical: Value,
}

/// What makes two plans the same: the places that were searched, and each step with its reasons, its
/// values, and a digest of everything that it does.
#[derive(Serialize, JsonSchema)]
struct Canonical<'a> {
    deployment: &'a str,
    scope: CanonicalScope<'a>,
    steps: Vec<CanonicalStep<'a>>,
}

/// Where was looked; who looked is no part of it.
#[derive(Serialize, JsonSchema)]
struct CanonicalScope<'a> {
    account: Option<&'a str>,
    regions: &'a [String],
    registries: &'a [String],
    engines: &'a [String],
}

/// A step as a plan shows it, and what it shows not, as a digest.
#[derive(Serialize, JsonSchema)]
struct CanonicalStep<'a> {
    #[serde(flatten)]
    step: StepDocument<'a>,
    content: Digest,
}

/// The form of a plan that is compared.
pub fn canonical(plan: &Plan) -> Value {
    let steps = plan
        .steps
        .iter()
        .map(|step| CanonicalStep { step: StepDocument::of(step), content: content(&step.action) });
    let scope = CanonicalScope {
        account: plan.scope.account.as_deref(),
        regions: &plan.scope.regions,
        registries: &plan.scope.registries,
        engines: &plan.scope.engines,
    };
    let form = Canonical { deployment: &plan.deployment, scope, steps: steps.collect() };
    // Only a map with keys that are no strings could fail, and there is none.
    serde_json::to_value(form).unwrap_or_default()
}

/// A digest of everything that a step does.
fn content(action: &Action) -> Digest {
    let mut whole = serde_json::to_value(action).unwrap_or_default();
    forget_folders(&mut whole);
    Digest::of(whole.to_string().as_bytes())
}

/// Of data files and of secrets in files the name stays: the folder is written as it was typed, relative for
/// who saved the plan and absolute for who applies it. What a data file holds is in the plan as a digest.
fn forget_folders(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(path) if key == "source" || key == "file" => {
                        let name = Path::new(path.as_str()).file_name().unwrap_or_default();
                        *path = name.to_string_lossy().into_owned();
                    }
                    value => forget_folders(value),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(forget_folders),
        _ => {}
    }
}

/// How the plan of now differs from the saved one, a line each; `None` if they are the same.
pub fn difference(saved: &Value, now: &Value, look: &Look) -> Option<String> {
    // The order of keys counts too: both are written by the same code.
    if serde_json::to_vec(saved).ok() == serde_json::to_vec(now).ok() {
        return None;
    }
    let mut lines = Vec::new();
    compare("", &saved["scope"], &now["scope"], &mut lines);
    let (before, after) = (steps(saved), steps(now));
    for step in &before {
        match after.iter().find(|other| name(other) == name(step)) {
            None => {
                lines.push(look.paint(Tone::Bad, &format!("- {}: saved, and not needed now", name(step))))
            }
            Some(other) => {
                let mut changed = Vec::new();
                compare("", &comparable(step), &comparable(other), &mut changed);
                if changed.is_empty() && step["content"] != other["content"] {
                    changed.push("a setting that a plan does not show".to_owned());
                }
                if !changed.is_empty() {
                    lines.push(look.paint(Tone::Change, &format!("~ {}", name(step))));
                    lines.extend(changed.into_iter().map(|line| format!("    {line}")));
                }
            }
        }
    }
    for step in after.iter().filter(|step| before.iter().all(|other| name(other) != name(step))) {
        lines.push(look.paint(Tone::Good, &format!("+ {}: needed now, and not saved", name(step))));
    }
    if lines.is_empty() {
        lines.push("~ the order of the steps".to_owned());
    }
    Some(lines.join("\n"))
}

fn steps(plan: &Value) -> Vec<&Value> {
    plan["steps"].as_array().map(|steps| steps.iter().collect()).unwrap_or_default()
}

/// As a person knows it: what it is about, and what is done.
fn name(step: &Value) -> String {
    let word = |key: &str| step[key].as_str().unwrap_or_default().to_owned();
    format!("{} ({})", word("title"), word("address"))
}

/// A step without what only numbers or digests it, and with its fields and reasons by name: a field that is new
/// in front of others is one difference, not many.
fn comparable(step: &Value) -> Value {
    let mut step = step.clone();
    if let Value::Object(step) = &mut step {
        for key in ["id", "after", "content"] {
            step.remove(key);
        }
        let fields = step.remove("fields").unwrap_or_default();
        for field in fields.as_array().into_iter().flatten() {
            let name = field["field"].as_str().unwrap_or_default();
            let change = json!({ "before": field["before"], "after": field["after"] });
            // Of a list, each element has the list's name.
            match step.get_mut(name) {
                Some(Value::Array(changes)) => changes.push(change),
                Some(first) => *first = Value::Array(vec![first.take(), change]),
                None => drop(step.insert(name.to_owned(), change)),
            }
        }
        let reasons = step.remove("reasons").unwrap_or_default();
        let texts = reasons.as_array().into_iter().flatten().map(|reason| reason["text"].clone());
        step.insert("because".to_owned(), Value::Array(texts.collect()));
    }
    step
}

/// Each value that differs, by its path: `image.after: a → b`.
fn compare(path: &str, before: &Value, after: &Value, lines: &mut Vec<String>) {
    if before == after {
        return;
    }
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        lines.push(format!("{path}: {} → {}", shown(before), shown(after)));
        return;
    };
    let added = new.keys().filter(|key| !old.contains_key(*key));
    for key in old.keys().chain(added) {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        compare(&path, &before[key.as_str()], &after[key.as_str()], lines);
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Object(change) if change.contains_key("before") => {
            format!("{} → {}", shown(&change["before"]), shown(&change["after"]))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(steps: &[(&str, &str, &str)]) -> Value {
        let steps = steps.iter().map(|(title, image, content)| {
            let fields = json!([{ "field": "image", "before": null, "after": image }]);
            json!({
                "id": 0, "address": "web/0/s2", "title": title, "reasons": [], "fields": fields, "content": content,
            })
        });
        json!({ "scope": { "regions": ["us-west-2"] }, "steps": steps.collect::<Vec<_>>() })
    }

    fn differ(saved: &Value, now: &Value) -> String {
        difference(saved, now, &Look::plain()).unwrap_or_default()
    }

    #[test]
    fn the_same_plan_has_no_difference() {
        let saved = plan(&[("run s2", "one", "a")]);
        assert_eq!(difference(&saved, &saved.clone(), &Look::plain()), None);
    }

    #[test]
    fn a_file_is_the_same_however_its_folder_was_typed() {
        let of = |file: &str, digest: &str, secret: &str| {
            let mut action = json!({
                "files": [{ "source": file, "target": "music/", "digest": digest }],
                "settings": { "environment": { "TOKEN": { "secret": { "file": secret } } } },
            });
            forget_folders(&mut action);
            action
        };
        let typed = of("music.csv", "sha256:aa", "cluster/token");
        assert_eq!(typed, of("/home/me/music.csv", "sha256:aa", "/home/me/cluster/token"));
        assert_ne!(typed, of("music.csv", "sha256:bb", "cluster/token"));
        assert_ne!(typed, of("music.csv", "sha256:aa", "cluster/other"));
    }

    #[test]
    fn a_difference_names_step_and_value() {
        let saved = plan(&[("run s2", "one", "a"), ("copy", "x", "c")]);
        let now = plan(&[("run s2", "two", "b"), ("restart s2", "x", "d")]);
        assert_eq!(
            differ(&saved, &now),
            "~ run s2 (web/0/s2)\n    image.after: one → two\n- copy (web/0/s2): saved, and not needed now\n\
             + restart s2 (web/0/s2): needed now, and not saved"
        );
    }

    #[test]
    fn what_no_field_shows_is_a_difference_too() {
        let (saved, now) = (plan(&[("run s2", "one", "a")]), plan(&[("run s2", "one", "b")]));
        assert!(differ(&saved, &now).contains("a setting that a plan does not show"));
        let mut elsewhere = saved.clone();
        elsewhere["scope"]["regions"] = json!(["us-west-2", "eu-west-1"]);
        assert_eq!(differ(&saved, &elsewhere), "regions: us-west-2 → us-west-2, eu-west-1");
    }
}
