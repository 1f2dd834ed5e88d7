//! What a3 keeps on EC2 beside instances.

use serde::{Deserialize, Serialize};

use crate::spec::Protocol;

/// The security group and key pair that a3 keeps for an instance group in a region, both with its mark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ManagedSeen {
    /// The deployment.
    pub deployment: String,
    /// The instance group.
    pub group: String,
    /// `sg-…`.
    pub security_group: Option<String>,
    /// `key-…`.
    pub key_pair: Option<String>,
}

/// The managed security group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// `sg-…`.
    pub id: String,
    /// Its inbound rules.
    pub rules: Vec<IngressRule>,
    /// Tag `a3:asked`: which of them a3 has opened.
    #[serde(default)]
    pub asked: Option<String>,
}

/// An inbound rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngressRule {
    /// `sgr-…`.
    pub id: String,
    /// Transport protocol; `None` is all.
    pub protocol: Option<Protocol>,
    /// First port.
    pub from_port: u16,
    /// Last port.
    pub to_port: u16,
    /// IPv4 CIDR; `None` where the rule names something else.
    pub cidr: Option<String>,
    /// `ssh <caller id>` for a caller's ssh rule, `port` for a published port.
    pub description: String,
}
