//! What a3 writes down on a machine: releases, copied files, settings that can change in place,
//! and the lease. Everything else reaches these through this module.

pub mod hint;
pub mod history;
mod host_key;
mod in_place;
pub mod lease;
pub mod lock;
mod machine;
pub mod store;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Digest, Platform};
use crate::observed::ContainerSeen;
use crate::spec::{Check, Rollback};

pub use host_key::{HostKeyTag, KeySource, NotAHostKeyTag};
pub use in_place::{InPlace, InPlaceSeen, Limit};
pub use machine::machine_id;

/// The version of [`Record`]'s shape.
pub const VERSION: u32 = 1;

/// `record.json` in the machine's a3 folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// [`VERSION`] of whoever wrote it.
    pub version: u32,
    /// Files that a3 copied, by resolved target.
    pub files: BTreeMap<String, CopiedFile>,
    /// By service: the settings that `docker update` can change, as a3 last asked for.
    pub in_place: BTreeMap<String, InPlace>,
    /// Oldest first.
    pub releases: Vec<Release>,
    /// By service: the containers that a person stopped through a3.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stopped: BTreeMap<String, Stopped>,
}

impl Record {
    /// The highest release number, 0 before the first.
    pub fn last_release(&self) -> u64 {
        self.releases.iter().map(|release| release.number).max().unwrap_or(0)
    }
}

/// A container that a person stopped through a3.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// Who, `user@machine`.
    pub by: String,
    /// The engine's id of the container.
    pub container: String,
    /// When it had been started: one that was started since has stopped for another reason.
    pub started: Option<u64>,
}

impl Stopped {
    /// Whether it is why this container does not run.
    pub fn is_of(&self, seen: &ContainerSeen) -> bool {
        self.container == seen.id && self.started == seen.started
    }
}

/// A file that a3 put there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedFile {
    /// The service that asked for it.
    pub service: String,
    /// Of its content.
    pub digest: Digest,
    /// Permission bits.
    pub mode: u32,
    /// Written with `sudo`.
    pub sudo: bool,
}

/// What one apply put on a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Counted over the whole deployment.
    pub number: u64,
    /// How it ended.
    pub status: ReleaseStatus,
    /// Who, `user@machine`.
    pub by: String,
    /// Seconds since 1970.
    pub at: u64,
    /// By service.
    pub services: BTreeMap<String, ReleasedService>,
    /// The release that it went back to, if it is a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Rollback>,
}

/// How a release ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseStatus {
    /// Begun and not ended.
    Started,
    /// Everything was done.
    Complete,
    /// A step failed.
    Failed,
}

/// One service of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasedService {
    /// `repo@sha256:…`, or an image id on `local`.
    pub image: String,
    /// `<version>:<hash>`.
    pub config: String,
    /// The container settings; secrets as references.
    pub settings: serde_json::Value,
    /// What proved that it works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
    /// What the image is for; left out by those who wrote no such thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Keys of the settings whose text a variable took part in, and that are not shown.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub interpolated: BTreeSet<String>,
}

/// Who works on a machine now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The n of `lease-<n>`.
    #[serde(skip)]
    pub number: u64,
    /// `user@machine (pid)`.
    pub holder: String,
    /// Random, so that one's own lease is known.
    pub id: String,
    /// Seconds since 1970 on the machine's clock.
    pub since: u64,
    /// Seconds since 1970 on the machine's clock.
    pub expires: u64,
}
