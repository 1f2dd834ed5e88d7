//! The shape of `deploy.yaml`: what may be written, with the documentation that its schema shows.
//! Every key is optional here, since an overlay may hold any part; `lower/` says what is missing.

pub(crate) mod entries;
pub(crate) mod instance;
mod lists;
pub(crate) mod mount;
mod port;
pub(crate) mod service;

use super::quantities::Int;
use super::read::{OneOrMany, Table, raw};
use super::scalars::{Flag, Text};
use super::shapes::Secret;
use instance::RawGroup;
use service::RawService;

raw! {
    /// A deployment: what is built, where it runs, and how it is reached.
    RawSpec = "the spec" {
        /// Marks everything that the deployment owns: lower-case letters, digits, `-` and `_`.
        name: Text,
        /// The versions of a3 that may read this file, as in `>= 0.1, < 1`.
        required_version: Text,
        /// Where images are pushed to and pulled from. Without it nothing is pushed.
        registry: OneOrMany<RawRegistry>,
        /// The machines, by group. Without it services run on the local Docker engine.
        instances: Table<RawGroup>,
        /// What runs, by name.
        services: Table<RawService>,
        /// How many complete releases a host keeps the images of (3).
        keep_releases: Int<1, 100>,
    }
}

raw! {
    /// A registry, and how to log in to it.
    RawRegistry = "a registry" {
        /// `HOST` or `HOST:PORT`, as image references begin: `ghcr.io`.
        server: Text,
        /// The user. Without user and password, `~/.docker/config.json` and its helpers are asked.
        username: Text,
        /// Where the password comes from: `{ env: NAME }`, `{ file: PATH }` or `{ command: […] }`.
        password: Secret,
        /// Leave the credential on the hosts, as `docker login` does (false).
        persist_login: Flag,
    }
}
