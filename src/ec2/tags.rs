//! The mark: the tags by which a3 knows what it owns, and how they are written and read.
//!
//! Everything travels in the call that creates, so that nothing can exist without its mark, and
//! holds no clock, user or random value, so that the same launch is the same request.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification};

use crate::plan::step::Launch;
use crate::plan::{asked, own_tags};

/// The deployment's name.
pub(super) const DEPLOYMENT: &str = "a3:deployment";
/// The slot, `web/0`.
pub(super) const INSTANCE: &str = "a3:instance";
/// Counted from 1 on a slot.
pub(super) const GENERATION: &str = "a3:generation";
/// The client token: ours only where it equals the instance's own, which no copy shares.
pub(super) const OWN: &str = "a3:self";
/// Launch settings that EC2 does not return.
pub(super) const HASH: &str = "a3:hash";
/// The a3 that made it.
pub(super) const VERSION: &str = "a3:version";
/// The pinned host key.
pub(super) const HOST_KEY: &str = "a3:ssh-host-key";
/// When a `ttl` that was changed ends the instance.
pub(super) const DEADLINE: &str = "a3:deadline";

/// The tags of a launch's instance, volumes and interfaces. The person's come first: a prefix `a3:`
/// in the spec is refused, a `Name` of theirs wins over the mnemonic one.
pub(super) fn of_launch(deployment: &str, launch: &Launch, token: &str) -> BTreeMap<String, String> {
    let mut tags = launch.tags.clone();
    let own = own_tags::to_tag(launch.tags.keys().map(String::as_str));
    tags.extend(own.map(|own| (own_tags::TAG.to_owned(), own)));
    tags.entry("Name".to_owned()).or_insert_with(|| launch.name.clone());
    tags.insert(INSTANCE.to_owned(), launch.slot.to_string());
    tags.insert(GENERATION.to_owned(), launch.generation.to_string());
    tags.insert(OWN.to_owned(), token.to_owned());
    tags.insert(HASH.to_owned(), launch.hash.clone());
    tags.insert(asked::TAG.to_owned(), launch.asked.clone());
    tags.extend(of_deployment(deployment));
    tags
}

/// The tags of what a group keeps beside its instances: security group and key pair.
pub(super) fn of_managed(deployment: &str, name: &str) -> BTreeMap<String, String> {
    let mut tags = of_deployment(deployment);
    tags.insert("Name".to_owned(), name.to_owned());
    tags
}

fn of_deployment(deployment: &str) -> BTreeMap<String, String> {
    [(DEPLOYMENT, deployment), (VERSION, env!("CARGO_PKG_VERSION"))]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// For the SDK.
pub(super) fn to_sdk(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// For the call that creates a `kind`.
pub(super) fn specification(kind: ResourceType, tags: &BTreeMap<String, String>) -> TagSpecification {
    TagSpecification::builder().resource_type(kind).set_tags(Some(to_sdk(tags))).build()
}

/// From the SDK.
pub(super) fn from_sdk(tags: &[Tag]) -> BTreeMap<String, String> {
    let pairs = tags.iter().filter_map(|tag| Some((tag.key()?, tag.value().unwrap_or_default())));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// One of them.
pub(super) fn value<'a>(tags: &'a [Tag], key: &str) -> Option<&'a str> {
    tags.iter().find(|tag| tag.key() == Some(key))?.value()
}

/// Whether tags of a security group or key pair say that it is this deployment's.
pub(super) fn belong_to(tags: &[Tag], deployment: &str) -> bool {
    tags.iter().any(|tag| tag.key() == Some(DEPLOYMENT) && tag.value() == Some(deployment))
}

/// Whether tags of a security group or key pair say that it is some deployment's of a3.
pub(super) fn are_ours(tags: &[Tag]) -> bool {
    let has = |key| tags.iter().any(|tag| tag.key() == Some(key));
    has(DEPLOYMENT) && has(VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ec2::launch::tests::launch;

    #[test]
    fn a_launch_carries_the_whole_mark_and_the_persons_tags() {
        let mut launch = launch();
        launch.tags.insert("team".into(), "x".into());
        let tags = of_launch("music", &launch, "token");
        let mut keys: Vec<&str> = tags.keys().map(String::as_str).collect();
        keys.sort_unstable();
        let own = own_tags::TAG;
        let wanted = ["Name", asked::TAG, DEPLOYMENT, GENERATION, HASH, INSTANCE, OWN, own, VERSION, "team"];
        assert_eq!(keys, wanted);
        // Beside the person's, and with those that come later.
        assert_eq!(keys.len() - 1 + [HOST_KEY, DEADLINE].len(), crate::spec::OWN_TAGS);
        assert_eq!(tags[INSTANCE], "web/0");
        assert_eq!(tags[OWN], "token");
        assert_eq!(tags["Name"], launch.name);
    }

    #[test]
    fn a_persons_name_stays_and_their_mark_does_not() {
        let mut launch = launch();
        launch.tags.insert("Name".into(), "mine".into());
        launch.tags.insert(OWN.into(), "forged".into());
        let tags = of_launch("music", &launch, "token");
        assert_eq!((tags["Name"].as_str(), tags[OWN].as_str()), ("mine", "token"));
    }

    #[test]
    fn managed_things_belong_to_one_deployment() {
        let tags = to_sdk(&of_managed("music", "a3-music-web"));
        assert!(belong_to(&tags, "music") && are_ours(&tags));
        assert!(!belong_to(&tags, "other"));
        assert!(!are_ours(&[]));
        assert_eq!(from_sdk(&tags), of_managed("music", "a3-music-web"));
    }
}
