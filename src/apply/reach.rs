//! From "launched" to "answers": waits for address, ssh, cloud-init and the engine, pins the host
//! key, and plans the machine again with what it says.

use std::time::Duration;

use super::Work;
use super::failure::{Failure, FailureKind};
use super::instance::cloud;
use crate::ec2::Cloud;
use crate::event::Sink;
use crate::explain::Explain as _;
use crate::host::{Ask, DockerState, Host, HostError, engine_cause, is_denied};
use crate::id::Slot;
use crate::observe::{Approach, live_instances, observe_host};
use crate::observed::{Cause, HostSeen, OwnedInstance, Seen};
use crate::plan::step::{Action, BlockedKind, Change, Cost, Step};
use crate::plan::{OnTheWay, plan_host};
use crate::record::{HostKeyTag, KeySource};
use crate::ssh::SshError;
use crate::ssh::command::Script;
use crate::wait::{Found, Pace, WaitError, until};

/// Until a fresh instance lets us in; Windows aside, EC2's slowest images take about two minutes.
const SSH: Pace = Pace { deadline: Duration::from_secs(420), interval: Duration::from_secs(2) };
/// With `ssh.strict`, the console may lag minutes behind.
const STRICT: Pace = Pace { deadline: Duration::from_secs(900), interval: Duration::from_secs(5) };
/// Until the engine answers once cloud-init is done.
pub(crate) const ENGINE: Pace = Pace { deadline: Duration::from_secs(180), interval: Duration::from_secs(2) };
/// For the service of an engine that is installed: it may be the last one to start at boot.
const STOPPED_ENGINE: Pace = Pace { deadline: Duration::from_secs(20), interval: Duration::from_secs(1) };
/// For the person's own user data.
const CLOUD_INIT: Duration = Duration::from_secs(900);

/// Reaches a machine and plans it; the steps are numbered from `first`.
pub(crate) async fn reach(
    work: &Work<'_>,
    slot: &Slot,
    first: u32,
    sink: Sink<'_>,
) -> Result<Vec<Step>, Failure> {
    let reaching = connect(work, slot, sink);
    let host = work.job.stop.cut(reaching).await.ok_or_else(Failure::interrupted)??;
    work.job.world.keep_host(slot, host.clone());
    work.sites.open(work, slot, &host).await?;
    plan_with(work, slot, &host, first).await
}

/// Asks a machine that was reached before, and plans it again; the steps are numbered from `first`.
pub(crate) async fn again(work: &Work<'_>, slot: &Slot, first: u32) -> Result<Vec<Step>, Failure> {
    let site = work.sites.get(slot)?;
    plan_with(work, slot, &site.host, first).await
}

async fn plan_with(work: &Work<'_>, slot: &Slot, host: &Host, first: u32) -> Result<Vec<Step>, Failure> {
    let seen = observe_host(work.job.spec, host, slot, &work.job.observed.files).await;
    let mut observed = work.job.observed.clone();
    match seen {
        HostSeen::Ready(mut facts) => match &facts.engine {
            Seen::Unreachable(cause) if !facts.engine_stopped => {
                return Err(Failure::of_kind(FailureKind::Failed, cause.clone()));
            }
            Seen::Present(_) | Seen::Absent | Seen::Unreachable(_) => {
                // The release that this apply has begun there is none of those that it found.
                let begun = work.sites.get(slot)?.release;
                if let Some(record) = &mut facts.record {
                    record.releases.retain(|release| release.number != begun);
                }
                drop(observed.hosts.insert(slot.clone(), HostSeen::Ready(facts)))
            }
        },
        HostSeen::Unreachable(cause) => return Err(Failure::of_kind(FailureKind::Failed, cause)),
        HostSeen::Refused(cause) => return Err(Failure::of_kind(FailureKind::Refused, cause)),
        HostSeen::NotYet(_) => return Err(Failure::new(format!("{slot} does not answer yet"), None)),
    }
    let images = work.sites.images(work.job.plan);
    let partial = work.job.plan.partial.contains(slot);
    let settled = OnTheWay { images: &images, partial, first };
    let plan = plan_host(work.job.spec, &observed, slot, settled);
    if let Some(blocked) = plan.blocked.first() {
        let cause =
            Cause { message: format!("{}: {}", blocked.address, blocked.why), help: blocked.help.clone() };
        let kind = match blocked.kind {
            BlockedKind::Refused => FailureKind::Refused,
            BlockedKind::Unreachable | BlockedKind::Impossible => FailureKind::Failed,
        };
        return Err(Failure::of_kind(kind, cause));
    }
    let stronger = stronger(&work.job.plan.steps, &plan.steps);
    if !stronger.is_empty() && !(work.job.confirm)(slot, &stronger) {
        let message = format!("declined what {slot} turned out to need");
        return Err(Failure::of_kind(FailureKind::Refused, Cause { message, help: None }));
    }
    let site = work.sites.get(slot)?;
    site.begin_release(work, &observed, &plan.steps.iter().collect::<Vec<_>>());
    site.save().await?;
    Ok(plan.steps)
}

