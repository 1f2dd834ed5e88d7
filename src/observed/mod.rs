//! What exists, as plain data: the answer of `observe/` and the input of `plan/`.
//!
//! Every question has an answer of its own: present, absent, or unreachable ("different" is the
//! plan's finding). Unreachable is never planned as a create or a delete.

mod container;
mod image;
mod instance;
mod network;
mod preflight;

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

pub use container::{ContainerSeen, ContainerState, Health, Listening, PublishedPort};
pub use image::{ImageSeen, KeptImage, LocalImage, RemoteImage, RemoteSeen};
pub use instance::{ForeignInstance, InstanceState, MachineImage, OwnedInstance};
pub use network::{IngressRule, ManagedSeen, SecurityGroup};
pub use preflight::{CallSaid, CallSeen, Unchecked};

pub use crate::explain::Cause;
use crate::id::{Arch, Digest, Slot};
use crate::record::Record;

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
