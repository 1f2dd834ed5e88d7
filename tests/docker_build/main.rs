//! Builds, pushes and pulls with the real engine of this machine, and a registry that the tests start.
//! Without an engine they fail, and say so.

mod build;
mod failure;
mod registry;
mod transfer;
mod world;
