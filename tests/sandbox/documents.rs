//! What a3 prints for machines, held against the schemas that are checked in, by a validator that a3
//! shares no code with.

use std::fs;

use serde_json::Value;

use crate::cloud::host_docker;
use crate::place::checkout;
use crate::pool::{borrow, web};
use crate::process::Output;

/// Fails the test with every mistake in a document.
#[track_caller]
fn fits(schema: &str, document: &Value) {
    let path = checkout().join(format!("schemas/{schema}.schema.json"));
    let text = fs::read_to_string(path).unwrap();
    let validator = jsonschema::draft202012::new(&serde_json::from_str(&text).unwrap()).unwrap();
    let errors = validator.iter_errors(document).map(|error| format!("{error} at {}", error.instance_path()));
    let errors: Vec<String> = errors.collect();
    assert!(errors.is_empty(), "{schema}: {}\n{document:#}", errors.join("\n"));
}

/// The one document that was printed.
#[track_caller]
fn document(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output}"))
}

/// A stream: every line by itself, none missing, from a beginning to an end.
#[track_caller]
fn stream(output: &Output) -> Vec<Value> {
    let lines: Vec<Value> = output
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for (number, line) in lines.iter().enumerate() {
        fits("events", line);
        assert_eq!((&line["version"], &line["seq"]), (&1.into(), &number.into()), "{line:#}");
    }
    let first = lines.first().unwrap_or_else(|| panic!("no line: {output}"));
    assert_eq!((&first["event"], &lines[lines.len() - 1]["event"]), (&"planned".into(), &"finished".into()));
    lines
}

#[test]
fn a_whole_life_fits_the_schemas() {
    let web = web("documented");
    fits("plan", &document(&web.a3(&["plan", "--json"]).ok()));
    let lines = stream(&web.a3(&["apply", "--yes", "--json"]).ok());
    // Its machine answers only when it is there, and what it needs is planned then.
    assert!(lines.iter().any(|line| line["event"] == "host_planned"), "{lines:#?}");
    let plan = document(&web.a3(&["plan", "--json"]).ok());
    fits("plan", &plan);
    assert_eq!((&plan["steps"], &plan["summary"]["drift"]), (&Value::Array(Vec::new()), &0.into()));
    // A stream tells of nothing to do, and of what could not be decided, as much as of work.
    let lines = stream(&web.a3(&["apply", "--yes", "--json"]).ok());
    assert_eq!((lines.len(), &lines[0]["plan"]), (2, &plan));
    assert!(lines[1]["addresses"][0]["url"].is_string(), "{lines:#?}");
    web.edit("deploy.yaml", "GREETING: hello", "GREETING: bye");
    let lines = stream(&web.a3(&["apply", "--json"]).ended(73));
    assert_eq!((&lines[0]["plan"]["ending"], &lines[1]["success"]), (&"changes".into(), &false.into()));
    web.edit("deploy.yaml", "GREETING: bye", "GREETING: { file: gone.txt }");
    let lines = stream(&web.a3(&["apply", "--yes", "--json"]).ended(1));
    assert_eq!((lines.len(), &lines[1]["success"]), (2, &false.into()));
    assert!(lines[0]["plan"]["blocked"][0]["help"].is_string(), "{lines:#?}");
    web.edit("deploy.yaml", "GREETING: { file: gone.txt }", "GREETING: hello");
    fits("status", &document(&web.a3(&["status", "--json"]).ok()));
    fits("status_all_regions", &document(&web.a3(&["status", "--all-regions", "--json"]).ok()));
    fits("history", &document(&web.a3(&["history", "--json"]).ok()));
    fits("doctor", &document(&web.a3(&["doctor", "--json"]).ok()));
    stream(&web.a3(&["destroy", "--yes", "--json"]).ok());
}

#[test]
fn documents_about_mistakes_and_the_program_fit_too() {
    let web = borrow();
    fits("version", &document(&web.a3(&["version", "--json"]).ok()));
    fits("validate", &document(&web.a3(&["validate", "--json"]).ok()));
    web.edit("deploy.yaml", "restart: unless-stopped", "restart: perhaps\n    colour: red");
    let invalid = document(&web.a3(&["validate", "--json"]).ended(65));
    fits("validate", &invalid);
    assert_eq!((&invalid["valid"], invalid["problems"].as_array().unwrap().len()), (&false.into(), 2));
    fits("validate", &document(&web.a3(&["--file", "gone.yaml", "validate", "--json"]).ended(65)));
    // Each schema is printed as it is checked in.
    for name in ["deploy", "plan", "events"] {
        let checked_in = fs::read_to_string(checkout().join(format!("schemas/{name}.schema.json"))).unwrap();
        assert_eq!(web.a3(&["schema", name]).ok().stdout, checked_in);
    }
}

#[test]
fn an_edit_and_what_the_world_did_are_two_things() {
    let web = borrow();
    host_docker(&web.id(), "kill s2");
    web.edit("deploy.yaml", "restart: unless-stopped", "restart: always");
    let plan = document(&web.a3(&["plan", "--json"]).ok());
    fits("plan", &plan);
    let steps = plan["steps"].as_array().unwrap();
    let drift = |kind: &str| &steps.iter().find(|step| step["kind"] == kind).unwrap()["drift"];
    assert_eq!((drift("start_container"), drift("update_container")), (&true.into(), &false.into()));
    assert_eq!(plan["summary"]["drift"], 1);
    web.a3(&["plan"]).ok().says("Drift, no longer as a3 left it").says("; 1 by drift.");
    web.a3(&["plan", "--out", "drift.plan"]).ok();
    let saved: Value = serde_json::from_str(&fs::read_to_string(web.path("drift.plan")).unwrap()).unwrap();
    fits("saved_plan", &saved);
    web.a3(&["plan", "--detailed-exitcode"]).ended(2);
    web.edit("deploy.yaml", "restart: always", "restart: unless-stopped");
    web.apply();
    web.is_converged();
}

/// The ssh server of the machine is a process that is no container.
#[test]
fn a_port_that_a_process_holds_is_found_before_anything_is_done() {
    let web = borrow();
    web.edit("deploy.yaml", "30001:8080", "22:8080");
    let plan = web.a3(&["plan", "--json"]).ended(73).says("port 22/tcp is held by a process");
    let plan = document(&plan);
    fits("plan", &plan);
    assert_eq!(plan["ending"], "refused");
    // That its own container listens is no clash: what is left as it was has nothing to do.
    web.edit("deploy.yaml", "22:8080", "30001:8080");
    web.is_converged();
}
