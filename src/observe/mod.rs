//! Asks what exists.

pub mod secrets;
