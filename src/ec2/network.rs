//! Reading the network: the VPC of a launch, the managed security group and its rules.

use aws_sdk_ec2::types::{Filter, SecurityGroup as SdkGroup, SecurityGroupRule};

use super::{Cloud, CloudError, tags};
use crate::observed::IngressRule;
use crate::spec::Protocol;

/// A group has at most 1000 rules, a page holds 1000.
const PAGES: usize = 4;

const DESCRIBE_RULES: &str = "DescribeSecurityGroupRules";

/// A security group by its managed name, in the VPC.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Managed {
    /// There is none.
    Absent,
    /// With our mark.
    Ours(String),
    /// With our name only.
    Foreign(String),
}

impl Cloud {
    /// The subnet's VPC, or the default one; `None` where there is no default VPC.
    pub(super) async fn vpc(&self, subnet_id: Option<&str>) -> Result<Option<String>, CloudError> {
        if let Some(subnet) = subnet_id {
            let answer = self.client.describe_subnets().subnet_ids(subnet).send().await;
            let answer = answer.map_err(self.failed("DescribeSubnets"))?;
            return Ok(answer.subnets().iter().find_map(|subnet| Some(subnet.vpc_id()?.to_owned())));
        }
        let default = Filter::builder().name("is-default").values("true").build();
        let answer = self.client.describe_vpcs().filters(default).send().await;
        let answer = answer.map_err(self.failed("DescribeVpcs"))?;
        Ok(answer.vpcs().iter().find_map(|vpc| Some(vpc.vpc_id()?.to_owned())))
    }

    /// The groups named `name`, in whatever VPC.
    pub(super) async fn groups_named(&self, name: &str) -> Result<Vec<SdkGroup>, CloudError> {
        let filter = Filter::builder().name("group-name").values(name).build();
        let answer = self.client.describe_security_groups().filters(filter).send().await;
        let answer = answer.map_err(self.failed("DescribeSecurityGroups"))?;
        Ok(answer.security_groups.unwrap_or_default())
    }

    /// A group's inbound rules.
    pub(super) async fn group_with_rules(&self, id: &str) -> Result<Vec<IngressRule>, CloudError> {
        let mut rules = Vec::new();
        let mut next = None;
        for _ in 0..PAGES {
            let group = Filter::builder().name("group-id").values(id).build();
            let call = self.client.describe_security_group_rules().filters(group);
            let answer = call.set_next_token(next).max_results(1000).send().await;
            let answer = answer.map_err(self.failed(DESCRIBE_RULES))?;
            rules.extend(answer.security_group_rules().iter().filter_map(inbound));
            next = answer.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                rules.sort_by(|a, b| a.id.cmp(&b.id));
                return Ok(rules);
            }
        }
        Err(CloudError::Incomplete { action: DESCRIBE_RULES, what: "last page" })
    }
}

/// Of the groups with the managed name, the one in `vpc_id` (anywhere for `None`), by tag and by name.
pub(super) fn managed(groups: &[SdkGroup], deployment: &str, vpc_id: Option<&str>) -> Managed {
    let in_vpc = |group: &&SdkGroup| vpc_id.is_none() || group.vpc_id() == vpc_id;
    let id = |group: &SdkGroup| group.group_id().unwrap_or_default().to_owned();
    let mut here = groups.iter().filter(in_vpc);
    let ours = here.clone().find(|group| tags::belong_to(group.tags(), deployment));
    match (ours, here.next()) {
        (Some(ours), _) => Managed::Ours(id(ours)),
        (None, Some(foreign)) => Managed::Foreign(id(foreign)),
        (None, None) => Managed::Absent,
    }
}

/// A rule as a plan compares it; outbound ones and protocols without ports are nobody's concern.
fn inbound(rule: &SecurityGroupRule) -> Option<IngressRule> {
    if rule.is_egress() == Some(true) {
        return None;
    }
    let protocol = match rule.ip_protocol()? {
        "tcp" | "6" => Some(Protocol::Tcp),
        "udp" | "17" => Some(Protocol::Udp),
        "-1" => None,
        _ => return None,
    };
    // All ports are shown as -1, or not at all.
    let port = |number: Option<i32>, all: u16| number.and_then(|n| n.try_into().ok()).unwrap_or(all);
    Some(IngressRule {
        id: rule.security_group_rule_id()?.to_owned(),
        protocol,
        from_port: port(rule.from_port(), 0),
        to_port: port(rule.to_port(), u16::MAX),
        cidr: rule.cidr_ipv4().or(rule.cidr_ipv6()).map(str::to_owned),
        description: rule.description().unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_ours_by_tag_and_name_in_its_vpc() {
        let group = |id: &str, vpc: &str| SdkGroup::builder().group_id(id).vpc_id(vpc);
        let marks = tags::to_sdk(&tags::of_managed("music", "a3-music-web"));
        let ours = group("sg-1", "vpc-1").set_tags(Some(marks)).build();
        let groups = [group("sg-2", "vpc-2").build(), ours];
        assert_eq!(managed(&groups, "music", Some("vpc-1")), Managed::Ours("sg-1".into()));
        assert_eq!(managed(&groups, "music", None), Managed::Ours("sg-1".into()));
        assert_eq!(managed(&groups, "music", Some("vpc-2")), Managed::Foreign("sg-2".into()));
        assert_eq!(managed(&groups, "other", Some("vpc-1")), Managed::Foreign("sg-1".into()));
        assert_eq!(managed(&groups, "music", Some("vpc-3")), Managed::Absent);
    }

    #[test]
    fn rules_are_read_as_a_plan_compares_them() {
        let rule = SecurityGroupRule::builder().security_group_rule_id("sgr-1").cidr_ipv4("192.0.2.7/32");
        let tcp = rule.clone().ip_protocol("tcp").from_port(22).to_port(22).description("ssh me").build();
        let seen = inbound(&tcp).unwrap();
        assert_eq!((seen.protocol, seen.from_port, seen.to_port), (Some(Protocol::Tcp), 22, 22));
        assert_eq!((seen.cidr.as_deref(), seen.description.as_str()), (Some("192.0.2.7/32"), "ssh me"));
        let all = inbound(&rule.clone().ip_protocol("-1").from_port(-1).to_port(-1).build()).unwrap();
        assert_eq!((all.protocol, all.from_port, all.to_port), (None, 0, u16::MAX));
        assert!(inbound(&rule.clone().ip_protocol("icmp").from_port(-1).build()).is_none());
        assert!(inbound(&rule.ip_protocol("tcp").is_egress(true).build()).is_none());
    }
}
