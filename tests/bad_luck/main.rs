//! Bad luck: what goes wrong around a deployment, each with its exit code and with what a person is
//! told: what happened, where, and what to type.
//!
//! The real `a3` against the sandbox: `sandbox/up && . sandbox/.run/env`, then
//! `cargo test --test bad_luck -- --test-threads=2`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod cloud;
mod host;
mod images;
mod inside;
mod locks;
mod orders;
mod preflight;
mod registry;
mod run;
mod ssh;
mod stage;
mod usage;
mod way;
