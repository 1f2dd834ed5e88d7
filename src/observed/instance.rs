//! Instances on EC2, and what they are launched from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Cause;
use crate::id::{Arch, Slot};

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
