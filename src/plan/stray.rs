//! Containers of ours that go: their service left the spec, or they cannot wait for their successor.
//!
//! What takes the place of one may take minutes to build and pull, and may fail in that. So the one goes
//! when everything is ready for the other, and not before.

use std::collections::BTreeMap;

use super::container::{ServiceContext, owned_service, remove};
use super::draft::Draft;
use super::held::Crossed;
use super::host::{Copied, HostContext};
use super::reason::Reason;
use super::step::{Image, StepId};
use crate::id::Slot;
use crate::observed::ContainerSeen;

/// A container that goes in this plan.
#[derive(Debug)]
pub(crate) struct Stray<'a> {
    pub(crate) seen: &'a ContainerSeen,
    reason: Reason,
    /// `None` until what comes in its place is planned.
    pub(crate) step: Option<StepId>,
}

/// What the removal of a container waits for, and what takes its place.
#[derive(Debug, Default)]
pub(crate) struct Before {
    pub(crate) steps: Vec<StepId>,
    /// Where that has to be pulled: before, not in between.
    pub(crate) pull: Option<Image>,
}

/// Those whose service left the spec. An empty `services` never means all.
pub(crate) fn left<'a>(cx: &HostContext<'a>, draft: &mut Draft) -> Vec<Stray<'a>> {
    let Some(facts) = cx.facts else { return Vec::new() };
    let is_wanted = |service: &str| {
        cx.spec.services_on(&cx.group.name).any(|wanted| wanted.name == service)
            || cx.spec.inactive.iter().any(|inactive| inactive == service)
    };
    let strays: Vec<&'a ContainerSeen> = facts
        .containers
        .iter()
        .filter(|seen| owned_service(cx.spec, cx.slot, seen).is_some_and(|service| !is_wanted(service)))
        .collect();
    if cx.is_empty_spec() && !strays.is_empty() {
        let names: Vec<&str> = strays.iter().map(|seen| seen.name.as_str()).collect();
        draft.notices.push(format!(
            "{}: `services` is empty, which removes nothing; still there: {} (a3 destroy removes)",
            cx.slot,
            names.join(", ")
        ));
        return Vec::new();
    }
    strays.into_iter().map(|seen| Stray { seen, reason: Reason::LeftSpec, step: None }).collect()
}

/// Those whose name or port another service takes, while their own waits for that one: they cannot stay
/// until their successor has proven itself.
pub(crate) fn crossed<'a>(
    cx: &HostContext<'a>,
    crossed: Vec<Crossed<'a>>,
    draft: &mut Draft,
) -> impl Iterator<Item = Stray<'a>> {
    crossed.into_iter().map(|Crossed { owner, taker, what, seen }| {
        let what = what.words();
        draft.notices.push(format!(
            "{}: `{taker}` takes {what} of its container, which therefore goes before the new one is proven to \
             work: there is no way back for it",
            cx.address(owner)
        ));
        Stray { seen, reason: Reason::ConfigChanged, step: None }
    })
}

/// Removes those that no service waits for (any more).
pub(crate) fn remove_idle(cx: &HostContext<'_>, all: bool, strays: &mut [Stray<'_>], draft: &mut Draft) {
    for stray in strays.iter_mut().filter(|stray| stray.step.is_none()) {
        if all || takers(cx, &[], stray.seen).is_empty() {
            stray.step = Some(remove(cx, stray.seen, (stray.reason.clone(), Before::default()), draft));
        }
    }
}

/// Removes those that are in the way of a service, the first of those that wait for them. Whatever keeps
/// one of these from beginning (its image, its files, its place among the machines) keeps them there.
pub(crate) fn make_room(
    cx: &ServiceContext<'_>,
    strays: &mut [Stray<'_>],
    logins: &mut BTreeMap<String, Option<StepId>>,
    runs: &BTreeMap<(String, Slot), StepId>,
    draft: &mut Draft,
) {
    for stray in strays.iter_mut().filter(|stray| stray.step.is_none() && cx.is_in_the_way(stray.seen)) {
        let mut before = Before::default();
        if cx.needs_pull() {
            before.steps.extend(cx.host.login(&cx.wanted.image, logins, cx.wanted.after, draft));
            before.pull = Some(cx.wanted.image.clone());
        }
        for taker in takers(cx.host, cx.copies, stray.seen) {
            before.steps.extend(taker.needed(runs));
        }
        stray.step = Some(remove(cx.host, stray.seen, (stray.reason.clone(), before), draft));
    }
}

/// The services that cannot run before it is gone.
fn takers<'a>(
    cx: &'a HostContext<'a>,
    copies: &'a [Copied],
    seen: &ContainerSeen,
) -> Vec<ServiceContext<'a>> {
    let services = cx.spec.services_on(&cx.group.name);
    let all = services.filter_map(|service| {
        let wanted = cx.images.get(&service.name)?;
        Some(ServiceContext { host: cx, service, wanted, copies, strays: &[] })
    });
    all.filter(|service| service.is_in_the_way(seen)).collect()
}
