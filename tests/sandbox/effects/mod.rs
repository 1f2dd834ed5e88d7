//! What the properties' model says that each step does, held against what it really does: observe,
//! plan, let the model apply the plan to what was observed, apply it for real, observe again, compare.

mod lines;
mod machine;
mod on_ec2;
mod stage;
mod ways;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use crate::deployment::Deployment;
use crate::place::{beside_others, remove_images, variable};
use crate::pool::web;
use crate::process::figure;

/// The folder of the deployment, for the process that does the work.
const FOLDER: &str = "A3_TEST_EFFECTS";
/// The machine that it works on, where a3 did not launch it.
const MACHINE: &str = "A3_TEST_EFFECTS_MACHINE";

#[test]
fn steps_do_what_the_model_says() {
    let (cloud, machines, host) =
        (web("effects-ec2"), web("effects-machines"), machine::Existing::launched());
    let images = ["effects*", &format!("{}/*/effects*", variable("A3_SANDBOX_GHCR"))];
    remove_images(&images);
    let done: Vec<Vec<String>> = std::thread::scope(|scope| {
        let works = [
            scope.spawn(|| in_a_process(&cloud, "on_ec2::every_step_of_a_service", "")),
            scope.spawn(|| in_a_process(&machines, "on_ec2::every_step_of_a_machine", "")),
            scope.spawn(|| in_a_process(&host.deployment, "machine::every_step_there", &host.machine.0)),
        ];
        works.map(|work| work.join().unwrap()).into()
    });
    let compared: BTreeSet<&str> = done.iter().flatten().map(String::as_str).collect();
    let wanted = ways::WAYS.iter().filter(|(_, why_not)| why_not.is_none()).map(|(way, _)| *way);
    let missing: Vec<&str> = wanted.clone().filter(|way| !compared.contains(way)).collect();
    let excused: Vec<&str> =
        ways::WAYS.iter().filter(|(_, why)| why.is_some()).map(|(way, _)| *way).collect();
    let listed: BTreeSet<&str> = ways::WAYS.iter().map(|(way, _)| kind(way)).collect();
    let kinds: BTreeSet<&str> = ways::KINDS.iter().copied().collect();
    assert_eq!(listed, kinds, "every kind of step has its ways in the list, and no other");
    let shown: BTreeSet<&str> = compared.iter().map(|way| kind(way)).collect();
    figure(&format!(
        "effects: {} of {} step kinds, {} of their {} ways, do what the model says; not planned or not to be had here: {}",
        shown.len(),
        kinds.len(),
        wanted.clone().filter(|way| compared.contains(way)).count(),
        ways::WAYS.len(),
        excused.join(", "),
    ));
    assert!(missing.is_empty(), "never compared: {missing:?}");
    let untrue: Vec<&&str> = excused.iter().filter(|way| compared.contains(**way)).collect();
    assert!(untrue.is_empty(), "said not to be had, and compared: {untrue:?}");
}

fn kind(way: &str) -> &str {
    way.split(' ').next().unwrap_or_default()
}

/// A process of its own: only there are the folders of a3 another person's. Between two of its steps,
/// whoever wants the sandbox alone may have it.
fn in_a_process(deployment: &Deployment, test: &str, machine: &str) -> Vec<String> {
    let mut inner = Command::new(std::env::current_exe().unwrap());
    inner.args(["--ignored", "--exact", &format!("effects::{test}"), "--nocapture"]);
    inner.env(FOLDER, deployment.path(".")).env(MACHINE, machine).current_dir(deployment.path("."));
    // A test's thread has 2 MiB, the program's has this.
    inner.env("RUST_MIN_STACK", (8 << 20).to_string());
    inner.env("XDG_STATE_HOME", deployment.path("state")).env("XDG_CACHE_HOME", deployment.path("cache"));
    if !machine.is_empty() {
        inner.env("HOME", deployment.path("home"));
    }
    let mut child = inner.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut said = Vec::new();
    let mut turn = None;
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        if line == stage::TURN {
            drop(turn.take());
            turn = beside_others();
            input.write_all(b"go\n").unwrap();
        }
        said.push(line);
    }
    drop(turn);
    assert!(child.wait().unwrap().success(), "{test}: {}", said.join("\n"));
    said.iter().filter_map(|line| line.strip_prefix("way: ")).map(str::to_owned).collect()
}
