//! The `a3` command against real parts: a cloud whose instances are hosts with their own engine, two
//! registries, this machine's engine. Each call of a3 is a process of its own, with its own state and
//! cache folder, as a person's would be. Started by `make test`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod admit;
mod begin;
mod bystanders;
mod changes;
mod cloud;
mod credentials;
mod deadline;
mod deployment;
mod doctor;
mod drift;
mod edits;
mod everywhere;
mod five_hosts;
mod host_kinds;
mod images;
mod install;
mod interrupt;
mod killed;
mod launch_settings;
mod logs;
mod machines;
mod one_off;
mod orders;
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
mod terminal;
mod walkthrough;
mod way;
