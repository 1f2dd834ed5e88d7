//! What groups keep beside their instances, found by the deployment's tag: also that of groups that
//! left the spec, which nothing else would ever ask for by name.

use aws_sdk_ec2::types::Filter;

use super::{Cloud, CloudError, tags};
use crate::plan::names;

/// The security group and key pair that a3 keeps for an instance group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Managed {
    /// The instance group.
    pub group: String,
    /// `sg-…`.
    pub security_group: Option<String>,
    /// `key-…`.
    pub key_pair: Option<String>,
}

impl Cloud {
    /// Everything of a deployment in this region that must match by tag and by name: `a3-NAME-GROUP`.
    ///
    /// # Errors
    /// EC2 unreachable or refusing.
    pub async fn managed(&self, deployment: &str) -> Result<Vec<Managed>, CloudError> {
        let mark = || Filter::builder().name(format!("tag:{}", tags::DEPLOYMENT)).values(deployment).build();
        let groups = self.client.describe_security_groups().filters(mark());
        let keys = self.client.describe_key_pairs().filters(mark());
        let (groups, keys) = futures_util::join!(groups.send(), keys.send());
        let groups = groups.map_err(self.failed("DescribeSecurityGroups"))?;
        let keys = keys.map_err(self.failed("DescribeKeyPairs"))?;
        let mut found: Vec<Managed> = Vec::new();
        for one in groups.security_groups() {
            let name = one.group_name().and_then(|name| group_of(deployment, name));
            if let (Some(group), Some(id), true) = (name, one.group_id(), tags::are_ours(one.tags())) {
                entry(&mut found, group).security_group = Some(id.to_owned());
            }
        }
        for one in keys.key_pairs() {
            let name = one.key_name().and_then(|name| group_of(deployment, name));
            if let (Some(group), Some(id), true) = (name, one.key_pair_id(), tags::are_ours(one.tags())) {
                entry(&mut found, group).key_pair = Some(id.to_owned());
            }
        }
        Ok(found)
    }
}

/// The instance group that a managed name is of.
fn group_of<'a>(deployment: &str, name: &'a str) -> Option<&'a str> {
    name.strip_prefix(names::managed(deployment, "").as_str()).filter(|group| !group.is_empty())
}

fn entry<'a>(found: &'a mut Vec<Managed>, group: &str) -> &'a mut Managed {
    let at = found.iter().position(|one| one.group == group).unwrap_or_else(|| {
        found.push(Managed { group: group.to_owned(), ..Managed::default() });
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
