//! The promises of a plan, asked of any spec, any world and any failure. A case that breaks one shrinks,
//! and is printed as a golden scenario that can be pasted into `tests/plan_golden/found.rs`.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking; the lint's exception does not reach its helpers"
)]

mod case;
mod draw;
mod printed;
#[path = "../promises/mod.rs"]
mod promises;
mod properties;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "shared with the golden plans, which use the rest")]
mod support;
mod tally;
