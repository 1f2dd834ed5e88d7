//! Everything that EC2 says about one group, asked side by side. Writes nothing.
//!
//! What only a launch rests on never fails the whole: it becomes a refusal (against launching) or
//! something that could not be checked, so that ending instances needs no more than to see them.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{Filter, Instance, InstanceAttributeName};
use futures_util::future::join_all;

use super::instances::{by_tag, owned, state};
use super::key::KeySeen;
use super::network::{Managed, managed};
use super::{Cloud, CloudError, address, tags};
use crate::explain::Explain as _;
use crate::observed::{Cause, CloudSeen, MachineImage, OwnedInstance, SecurityGroup, Unchecked};
use crate::plan::{asked, names};
use crate::spec::{Ec2, Group, Spec};
use crate::ssh;

/// Calls at once of one kind: EC2 throttles by account and region.
const AT_ONCE: usize = 8;

/// One group and what is asked for it.
#[derive(Clone, Copy)]
struct Question<'a> {
    spec: &'a Spec,
    group: &'a Group,
    ec2: &'a Ec2,
}

/// What was found out beside what was asked.
#[derive(Debug, Default)]
struct Findings {
    /// Against a launch.
    refusals: Vec<Cause>,
    /// What a launch rests on and could not be checked.
    unchecked: Vec<Unchecked>,
    /// What a person should know.
    notes: Vec<String>,
}

/// The network around a group.
#[derive(Default)]
struct Network {
    vpc_id: Option<String>,
    managed: Option<SecurityGroup>,
    foreign: Option<String>,
}

impl Cloud {
    /// Looks at everything that concerns `group`. `caller_id` is who this caller on this machine is, for
    /// its own ssh rule.
    ///
    /// # Errors
    /// EC2 unreachable, or refusing to show instances, security groups or key pairs.
    pub async fn observe(
        &self,
        spec: &Spec,
        group: &Group,
        ec2: &Ec2,
        caller_id: &str,
    ) -> Result<CloudSeen, CloudError> {
        let question = Question { spec, group, ec2 };
        let mut notes = Findings::default();
        let name = names::managed(&spec.name, &group.name);
        let (image, archs, found, network, key, cidrs, groups) = tokio::join!(
            self.image(&ec2.ami),
            self.type_archs(&ec2.instance_type),
            self.own_instances(question),
            self.network(question),
            self.key_pair(&spec.name, &name),
            caller_cidrs(ec2),
            self.own_groups(ec2),
        );
        let image = notes.unless_refused("the AMI", image)?;
        let (type_archs, no_such_type) = match archs {
            Err(error @ CloudError::Refused { .. }) => (Vec::new(), Some(error.cause())),
            archs => (notes.unless_refused("whether the instance type runs the AMI", archs)?, None),
        };
        let own_groups = notes.unless_refused("whether the security groups exist", groups)?;
        let (network, vpc_problem) = network?;
        notes.refusals.extend(vpc_problem);
        let key = key?;
        let (mut instances, foreign) = found?;
        notes.notes.extend(foreign);
        let mut seen = CloudSeen {
            account: self.account.clone(),
            region: self.region.clone(),
            image,
            type_archs,
            instances: Vec::new(),
            vpc_id: network.vpc_id,
            security_group: network.managed,
            held_by: Vec::new(),
            foreign_group: network.foreign,
            foreign_key: key == KeySeen::Foreign,
            own_key: own_key(group, ec2),
            key_pair: if let KeySeen::Ours(fingerprint) = key { Some(fingerprint) } else { None },
            caller_cidrs: Vec::new(),
            caller_id: caller_id.to_owned(),
            own_groups,
            no_such_type,
            refusals: Vec::new(),
            unchecked: Vec::new(),
            notes: Vec::new(),
            left: Vec::new(),
        };
        seen.caller_cidrs = notes.settle_cidrs(cidrs, seen.security_group.as_ref(), caller_id);
        let unused = seen.security_group.as_ref().filter(|_| !ec2.vpc_security_group_ids.is_empty());
        let ((), held_by) = tokio::join!(
            self.name_users(&mut instances, seen.image.as_ref()),
            self.others_in(unused.map(|group| group.id.as_str()), &spec.name),
        );
        (seen.instances, seen.held_by) = (instances, held_by);
        let Findings { refusals, unchecked, notes } = notes;
        Ok(CloudSeen { refusals, unchecked, notes, ..seen })
    }

    /// Live instances in a security group that are none of this deployment's; none where EC2 does not say:
    /// then deleting the group finds them.
    async fn others_in(&self, group: Option<&str>, deployment: &str) -> Vec<String> {
        let Some(group) = group else { return Vec::new() };
        let within = Filter::builder().name("instance.group-id").values(group).build();
        let found = self.instances(vec![within]).await.unwrap_or_default();
        let (ours, _) = ours(&found, deployment);
        let others = found.iter().filter(|one| state(one).is_live()).filter_map(|one| one.instance_id());
        let others = others.filter(|id| !ours.iter().any(|own| own.id == *id));
        others.map(str::to_owned).collect()
    }

