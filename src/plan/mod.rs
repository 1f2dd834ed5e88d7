//! The decision: `Spec` × `Observed` → `Plan`. Sync, no clock, no randomness, no I/O.
//!
//! A plan leaves no choice to apply. Each file here decides one area: images, the firewall,
//! machines, one machine's files, one service's container.

mod action;
mod admit;
pub mod asked;
pub(crate) mod asked_rules;
mod compare;
mod container;
mod create_only;
mod deadline;
mod destroy;
mod diff;
mod draft;
mod drift;
mod firewall;
mod fitting;
pub mod hash;
mod held;
mod host;
mod image;
mod in_place;
mod install;
pub(crate) mod launch_hash;
mod machine;
pub mod mnemonic;
pub mod names;
mod order;
pub mod own_tags;
pub mod paths;
pub mod preflight;
mod prune;
pub mod reason;
pub mod released;
pub mod rollback;
pub mod settings;
pub mod step;
mod stray;
pub mod summary;
mod title;
mod value;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use container::{one_off_service, owned_service};
pub use deadline::moment;
pub use destroy::{Destroy, plan_destroy};
pub use drift::{Difference, drift, firewall_drift, instance_drift, missing};
pub use launch_hash::ends_at;
pub use order::{Order, Verb, plan_order};

use crate::id::Slot;
use crate::observed::{CloudSeen, HostFacts, HostSeen, Observed, Seen};
use crate::spec::{Machine, Rollback, Service, Spec};
use draft::Draft;
use host::HostContext;
use image::Wanted;
use machine::{GroupContext, How, Reach, Reached};
use reason::Reason;
use step::{BlockedKind, Image, Plan, StepId};

/// What a person asked for beyond the spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Options {
    /// Services to build anew whatever the registry has.
    pub rebuild: BTreeSet<String>,
    /// Slots whose machine is replaced.
    pub replace: BTreeSet<Slot>,
    /// Only these services, groups and slots (and the images they need); empty is everything.
    pub target: BTreeSet<String>,
    /// How far images have to come.
    pub images: ImageGoal,
}

/// How far images have to come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageGoal {
    /// To where they run: in the engine for services on `local`, else in the registry.
    #[default]
    Deployed,
    /// Into the engine here (`a3 build`).
    Built,
    /// Into the registry (`a3 push`).
    Pushed,
}

impl Options {
    fn wants_service(&self, group: &str, service: &str) -> bool {
        self.target.is_empty() || self.target.contains(service) || self.target.contains(group)
    }

    /// Whether the slot itself is wanted, with everything on it.
    fn wants_slot(&self, slot: &Slot) -> bool {
        let on_slot = |target: &String| *target == slot.to_string() || *target == slot.group;
        self.target.is_empty() || self.target.iter().any(on_slot)
    }

    /// Whether the slot is wanted, be it for one service.
    pub(crate) fn wants_machine(&self, spec: &Spec, slot: &Slot) -> bool {
        let mut services = spec.services_on(&slot.group);
        self.wants_slot(slot) || services.any(|service| self.target.contains(&service.name))
    }

    fn wants_group(&self, spec: &Spec, group: &str) -> bool {
        let mut slots = spec.slots().filter(|(slot, _)| slot.group == group);
        self.wants_slot(&Slot::new(group, 0)) || slots.any(|(slot, _)| self.wants_machine(spec, &slot))
    }

    /// Whether a service's image is needed: for the service, its group, or one of its slots.
    pub(crate) fn wants_image(&self, spec: &Spec, service: &Service) -> bool {
        self.wants_service(&service.on, &service.name) || {
            let mut slots = spec.slots().filter(|(slot, _)| slot.group == service.on);
            slots.any(|(slot, _)| self.target.contains(&slot.to_string()))
        }
    }
}

