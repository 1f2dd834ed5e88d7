//! What a step does. It leaves no choice to apply: references, digests, paths and settings are in it.
//! The only late bindings are [`Image::From`] (the digest that a push yields) and provisional host
//! steps, which apply plans again when the host can be asked.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::settings::Settings;
use super::step::StepId;
use crate::id::{Digest, Platform, Slot};
use crate::record::InPlace;
use crate::spec::{Ami, Check, RootBlockDevice};

/// What is done; one function of `apply/` each.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Action {
    /// Build with BuildKit on the local engine.
    Build(Build),
    /// Give the built image the spec's reference, locally or inside the registry.
    Tag(Tag),
    /// Send the reference and `src-…` to the registry.
    Push(Push),
    /// Import the public half of `ssh.identity_file`.
    ImportKey {
        /// The group.
        group: String,
        /// The key pair's name.
        name: String,
    },
    /// Create or change the managed security group.
    Firewall(Firewall),
    /// Launch an instance.
    Launch(Box<Launch>),
    /// Wait for a machine that boots and that nothing else has to be done to. Apply adds it, since a
    /// plan only says what changes.
    Await {
        /// The slot.
        slot: Slot,
    },
    /// Start a stopped instance.
    Start {
        /// The slot.
        slot: Slot,
        /// `i-…`.
        id: String,
    },
    /// Change what can change in place, or while the instance is stopped.
    Modify(Modify),
    /// End an instance.
    Terminate {
        /// The slot.
        slot: Slot,
        /// `i-…`.
        id: String,
        /// Mnemonic name.
        name: String,
    },
    /// Delete the managed security group, after its instances are terminated.
    DeleteFirewall {
        /// The instance group.
        group: String,
        /// `sg-…`.
        id: String,
        /// Where it is.
        region: String,
    },
    /// Delete the managed key pair.
    DeleteKey {
        /// The instance group.
        group: String,
        /// The key pair's name.
        name: String,
        /// Where it is.
        region: String,
    },
    /// Install Docker on a machine, or start the one that is there.
    Install(Install),
    /// Write the public keys of teammates into a3's part of `authorized_keys`.
    Admit {
        /// Where.
        slot: Slot,
        /// All that shall be there; none: the part goes.
        keys: Vec<String>,
    },
    /// Copy data files.
    Copy {
        /// Where to.
        slot: Slot,
        /// Whose.
        service: String,
        /// What.
        files: Vec<FileCopy>,
    },
    /// Remove data files that left the spec.
    RemoveFiles {
        /// Where.
        slot: Slot,
        /// Resolved targets.
        targets: Vec<String>,
    },
    /// See that the host's engine may pull; store the credential only with `persist_login`.
    Login {
        /// Where.
        slot: Slot,
        /// Registry.
        server: String,
        /// A reference to ask for.
        image: Image,
        /// Whether the credential stays there.
        persist: bool,
    },
    /// Pull and swap: the new container in, the old one out.
    Run(Box<Run>),
    /// Prove a container that an apply has put there which was cut off, and write it down.
    Prove(Box<Run>),
    /// Restart a container: its data changed, it is unhealthy, or a person asks for it.
    Restart {
        /// Where.
        slot: Slot,
        /// Which service.
        service: String,
        /// Which container.
        container: String,
        /// Seconds between SIGTERM and SIGKILL.
        grace: u64,
    },
    /// Stop a container, which stays.
    StopContainer {
        /// Where.
        slot: Slot,
        /// Which service.
        service: String,
        /// Which container.
        container: String,
        /// Seconds between SIGTERM and SIGKILL.
        grace: u64,
    },
    /// Start a container that stopped.
    StartContainer {
        /// Where.
        slot: Slot,
        /// Which service.
        service: String,
        /// Which container.
        container: String,
        /// What proves that it works.
        check: Option<Check>,
    },
    /// Change what `docker update` can change.
    UpdateContainer {
        /// Where.
        slot: Slot,
        /// Which service.
        service: String,
        /// Which container.
        container: String,
        /// The new values.
        settings: InPlace,
    },
    /// Remove a container.
    RemoveContainer {
        /// Where.
        slot: Slot,
        /// Whose it was.
        service: String,
        /// Name.
        container: String,
        /// Seconds between SIGTERM and SIGKILL.
        grace: u64,
        /// What takes its place, where that has to be pulled: before it goes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaced_by: Option<Image>,
    },
    /// Forget releases, and let go of images that only they needed.
    Prune {
        /// Where.
        slot: Slot,
        /// Their numbers.
        releases: Vec<u64>,
        /// Our tags on the images; an image that has no other name goes with them.
        tags: Vec<String>,
    },
    /// Remove images: our tags, and what has no other name.
    RemoveImages {
        /// Where; `None` is the engine here, that builds.
        slot: Option<Slot>,
        /// The tags.
        tags: Vec<String>,
    },
    /// Remove named volumes with their data.
    RemoveVolumes {
        /// Where.
        slot: Slot,
        /// The engine's names.
        volumes: Vec<String>,
    },
    /// Remove the network and a3's folder.
    CleanHost {
        /// Where.
        slot: Slot,
    },
}

/// An image as a step names it.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Image {
    /// `repo@sha256:…`, pinned.
    Pinned {
        /// Repository with its registry.
        repository: String,
        /// The digest.
        digest: Digest,
    },
    /// An image of the local engine by id.
    Local {
        /// The engine's id.
        id: Digest,
    },
    /// What a build, tag or push of this plan yields.
    From {
        /// Which step.
        step: StepId,
        /// Repository with its registry; `None` on `local`, where the id is run.
        repository: Option<String>,
    },
}

