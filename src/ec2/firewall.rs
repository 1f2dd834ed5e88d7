//! The managed security group: made with its mark, opened and closed rule by rule.

use std::time::Duration;

use aws_sdk_ec2::operation::create_security_group::builders::CreateSecurityGroupFluentBuilder;
use aws_sdk_ec2::types::{IpPermission, IpRange, Ipv6Range, ResourceType};

use super::network::{Managed, managed};
use super::{Cloud, CloudError, pace, tags};
use crate::event::Sink;
use crate::plan::asked;
use crate::plan::asked_rules::AskedRules;
use crate::plan::step::{Firewall, Rule};
use crate::wait::Found;

/// A group made a moment ago may not be known everywhere.
const VISIBLE: Duration = Duration::from_secs(30);

/// A terminated instance's interface holds the group for a while.
const RELEASED: Duration = Duration::from_secs(300);

impl Cloud {
    /// Creates the group where it is missing, opens and then closes the rules, and gives the group's
    /// id.
    ///
    /// Safe to repeat: a group of that name with our mark is taken, a rule that exists or is gone is
    /// fine. Others' rules are not touched: rules close by id. The tag `a3:asked` comes last; after a crash
    /// before it the next plan may say of one of these rules that somebody else had opened or closed it.
    ///
    /// # Errors
    /// A foreign group of that name, or EC2's refusal.
    pub async fn firewall(&self, deployment: &str, firewall: &Firewall) -> Result<String, CloudError> {
        let id = match &firewall.id {
            Some(id) => id.clone(),
            None => self.create_group(deployment, firewall).await?,
        };
        for rule in &firewall.open {
            self.open(&id, rule).await?;
        }
        for (rule, _) in &firewall.close {
            self.close(&id, rule).await?;
        }
        self.write_asked(&id, &firewall.asked).await?;
        Ok(id)
    }

    async fn write_asked(&self, id: &str, asked: &str) -> Result<(), CloudError> {
        let asked = [(asked::TAG.to_owned(), asked.to_owned())].into();
        once_known(id, async || {
            let call = self.client.create_tags().resources(id).set_tags(Some(tags::to_sdk(&asked)));
            call.send().await.map(drop).map_err(self.failed("CreateTags"))
        })
        .await
    }

    /// The request that makes the group, with its mark.
    pub(super) fn new_group(
        &self,
        deployment: &str,
        firewall: &Firewall,
    ) -> CreateSecurityGroupFluentBuilder {
        let marks =
            tags::specification(ResourceType::SecurityGroup, &tags::of_managed(deployment, &firewall.name));
        let about = format!("a3: published ports and ssh of {deployment}, group {}", firewall.group);
        let call = self.client.create_security_group().group_name(&firewall.name).description(about);
        call.set_vpc_id(firewall.vpc_id.clone()).tag_specifications(marks)
    }

