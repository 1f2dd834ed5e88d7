//! Containers, and the ports that they and others hold.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::InPlaceSeen;
use crate::spec::Protocol;

/// A container.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerSeen {
    /// The engine's id.
    pub id: String,
    /// Without the leading slash.
    pub name: String,
    /// The engine's id of its image.
    pub image_id: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its state.
    pub state: ContainerState,
    /// Seconds since 1970 of the last start.
    pub started: Option<u64>,
    /// How often its restart policy has started it again.
    pub restarts: u64,
    /// Of HEALTHCHECK.
    pub health: Option<Health>,
    /// Published ports: host ip, host port, container port, protocol.
    pub ports: Vec<PublishedPort>,
    /// Host paths and names that it mounts.
    pub mounts: Vec<String>,
    /// The names of its networks.
    pub networks: Vec<String>,
    /// What `docker update` can change; `None` where the engine says something unknown.
    pub in_place: Option<InPlaceSeen>,
}

/// A container's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerState {
    /// Created, never started.
    Created,
    /// Running.
    Running,
    /// Paused by a person.
    Paused,
    /// Between two tries of the restart policy.
    Restarting,
    /// Ended with this code.
    Exited(i64),
    /// Being removed, or dead.
    Gone,
}

impl ContainerState {
    /// Whether its process runs, or will in a moment.
    pub fn is_up(self) -> bool {
        matches!(self, Self::Running | Self::Restarting | Self::Paused)
    }
}

/// HEALTHCHECK's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Not decided yet.
    Starting,
    /// Works.
    Healthy,
    /// Does not.
    Unhealthy,
}

/// A port of a machine that a process holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// `None` is all addresses.
    pub ip: Option<String>,
    /// On the machine.
    pub port: u16,
}

/// A port that a container publishes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedPort {
    /// `None` is all addresses.
    pub host_ip: Option<String>,
    /// On the machine.
    pub published: u16,
    /// In the container.
    pub target: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
}
