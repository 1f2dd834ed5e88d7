//! EC2's answers to the calls that a plan would make, none of which is made.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};

use super::World;
use crate::ec2::{Cloud, never_asked, not_asked};
use crate::explain::Explain as _;
use crate::observed::{CallSaid, CallSeen, Cause, Observed};
use crate::plan::step::{Action, Change, Plan, Step, StepId};
use crate::spec::Spec;

/// Steps asked about at once: EC2 throttles by account and region.
const AT_ONCE: usize = 8;

/// Asks EC2 about every call of a plan whose ids are known, side by side. A plan without a step on EC2
/// asks nothing.
pub async fn preflight(
    spec: &Spec,
    world: &World,
    observed: &Observed,
    plan: &Plan,
) -> Vec<(StepId, CallSeen)> {
    let against = endpoints(world, plan).await;
    let asked = stream::iter(without_repeats(plan)).map(async |step| {
        let calls = match group(&step.action) {
            None => actions(step).iter().map(|action| never_asked(action)).collect(),
            Some(group) => match against.get(group) {
                Some(why) => actions(step).iter().map(|action| not_asked(action, why)).collect(),
                None => ask((spec, plan), (world, observed), group, step).await,
            },
        };
        calls.into_iter().map(|call| (step.id, call)).collect::<Vec<_>>()
    });
    asked.buffered(AT_ONCE).concat().await
}

/// By group, why its endpoint is asked nothing; only of groups that would be asked something.
async fn endpoints<'a>(world: &World, plan: &'a Plan) -> BTreeMap<&'a str, String> {
    let groups: BTreeSet<&str> = plan.steps.iter().filter_map(|step| group(&step.action)).collect();
    let asked = groups.into_iter().map(async |group| match world.clouds.get(group) {
        Some(Ok(cloud)) => cloud.dry_run().await.against().map(|why| (group, why)),
        _ => None,
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// The launches of a group differ in their names only: the first one speaks for all.
fn without_repeats(plan: &Plan) -> Vec<&Step> {
    let mut seen = BTreeSet::new();
    let mut asked = Vec::new();
    for step in &plan.steps {
        let repeats = match &step.action {
            Action::Launch(launch) => !seen.insert((&launch.slot.group, launch.replaces.is_some())),
            _ => false,
        };
        if !repeats {
            asked.push(step);
        }
    }
    asked
}

/// The group whose caller asks about a step; none where nobody does.
fn group(action: &Action) -> Option<&str> {
    match action {
        Action::Launch(launch) => Some(&launch.slot.group),
        Action::Modify(modify) => Some(&modify.slot.group),
        Action::Firewall(firewall) => Some(&firewall.group),
        Action::ImportKey { group, .. } => Some(group),
        _ => None,
    }
}

/// The IAM actions of a step that nobody asks about, or cannot ask about.
fn actions(step: &Step) -> &'static [&'static str] {
    match &step.action {
        Action::Launch(launch) if launch.replaces.is_some() => {
            &["ec2:CreateTags", "ec2:RunInstances", "ec2:TerminateInstances"]
        }
        Action::Launch(_) => &["ec2:CreateTags", "ec2:RunInstances"],
        Action::Modify(_) => &["ec2:CreateTags", "ec2:ModifyInstanceAttribute"],
        Action::Firewall(_) => {
            &["ec2:AuthorizeSecurityGroupIngress", "ec2:CreateSecurityGroup", "ec2:CreateTags"]
        }
        Action::ImportKey { .. } if step.change == Change::Replace => {
            &["ec2:DeleteKeyPair", "ec2:ImportKeyPair"]
        }
        Action::ImportKey { .. } => &["ec2:ImportKeyPair"],
        Action::Start { .. } => &["ec2:StartInstances"],
        Action::Terminate { .. } => &["ec2:TerminateInstances"],
        Action::DeleteFirewall { .. } => &["ec2:DeleteSecurityGroup"],
        Action::DeleteKey { .. } => &["ec2:DeleteKeyPair"],
        _ => &[],
    }
}

async fn ask(
    (spec, plan): (&Spec, &Plan),
    (world, observed): (&World, &Observed),
    group: &str,
    step: &Step,
) -> Vec<CallSeen> {
    let seen = observed.clouds.get(group).and_then(|seen| seen.present());
    let (Some(Ok(cloud)), Some(seen)) = (world.clouds.get(group), seen) else { return Vec::new() };
    match &step.action {
        Action::Launch(launch) => cloud.may_launch(&spec.name, launch, seen, imported(plan, group)).await,
        Action::Modify(modify) => match seen.instances.iter().find(|one| one.id == modify.id) {
            Some(one) => cloud.may_modify(modify, one).await,
            None => Vec::new(),
        },
        Action::Firewall(firewall) => {
            cloud.may_change_firewall(&spec.name, firewall, seen.security_group.as_ref()).await
        }
        Action::ImportKey { name, .. } => {
            import_key(spec, cloud, (group, name), step.change == Change::Replace).await
        }
        _ => Vec::new(),
    }
}

/// The key pair that a plan imports for a group.
fn imported<'a>(plan: &'a Plan, wanted: &str) -> Option<&'a str> {
    plan.steps.iter().find_map(|step| match &step.action {
        Action::ImportKey { group, name } if group == wanted => Some(name.as_str()),
        _ => None,
    })
}

async fn import_key(
    spec: &Spec,
    cloud: &Cloud,
    (group, name): (&str, &str),
    replaces: bool,
) -> Vec<CallSeen> {
    let file = spec.groups.get(group).and_then(|group| group.ssh.identity_file.as_ref());
    let cause = match file.map(|file| crate::ssh::public_key(file)) {
        Some(Ok(public)) => return cloud.may_import_key(&spec.name, name, &public, replaces).await,
        Some(Err(error)) => error.cause(),
        None => no_key(group),
    };
    vec![CallSeen { action: "ec2:ImportKeyPair", said: CallSaid::Refused { cause, missing_right: false } }]
}

/// Nothing says which key lets anybody in.
pub(crate) fn no_key(group: &str) -> Cause {
    Cause {
        message: format!("`instances.{group}` has neither `key_name` nor `ssh.identity_file`"),
        help: Some("set ssh.identity_file to your private key; ssh-keygen -t ed25519 makes one".to_owned()),
    }
}