/// Plans a deployment. What could not be decided is in [`Plan::blocked`].
pub fn plan(spec: &Spec, observed: &Observed, options: &Options) -> Plan {
    let mut draft = Draft::default();
    note_missing(spec, observed, options, &mut draft);
    notice_rollback(spec, observed, &mut draft);
    let images = plan_images(spec, observed, options, &mut draft);
    let (reach, unplannable) = plan_machines(spec, observed, options, &mut draft);
    let mut runs = BTreeMap::new();
    let mut planned = Vec::new();
    let (mut partial, mut unseen) = (BTreeSet::new(), BTreeSet::new());
    for (slot, group) in spec.slots() {
        if unplannable.contains(&slot) || !options.wants_machine(spec, &slot) {
            continue;
        }
        let reached = reach.get(&slot).copied();
        let Some(facts) = host_facts(observed, &slot, reached, &mut draft) else { continue };
        let reach = reached.map(|reached| reached.step);
        let whole = options.wants_slot(&slot);
        if !whole {
            partial.insert(slot.clone());
        }
        let new = reached.is_some_and(|reached| reached.how == How::New);
        let restarts = reached.filter(|reached| reached.how == How::Restarts && facts.is_some());
        let restarts = restarts.map(|reached| reached.step);
        let images = &images;
        let late = facts.is_none() || restarts.is_some();
        let cx = HostContext {
            spec,
            observed,
            slot: &slot,
            group,
            facts,
            images,
            reach,
            whole,
            new,
            restarts: restarts.is_some(),
            late,
        };
        let first = draft.steps.len();
        host::plan(&cx, &mut runs, &mut draft);
        draft.later(first, restarts);
        if facts.is_none() && whole && !new && draft.steps.len() == first && !cx.is_empty_spec() {
            unseen.insert(slot.clone());
        }
        planned.extend(facts.map(|facts| (slot, facts, restarts)));
    }
    // Once the new release works everywhere, what it pushes out may go.
    for (slot, facts, restarts) in planned {
        let first = draft.steps.len();
        let images = &images;
        prune::plan(&prune::Kept { spec, observed, slot: &slot, facts, images }, &mut draft);
        draft.later(first, restarts);
    }
    let images = images.into_iter().map(|(service, wanted)| (service, wanted.image));
    Plan { images: images.collect(), partial, unseen, ..finish(spec, observed, draft) }
}

/// What could not be read here, for those that are planned.
fn note_missing(spec: &Spec, observed: &Observed, options: &Options, draft: &mut Draft) {
    let wanted = |name: &String| match spec.services.get(name) {
        Some(service) => options.wants_image(spec, service),
        None => options.wants_group(spec, name),
    };
    for missing in &observed.missing {
        if missing.of.is_empty() || missing.of.iter().any(wanted) {
            draft.impossible("files", &missing.cause);
        }
    }
}

/// What a rollback does not bring back, and that one is passed again.
fn notice_rollback(spec: &Spec, observed: &Observed, draft: &mut Draft) {
    if let Some(Rollback { to, services }) = &spec.rollback {
        let what = if services.is_empty() { "all services".to_owned() } else { services.join(", ") };
        draft.notices.push(format!(
            "this takes {what} back to release {to}: images and settings. Data files, volumes and what was \
             migrated stay as they are, and secrets are read anew"
        ));
        draft.notices.push("deploy.yaml is newer: the next a3 apply goes forward again".to_owned());
    } else if let Some((number, Rollback { to, services })) = rollback::running_rollback(observed) {
        let what = if services.is_empty() { String::new() } else { format!(" of {}", services.join(", ")) };
        draft.notices.push(format!(
            "release {number}, which runs, is a rollback{what} to release {to}: a3 apply goes forward again, \
             past it"
        ));
    }
}

/// Plans images and nothing else.
pub fn plan_only_images(spec: &Spec, observed: &Observed, options: &Options) -> Plan {
    let mut draft = Draft::default();
    note_missing(spec, observed, options, &mut draft);
    let built = |service: &&Service| service.build.is_some();
    let mut images = spec.clone();
    images.services =
        spec.services.values().filter(built).map(|one| (one.name.clone(), one.clone())).collect();
    plan_images(&images, observed, options, &mut draft);
    finish(spec, observed, draft)
}

/// What is settled when a machine is planned on the way.
#[derive(Clone, Copy, Debug)]
pub struct OnTheWay<'a> {
    /// What services run, as far as it is known by now.
    pub images: &'a BTreeMap<String, Image>,
    /// Whether the plan is about some services there only: [`Plan::partial`].
    pub partial: bool,
    /// The number of the first step.
    pub first: u32,
}

