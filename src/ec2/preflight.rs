//! Preflight: asks EC2 with `DryRun` about the calls that a plan would make.
//!
//! A plan changes nothing, also where an endpoint ignores `DryRun`. So nothing is asked of an
//! endpoint that does so with a call that only looks, and the rest is asked in a form that would leave
//! everything as it is: a change of an attribute to the value that it has, a rule that is there opened
//! again, one that nobody has closed, a tag that is there set again. What has no such form is not
//! asked: ending, stopping and deleting, starting a stopped instance, the first rule of a group. Making
//! a launch, a group or a key pair has none either, and is asked, since most of what goes wrong goes
//! wrong there.

use std::collections::BTreeMap;

use aws_sdk_ec2::operation::modify_instance_attribute::builders::ModifyInstanceAttributeFluentBuilder;
use aws_sdk_ec2::types::{AttributeBooleanValue, AttributeValue, IpPermission, IpRange, Tag};

use super::dry_run::judge;
use super::{Cloud, CloudError, firewall, parts, tags};
use crate::explain::Explain as _;
use crate::observed::{CallSaid, CallSeen, CloudSeen, InstanceState, OwnedInstance, SecurityGroup};
use crate::plan::step::{Firewall, Launch, Modify, Rule};
use crate::spec::Protocol;

const NO_FORM: &str = "not asked: a server that ignores DryRun would make the change";
const NO_ID: &str = "not asked: what it is about does not exist yet";

const RUN: &str = "ec2:RunInstances";
const MODIFY: &str = "ec2:ModifyInstanceAttribute";
const CREATE_TAGS: &str = "ec2:CreateTags";
const AUTHORIZE: &str = "ec2:AuthorizeSecurityGroupIngress";

/// A rule that nobody has: a port that throws away what it gets, from an address that nobody has
/// (<https://www.rfc-editor.org/rfc/rfc5737>).
const NOBODYS_RULE: (i32, &str) = (9, "192.0.2.0/32");

/// A tag that nobody has.
const NOBODYS_TAG: &str = "a3:dry-run";

impl Cloud {
    /// Asks about a launch. A key pair or group that the plan makes first is left out of the question:
    /// `imported` is the pair that a step before the launch imports.
    pub async fn may_launch(
        &self,
        deployment: &str,
        launch: &Launch,
        seen: &CloudSeen,
        imported: Option<&str>,
    ) -> Vec<CallSeen> {
        let mut launch = launch.clone();
        launch.key_name = launch.key_name.filter(|name| Some(name.as_str()) != imported);
        let group = seen.security_group.as_ref().map(|group| group.id.as_str());
        let said = match self.run_instances_once(deployment, &launch, group, NOBODYS_TAG) {
            // The token of a launch must not be used up by a question.
            Ok(call) => {
                let call = call.set_client_token(None).dry_run(true);
                judge(call.send().await.map_err(self.failed("RunInstances")))
            }
            Err(error) => CallSaid::Refused { cause: error.cause(), missing_right: false },
        };
        // The host key is written down once the machine has said it.
        let mut calls = vec![CallSeen { action: RUN, said }, not_asked(CREATE_TAGS, NO_ID)];
        calls.extend(launch.replaces.iter().map(|_| not_asked("ec2:TerminateInstances", NO_FORM)));
        calls
    }

    /// Asks about the calls that change the instance `one` as `modify` says.
    pub async fn may_modify(&self, modify: &Modify, one: &OwnedInstance) -> Vec<CallSeen> {
        let mut calls = self.may_tag(modify, one).await;
        calls.extend(self.may_set_attributes(modify, one).await);
        if modify.hop_limit.is_some() || modify.require_tokens {
            let hops = one.hop_limit.and_then(|hops| i32::try_from(hops).ok());
            let call = self.client.modify_instance_metadata_options().instance_id(&one.id);
            let call = call.set_http_put_response_hop_limit(hops).dry_run(true);
            let said = judge(call.send().await.map_err(self.failed("ModifyInstanceMetadataOptions")));
            calls.push(CallSeen { action: "ec2:ModifyInstanceMetadataOptions", said });
        }
        let runs = matches!(one.state, InstanceState::Pending | InstanceState::Running);
        if modify.instance_type.is_some() && runs {
            calls.push(not_asked("ec2:StopInstances", NO_FORM));
            let call = self.client.start_instances().instance_ids(&one.id).dry_run(true);
            let said = judge(call.send().await.map_err(self.failed("StartInstances")));
            calls.push(CallSeen { action: "ec2:StartInstances", said });
        }
        calls
    }

