//! The decision: `Spec` × `Observed` → `Plan`. Sync, no clock, no randomness, no I/O.

pub mod reason;
pub mod settings;
pub mod step;
