//! The sandbox: its names, its taps, its faults, and the order in which tests may disturb it.

use std::cell::Cell;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::Value;

use crate::process::run;

/// A name that the sandbox gave.
pub(crate) fn variable(name: &str) -> String {
    let missing = |_| panic!("{name} is not set: these tests need the sandbox; run them with `make test`");
    std::env::var(name).unwrap_or_else(missing)
}

/// The checkout.
pub(crate) fn checkout() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// One of the sandbox's commands: `fault`, `taps`, `launch`.
#[track_caller]
pub(crate) fn sandbox(command: &str, arguments: &[&str]) -> String {
    variable("A3_SANDBOX_TAPS");
    // It asks its host whether it answers, which is a call like any other.
    let _beside = if command == "launch" { beside_others() } else { None };
    let program = checkout().join("sandbox").join(command);
    run(Command::new(program).args(arguments)).ok().stdout
}

/// What changes the sandbox goes on side by side; who counts its calls, or sets a fault for the next
/// one, is alone.
static ORDER: RwLock<()> = RwLock::new(());

thread_local! {
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// Held by everything that calls a registry, the engine here, or EC2; never twice in one thread, since
/// a second one waits behind who wants to be alone, who waits for the first.
pub(crate) fn beside_others() -> Option<RwLockReadGuard<'static, ()>> {
    let alone = ALONE.with(Cell::get);
    (!alone).then(|| ORDER.read().unwrap_or_else(PoisonError::into_inner))
}

/// Nothing else reaches the sandbox until it is dropped.
pub(crate) struct Alone(#[expect(dead_code, reason = "held")] RwLockWriteGuard<'static, ()>);

impl Alone {
    pub(crate) fn begin() -> Self {
        let guard = ORDER.write().unwrap_or_else(PoisonError::into_inner);
        ALONE.with(|alone| alone.set(true));
        Self(guard)
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        ALONE.with(|alone| alone.set(false));
    }
}

/// What the taps count as writes while `work` is at work alone: `place method path`.
pub(crate) fn writes_of(work: impl FnOnce()) -> Vec<String> {
    calls_of(work).into_iter().filter(|call| call["write"] == true).map(|call| words(&call)).collect()
}

fn calls_of(work: impl FnOnce()) -> Vec<Value> {
    let _alone = Alone::begin();
    let before = taps().len();
    work();
    taps().split_off(before)
}

fn taps() -> Vec<Value> {
    let log = std::fs::read_to_string(variable("A3_SANDBOX_TAPS")).unwrap();
    log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn words(call: &Value) -> String {
    let word = |key: &str| call[key].as_str().unwrap_or_default().to_owned();
    format!("{} {} {}", word("place"), word("method"), word("path"))
}

/// Runs Docker here, beside a3: as a person would by hand.
#[track_caller]
pub(crate) fn docker(arguments: &[&str]) -> String {
    let _beside = beside_others();
    variable("DOCKER_HOST");
    run(Command::new("docker").args(arguments)).ok().stdout.trim().to_owned()
}

/// Images here whose name matches a pattern of `docker images`, without their registry's server.
pub(crate) fn images_like(pattern: &str) -> Vec<String> {
    let found = docker(&[
        "images",
        "--filter",
        &format!("reference={pattern}"),
        "--format",
        "{{.Repository}}:{{.Tag}}",
    ]);
    found.lines().filter(|name| !name.contains("<none>")).map(str::to_owned).collect()
}

/// Removes images here.
pub(crate) fn remove_images(patterns: &[&str]) {
    let names: Vec<String> = patterns.iter().flat_map(|pattern| images_like(pattern)).collect();
    for name in names {
        docker(&["image", "rm", "--force", &name]);
    }
}