    /// The VPC and the managed group. What is wrong with the VPC speaks against launching only.
    async fn network(&self, asked: Question<'_>) -> Result<(Network, Option<Cause>), CloudError> {
        let name = names::managed(&asked.spec.name, &asked.group.name);
        let (vpc, groups) = tokio::join!(self.vpc(asked.ec2.subnet_id.as_deref()), self.groups_named(&name));
        let (vpc_id, problem) = match vpc {
            Ok(Some(vpc)) => (Some(vpc), None),
            Ok(None) => (None, Some(self.no_vpc())),
            Err(error) if error.code().is_some() => (None, Some(error.cause())),
            Err(error) => return Err(error),
        };
        let mut network = Network { vpc_id, ..Network::default() };
        // Asked even where the person's own groups are used now: one of ours from before stays ours.
        let groups = groups?;
        match managed(&groups, &asked.spec.name, network.vpc_id.as_deref()) {
            Managed::Ours(id) => {
                let rules = self.group_with_rules(&id).await?;
                let tags =
                    groups.iter().find(|group| group.group_id() == Some(&id)).map(|group| group.tags());
                let asked = tags.and_then(|tags| tags::value(tags, asked::TAG)).map(str::to_owned);
                network.managed = Some(SecurityGroup { id, rules, asked });
            }
            Managed::Foreign(id) => network.foreign = Some(id),
            Managed::Absent => {}
        }
        Ok((network, problem))
    }

    /// Those that the spec names.
    async fn own_groups(&self, ec2: &Ec2) -> Result<Option<BTreeMap<String, String>>, CloudError> {
        match ec2.vpc_security_group_ids.as_slice() {
            [] => Ok(None),
            ids => self.groups_by_id(ids).await.map(Some),
        }
    }

    fn no_vpc(&self) -> Cause {
        let message = format!("{} has no default VPC", self.region);
        Cause { message, help: super::help::code("VPCIdNotSpecified", &self.region) }
    }

    /// Those of this deployment, and what is said of the ones that only look like it.
    async fn own_instances(
        &self,
        asked: Question<'_>,
    ) -> Result<(Vec<OwnedInstance>, Vec<String>), CloudError> {
        let found = self.instances(vec![by_tag(tags::DEPLOYMENT, &asked.spec.name)]).await?;
        let (mut ours, foreign) = ours(&found, &asked.spec.name);
        // Right away, beside what else is asked: by the end of that it is known.
        self.protections(&mut ours).await;
        Ok((ours, foreign))
    }

    /// The user of each live one, by its image.
    async fn name_users(&self, instances: &mut [OwnedInstance], image: Option<&MachineImage>) {
        let live = || instances.iter().filter(|one| one.state.is_live());
        let known = image.and_then(|image| Some((image.id.clone(), image.user.clone()?)));
        let asked: BTreeSet<String> = live().map(|one| one.image_id.clone()).collect();
        let asked = asked.into_iter().filter(|id| image.is_none_or(|image| image.id != *id)).collect();
        // It does not keep a plan from being right: the user is then asked for.
        let users = self.users(asked).await.unwrap_or_default();
        let users: BTreeMap<String, String> = users.into_iter().chain(known).collect();
        for one in instances.iter_mut().filter(|one| one.state.is_live()) {
            one.user = users.get(&one.image_id).cloned();
        }
    }

    /// Termination protection of each live one. Where EC2 does not say, a plan is still right, and says what
    /// it does not know.
    pub(super) async fn protections(&self, instances: &mut [OwnedInstance]) {
        let mut live: Vec<&mut OwnedInstance> =
            instances.iter_mut().filter(|one| one.state.is_live()).collect();
        for some in live.chunks_mut(AT_ONCE) {
            let said = join_all(some.iter().map(|one| self.is_protected(&one.id))).await;
            for (one, said) in some.iter_mut().zip(said) {
                match said {
                    Ok(protected) => one.protected = Some(protected),
                    Err(error) => one.protection_unseen = Some(error.cause()),
                }
            }
        }
    }

    async fn is_protected(&self, id: &str) -> Result<bool, CloudError> {
        const ACTION: &str = "DescribeInstanceAttribute";
        let call = self.client.describe_instance_attribute().instance_id(id);
        let call = call.attribute(InstanceAttributeName::DisableApiTermination);
        let answer = call.send().await.map_err(self.failed(ACTION))?;
        let said = answer.disable_api_termination.and_then(|said| said.value);
        said.ok_or(CloudError::Incomplete { action: ACTION, what: "termination protection" })
    }