/// Steps that cost more than what the plan had shown for their address, or that take away what it had not
/// shown as going. What `keep_releases` lets go of is not asked about.
fn stronger(shown: &[Step], found: &[Step]) -> Vec<Step> {
    let weight = |step: &Step| match step.cost {
        Cost::None => 0,
        Cost::Restart { .. } => 1,
        Cost::StopStart => 2,
        Cost::DataAtRisk | Cost::DataLost => 3,
        Cost::ReplaceMachine => 4,
    };
    let shown_weight = |address: &str| {
        shown.iter().filter(|step| step.address == address).map(weight).max().unwrap_or_default()
    };
    let takes_away = |step: &Step| {
        let kind = step.action.kind();
        step.change == Change::Delete
            && !matches!(step.action, Action::Prune { .. })
            && !shown.iter().any(|one| one.address == step.address && one.action.kind() == kind)
    };
    let is_stronger = |step: &&Step| weight(step) > shown_weight(&step.address) || takes_away(step);
    found.iter().filter(is_stronger).cloned().collect()
}

/// The connection to a machine that runs: the one that there is, or a new one.
pub(crate) async fn host(work: &Work<'_>, slot: &Slot, sink: Sink<'_>) -> Result<Host, Failure> {
    if let Some(host) = work.job.world.host(slot) {
        return Ok(host);
    }
    let reaching = connect(work, slot, sink);
    let host = work.job.stop.cut(reaching).await.ok_or_else(Failure::interrupted)??;
    work.job.world.keep_host(slot, host.clone());
    Ok(host)
}

async fn connect(work: &Work<'_>, slot: &Slot, sink: Sink<'_>) -> Result<Host, Failure> {
    let cloud = cloud(work, &slot.group)?;
    let one = instance(work, slot)?;
    let one = cloud.wait_running(&one, sink).await?;
    let host = wait_for_ssh(work, cloud, &one, sink).await?;
    wait_for_cloud_init(&host, slot, sink).await?;
    wait_for_engine(work, &host, slot, sink).await?;
    Ok(host)
}

/// The id of the slot's instance: the one just launched, else the one that was seen.
fn instance(work: &Work<'_>, slot: &Slot) -> Result<String, Failure> {
    if let Some(id) = work.sites.instance(slot) {
        return Ok(id);
    }
    let seen = live_instances(&work.job.observed.clouds).remove(slot).map(|one| one.id);
    seen.ok_or_else(|| Failure::new(format!("no instance is known for {slot}"), None))
}

async fn wait_for_ssh(
    work: &Work<'_>,
    cloud: &Cloud,
    one: &OwnedInstance,
    sink: Sink<'_>,
) -> Result<Host, Failure> {
    let group = work.job.spec.groups.get(&one.slot.group);
    let group =
        group.ok_or_else(|| Failure::new(format!("group `{}` left the spec", one.slot.group), None))?;
    let seen = work.job.observed.clouds.get(&group.name).and_then(Seen::present);
    let image = seen.and_then(|seen| seen.image.as_ref());
    let mut approach = Approach::to_instance(work.job.world, group, one, image)
        .map_err(|cause| Failure::of_kind(FailureKind::Failed, cause))?;
    let tagged = approach.is_pinned();
    let mut from_console = None;
    let pace = if group.ssh.strict { STRICT } else { SSH };
    let on = match group.ssh.strict && !tagged {
        true => format!("the host keys on the console of {} (ssh.strict), then ssh", one.slot),
        false => format!("ssh on {}", one.slot),
    };
    let host = until(&on, pace, sink, async || {
        if !approach.is_pinned()
            && let Some(tag) = console_key(cloud, &one.id).await
        {
            approach.pin(&tag)?;
            from_console = Some(tag);
        }
        if group.ssh.strict && !approach.is_pinned() {
            return Ok(Found::NotYet("the console does not show its host keys yet".into()));
        }
        match approach.connect().await {
            Ok(host) => Ok(Found::Ready(host)),
            Err(error) if error.is_boot_noise() => Ok(Found::NotYet(error.to_string())),
            Err(error) => Err(error),
        }
    });
    let host = host.await.map_err(|error| ssh_failure(&error, one, &group.name))?;
    if !tagged {
        let tag = from_console.unwrap_or_else(|| {
            HostKeyTag::from_contact(host.session().map_or("", |session| session.host_key()))
        });
        if tag.source == KeySource::FirstContact {
            work.notice(first_contact(&one.slot));
        }
        cloud.set_tag(&one.id, "a3:ssh-host-key", &tag.to_string()).await?;
    }
    Ok(host)
}

pub(crate) fn first_contact(slot: &Slot) -> String {
    format!("{slot}: the console showed no host key in time, so the one shown at first contact was accepted")
}

async fn console_key(cloud: &Cloud, id: &str) -> Option<HostKeyTag> {
    // The console is a help, not a need: whatever keeps it from answering, the next try asks again.
    let lines = cloud.console_host_keys(id).await.ok()?;
    HostKeyTag::from_console(&lines)
}

