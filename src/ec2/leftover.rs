//! What groups keep beside their instances, found by the deployment's tag: also that of groups that
//! left the spec, which nothing else would ever ask for by name.

use aws_sdk_ec2::types::{Filter, Tag};

use super::instances::by_tag;
use super::{Cloud, CloudError, tags};
use crate::observed::ManagedSeen;
use crate::plan::names;

impl Cloud {
    /// Everything of a deployment (of any for `None`) in this region that must match by tag and by name:
    /// `a3-NAME-GROUP`.
    ///
    /// # Errors
    /// EC2 unreachable or refusing.
    pub async fn managed(&self, deployment: Option<&str>) -> Result<Vec<ManagedSeen>, CloudError> {
        let mark = || match deployment {
            Some(deployment) => by_tag(tags::DEPLOYMENT, deployment),
            None => Filter::builder().name("tag-key").values(tags::DEPLOYMENT).build(),
        };
        let groups = self.client.describe_security_groups().filters(mark());
        let keys = self.client.describe_key_pairs().filters(mark());
        let (groups, keys) = futures_util::join!(groups.send(), keys.send());
        let groups = groups.map_err(self.failed("DescribeSecurityGroups"))?;
        let keys = keys.map_err(self.failed("DescribeKeyPairs"))?;
        let mut found: Vec<ManagedSeen> = Vec::new();
        for one in groups.security_groups() {
            let owner = one.group_name().and_then(|name| owner(one.tags(), name));
            if let (Some(owner), Some(id)) = (owner, one.group_id()) {
                // One of an earlier VPC is an entry of its own.
                let free = |seen: &ManagedSeen| seen.security_group.is_none();
                entry(&mut found, owner, free).security_group = Some(id.to_owned());
            }
        }
        for one in keys.key_pairs() {
            let owner = one.key_name().and_then(|name| owner(one.tags(), name));
            if let (Some(owner), Some(id)) = (owner, one.key_pair_id()) {
                entry(&mut found, owner, |seen| seen.key_pair.is_none()).key_pair = Some(id.to_owned());
            }
        }
        Ok(found)
    }
}

/// The deployment and instance group of something with our mark.
fn owner(marks: &[Tag], name: &str) -> Option<(String, String)> {
    let deployment = marks.iter().find(|tag| tag.key() == Some(tags::DEPLOYMENT))?.value()?;
    let group = group_of(deployment, name).filter(|_| tags::are_ours(marks))?;
    Some((deployment.to_owned(), group.to_owned()))
}

/// The instance group that a managed name is of.
fn group_of<'a>(deployment: &str, name: &'a str) -> Option<&'a str> {
    name.strip_prefix(names::managed(deployment, "").as_str()).filter(|group| !group.is_empty())
}

fn entry(
    found: &mut Vec<ManagedSeen>,
    (deployment, group): (String, String),
    free: impl Fn(&ManagedSeen) -> bool,
) -> &mut ManagedSeen {
    let same = |seen: &ManagedSeen| seen.deployment == deployment && seen.group == group;
    let at = found.iter().position(|seen| same(seen) && free(seen)).unwrap_or_else(|| {
        found.push(ManagedSeen { deployment, group, ..ManagedSeen::default() });
        found.len() - 1
    });
    &mut found[at]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_managed_name_says_its_group() {
        assert_eq!(group_of("music-me", "a3-music-me-web"), Some("web"));
        assert_eq!(group_of("music", "a3-music-"), None);
        assert_eq!(group_of("music", "other"), None);
    }
}
