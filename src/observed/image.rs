//! Images: in a registry, in an engine, on a machine.

use serde::{Deserialize, Serialize};

use super::{Cause, Seen};
use crate::id::{Arch, Digest, Platform};

/// Where a service's image stands.
#[derive(Clone, Debug)]
pub struct ImageSeen {
    /// What it is built for: the service's `platform`, else that of its machines.
    pub platform: Platform,
    /// Digest of the source, for a service with `build`.
    pub source: Option<Digest>,
    /// Its files and their bytes.
    pub context: Option<(usize, u64)>,
    /// The spec's reference in the registry; [`RemoteSeen::NotAsked`] on `local` with `build`.
    pub reference: RemoteSeen,
    /// `REPO:src-<12>` in the registry.
    pub source_tag: RemoteSeen,
    /// `NAME-SERVICE:src-<12>` in the local engine.
    pub local_source: Seen<LocalImage>,
    /// The spec's reference in the local engine.
    pub local_reference: Seen<LocalImage>,
}

/// A registry's answer about one reference.
#[derive(Clone, Debug, PartialEq)]
pub enum RemoteSeen {
    /// It is there.
    Found(RemoteImage),
    /// It surely is not.
    Absent,
    /// Denied or an unknown name: GHCR answers both alike.
    NotVisible,
    /// It is there and cannot be used: not for this platform, say.
    Unusable(Cause),
    /// Nobody could say.
    Unreachable(Cause),
    /// The question does not arise.
    NotAsked,
}

impl RemoteSeen {
    /// The image, if it was found.
    pub fn found(&self) -> Option<&RemoteImage> {
        match self {
            Self::Found(image) => Some(image),
            Self::Absent | Self::NotVisible | Self::Unusable(_) | Self::Unreachable(_) | Self::NotAsked => {
                None
            }
        }
    }
}

/// An image in a registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteImage {
    /// The top-level digest of the reference; what is pinned.
    pub digest: Digest,
    /// Of the platform's manifest.
    pub manifest_digest: Digest,
    /// Of its configuration.
    pub config_digest: Digest,
    /// Label `dev.a3.source`, where the image has one that is a digest.
    pub source: Option<Digest>,
    /// Compressed bytes.
    pub size: u64,
}

/// An image in an engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalImage {
    /// Config digest with graph drivers, manifest digest with the containerd store.
    pub id: Digest,
    /// Manifest digests by which registries know it.
    pub repo_digests: Vec<String>,
    /// Label `dev.a3.source`, where it is a digest.
    pub source: Option<Digest>,
    /// What it was built for; `None` where the engine does not say.
    pub arch: Option<Arch>,
}

impl LocalImage {
    /// Whether this is the image that the registry has.
    pub fn is(&self, remote: &RemoteImage) -> bool {
        self.id == remote.config_digest || self.id == remote.manifest_digest || self.id == remote.digest
    }
}

/// An image that a tag of ours keeps, with every name that it has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptImage {
    /// The engine's id.
    pub id: String,
    /// `REPO:TAG`, ours and others.
    pub tags: Vec<String>,
    /// `REPO@sha256:…`.
    pub digests: Vec<String>,
}

impl KeptImage {
    /// Whether `image` (`REPO@sha256:…`, or an id) is this one.
    pub fn is(&self, image: &str) -> bool {
        self.id == image || self.digests.iter().any(|digest| digest == image)
    }
}