/// Plans one machine again, once it can be asked.
pub fn plan_host(spec: &Spec, observed: &Observed, slot: &Slot, settled: OnTheWay<'_>) -> Plan {
    let OnTheWay { images, partial, first } = settled;
    let mut draft = Draft { first, ..Draft::default() };
    let after = |image: &Image| match image {
        Image::From { step, .. } => Some(*step),
        Image::Pinned { .. } | Image::Local { .. } => None,
    };
    let images = images.iter().map(|(service, image)| {
        (service.clone(), Wanted { image: image.clone(), size: None, after: after(image) })
    });
    let images: BTreeMap<String, Wanted> = images.collect();
    let facts = observed.hosts.get(slot).and_then(HostSeen::facts);
    if let (Some(group), Some(facts)) = (spec.groups.get(&slot.group), facts) {
        // Services that were left out, or whose image failed, have none: then nothing is removed.
        let mut services = spec.services_on(&group.name);
        let whole = !partial && services.all(|service| images.contains_key(&service.name));
        let facts = Some(facts);
        let images = &images;
        let (reach, new, restarts, late) = (None, false, false, false);
        let cx =
            HostContext { spec, observed, slot, group, facts, images, reach, whole, new, restarts, late };
        host::plan(&cx, &mut BTreeMap::new(), &mut draft);
        if let Some(facts) = facts {
            prune::plan(&prune::Kept { spec, observed, slot, facts, images }, &mut draft);
        }
    }
    finish(spec, observed, draft)
}

fn plan_images(
    spec: &Spec,
    observed: &Observed,
    options: &Options,
    draft: &mut Draft,
) -> BTreeMap<String, Wanted> {
    let mut images = BTreeMap::new();
    for service in spec.services.values() {
        if !options.wants_image(spec, service) {
            continue;
        }
        let Some(seen) = observed.images.get(&service.name) else {
            no_platform(service, observed, draft);
            continue;
        };
        if let Some(wanted) = image::plan(&image::Asked { spec, service, seen, observed }, options, draft) {
            images.insert(service.name.clone(), wanted);
        }
    }
    images
}

/// An image is asked for once it is known what it runs on.
fn no_platform(service: &Service, observed: &Observed, draft: &mut Draft) {
    if observed.unread.contains(&service.name) {
        return;
    }
    let (name, on) = (&service.name, &service.on);
    let address = format!("{name}.image");
    let mut hosts = observed.hosts.iter().filter(|(slot, _)| slot.group == *on);
    // It says itself why it does not answer.
    let cause = hosts.clone().find_map(|(_, seen)| match seen {
        HostSeen::Unreachable(cause) | HostSeen::Refused(cause) => Some(cause),
        HostSeen::Ready(_) | HostSeen::NotYet(_) => None,
    });
    let unknown = format!("what `{on}` runs is not known, so neither is its platform");
    let why = match cause {
        Some(cause) => format!("{unknown}: {}", cause.message),
        None => unknown,
    };
    let help = cause.and_then(|cause| cause.help.clone()).unwrap_or_else(|| {
        format!("see `{on}`; or set `services.{name}.platform`, linux/amd64 or linux/arm64")
    });
    // EC2 has answered: it has no such AMI.
    let answered = observed.clouds.get(on).is_some_and(|seen| seen.present().is_some());
    let kind = match hosts.any(|(_, seen)| matches!(seen, HostSeen::Refused(_))) {
        true => BlockedKind::Refused,
        false if answered => BlockedKind::Impossible,
        false => BlockedKind::Unreachable,
    };
    draft.block(address, kind, why, Some(help));
}

