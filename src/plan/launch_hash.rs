//! The tag `a3:hash`: what a launch asked for that EC2 does not give back, one short hash a field,
//! so that a change can be told field by field although the earlier value is not known.

use std::collections::BTreeMap;

use sha2::Digest as _;

use crate::observed::OwnedInstance;
use crate::spec::{Ami, Ec2};

/// Field → eight hex digits.
pub(crate) type Hashes = BTreeMap<String, String>;

/// What the spec asks for now.
pub(crate) fn of(ec2: &Ec2) -> Hashes {
    let ami = match &ec2.ami {
        Ami::Id(id) => id.clone(),
        Ami::Newest { name, owner } => format!("{owner}/{name}"),
    };
    let root = format!("{:?}", ec2.root_block_device);
    let user_data = ec2.user_data.clone().unwrap_or_default();
    let fields = [("ami", ami), ("root_block_device", root), ("user_data", user_data)];
    fields.into_iter().map(|(field, value)| (field.to_owned(), short(&value))).collect()
}

/// The tag's value: `1 ami=… root_block_device=… ttl=28800 user_data=…`.
pub(crate) fn to_tag(ec2: &Ec2) -> String {
    let mut fields = of(ec2);
    fields.insert("ttl".into(), ec2.ttl.map_or("0".into(), |ttl| ttl.as_secs().to_string()));
    let fields: Vec<String> = fields.iter().map(|(field, hash)| format!("{field}={hash}")).collect();
    format!("1 {}", fields.join(" "))
}

/// When the instance ends itself, in seconds since 1970: what was written down when its ttl was
/// changed, else its ttl from its launch, which is a little early for its first boot.
pub fn ends_at(one: &OwnedInstance) -> Option<u64> {
    if let Some(deadline) = &one.deadline {
        return deadline.parse().ok();
    }
    let ttl: u64 = from_tag(one.hash.as_deref()?)?.get("ttl")?.parse().ok()?;
    (ttl > 0).then(|| one.created.saturating_add(ttl))
}

/// Reads the tag; `None` for a version that this a3 does not know.
pub(crate) fn from_tag(tag: &str) -> Option<Hashes> {
    let fields = tag.strip_prefix("1 ")?.split(' ');
    fields.map(|field| field.split_once('=').map(|(name, hash)| (name.into(), hash.into()))).collect()
}

fn short(value: &str) -> String {
    data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(value)[..4])
}
