//! `a3 status`.

use super::args::StatusArgs;
use super::exit::Exit;
use super::fault::Ended;
use super::work::{self, Looked, Wish};
use super::{Session, containers, terminal, watch};
use crate::id::Slot;
use crate::observe::secrets::Consent;
use crate::observed::{HostFacts, HostSeen, InstanceState, NotYet, Observed, OwnedInstance, Seen};
use crate::plan::{Destroy, Difference, ends_at, firewall_drift, instance_drift, moment};
use crate::report::difference::{self, DifferenceRow};
use crate::report::status::{InstanceRow, Status};
use crate::report::words;
use crate::spec::{Machine, Spec};

/// `a3 status`
pub(crate) async fn status(session: &Session, args: &StatusArgs) -> Ended {
    if args.all_regions {
        return super::everywhere::status(session, args).await;
    }
    if args.watch {
        watch::can_watch(args)?;
    }
    let spec = session.load(None)?;
    // What a destroy needs to see is what there is.
    let looked = work::look(&spec, &Wish::Destroy(Destroy::default()), Consent { commands: false }).await?;
    if args.watch {
        return watch::watch(session, args, &spec, looked).await;
    }
    let status = status_of(&spec, &looked, args.all).await;
    if args.json {
        terminal::data(&status.to_json());
    } else {
        terminal::data(&status.to_text(&session.data_look));
    }
    Ok(if is_incomplete(&looked.observed) { Exit::Unreachable } else { Exit::Done })
}

/// Something that should have answered did not.
fn is_incomplete(observed: &Observed) -> bool {
    let silent = |seen: &HostSeen| match seen {
        HostSeen::Unreachable(_) | HostSeen::Refused(_) => true,
        HostSeen::Ready(facts) => matches!(facts.engine, Seen::Unreachable(_)),
        HostSeen::NotYet(_) => false,
    };
    observed.clouds.values().any(|seen| matches!(seen, Seen::Unreachable(_)))
        || observed.hosts.values().any(silent)
}

/// Everything that is shown of what was found.
pub(super) async fn status_of(spec: &Spec, looked: &Looked, all: bool) -> Status {
    let sizes = containers::sizes(&looked.world, &looked.observed).await;
    let containers = containers::rows(spec, &looked.observed, &sizes, all);
    let mut status = Status { containers, ..machines(spec, &looked.observed, all) };
    for (address, found) in differences(spec, &looked.observed) {
        status.differences.extend(found.iter().flat_map(|one| DifferenceRow::all(&address, one)));
    }
    status
}

/// What differs from the spec, by address: machines, their security groups, containers.
fn differences(spec: &Spec, observed: &Observed) -> Vec<(String, Vec<Difference>)> {
    let clouds = observed.clouds.values().filter_map(Seen::present);
    let instances = clouds.flat_map(|cloud| &cloud.instances).filter(|one| one.state.is_live());
    let mut found: Vec<(String, Vec<Difference>)> = Vec::new();
    for one in instances {
        // Two groups in one region both show all of its instances.
        let address = one.slot.to_string();
        if found.iter().all(|(known, _)| *known != address) {
            found.push((address, instance_drift(spec, observed, one)));
        }
    }
    let firewalls = spec.groups.keys();
    found.extend(firewalls.map(|group| (format!("{group}.firewall"), firewall_drift(spec, observed, group))));
    found.extend(containers::differences(spec, observed));
    found
}

fn machines(spec: &Spec, observed: &Observed, all: bool) -> Status {
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
    for group in spec.groups.keys() {
        let drifted = firewall_drift(spec, observed, group).into_iter().filter(|one| one.reason.is_drift());
        let told = drifted.map(|one| format!("{group}.firewall: {}", words::reason_line(&one.reason)));
        status.notices.extend(told);
    }
    for (slot, seen) in &observed.hosts {
        match seen {
            HostSeen::Ready(facts) => {
                status.instances.extend(known_row(spec, slot, facts));
                match &facts.engine {
                    Seen::Present(_) => {}
                    Seen::Absent => status.notices.push(format!("{slot}: Docker is not installed there")),
                    Seen::Unreachable(cause) => status.notices.push(format!("{slot}: {}", cause.message)),
                }
            }
            HostSeen::Unreachable(cause) | HostSeen::Refused(cause) => {
                status.notices.push(format!("{slot}: {}", cause.message));
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
    let ends = ends_at(one).filter(|_| one.state.is_live());
    InstanceRow {
        id: one.id.clone(),
        slot: one.slot.to_string(),
        name: one.name.clone(),
        instance_type: one.instance_type.clone(),
        arch: one.arch.to_string(),
        address: if one.state.is_live() { address } else { String::new() },
        ami: one.image_id.clone(),
        state: state_word(one.state),
        age: age(observed.now.saturating_sub(one.created)),
        ttl: ends.map(|at| left(at, observed.now)).unwrap_or_default(),
        ends: ends.map(moment).unwrap_or_default(),
        drift: difference::words(&instance_drift(spec, observed, one)),
    }
}

pub(super) fn state_word(state: InstanceState) -> String {
    // EC2's own spelling, as serde writes it.
    let word = serde_json::to_value(state).ok();
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

/// What is left until `at`.
pub(super) fn left(at: u64, now: u64) -> String {
    if at > now { age(at - now) } else { "over".to_owned() }
}

/// `2d 03h`, `3h 07m`, `12m 04s`.
pub(crate) fn age(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes}m {:02}s", seconds % 60),
        (0, _) => format!("{hours}h {minutes:02}m"),
        _ => format!("{days}d {hours:02}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::{age, left};

    #[test]
    fn ages_have_two_units() {
        assert_eq!([age(4), age(3_904), age(180_000)], ["0m 04s", "1h 05m", "2d 02h"]);
        assert_eq!([left(64, 60), left(60, 60)], ["0m 04s", "over"]);
    }
}
