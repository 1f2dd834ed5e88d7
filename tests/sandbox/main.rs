//! The `a3` command against real parts: a cloud whose instances are hosts with their own engine, two
//! registries, this machine's engine. Each call of a3 is a process of its own, with its own state and
//! cache folder, as a person's would be. Started by `make test`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod admit;
mod bystanders;
mod changes;
mod cloud;
mod credentials;
mod deployment;
mod drift;
mod edits;
mod host_kinds;
mod images;
mod install;
mod interrupt;
mod killed;
mod machines;
mod place;
mod plan;
mod pool;
mod process;
mod story;