fn ssh_failure(error: &WaitError<SshError>, one: &OwnedInstance, group: &str) -> Failure {
    match error {
        WaitError::Ended(error) => {
            let kind = if error.is_host_key() { FailureKind::Refused } else { FailureKind::Failed };
            Failure::of_kind(kind, error.cause())
        }
        WaitError::TimedOut { .. } => {
            let help = format!(
                "does the security group let you in (a3 plan), and is instances.{group}.ssh.identity_file the key \
                 of {}? aws ec2 get-console-output --instance-id {} shows how it boots",
                one.id, one.id
            );
            Failure::new(error.to_string(), Some(help))
        }
    }
}

/// The person's own user data may install what the services need.
async fn wait_for_cloud_init(host: &Host, slot: &Slot, sink: Sink<'_>) -> Result<(), Failure> {
    let pace = Pace { deadline: CLOUD_INIT, interval: Duration::from_secs(2) };
    let on = format!("cloud-init on {slot}");
    const SCRIPT: &str = "if command -v cloud-init >/dev/null 2>&1; then cloud-init status 2>/dev/null || true; else echo 'status: done'; fi";
    let waited = until(&on, pace, sink, async || {
        let said = host.read(&Script::new(SCRIPT)).await?;
        let status = said.lines().find_map(|line| line.strip_prefix("status: ")).unwrap_or("done").to_owned();
        // `error` and `degraded` are shown by cloud-init itself; the services may work all the same.
        let goes_on = matches!(status.as_str(), "running" | "not started" | "not run");
        Ok::<_, HostError>(if goes_on { Found::NotYet(status) } else { Found::Ready(status) })
    });
    let status = waited.await.map_err(|error| match error {
        WaitError::Ended(error) => Failure::from(error),
        timed_out @ WaitError::TimedOut { .. } => {
            Failure::new(timed_out.to_string(), Some(format!("on {}: cloud-init status --long", host.name())))
        }
    })?;
    if status == "error" {
        let message = format!("cloud-init on {slot} ended with an error (cloud-init status --long there)");
        sink(crate::event::Activity::Warning { message });
    }
    Ok(())
}

/// Until the engine of a machine that boots answers; one that is not installed, or that nobody starts,
/// is not waited for.
async fn wait_for_engine(work: &Work<'_>, host: &Host, slot: &Slot, sink: Sink<'_>) -> Result<(), Failure> {
    if work.job.spec.services_on(&slot.group).next().is_none() {
        return Ok(());
    }
    match host.facts(&Ask::new(work.job.spec.name.clone(), Vec::new())).await?.docker {
        DockerState::There => engine_answers(host, slot, ENGINE, sink).await.map(drop),
        // Its turn may be still to come.
        DockerState::Stopped => {
            engine_answers(host, slot, STOPPED_ENGINE, sink).await.ok();
            Ok(())
        }
        DockerState::Missing => Ok(()),
    }
}

/// Waits for the engine, and says its version.
pub(crate) async fn engine_answers(
    host: &Host,
    slot: &Slot,
    pace: Pace,
    sink: Sink<'_>,
) -> Result<String, Failure> {
    let engine = host.engine();
    let on = format!("the Docker engine on {slot}");
    let waited = until(&on, pace, sink, async || match engine.version().await {
        Ok(version) => Ok(Found::Ready(version)),
        // cloud-init is done: nobody will let this user in meanwhile.
        Err(error) if error.is_unreachable() && !is_denied(&error) => Ok(Found::NotYet(error.to_string())),
        Err(error) => Err(error),
    });
    match waited.await {
        Ok(version) => Ok(version.version),
        Err(WaitError::Ended(error)) => Err(Failure::of_kind(FailureKind::Failed, engine_cause(&error))),
        Err(timed_out @ WaitError::TimedOut { .. }) => {
            let help = format!("on {}, systemctl status docker tells why", host.name());
            Err(Failure::new(timed_out.to_string(), Some(help)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::step::StepId;

    fn step(address: &str, change: Change, action: Action) -> Step {
        Step::new(StepId(0), address, change, action)
    }

    #[test]
    fn what_goes_and_was_not_shown_is_asked_about() {
        let slot = Slot::new("web", 0);
        let remove = |container: &str| {
            let (service, container) = (container.to_owned(), container.to_owned());
            let action = Action::RemoveContainer {
                slot: slot.clone(),
                service,
                container: container.clone(),
                grace: 10,
                replaced_by: None,
            };
            step(&format!("web/0/{container}"), Change::Delete, action)
        };
        let keys = |change, keys| step("web/0.keys", change, Action::Admit { slot: slot.clone(), keys });
        let start = step("web/0", Change::Update, Action::Start { slot: slot.clone(), id: "i-1".into() });
        let prune = Action::Prune { slot: slot.clone(), releases: vec![1], tags: Vec::new() };
        let found = [
            remove("db"),
            remove("known"),
            keys(Change::Delete, Vec::new()),
            step("web/0.releases", Change::Delete, prune),
        ];
        let asked = stronger(&[start, remove("known")], &found);
        assert_eq!(asked, [found[0].clone(), found[2].clone()]);
    }
}
