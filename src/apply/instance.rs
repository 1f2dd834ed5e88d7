//! The steps of the cloud: key, firewall, launch, start, change, end.

use super::Work;
use super::failure::{Done, Failure, FailureKind, StepResult};
use std::time::Duration;

use crate::ec2::{Cloud, ttl_script};
use crate::event::Sink;
use crate::host::Host;
use crate::observe::live_instances;
use crate::observed::Seen;
use crate::plan::step::{Action, Launch, Modify, Step};
use crate::ssh;
use crate::ssh::command::Script;

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
            let cloud = cloud(work, &planned.slot.group)?;
            cloud.modify(&planned, sink).await?;
            if planned.instance_type.is_some() {
                // It was stopped for that, and answers at another address.
                work.job.world.forget_host(&planned.slot);
            }
            if let Some(ttl) = planned.ttl {
                let host = super::reach::host(work, &planned.slot, sink).await?;
                move_deadline(work, &host, &planned, ttl).await?;
            }
            Ok(Done::noted(planned.id.clone()))
        }
        Action::Terminate { slot, id, name } => {
            cloud_of(work, id)?.terminate(id, sink).await?;
            work.job.world.forget_host(slot);
            Ok(Done::noted(format!("{id} ({name})")))
        }
        Action::DeleteFirewall { group, id, region } => {
            cloud_in(work, group, region)?.delete_firewall(id, sink).await?;
            Ok(Done::noted(id.clone()))
        }
        Action::DeleteKey { group, name, region } => {
            cloud_in(work, group, region)?.delete_key(name).await?;
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

/// A ttl lives on the machine, so that it ends without this laptop: first its file there, then the
/// tags, by which the next plan sees the change as done.
async fn move_deadline(
    work: &Work<'_>,
    host: &Host,
    planned: &Modify,
    ttl: Option<Duration>,
) -> Result<(), Failure> {
    let cloud = cloud(work, &planned.slot.group)?;
    let one = live_instances(&work.job.observed.clouds).remove(&planned.slot);
    let created = one.as_ref().map(|one| one.created);
    let deployment = &work.job.spec.name;
    let script = Script::new(MOVE_DEADLINE)
        .set("SCRIPT", &ttl_script(deployment, ttl, created))?
        .set("DEADLINE", &format!("/var/lib/a3/{deployment}/deadline"))?;
    let deadline = host.write(&script).await?;
    if let Some(hash) = planned.set_tags.get("a3:hash") {
        cloud.set_tag(&planned.id, "a3:hash", hash).await?;
    }
    cloud.set_tag(&planned.id, "a3:deadline", deadline.trim()).await?;
    Ok(())
}

const MOVE_DEADLINE: &str = "if [ \"$(id -u)\" = 0 ]; then root=; else root='sudo -n'; fi\n\
    printf '%s' \"$SCRIPT\" | $root sh >/dev/null && $root cat \"$DEADLINE\"\n";

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

/// The cloud of a region, which a group may have left: first as the group's own caller.
fn cloud_in<'a>(work: &Work<'a>, group: &str, region: &str) -> Result<&'a Cloud, Failure> {
    let world = work.job.world;
    let own = world.clouds.get(group).into_iter();
    let mut clouds = own.chain(world.clouds.values()).chain(world.remembered.values()).flatten();
    let found = clouds.find(|cloud| cloud.region == region);
    found.ok_or_else(|| Failure::new(format!("no caller is known in {region} for group `{group}`"), None))
}

/// The cloud that showed an instance: its group may have left the spec, or moved to another region.
fn cloud_of<'a>(work: &Work<'a>, id: &str) -> Result<&'a Cloud, Failure> {
    let world = work.job.world;
    let shows = |name: &str| {
        let seen = work.job.observed.clouds.get(name).and_then(Seen::present);
        seen.is_some_and(|seen| seen.instances.iter().any(|one| one.id == id))
    };
    let mut clouds = world.clouds.iter().chain(&world.remembered);
    let found = clouds.find_map(|(name, cloud)| cloud.as_ref().ok().filter(|_| shows(name)));
    found.ok_or_else(|| Failure::new(format!("no region is known for {id}"), None))
}

fn public_key(work: &Work<'_>, group: &str) -> Result<String, Failure> {
    let spec = work.job.spec.groups.get(group);
    let Some(file) = spec.and_then(|group| group.ssh.identity_file.as_ref()) else {
        return Err(Failure::of_kind(FailureKind::Failed, crate::observe::preflight::no_key(group)));
    };
    Ok(ssh::public_key(file)?)
}
