//! What exists, as plain data: the answer of `observe/` and the input of `plan/`.
//!
//! Every question has an answer of its own: present, absent, or unreachable ("different" is the
//! plan's finding). Unreachable is never planned as a create or a delete.

mod network;
mod preflight;

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

pub use network::{IngressRule, ManagedSeen, SecurityGroup};
pub use preflight::{CallSaid, CallSeen, Unchecked};

pub use crate::explain::Cause;
use crate::id::{Arch, Digest, Platform, Slot};
use crate::record::{InPlaceSeen, Record};
use crate::spec::Protocol;

/// The answer to one question.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen<T> {
    /// It exists.
    Present(T),
    /// It surely does not exist.
    Absent,
    /// Nobody could say.
    Unreachable(Cause),
}

impl<T> Seen<T> {
    /// The thing, if it is there.
    pub fn present(&self) -> Option<&T> {
        match self {
            Self::Present(thing) => Some(thing),
            Self::Absent | Self::Unreachable(_) => None,
        }
    }
}

/// Something that could not be read here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Why, and what to type.
    pub cause: Cause,
    /// The services and groups that need it; none: everybody does.
    pub of: BTreeSet<String>,
}

/// Everything that a plan rests on.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Seconds since 1970, on this machine.
    pub now: u64,
    /// Who looks and where; printed with every plan.
    pub scope: Scope,
    /// By service.
    pub images: IndexMap<String, ImageSeen>,
    /// By group, for the groups on EC2.
    pub clouds: IndexMap<String, Seen<CloudSeen>>,
    /// By slot, those of the spec and those that left it.
    pub hosts: IndexMap<Slot, HostSeen>,
    /// Data files here, by service and then in the order of the spec.
    pub files: IndexMap<String, Vec<LocalFile>>,
    /// What could not be read here: a secret, data file or key. Each stops the plan of those who need it.
    pub missing: Vec<Missing>,
    /// Services whose build context could not be read, so that nothing was asked of their images; why is
    /// in `missing`.
    pub unread: BTreeSet<String>,
    /// The values of secrets, by where they come from; never shown.
    pub secrets: Secrets,
    /// The images that were built for this deployment in the engine here; asked only by who removes them.
    pub built: Seen<Vec<KeptImage>>,
}

/// Secret values that were read for this run. Its `Debug` shows none.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// By the source's canonical text.
    pub values: BTreeMap<String, SecretString>,
}

/// Who looks, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scope {
    /// AWS account and caller's ARN, where EC2 is involved.
    pub account: Option<String>,
    /// The caller's ARN.
    pub caller: Option<String>,
    /// Regions that were searched.
    pub regions: Vec<String>,
    /// Registries that were asked.
    pub registries: Vec<String>,
    /// Engines and hosts that were asked, as a person knows them.
    pub engines: Vec<String>,
    /// `user@machine` of the newest release that a machine remembers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_by: Option<String>,
}

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

/// What EC2 says that concerns one group.
#[derive(Clone, Debug, PartialEq)]
pub struct CloudSeen {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// The AMI that a launch would take.
    pub image: Option<MachineImage>,
    /// Architectures of the instance type; empty where it could not be asked.
    pub type_archs: Vec<Arch>,
    /// Instances with the full mark of this deployment in this region, all groups, all states.
    pub instances: Vec<OwnedInstance>,
    /// The VPC that a launch goes to.
    pub vpc_id: Option<String>,
    /// The managed security group, if it exists with our mark.
    pub security_group: Option<SecurityGroup>,
    /// Where the group's own `vpc_security_group_ids` take the place of the managed one: other people's live
    /// instances that use the managed one.
    pub held_by: Vec<String>,
    /// A group with the managed name that does not carry our mark.
    pub foreign_group: Option<String>,
    /// The managed key pair's fingerprint or id, if it exists with our mark.
    pub key_pair: Option<String>,
    /// A key pair with the managed name that does not carry our mark.
    pub foreign_key: bool,
    /// The fingerprint of the key that a launch would import; `None` where it could not be read.
    pub own_key: Option<String>,
    /// This caller's address as `A.B.C.D/32`, or `ec2.allow_ssh_from`.
    pub caller_cidrs: Vec<String>,
    /// Who this caller on this machine is, for its own ssh rule.
    pub caller_id: String,
    /// Of the security groups that the spec names, those that exist, and the VPC of each; `None` where it
    /// names none or they could not be seen.
    pub own_groups: Option<BTreeMap<String, String>>,
    /// Why nothing can become an instance of the wanted type.
    pub no_such_type: Option<Cause>,
    /// Preflight: what was seen that speaks against a launch.
    pub refusals: Vec<Cause>,
    /// Preflight: what a launch rests on and could not be checked.
    pub unchecked: Vec<Unchecked>,
    /// What a person should know, whatever is planned.
    pub notes: Vec<String>,
    /// What a3 keeps in this region for instance groups that the spec does not have there (any more). In
    /// the answer of one group only, where several are in the region.
    pub left: Vec<ManagedSeen>,
}

