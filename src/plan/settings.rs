//! The settings of a container as a plan holds them: everything resolved but secrets, which stay
//! references until the container is created.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::names;
use crate::record::InPlace;
use crate::spec::{EnvValue, Healthcheck, Logging, Port, Restart, SecretSource, Service, Ulimit, Volume};

/// Everything about a container but its image. Serialised, it is what a release remembers, and
/// without `in_place` what the hash is taken over.
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
    /// What `docker update` can change: part of a plan and of a release, not of the hash.
    #[serde(default)]
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
    /// The container is without it, whatever its image sets.
    Unset,
}

impl Settings {
    /// What the spec asks for.
    pub fn of(deployment: &str, service: &Service) -> Self {
        let environment = service.environment.iter().map(|(name, value)| {
            let value = match value {
                EnvValue::Plain(text) => Env::Plain(text.clone()),
                EnvValue::Resolved(_) => Env::Resolved,
                EnvValue::Secret(source) => Env::Secret(source.clone()),
                EnvValue::Unset => Env::Unset,
            };
            (name.clone(), value)
        });
        Self {
            name: service.container_name.clone(),
            network: names::network(deployment),
            alias: service.name.clone(),
            command: service.command.clone(),
            entrypoint: service.entrypoint.clone(),
            environment: environment.collect(),
            user: service.user.clone(),
            working_dir: service.working_dir.clone(),
            labels: service.labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            hostname: service.hostname.clone(),
            healthcheck: service.healthcheck.clone(),
            stop_grace_period: service.stop_grace_period.as_secs(),
            read_only: service.read_only,
            cap_add: service.cap_add.clone(),
            cap_drop: service.cap_drop.clone(),
            logging: service.logging.clone().map(sorted),
            ulimits: service.ulimits.iter().map(|(name, limit)| (name.clone(), *limit)).collect(),
            tmpfs: service.tmpfs.clone(),
            shm_size: service.shm_size,
            init: service.init,
            extra_hosts: service.extra_hosts.clone(),
            auto_remove: service.auto_remove,
            ports: service.ports.clone(),
            volumes: service.volumes.clone(),
            in_place: InPlace {
                restart: service.restart,
                mem_limit: service.mem_limit,
                nano_cpus: service.nano_cpus,
            },
        }
    }
}

impl Settings {
    /// The same for a one-off container: under another name, for nobody to find by the service's, and
    /// without what only one container can have.
    pub fn one_off(self, name: &str) -> Self {
        let in_place = InPlace { restart: Restart::No, ..self.in_place };
        let (name, alias) = (name.to_owned(), name.to_owned());
        Self { name, alias, ports: Vec::new(), auto_remove: false, in_place, ..self }
    }
}

/// The order of the driver's options means nothing, so it must not change the hash.
fn sorted(mut logging: Logging) -> Logging {
    logging.options.sort_keys();
    logging
}
