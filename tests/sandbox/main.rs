//! The `a3` command against real parts: a cloud whose instances are hosts with their own engine, two
//! registries, this machine's engine. Each call of a3 is a process of its own, with its own state and
//! cache folder, as a person's would be. Started by `make test`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod access;
mod admit;
mod begin;
mod bystanders;
mod changes;
mod cloud;
mod compose;
mod credentials;
mod deadline;
mod deployment;
mod doctor;
mod documents;
mod drift;
mod edits;
mod effects;
mod everywhere;
mod five_hosts;
mod four_steps;
mod handover;
mod host_kinds;
mod images;
mod install;
mod interrupt;
mod killed;
mod launch_settings;
mod life_cycle;
mod logs;
mod machines;
mod one_off;
mod orders;
mod outside;
mod pipes;
mod place;
mod plan;
mod pool;
mod process;
mod prune;
mod rollback;
mod saved;
mod shells;
mod status;
mod story;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "only the model of the steps is asked here")]
mod support;
mod terminal;
mod walkthrough;
mod way;