/// An AMI.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineImage {
    /// `ami-…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it runs on.
    pub arch: Arch,
    /// The user that it lets in, where known from its name.
    pub user: Option<String>,
    /// Its first device, `/dev/xvda`.
    pub root_device: Option<String>,
    /// The size of what that device is made from, GiB: no disk of it can be smaller.
    #[serde(default)]
    pub root_size: Option<u64>,
}

/// EC2's instance states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// Starting.
    Pending,
    /// Running.
    Running,
    /// On its way to stopped.
    Stopping,
    /// Stopped; its disk stays.
    Stopped,
    /// On its way to terminated.
    ShuttingDown,
    /// Gone; shown for about an hour.
    Terminated,
}

impl InstanceState {
    /// Pending, running, stopping or stopped.
    pub fn is_live(self) -> bool {
        !matches!(self, Self::ShuttingDown | Self::Terminated)
    }
}

/// An instance that carries our full mark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OwnedInstance {
    /// `i-…`.
    pub id: String,
    /// Tag `a3:instance`.
    pub slot: Slot,
    /// Tag `a3:generation`.
    pub generation: u32,
    /// Mnemonic `Name`.
    pub name: String,
    /// Its state.
    pub state: InstanceState,
    /// Of the last start: seconds since 1970.
    pub launched: u64,
    /// Of the first one.
    pub created: u64,
    /// `t2.micro`.
    pub instance_type: String,
    /// Its architecture.
    pub arch: Arch,
    /// `ami-…`.
    pub image_id: String,
    /// The user that its AMI lets in, where known from the AMI's name.
    #[serde(default)]
    pub user: Option<String>,
    /// The key pair's name.
    pub key_name: Option<String>,
    /// Its subnet.
    pub subnet_id: Option<String>,
    /// Its VPC.
    pub vpc_id: Option<String>,
    /// Group ids.
    pub security_groups: Vec<String>,
    /// Instance profile's name.
    pub iam_instance_profile: Option<String>,
    /// The metadata service's hop limit.
    pub hop_limit: Option<u32>,
    /// Whether the metadata service wants a session's token (IMDSv2 only); `None` where EC2 does not say.
    #[serde(default)]
    pub tokens_required: Option<bool>,
    /// Public IPv4.
    pub public_ip: Option<String>,
    /// Private IPv4.
    pub private_ip: Option<String>,
    /// Whether it is a spot instance.
    pub spot: bool,
    /// EC2's termination protection; `None` where it was not asked, or not said.
    pub protected: Option<bool>,
    /// Why EC2 did not say whether it is protected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protection_unseen: Option<Cause>,
    /// Tag `a3:hash`: launch settings that EC2 does not return.
    pub hash: Option<String>,
    /// Tag `a3:ssh-host-key`.
    pub host_key: Option<String>,
    /// Tag `a3:deadline`, seconds since 1970.
    pub deadline: Option<String>,
    /// All tags.
    pub tags: BTreeMap<String, String>,
    /// Why it is in its state, in EC2's words.
    pub state_reason: Option<String>,
}

impl OwnedInstance {
    /// Whose it is: tag `a3:deployment`.
    pub fn deployment(&self) -> &str {
        self.tags.get("a3:deployment").map_or("", String::as_str)
    }
}

/// A live instance that carries a part of the mark only: tagged by hand, or made from a copy of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignInstance {
    /// `i-…`.
    pub id: String,
    /// Tag `Name`.
    pub name: String,
    /// Tag `a3:deployment`.
    pub deployment: String,
    /// Its state.
    pub state: InstanceState,
    /// Seconds since 1970.
    pub launched: u64,
    /// `t2.micro`.
    pub instance_type: String,
}