    async fn create_group(&self, deployment: &str, firewall: &Firewall) -> Result<String, CloudError> {
        let call = self.new_group(deployment, firewall);
        match call.send().await.map_err(self.failed("CreateSecurityGroup")) {
            Ok(answer) => answer
                .group_id
                .ok_or(CloudError::Incomplete { action: "CreateSecurityGroup", what: "group id" }),
            Err(error) if error.code() == Some("InvalidGroup.Duplicate") => {
                let found = self.groups_named(&firewall.name).await?;
                match managed(&found, deployment, firewall.vpc_id.as_deref()) {
                    Managed::Ours(id) => Ok(id),
                    Managed::Foreign(id) => {
                        let what = format!("security group `{}` ({id})", firewall.name);
                        Err(CloudError::Foreign { what })
                    }
                    Managed::Absent => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// One call a rule: a duplicate in a call keeps its other rules out.
    async fn open(&self, id: &str, rule: &Rule) -> Result<(), CloudError> {
        once_known(id, async || {
            let call = self.client.authorize_security_group_ingress().group_id(id);
            let answer = call.ip_permissions(permission(rule)).send().await;
            match answer.map_err(self.failed("AuthorizeSecurityGroupIngress")) {
                Err(error) if error.code() == Some("InvalidPermission.Duplicate") => Ok(()),
                answer => answer.map(drop),
            }
        })
        .await
    }

    async fn close(&self, id: &str, rule: &str) -> Result<(), CloudError> {
        let call = self.client.revoke_security_group_ingress().group_id(id);
        let answer = call.security_group_rule_ids(rule).send().await;
        match answer.map_err(self.failed("RevokeSecurityGroupIngress")) {
            Err(error) if error.code().is_some_and(is_gone) => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// Closes what is open to one caller alone in the managed group, ssh and ports, and gives the rules'
    /// addresses. Others' rules stay.
    ///
    /// Safe to repeat: a group or rule that is gone is fine.
    ///
    /// # Errors
    /// EC2's refusal.
    pub async fn close_access(
        &self,
        deployment: &str,
        name: &str,
        caller: &str,
    ) -> Result<Vec<String>, CloudError> {
        let mut closed = Vec::new();
        let own = [format!("ssh {caller}"), format!("port {caller}")];
        for group in self.groups_named(name).await? {
            let (Some(id), true) = (group.group_id(), tags::belong_to(group.tags(), deployment)) else {
                continue;
            };
            let mut asked = AskedRules::of(tags::value(group.tags(), asked::TAG));
            let rules = self.group_with_rules(id).await?;
            let before = closed.len();
            for rule in rules.into_iter().filter(|rule| own.contains(&rule.description)) {
                self.close(id, &rule.id).await?;
                asked.iter_mut().for_each(|asked| asked.closed(&rule));
                closed.extend(rule.cidr);
            }
            // Nobody took them away.
            if let Some(asked) = asked.filter(|_| closed.len() > before) {
                self.write_asked(id, &asked.to_tag()).await?;
            }
        }
        closed.sort_unstable();
        closed.dedup();
        Ok(closed)
    }

    /// Deletes a group that carries our mark, waiting while a terminated instance's interface still
    /// holds it. One that is gone is fine.
    ///
    /// # Errors
    /// A group without the mark, one that something else uses for 5 minutes, or EC2's refusal.
    pub async fn delete_firewall(&self, id: &str, sink: Sink<'_>) -> Result<(), CloudError> {
        let answer = self.client.describe_security_groups().group_ids(id).send().await;
        let answer = match answer.map_err(self.failed("DescribeSecurityGroups")) {
            Err(error) if error.code().is_some_and(is_gone) => return Ok(()),
            answer => answer?,
        };
        let Some(group) = answer.security_groups().first() else { return Ok(()) };
        if !tags::are_ours(group.tags()) {
            return Err(CloudError::Foreign { what: format!("security group {id}") });
        }
        pace::until(&format!("security group {id} to be free"), RELEASED, sink, async || {
            let answer = self.client.delete_security_group().group_id(id).send().await;
            match answer.map_err(self.failed("DeleteSecurityGroup")) {
                Ok(_) => Ok(Found::Ready(())),
                Err(error) if error.code().is_some_and(is_gone) => Ok(Found::Ready(())),
                Err(error) if error.code() == Some("DependencyViolation") => {
                    Ok(Found::NotYet("in use".to_owned()))
                }
                Err(error) => Err(error),
            }
        })
        .await
    }
}

/// Asks until EC2 knows the group everywhere.
async fn once_known(
    id: &str,
    mut ask: impl AsyncFnMut() -> Result<(), CloudError>,
) -> Result<(), CloudError> {
    pace::until(&format!("security group {id}"), VISIBLE, &|_| {}, async || match ask().await {
        Err(error) if error.code().is_some_and(is_no_group) => Ok(Found::NotYet(error.to_string())),
        answer => answer.map(Found::Ready),
    })
    .await
}

/// Codes for a group that does not exist, or not yet.
fn is_no_group(code: &str) -> bool {
    matches!(code, "InvalidGroup.NotFound" | "InvalidGroupId.NotFound" | "InvalidSecurityGroupID.NotFound")
}

/// Codes for a group or rule that does not exist.
fn is_gone(code: &str) -> bool {
    is_no_group(code) || matches!(code, "InvalidSecurityGroupRuleId.NotFound" | "InvalidPermission.NotFound")
}

pub(super) fn permission(rule: &Rule) -> IpPermission {
    let port = i32::from(rule.port);
    let permission =
        IpPermission::builder().ip_protocol(rule.protocol.as_str()).from_port(port).to_port(port);
    if rule.cidr.contains(':') {
        let range = Ipv6Range::builder().cidr_ipv6(&rule.cidr).description(&rule.description).build();
        return permission.ipv6_ranges(range).build();
    }
    let range = IpRange::builder().cidr_ip(&rule.cidr).description(&rule.description).build();
    permission.ip_ranges(range).build()
}