fn plan_machines(
    spec: &Spec,
    observed: &Observed,
    options: &Options,
    draft: &mut Draft,
) -> (Reach, BTreeSet<Slot>) {
    let mut reach = Reach::new();
    let mut blocked = BTreeSet::new();
    let mut regions = BTreeMap::new();
    let mut unreached = BTreeSet::new();
    for (name, seen) in &observed.clouds {
        if !options.wants_group(spec, name) {
            continue;
        }
        let cloud = match seen {
            Seen::Present(cloud) => cloud,
            Seen::Unreachable(cause) => {
                draft.unreachable(name.clone(), cause);
                blocked.extend(spec.slots().map(|(slot, _)| slot).filter(|slot| slot.group == *name));
                unreached.insert(name.as_str());
                continue;
            }
            Seen::Absent => continue,
        };
        let (_, groups) =
            regions.entry((&cloud.account, &cloud.region)).or_insert((&cloud.instances, BTreeSet::new()));
        let Some(group) = spec.groups.get(name) else { continue };
        let Machine::Ec2(ec2) = &group.machine else { continue };
        groups.insert(name.as_str());
        draft.notices.extend(cloud.notes.iter().map(|note| format!("{name}: {note}")));
        let cx = GroupContext { spec, group, ec2, cloud, now: observed.now, hosts: &observed.hosts };
        let (group_reach, group_blocked) = machine::plan(&cx, options, draft);
        reach.extend(group_reach);
        blocked.extend(group_blocked);
    }
    // Another group's answer shows the instances of one that could not be asked; they have not left.
    let ends = regions.iter().flat_map(|((_, region), (instances, groups))| {
        let known: BTreeSet<&str> = groups.union(&unreached).copied().collect();
        machine::plan_strays(spec, (region.as_str(), instances.as_slice(), &known), options, draft)
    });
    let ends: Vec<StepId> = ends.collect();
    firewall::plan_unused(spec, observed, options, draft);
    for (_, cloud) in present_clouds(observed) {
        for left in cloud.left.iter().filter(|left| options.wants_group(spec, &left.group)) {
            destroy::delete(spec, (cloud, left), (&Reason::LeftSpec, &ends), draft);
        }
    }
    (reach, blocked)
}

fn present_clouds(observed: &Observed) -> impl Iterator<Item = (&str, &CloudSeen)> {
    observed.clouds.iter().filter_map(|(name, seen)| Some((name.as_str(), seen.present()?)))
}

/// The facts of a machine that answered, `Some(None)` for one that will, `None` for one that should
/// have: that is noted as blocked.
#[expect(clippy::option_option, reason = "not to be planned, fresh, and known are three answers")]
fn host_facts<'a>(
    observed: &'a Observed,
    slot: &Slot,
    reached: Option<Reached>,
    draft: &mut Draft,
) -> Option<Option<&'a HostFacts>> {
    let how = reached.map(|reached| reached.how);
    // Of a new machine nothing that was seen in the slot can be relied on.
    if how == Some(How::New) {
        return Some(None);
    }
    match observed.hosts.get(slot) {
        // This one keeps its disk; what only the restart may change is not in the way of it.
        Some(HostSeen::Ready(facts)) if how == Some(How::Restarts) => {
            let silent = matches!(facts.engine, Seen::Unreachable(_)) && !facts.engine_stopped;
            Some(Some(facts.as_ref()).filter(|_| !silent))
        }
        _ if how == Some(How::Restarts) => Some(None),
        Some(HostSeen::Ready(facts)) => Some(Some(facts)),
        Some(HostSeen::NotYet(_)) => Some(None),
        Some(HostSeen::Unreachable(_)) if how == Some(How::Answers) => Some(None),
        Some(HostSeen::Unreachable(cause)) => {
            draft.unreachable(slot.to_string(), cause);
            None
        }
        Some(HostSeen::Refused(cause)) => {
            draft.refused(slot.to_string(), cause);
            None
        }
        None => {
            let why = "nothing was observed of it".to_owned();
            draft.block(slot.to_string(), BlockedKind::Unreachable, why, None);
            None
        }
    }
}

fn finish(spec: &Spec, observed: &Observed, draft: Draft) -> Plan {
    Plan {
        deployment: spec.name.clone(),
        destroy: false,
        scope: observed.scope.clone(),
        steps: draft.steps,
        blocked: draft.blocked,
        notices: draft.notices,
        not_checked: draft.not_checked,
        unchanged: draft.unchanged,
        kept: Vec::new(),
        images: BTreeMap::new(),
        partial: BTreeSet::new(),
        unseen: BTreeSet::new(),
    }
}
