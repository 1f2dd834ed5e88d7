//! The steps of the cloud: key, firewall, launch, start, change, end.

use super::Work;
use super::failure::{Done, Failure, FailureKind, StepResult};
use crate::ec2::Cloud;
use crate::event::Sink;
use crate::id::Slot;
use crate::observed::Seen;
use crate::plan::step::{Action, Launch, Modify, Step};
use crate::ssh;

/// Works on one step of the cloud.
///
/// - Assumes: what the plan saw of the group.
/// - Guarantees: what the plan says, read back from EC2 where the call only asks for it.
/// - Repeat after a crash: anywhere. A launch carries a client token that only depends on slot and
///   generation, so that the same launch is never made twice; groups, rules and keys that are there
///   count as made; ending what has ended is done.
/// - Errors: EC2's, with its code and what to do.
pub(crate) async fn perform(work: &Work<'_>, step: &Step, sink: Sink<'_>) -> StepResult {
    let deployment = &work.job.spec.name;
    match &step.action {
        Action::ImportKey { group, name } => {
            let public = public_key(work, group)?;
            cloud(work, group)?.import_key(deployment, group, name, &public).await?;
            Ok(Done::noted(name.clone()))
        }
        Action::Firewall(firewall) => {
            let id = cloud(work, &firewall.group)?.firewall(deployment, firewall).await?;
            work.sites.keep_firewall(&firewall.group, &id);
            Ok(Done::noted(id))
        }
        Action::Launch(planned) => launch(work, planned, sink).await,
        Action::Start { slot, id } => {
            cloud(work, &slot.group)?.start(id, sink).await?;
            Ok(Done::noted(id.clone()))
        }
        Action::Modify(planned) => {
            let planned = with_managed_group(work, planned);
            cloud(work, &planned.slot.group)?.modify(&planned, sink).await?;
            Ok(Done::noted(planned.id.clone()))
        }
        Action::Terminate { slot, id, name } => {
            any_cloud(work, slot)?.terminate(id, sink).await?;
            work.job.world.forget_host(slot);
            Ok(Done::noted(format!("{id} ({name})")))
        }
        Action::DeleteFirewall { group, id } => {
            cloud(work, group)?.delete_firewall(id, sink).await?;
            Ok(Done::noted(id.clone()))
        }
        Action::DeleteKey { group, name } => {
            cloud(work, group)?.delete_key(name).await?;
            Ok(Done::noted(name.clone()))
        }
        other => Err(Failure::new(format!("not a step of the cloud: {other:?}"), None)),
    }
}

async fn launch(work: &Work<'_>, planned: &Launch, sink: Sink<'_>) -> StepResult {
    let group = &planned.slot.group;
    let managed = managed_group(work, group);
    let cloud = cloud(work, group)?;
    if planned.replaces.is_some() {
        work.job.world.forget_host(&planned.slot);
    }
    let id = cloud.launch(&work.job.spec.name, planned, managed.as_deref(), sink).await?;
    work.sites.keep_instance(&planned.slot, &id);
    Ok(Done::noted(format!("{id} ({})", planned.name)))
}

/// No group named is the managed one, which an earlier step may just have made.
fn with_managed_group(work: &Work<'_>, planned: &Modify) -> Modify {
    let mut planned = planned.clone();
    if let Some(groups) = planned.security_group_ids.as_mut().filter(|groups| groups.is_empty()) {
        groups.extend(managed_group(work, &planned.slot.group));
    }
    planned
}

fn managed_group(work: &Work<'_>, group: &str) -> Option<String> {
    let seen = work.job.observed.clouds.get(group).and_then(Seen::present);
    let made = work.sites.firewall(group);
    made.or_else(|| Some(seen?.security_group.as_ref()?.id.clone()))
}

/// The cloud of a group.
pub(crate) fn cloud<'a>(work: &Work<'a>, group: &str) -> Result<&'a Cloud, Failure> {
    match work.job.world.clouds.get(group) {
        Some(Ok(cloud)) => Ok(cloud),
        Some(Err(cause)) => Err(Failure::of_kind(FailureKind::Failed, cause.clone())),
        None => Err(Failure::new(format!("group `{group}` is not on EC2"), None)),
    }
}

/// The cloud of a slot whose group may have left the spec: the one that showed the instance.
fn any_cloud<'a>(work: &Work<'a>, slot: &Slot) -> Result<&'a Cloud, Failure> {
    if let Ok(cloud) = cloud(work, &slot.group) {
        return Ok(cloud);
    }
    let shows = |name: &String| {
        let seen = work.job.observed.clouds.get(name).and_then(|seen| seen.present());
        seen.is_some_and(|seen| seen.instances.iter().any(|one| one.slot == *slot))
    };
    let mut clouds = work.job.world.clouds.iter();
    let found = clouds.find_map(|(name, cloud)| cloud.as_ref().ok().filter(|_| shows(name)));
    found.ok_or_else(|| Failure::new(format!("no region is known for {slot}"), None))
}

fn public_key(work: &Work<'_>, group: &str) -> Result<String, Failure> {
    let spec = work.job.spec.groups.get(group);
    let Some(file) = spec.and_then(|group| group.ssh.identity_file.as_ref()) else {
        let message = format!("`instances.{group}` has neither `key_name` nor `ssh.identity_file`");
        let help = "set ssh.identity_file to your private key; ssh-keygen -t ed25519 makes one".to_owned();
        return Err(Failure::new(message, Some(help)));
    };
    Ok(ssh::public_key(file)?)
}