/// Builds an image.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Build {
    /// Which service; its `build` section has the rest.
    pub service: String,
    /// `NAME-SERVICE:src-<12>`.
    pub name: String,
    /// Digest of the source.
    pub source: Digest,
    /// What it is built for.
    pub platform: Platform,
}

/// Gives an image a further name.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Tag {
    /// Which service.
    pub service: String,
    /// Where and from what.
    pub from: TagFrom,
    /// The new names, all in one repository.
    pub to: Vec<String>,
}

/// Where a tag is made.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum TagFrom {
    /// In the local engine.
    Engine {
        /// `NAME-SERVICE:src-<12>`.
        name: String,
    },
    /// Inside the registry, by copying the manifest.
    Registry {
        /// `REPO:src-<12>`.
        reference: String,
        /// Its digest.
        digest: Digest,
    },
}

/// Sends an image to its registry.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Push {
    /// Which service.
    pub service: String,
    /// The spec's reference.
    pub reference: String,
    /// `REPO:src-<12>`.
    pub source_tag: String,
    /// Digest of the source.
    pub source: Digest,
    /// Whether the registry could not say if the name exists (GHCR), so that the push decides.
    pub not_visible: bool,
}

/// Rules of the managed security group.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Firewall {
    /// The instance group.
    pub group: String,
    /// `a3-NAME-GROUP`.
    pub name: String,
    /// `sg-…`; `None`: create it.
    pub id: Option<String>,
    /// The VPC.
    pub vpc_id: Option<String>,
    /// Rules to add.
    pub open: Vec<Rule>,
    /// Rules to take away, by id, with what they opened.
    pub close: Vec<(String, Rule)>,
    /// Which rules a3 has opened then; what the group's tag says after that.
    #[serde(default)]
    pub asked: String,
}

/// An inbound rule.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Rule {
    /// Transport protocol.
    pub protocol: crate::spec::Protocol,
    /// The port.
    pub port: u16,
    /// Who may.
    pub cidr: String,
    /// `ssh <caller id>` or `port`.
    pub description: String,
}

/// Launches an instance.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Launch {
    /// Where it belongs.
    pub slot: Slot,
    /// One more than the highest seen on the slot.
    pub generation: u32,
    /// Mnemonic name.
    pub name: String,
    /// `ami-…`.
    pub image_id: String,
    /// How the spec names the AMI.
    pub ami: Ami,
    /// `t2.micro`.
    pub instance_type: String,
    /// Key pair.
    pub key_name: Option<String>,
    /// Security groups by id; empty: the managed one.
    pub security_group_ids: Vec<String>,
    /// Subnet.
    pub subnet_id: Option<String>,
    /// Instance profile.
    pub iam_instance_profile: Option<String>,
    /// First disk, and its device.
    pub root_block_device: RootBlockDevice,
    /// The AMI's first device.
    pub root_device: Option<String>,
    /// Metadata hop limit.
    pub hop_limit: u32,
    /// Spot: the highest price, or on-demand's.
    pub spot: Option<Option<String>>,
    /// Termination protection.
    pub protected: bool,
    /// From first boot.
    pub ttl: Option<Duration>,
    /// The person's user data.
    pub user_data: Option<String>,
    /// The person's tags.
    pub tags: BTreeMap<String, String>,
    /// Hash of the settings that EC2 does not return.
    pub hash: String,
    /// What is asked for that somebody else can change there.
    #[serde(default)]
    pub asked: String,
    /// The instance that is terminated first, for a `-/+`.
    pub replaces: Option<String>,
}

/// Changes an instance.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Modify {
    /// Where.
    pub slot: Slot,
    /// `i-…`.
    pub id: String,
    /// Tags to set.
    pub set_tags: BTreeMap<String, String>,
    /// Tags to remove.
    pub remove_tags: Vec<String>,
    /// Groups to be in; empty: the managed one, which this plan creates.
    pub security_group_ids: Option<Vec<String>>,
    /// A new type; the instance is stopped for it.
    pub instance_type: Option<String>,
    /// A new hop limit.
    pub hop_limit: Option<u32>,
    /// The metadata service is to want a session's token again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub require_tokens: bool,
    /// Termination protection.
    pub protected: Option<bool>,
    /// A new deadline: seconds from first boot.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub ttl: Option<Option<Duration>>,
}

/// A field that is there, even as `null`: serde takes that for a field that is not.
#[expect(clippy::option_option, reason = "not there, none, and a value are three answers")]
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Option<Duration>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// Brings Docker to a machine that is without it.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Install {
    /// Where.
    pub slot: Slot,
    /// How; `None` where the machine has to say first what it runs, and whether it needs it at all.
    pub with: Option<Installer>,
}

/// How Docker gets onto a machine.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Installer {
    /// Debian and Ubuntu: `apt-get install docker.io`.
    Apt,
    /// Amazon Linux 2023: `dnf install docker`.
    Dnf,
    /// It is installed and has only to be started.
    Start,
}

/// One file to copy.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct FileCopy {
    /// Here.
    pub source: std::path::PathBuf,
    /// There, as the spec says it.
    pub target: String,
    /// Of its content.
    pub digest: Digest,
    /// Permission bits.
    pub mode: u32,
    /// Bytes.
    pub size: u64,
    /// Written with `sudo`.
    pub sudo: bool,
}

/// Puts a container in place.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Run {
    /// Where.
    pub slot: Slot,
    /// Which service.
    pub service: String,
    /// What to run.
    pub image: Image,
    /// Whether the image has to be pulled (or is not there yet).
    pub pull: bool,
    /// `<version>:<hash>`; `None` where the host's key is not known yet.
    pub config: Option<String>,
    /// Everything else about the container.
    pub settings: Settings,
    /// What proves that it works.
    pub check: Option<Check>,
    /// Containers of the service under a name that it had before, in the place of which this one comes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub formerly: Vec<String>,
}