    /// Of the instance, and of what was launched with it where the tags are the person's.
    async fn may_tag(&self, modify: &Modify, one: &OwnedInstance) -> Vec<CallSeen> {
        let mut calls = Vec::new();
        let mut asked = vec![(vec![one.id.clone()], tags_there(modify, one))];
        if parts::persons(modify) != Default::default() {
            let mark = one.tags.iter().filter(|(key, _)| key.as_str() == tags::OWN);
            match Box::pin(self.parts_of(&one.id)).await {
                Ok(parts) if parts.is_empty() => {}
                Ok(parts) => {
                    asked.push((parts, mark.map(|(key, value)| (key.clone(), value.clone())).collect()))
                }
                Err(error) => {
                    let why = format!("volumes and interfaces keep the tags that they have: {error}");
                    calls.push(not_asked("ec2:DescribeTags", &why));
                }
            }
        }
        for (ids, there) in asked {
            if !modify.set_tags.is_empty() {
                let call = self.client.create_tags().set_resources(Some(ids.clone()));
                let call = call.set_tags(Some(tags::to_sdk(&there))).dry_run(true);
                let said = judge(call.send().await.map_err(self.failed("CreateTags")));
                calls.push(CallSeen { action: CREATE_TAGS, said });
            }
            if !modify.remove_tags.is_empty() {
                let nobodys = Tag::builder().key(NOBODYS_TAG).build();
                let call = self.client.delete_tags().set_resources(Some(ids)).tags(nobodys).dry_run(true);
                let said = judge(call.send().await.map_err(self.failed("DeleteTags")));
                calls.push(CallSeen { action: "ec2:DeleteTags", said });
            }
        }
        calls
    }

    async fn parts_of(&self, id: &str) -> Result<Vec<String>, CloudError> {
        self.parts(&self.our_instance(id).await?).await
    }

    /// One attribute a call: what a policy says may hang on which it is.
    async fn may_set_attributes(&self, modify: &Modify, one: &OwnedInstance) -> Vec<CallSeen> {
        type Call = ModifyInstanceAttributeFluentBuilder;
        let ask = async |set: &dyn Fn(Call) -> Call| {
            let call = set(self.client.modify_instance_attribute().instance_id(&one.id)).dry_run(true);
            let said = judge(call.send().await.map_err(self.failed("ModifyInstanceAttribute")));
            CallSeen { action: MODIFY, said }
        };
        let mut calls = Vec::new();
        if modify.security_group_ids.is_some() {
            calls.push(ask(&|call| call.set_groups(Some(one.security_groups.clone()))).await);
        }
        if modify.instance_type.is_some() {
            let kind = AttributeValue::builder().value(&one.instance_type).build();
            calls.push(ask(&|call| call.instance_type(kind.clone())).await);
        }
        // What a shutdown means is not shown; the right to change it is asked with the protection.
        if modify.protected.is_some() || modify.ttl.is_some() {
            calls.push(match one.protected {
                Some(protected) => {
                    let value = AttributeBooleanValue::builder().value(protected).build();
                    ask(&|call| call.disable_api_termination(value.clone())).await
                }
                None => not_asked(MODIFY, NO_FORM),
            });
        }
        calls
    }

