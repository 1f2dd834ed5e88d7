//! `a3 status`.

use super::args::StatusArgs;
use super::exit::Exit;
use super::fault::Ended;
use super::work::{self, Wish};
use super::{Session, terminal};
use crate::id::Slot;
use crate::observe::secrets::Consent;
use crate::observed::{
    ContainerSeen, ContainerState, Health, HostFacts, HostSeen, NotYet, Observed, OwnedInstance, Seen,
};
use crate::plan::names::label;
use crate::plan::{Destroy, ends_at, owned_service};
use crate::report::status::{ContainerRow, InstanceRow, Status};
use crate::spec::{Machine, Spec};

/// `a3 status`
pub(crate) async fn status(session: &Session, args: &StatusArgs) -> Ended {
    let spec = session.load(None)?;
    // What a destroy needs to see is what there is.
    let looked = work::look(&spec, &Wish::Destroy(Destroy::default()), Consent { commands: false }).await?;
    let status = table(&spec, &looked.observed, args.all);
    if args.json {
        terminal::data(&status.to_json());
    } else {
        terminal::data(&status.to_text(&session.data_look));
    }
    let unreachable = looked.observed.clouds.values().any(|seen| matches!(seen, Seen::Unreachable(_)));
    Ok(if unreachable { Exit::Unreachable } else { Exit::Done })
}

fn table(spec: &Spec, observed: &Observed, all: bool) -> Status {
    let mut status = Status { deployment: spec.name.clone(), ..Status::default() };
    for (name, seen) in &observed.clouds {
        match seen {
            Seen::Unreachable(cause) => status.notices.push(format!("{name}: {}", cause.message)),
            Seen::Absent => {}
            Seen::Present(cloud) => {
                for one in cloud.instances.iter().filter(|one| all || one.state.is_live()) {
                    let row = instance_row(spec, observed, one);
                    if !status.instances.contains(&row) {
                        status.instances.push(row);
                    }
                }
            }
        }
    }
    for (slot, seen) in &observed.hosts {
        match seen {
            HostSeen::Ready(facts) => {
                status.instances.extend(known_row(spec, slot, facts));
                let own = facts.containers.iter().filter(|seen| {
                    all || seen.state == ContainerState::Running || owned_service(spec, slot, seen).is_some()
                });
                let own = own.filter_map(|seen| container_row(spec, slot, facts, seen));
                status.containers.extend(own);
                match &facts.engine {
                    Seen::Present(_) => {}
                    Seen::Absent => status.notices.push(format!("{slot}: Docker is not installed there")),
                    Seen::Unreachable(cause) => status.notices.push(format!("{slot}: {}", cause.message)),
                }
            }
            HostSeen::Unreachable(cause) | HostSeen::Refused(cause) => {
                status.notices.push(format!("{slot}: {}", cause.message))
            }
            HostSeen::NotYet(NotYet::NotLaunched) => {}
            HostSeen::NotYet(NotYet::Stopped) => status.notices.push(format!("{slot} is stopped")),
            HostSeen::NotYet(NotYet::Booting) => status.notices.push(format!("{slot} boots")),
            HostSeen::NotYet(NotYet::NoRule) => {
                status
                    .notices
                    .push(format!("{slot}: the security group does not let you in; a3 apply adds the rule"));
            }
        }
    }
    status
}

fn instance_row(spec: &Spec, observed: &Observed, one: &OwnedInstance) -> InstanceRow {
    let address = one.public_ip.as_ref().or(one.private_ip.as_ref());
    let group = spec.groups.get(&one.slot.group);
    let user = group.and_then(|group| group.ssh.user.clone()).or_else(|| one.user.clone());
    let address = match (user, address) {
        (Some(user), Some(ip)) => format!("{user}@{ip}"),
        (None, Some(ip)) => ip.clone(),
        (_, None) => String::new(),
    };
    let left_spec = spec.slots().all(|(slot, _)| slot != one.slot);
    InstanceRow {
        id: one.id.clone(),
        slot: one.slot.to_string(),
        name: one.name.clone(),
        instance_type: one.instance_type.clone(),
        arch: one.arch.to_string(),
        address: if one.state.is_live() { address } else { String::new() },
        ami: one.image_id.clone(),
        state: state_word(one),
        age: age(observed.now.saturating_sub(one.launched)),
        ttl: ends_at(one).map_or(String::new(), |at| {
            if at > observed.now { age(at - observed.now) } else { "over".to_owned() }
        }),
        drift: if left_spec { "left the spec".to_owned() } else { String::new() },
    }
}

