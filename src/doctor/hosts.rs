//! Machines: that they answer, that Docker is usable there, room, clock, lease, and logins left behind.

use futures_util::future::join_all;

use super::clock;
use super::engine::room;
use crate::explain::Explain as _;
use crate::host::{Host, Login};
use crate::id::Slot;
use crate::observe::World;
use crate::observed::{HostFacts, HostSeen, NotYet, Observed, Seen};
use crate::plan::names;
use crate::report::doctor::{Finding, Health};
use crate::spec::Spec;

/// Every machine of the spec.
pub(super) async fn check(spec: &Spec, world: &World, observed: &Observed) -> Vec<Finding> {
    let asked = observed.hosts.iter().map(async |(slot, seen)| match seen {
        HostSeen::Ready(facts) => ready(spec, world, observed, (slot, facts)).await,
        HostSeen::NotYet(why) => vec![not_yet(slot, *why)],
        // One credential that is missing is one finding, however many machines are behind it.
        HostSeen::Unreachable(_) if is_behind_a_cloud(observed, slot) => {
            vec![Finding::warning(slot.to_string(), "could not be looked for", "see AWS above")]
        }
        HostSeen::Unreachable(cause) => vec![Finding::of(slot.to_string(), Health::Unreachable, cause)],
        HostSeen::Refused(cause) => vec![Finding::of(slot.to_string(), Health::Failed, cause)],
    });
    join_all(asked).await.into_iter().flatten().collect()
}

fn is_behind_a_cloud(observed: &Observed, slot: &Slot) -> bool {
    matches!(observed.clouds.get(&slot.group), Some(Seen::Unreachable(_)))
}

fn not_yet(slot: &Slot, why: NotYet) -> Finding {
    let slot = slot.to_string();
    match why {
        NotYet::NotLaunched => Finding::ok(slot, "is not launched yet"),
        NotYet::Stopped => Finding::warning(slot, "is stopped", "a3 apply starts it"),
        NotYet::Booting => Finding::warning(slot, "boots", "wait a little, and look again"),
        NotYet::NoRule => {
            Finding::warning(slot, "its security group does not let you in", "a3 apply adds the rule")
        }
    }
}

async fn ready(
    spec: &Spec,
    world: &World,
    observed: &Observed,
    machine: (&Slot, &HostFacts),
) -> Vec<Finding> {
    let (slot, facts) = machine;
    let subject = slot.to_string();
    let host = world.host(slot);
    let mut findings = vec![match &facts.engine {
        Seen::Present(version) => Finding::ok(&subject, format!("answers, with Docker {version}")),
        Seen::Absent => {
            Finding::warning(&subject, "answers, and has no Docker", "a3 plan shows what is done about it")
        }
        Seen::Unreachable(cause) => Finding::of(&subject, Health::Failed, cause),
    }];
    // What is said of this machine is said already.
    let Some(host) = host.filter(|host| host.session().is_some()) else {
        findings.extend(lease(slot, facts));
        return findings;
    };
    let sudo = if facts.sudo {
        "works"
    } else {
        "does not work without a password: a3's folder is in the home folder"
    };
    findings.push(Finding::ok(&subject, format!("sudo {sudo}")));
    let prune = format!("{} docker image prune", ssh_line(spec, slot, &host));
    findings.extend(facts.disk_free.map(|free| room(&subject, "Docker's folder", free, &prune)));
    findings.push(clock::compare(&subject, &subject, facts.now, observed.now));
    findings.extend(lease(slot, facts));
    findings.extend(logins(spec, slot, &host).await);
    findings
}

fn lease(slot: &Slot, facts: &HostFacts) -> Option<Finding> {
    let lease = facts.lease.as_ref()?;
    let message =
        format!("{} works there, for {} s now", lease.holder, facts.now.saturating_sub(lease.since));
    Some(Finding::warning(slot.to_string(), message, "wait for it to end; a3 unlock takes it away"))
}

/// How a person gets there.
fn ssh_line(spec: &Spec, slot: &Slot, host: &Host) -> String {
    let mut line = "ssh".to_owned();
    if let Some(group) = spec.groups.get(&slot.group) {
        if let Some(key) = &group.ssh.identity_file {
            line.push_str(&format!(" -i {}", key.display()));
        }
        if let Some(port) = group.ssh.port.filter(|port| *port != 22) {
            line.push_str(&format!(" -p {port}"));
        }
        if let Some(jump) = &group.ssh.proxy_jump {
            line.push_str(&format!(" -J {jump}"));
        }
    }
    let to = host.session().map(|session| format!(" {}@{}", session.user(), session.host()));
    line + &to.unwrap_or_default()
}

/// A login that nobody meant to leave there.
async fn logins(spec: &Spec, slot: &Slot, host: &Host) -> Vec<Finding> {
    let of_images = spec.services_on(&slot.group).map(|service| names::server(&service.image));
    let mut servers: Vec<&str> = of_images.chain(spec.registries.keys().map(String::as_str)).collect();
    servers.sort_unstable();
    servers.dedup();
    let meant = |server: &str| spec.registries.get(server).is_some_and(|registry| registry.persist_login);
    servers.retain(|server| !meant(server));
    let asked: Vec<&str> = servers.iter().map(|server| as_docker_writes(server)).collect();
    let subject = slot.to_string();
    match host.logins(&asked).await {
        Ok(found) if found.is_empty() => vec![Finding::ok(subject, "no registry login is left there")],
        Ok(found) => found.iter().map(|login| left(spec, slot, host, login)).collect(),
        Err(error) => vec![Finding::of(subject, Health::Unreachable, &error.cause())],
    }
}

/// Docker's configuration has Docker Hub under its old address.
fn as_docker_writes(server: &str) -> &str {
    if server == "docker.io" { "https://index.docker.io/v1/" } else { server }
}

fn left(spec: &Spec, slot: &Slot, host: &Host, login: &Login) -> Finding {
    let Login { server, of_root } = login;
    let (whose, sudo) = if *of_root { ("root has", "sudo ") } else { ("the ssh user has", "") };
    let message = format!("{whose} a login for {server} there, which who gets in can use; a3 needs none");
    let help = format!("{} {sudo}docker logout {server}", ssh_line(spec, slot, host));
    Finding::warning(slot.to_string(), message, help)
}