    /// Asks about the calls that make or change the managed security group, which is `there` or not.
    pub async fn may_change_firewall(
        &self,
        deployment: &str,
        wanted: &Firewall,
        there: Option<&SecurityGroup>,
    ) -> Vec<CallSeen> {
        let Some(there) = there else {
            let call = self.new_group(deployment, wanted).dry_run(true);
            let said = judge(call.send().await.map_err(self.failed("CreateSecurityGroup")));
            let created = CallSeen { action: "ec2:CreateSecurityGroup", said };
            // Its rules, and which were asked for, as a tag.
            return vec![created, not_asked(AUTHORIZE, NO_ID), not_asked(CREATE_TAGS, NO_ID)];
        };
        let mut calls = Vec::new();
        if !wanted.open.is_empty() {
            calls.push(match there.rules.iter().find_map(rule) {
                Some(rule) => {
                    let call = self.client.authorize_security_group_ingress().group_id(&there.id);
                    let call = call.ip_permissions(firewall::permission(&rule)).dry_run(true);
                    let failed = self.failed("AuthorizeSecurityGroupIngress");
                    CallSeen { action: AUTHORIZE, said: judge(call.send().await.map_err(failed)) }
                }
                None => not_asked(AUTHORIZE, NO_FORM),
            });
        }
        if !wanted.close.is_empty() {
            let (port, nobody) = NOBODYS_RULE;
            let rule = IpPermission::builder().ip_protocol("tcp").from_port(port).to_port(port);
            let rule = rule.ip_ranges(IpRange::builder().cidr_ip(nobody).build()).build();
            let call = self.client.revoke_security_group_ingress().group_id(&there.id);
            let call = call.ip_permissions(rule).dry_run(true);
            let said = judge(call.send().await.map_err(self.failed("RevokeSecurityGroupIngress")));
            calls.push(CallSeen { action: "ec2:RevokeSecurityGroupIngress", said });
        }
        // Which rules were asked for is written down on the group: its mark, which is there, set again.
        let mark = [(tags::DEPLOYMENT.to_owned(), deployment.to_owned())].into();
        let call = self.client.create_tags().resources(&there.id).set_tags(Some(tags::to_sdk(&mark)));
        let said = judge(call.dry_run(true).send().await.map_err(self.failed("CreateTags")));
        calls.push(CallSeen { action: CREATE_TAGS, said });
        calls
    }

    /// Asks about the import of a key pair, which may take the place of an earlier one.
    pub async fn may_import_key(
        &self,
        deployment: &str,
        name: &str,
        public_key: &str,
        replaces: bool,
    ) -> Vec<CallSeen> {
        let said = match self.new_key(deployment, name, public_key) {
            Ok(call) => judge(call.dry_run(true).send().await.map_err(self.failed("ImportKeyPair"))),
            Err(error) => CallSaid::Refused { cause: error.cause(), missing_right: false },
        };
        let mut calls = vec![CallSeen { action: "ec2:ImportKeyPair", said }];
        calls.extend(replaces.then(|| never_asked("ec2:DeleteKeyPair")));
        calls
    }
}

/// The calls of steps that are never asked about: what they do cannot be undone, or has no form that
/// does nothing.
pub fn never_asked(action: &'static str) -> CallSeen {
    not_asked(action, NO_FORM)
}

pub(crate) fn not_asked(action: &'static str, why: &str) -> CallSeen {
    CallSeen { action, said: CallSaid::NotChecked(why.to_owned()) }
}

/// Of the tags that are to be set those that are there, as they are, and one that always is.
fn tags_there(modify: &Modify, one: &OwnedInstance) -> BTreeMap<String, String> {
    let asked = |key: &str| modify.set_tags.contains_key(key) || key == tags::DEPLOYMENT;
    let there = one.tags.iter().filter(|(key, _)| asked(key));
    there.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// A rule as it was opened; none where it names something else than an address.
fn rule(there: &crate::observed::IngressRule) -> Option<Rule> {
    let one = there.from_port == there.to_port;
    let cidr = there.cidr.clone().filter(|_| one)?;
    let protocol: Protocol = there.protocol?;
    Some(Rule { protocol, port: there.from_port, cidr, description: there.description.clone() })
}