/// What could be seen of one machine.
#[derive(Clone, Debug)]
pub enum HostSeen {
    /// It answered.
    Ready(Box<HostFacts>),
    /// It cannot be asked yet, and that is expected.
    NotYet(NotYet),
    /// It should have answered.
    Unreachable(Cause),
    /// It answered, and it would be unsafe to go on: another machine may be answering, or somebody
    /// else deploys there.
    Refused(Cause),
}

impl HostSeen {
    /// The facts, if it answered.
    pub fn facts(&self) -> Option<&HostFacts> {
        match self {
            Self::Ready(facts) => Some(facts),
            Self::NotYet(_) | Self::Unreachable(_) | Self::Refused(_) => None,
        }
    }
}

/// Why a machine cannot be asked yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotYet {
    /// Nothing is launched in the slot.
    NotLaunched,
    /// It is stopped.
    Stopped,
    /// It boots: pending, or launched less than 10 minutes ago and not answering.
    Booting,
    /// Our own ssh rule is missing.
    NoRule,
}

/// What a machine said.
#[derive(Clone, Debug)]
pub struct HostFacts {
    /// The machine's architecture.
    pub arch: Arch,
    /// The ssh user's home, or on `local` the spec's folder: what relative paths mean.
    pub base: String,
    /// What `~` means.
    pub home: String,
    /// a3's folder there.
    pub folder: String,
    /// Whether `sudo -n` works.
    pub sudo: bool,
    /// Free bytes where the engine keeps its images.
    pub disk_free: Option<u64>,
    /// Seconds since 1970, on that machine.
    pub now: u64,
    /// The engine's version; `Absent` where Docker is not installed, `Unreachable` where it is and does
    /// not answer this user.
    pub engine: Seen<String>,
    /// Whether that is because it does not run.
    pub engine_stopped: bool,
    /// What the machine runs, where it says so.
    pub distribution: Option<Distribution>,
    /// Ports that a process there holds, those of containers among them; none where it cannot say.
    pub listening: Vec<Listening>,
    /// Whether it could say which ports are held.
    pub ports_known: bool,
    /// Containers that are ours, and others whose name or ports may be in the way.
    pub containers: Vec<ContainerSeen>,
    /// The public keys in a3's part of the ssh user's `authorized_keys`.
    pub admitted: Vec<String>,
    /// By resolved target path, for every file that the spec or the record names.
    pub files: BTreeMap<String, FileSeen>,
    /// Manifest digests (`repo@sha256:…`) of the images there.
    pub repo_digests: BTreeSet<String>,
    /// The images there that carry a tag of this deployment, `a3/NAME/…`.
    pub kept: Vec<KeptImage>,
    /// The named volumes there that this deployment made.
    pub volumes: Vec<String>,
    /// Those that somebody else made under such a name, `NAME_…`.
    pub foreign_volumes: Vec<String>,
    /// Whether somebody else made a network of the name of the deployment's.
    pub foreign_network: bool,
    /// What a3 wrote down there.
    pub record: Option<Record>,
    /// The key for the HMAC of secrets; `None` before a3's first apply there.
    pub key: Option<SecretString>,
    /// The lease in force.
    pub lease: Option<crate::record::Lease>,
}

/// A Linux distribution, as `/etc/os-release` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// `debian`, `ubuntu`, `amzn`.
    pub id: String,
    /// `13`, `24.04`, `2023`; empty for a rolling one.
    pub version: String,
    /// `Debian GNU/Linux 13 (trixie)`.
    pub name: String,
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

/// A file on a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileSeen {
    /// Nothing there.
    Absent,
    /// A regular file.
    File {
        /// Of its content.
        digest: Digest,
        /// Permission bits.
        mode: u32,
    },
    /// A folder or something else.
    Other,
}

/// A data file here; folders are listed file by file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalFile {
    /// Which entry of `files:` it comes from.
    pub entry: usize,
    /// Here.
    pub source: std::path::PathBuf,
    /// There, as the spec says it, with the file's name.
    pub target: String,
    /// Permission bits that it shall have there.
    pub mode: u32,
    /// Of its content.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
}

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