fn state_word(one: &OwnedInstance) -> String {
    // EC2's own spelling, as serde writes it.
    let word = serde_json::to_value(one.state).ok();
    word.and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A row for a machine that a3 did not launch.
fn known_row(spec: &Spec, slot: &Slot, facts: &HostFacts) -> Option<InstanceRow> {
    let group = spec.groups.get(&slot.group)?;
    let address = match &group.machine {
        Machine::Ec2(_) => return None,
        Machine::Local => "this machine".to_owned(),
        Machine::Host(hosts) => hosts.get(usize::try_from(slot.index).ok()?)?.host.clone(),
    };
    let state = if facts.engine.present().is_some() { "reachable" } else { "no engine" };
    Some(InstanceRow {
        slot: slot.to_string(),
        arch: facts.arch.to_string(),
        address,
        state: state.to_owned(),
        ..InstanceRow::default()
    })
}

fn container_row(spec: &Spec, slot: &Slot, facts: &HostFacts, seen: &ContainerSeen) -> Option<ContainerRow> {
    let service = owned_service(spec, slot, seen)?;
    let image = seen.labels.get(label::IMAGE).map_or(seen.image_id.as_str(), String::as_str);
    let digest = image
        .rsplit_once("sha256:")
        .map_or(image.to_owned(), |(_, hex)| format!("sha256:{}", &hex[..hex.len().min(12)]));
    let running = seen.state == ContainerState::Running;
    let since = seen.started.filter(|_| running).map(|at| age(facts.now.saturating_sub(at)));
    let ports: Vec<String> = seen
        .ports
        .iter()
        .map(|port| format!("{}→{}/{}", port.published, port.target, port.protocol.as_str()))
        .collect();
    let left_spec = !spec.services.contains_key(service) && !spec.inactive.iter().any(|name| name == service);
    Some(ContainerRow {
        slot: slot.to_string(),
        service: service.to_owned(),
        container: seen.name.clone(),
        digest,
        state: container_state(seen.state),
        health: match seen.health {
            None => String::new(),
            Some(Health::Starting) => "starting".to_owned(),
            Some(Health::Healthy) => "healthy".to_owned(),
            Some(Health::Unhealthy) => "unhealthy".to_owned(),
        },
        uptime: since.unwrap_or_default(),
        ports: ports.join(", "),
        release: seen.labels.get(label::RELEASE).cloned().unwrap_or_default(),
        drift: if left_spec { "left the spec".to_owned() } else { String::new() },
    })
}

fn container_state(state: ContainerState) -> String {
    match state {
        ContainerState::Created => "created".to_owned(),
        ContainerState::Running => "running".to_owned(),
        ContainerState::Paused => "paused".to_owned(),
        ContainerState::Restarting => "restarting".to_owned(),
        ContainerState::Exited(code) => format!("exited ({code})"),
        ContainerState::Gone => "dead".to_owned(),
    }
}

/// `2d 03h`, `3h 07m`, `12m 04s`.
fn age(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes}m {:02}s", seconds % 60),
        (0, _) => format!("{hours}h {minutes:02}m"),
        _ => format!("{days}d {hours:02}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::age;

    #[test]
    fn ages_have_two_units() {
        assert_eq!([age(4), age(3_904), age(180_000)], ["0m 04s", "1h 05m", "2d 02h"]);
    }
}
