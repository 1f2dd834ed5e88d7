//! The settings of a container as a plan holds them: everything resolved but secrets, which stay
//! references until the container is created.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::InPlace;
use crate::spec::{Healthcheck, Logging, Port, SecretSource, Ulimit, Volume};

/// Everything about a container but its image. Serialised, it is what the hash is taken over and
/// what a release remembers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Name of the container.
    pub name: String,
    /// `NAME_default`; containers of one machine find each other there by service name.
    pub network: String,
    /// Its name in that network.
    pub alias: String,
    /// Overrides the image's.
    pub command: Option<Vec<String>>,
    /// Overrides the image's.
    pub entrypoint: Option<Vec<String>>,
    /// By name.
    pub environment: BTreeMap<String, Env>,
    /// `uid[:gid]`.
    pub user: Option<String>,
    /// Where it starts.
    pub working_dir: Option<String>,
    /// The person's labels; a3's are added when it is created.
    pub labels: BTreeMap<String, String>,
    /// Host name.
    pub hostname: Option<String>,
    /// HEALTHCHECK.
    pub healthcheck: Option<Healthcheck>,
    /// Seconds.
    pub stop_grace_period: u64,
    /// Root file system.
    pub read_only: bool,
    /// Added.
    pub cap_add: Vec<String>,
    /// Dropped.
    pub cap_drop: Vec<String>,
    /// Log driver.
    pub logging: Option<Logging>,
    /// Limits.
    pub ulimits: BTreeMap<String, Ulimit>,
    /// Mount points.
    pub tmpfs: Vec<String>,
    /// Bytes.
    pub shm_size: Option<u64>,
    /// PID 1.
    pub init: Option<bool>,
    /// `host:ip`.
    pub extra_hosts: Vec<String>,
    /// `docker run --rm`.
    pub auto_remove: bool,
    /// Published.
    pub ports: Vec<Port>,
    /// Mounts, as the spec says them; bind paths are made absolute on the machine.
    pub volumes: Vec<Volume>,
    /// Not part of the hash.
    #[serde(skip)]
    pub in_place: InPlace,
}

/// A value of the environment as a plan holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Env {
    /// Written in the file.
    Plain(String),
    /// A secret, by where it comes from.
    Secret(SecretSource),
    /// Came through interpolation or an `env_file`: known to this run's spec only.
    Resolved,
}