    /// Instances of every a3 deployment in this region that carry a whole mark, all states; the
    /// deployment is in their tags.
    ///
    /// # Errors
    /// EC2 unreachable or refusing.
    pub async fn list_all(&self) -> Result<Vec<OwnedInstance>, CloudError> {
        let (mut ours, _) = self.marked().await?;
        self.protections(&mut ours).await;
        self.name_users(&mut ours, None).await;
        Ok(ours)
    }
}

impl Findings {
    /// The answer; a refusal of EC2's is noted and counts as nothing seen.
    fn unless_refused<T: Default>(
        &mut self,
        what: &str,
        answer: Result<T, CloudError>,
    ) -> Result<T, CloudError> {
        match answer {
            Ok(answer) => Ok(answer),
            Err(error @ CloudError::Denied { .. }) => {
                self.unchecked.push(Unchecked {
                    what: what.to_owned(),
                    why: error.to_string(),
                    help: error.help(),
                });
                Ok(T::default())
            }
            Err(error) if error.code().is_some() => {
                self.refusals.push(error.cause());
                Ok(T::default())
            }
            Err(error) => Err(error),
        }
    }

    /// The caller's CIDRs. Where the look-up failed, those of the caller's own rules stay, or nothing is
    /// known and a launch would not be reachable.
    fn settle_cidrs(
        &mut self,
        asked: Result<Vec<String>, address::AddressError>,
        group: Option<&SecurityGroup>,
        caller_id: &str,
    ) -> Vec<String> {
        let error = match asked {
            Ok(cidrs) => return cidrs,
            Err(error) => error,
        };
        let mark = format!("ssh {caller_id}");
        let own = group.iter().flat_map(|group| &group.rules).filter(|rule| rule.description == mark);
        let cidrs: Vec<String> = own.filter_map(|rule| rule.cidr.clone()).collect();
        let message = crate::explain::chain(&error);
        if cidrs.is_empty() {
            let help = "set `ec2.allow_ssh_from` to your address (A.B.C.D/32), or `ec2.address_url`";
            self.refusals.push(Cause { message, help: Some(help.to_owned()) });
        } else {
            let note =
                format!("this machine's address is not known ({message}); the ssh rule is left as it is");
            self.notes.push(note);
        }
        cidrs
    }
}

/// The key that the managed pair shall be of. One that cannot be read is told by who needs it.
fn own_key(group: &Group, ec2: &Ec2) -> Option<String> {
    let file = group.ssh.identity_file.as_ref().filter(|_| ec2.key_name.is_none())?;
    names::key_fingerprint(&ssh::public_key(file).ok()?)
}

/// From `allow_ssh_from`, else asked; none where the person's own groups decide.
async fn caller_cidrs(ec2: &Ec2) -> Result<Vec<String>, address::AddressError> {
    match &ec2.allow_ssh_from {
        _ if !ec2.vpc_security_group_ids.is_empty() => Ok(Vec::new()),
        Some(cidrs) => Ok(cidrs.clone()),
        None => Ok(vec![address::look_up(ec2.address_url.as_deref()).await?]),
    }
}

/// Those with the whole mark. A live one with a part of it is a copy, or was tagged by hand.
fn ours(found: &[Instance], deployment: &str) -> (Vec<OwnedInstance>, Vec<String>) {
    let (mut ours, mut foreign) = (Vec::new(), Vec::new());
    for one in found {
        match owned(one, Some(deployment)) {
            Some(own) => ours.push(own),
            None if state(one).is_live() => foreign.push(format!(
                "{}, which has the tag {}={deployment} but not the whole mark; it is left alone",
                one.instance_id().unwrap_or_default(),
                tags::DEPLOYMENT,
            )),
            None => {}
        }
    }
    ours.sort_by_key(|one| (one.slot.clone(), one.generation, one.id.clone()));
    (ours, foreign)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::IngressRule;

    fn failed() -> Result<Vec<String>, address::AddressError> {
        Err(address::AddressError::NoAddress { url: "http://x".into() })
    }

    #[test]
    fn a_failed_look_up_leaves_the_own_rule_and_nobody_elses() {
        let rule = |who: &str, cidr: &str| IngressRule {
            id: "sgr-1".into(),
            protocol: None,
            from_port: 22,
            to_port: 22,
            cidr: Some(cidr.into()),
            description: format!("ssh {who}"),
        };
        let rules = vec![rule("me", "192.0.2.7/32"), rule("you", "192.0.2.8/32")];
        let group = SecurityGroup { id: "sg-1".into(), rules, asked: None };
        let mut notes = Findings::default();
        assert_eq!(notes.settle_cidrs(failed(), Some(&group), "me"), ["192.0.2.7/32"]);
        assert!(notes.refusals.is_empty() && notes.notes.len() == 1);
    }

    #[test]
    fn a_failed_look_up_without_a_rule_speaks_against_launching() {
        let mut notes = Findings::default();
        assert!(notes.settle_cidrs(failed(), None, "me").is_empty());
        assert!(notes.refusals[0].help.as_ref().unwrap().contains("allow_ssh_from"));
    }
}
