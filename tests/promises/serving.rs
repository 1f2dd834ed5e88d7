//! What goes on serving where an apply does not come to its end.

use a3::id::Slot;
use a3::observed::{ContainerSeen, FileSeen, HostFacts, HostSeen, PublishedPort};
use a3::plan::owned_service;
use a3::plan::step::{Action, Step};
use a3::spec::Spec;

use super::stage::Stage;

/// A service that should have got a new container, and still has the one that it had, has its data too.
pub(crate) fn has_its_data(spec: &Spec, before: &Stage, after: &Stage, planned: &[&Step]) {
    for (slot, was, is) in both(before, after) {
        for run in planned.iter().filter_map(|step| run_on(&slot, step)) {
            let stays = own(spec, &slot, was, run).any(|one| is.containers.contains(one));
            let files = was.record.iter().flat_map(|record| &record.files);
            let mut files = files.filter(|(_, file)| stays && file.service == run);
            let gone = files.find(|(path, _)| {
                let there = |facts: &HostFacts| matches!(facts.files.get(*path), Some(FileSeen::File { .. }));
                there(was) && !there(is)
            });
            assert!(gone.is_none(), "{slot}: {run} still runs as it did, without {gone:?}");
        }
    }
}

/// What stood in the place of a service goes only when that one begins: whatever kept it from it (its image,
/// a machine before this one) kept the other one there. `tried` are the steps that began.
pub(crate) fn makes_room_late(
    spec: &Spec,
    before: &Stage,
    after: &Stage,
    (planned, tried): (&[&Step], &[&Step]),
) {
    for (slot, was, is) in both(before, after) {
        let removals: Vec<&String> = planned
            .iter()
            .filter_map(|step| match &step.action {
                Action::RemoveContainer { slot: there, container, .. } if *there == slot => Some(container),
                _ => None,
            })
            .collect();
        for gone in removals.iter().filter(|name| !is.containers.iter().any(|one| one.name == ***name)) {
            let Some(gone) = was.containers.iter().find(|one| one.name == **gone) else { continue };
            let takes = |step: &&&Step| match &step.action {
                Action::Run(run) if run.slot == slot => {
                    let port = |held: &PublishedPort| {
                        run.settings.ports.iter().any(|port| port.published == Some(held.published))
                    };
                    run.settings.name == gone.name || (gone.state.is_up() && gone.ports.iter().any(port))
                }
                _ => false,
            };
            // Of two that are in the way (a swap was interrupted), the other one could not be removed.
            let stuck = removals.iter().any(|name| is.containers.iter().any(|one| one.name == **name));
            let left = owned_service(spec, &slot, gone);
            let mut takers = planned.iter().filter(takes).peekable();
            let nobody = takers.peek().is_none();
            let begun = takers.any(|taker| tried.iter().any(|one| one.id == taker.id));
            assert!(nobody || begun || stuck, "{slot}: {left:?} went, and nothing came");
        }
    }
}

fn both<'a>(
    before: &'a Stage,
    after: &'a Stage,
) -> impl Iterator<Item = (Slot, &'a HostFacts, &'a HostFacts)> {
    before.seen.hosts.iter().filter_map(|(slot, seen)| {
        Some((slot.clone(), seen.facts()?, after.seen.hosts.get(slot).and_then(HostSeen::facts)?))
    })
}

fn run_on<'a>(slot: &Slot, step: &'a Step) -> Option<&'a str> {
    match &step.action {
        Action::Run(run) if run.slot == *slot => Some(&run.service),
        _ => None,
    }
}

fn own<'a>(
    spec: &Spec,
    slot: &Slot,
    facts: &'a HostFacts,
    service: &str,
) -> impl Iterator<Item = &'a ContainerSeen> {
    facts.containers.iter().filter(move |one| owned_service(spec, slot, one) == Some(service))
}
