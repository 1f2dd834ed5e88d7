//! An apply, step by step: which may begin, what hangs on a failure and what is planned on the way is
//! decided by the very graph that an apply works with.

use std::collections::BTreeMap;

use a3::apply::graph::{Graph, State};
use a3::id::Slot;
use a3::observed::{HostSeen, Observed};
use a3::plan::step::{Image, Plan, Step};
use a3::plan::{OnTheWay, plan_host};
use a3::record::ReleaseStatus;
use a3::spec::Spec;

use crate::support::simulate::{Half, World};

use super::stage::Stage;

/// How an apply ends for those releases that it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing was left to do.
    Complete,
    /// A step failed, the rest went on, and it was written down.
    Failed,
    /// It was cut off.
    Crash,
}

/// An apply at work.
#[derive(Clone)]
pub(crate) struct Walk<'a> {
    spec: &'a Spec,
    before: &'a Stage,
    plan: &'a Plan,
    world: World<'a>,
    graph: Graph,
    /// The steps that were given up because of others.
    pub(crate) skipped: Vec<Step>,
    /// The steps that were planned on the way.
    pub(crate) on_the_way: Vec<Step>,
    pub(crate) failed: usize,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(spec: &'a Spec, before: &'a Stage, plan: &'a Plan) -> Self {
        let mut world = World::new(spec, &before.seen);
        world.disks.clone_from(&before.asleep);
        Self {
            spec,
            before,
            plan,
            world,
            graph: Graph::of(plan),
            skipped: Vec::new(),
            on_the_way: Vec::new(),
            failed: 0,
        }
    }

    /// The steps that may begin now.
    pub(crate) fn ready(&self) -> Vec<Step> {
        self.graph.ready()
    }

    /// Steps that have not begun.
    pub(crate) fn waiting(&self) -> Vec<Step> {
        self.graph.waiting()
    }

    /// Does one step, and plans the machines that it opens.
    pub(crate) fn does(&mut self, step: &Step) {
        let reached = self.graph.reached_by(step.id);
        self.world.step(step);
        for slot in reached {
            self.world.answers(&slot);
            match self.planned(&slot) {
                Some(steps) => {
                    self.on_the_way.extend(steps.iter().cloned());
                    self.skipped.extend(self.graph.replace_provisional(&slot, steps));
                }
                None => return self.fails(step),
            }
        }
        self.graph.set(step.id, State::Done);
    }

    /// A step that has done nothing.
    pub(crate) fn fails(&mut self, step: &Step) {
        self.graph.set(step.id, State::Failed);
        self.failed += 1;
        self.skipped.extend(self.graph.fail_behind(step.id));
    }

    /// The worlds that a step leaves when it is cut off inside.
    pub(crate) fn cut_inside(&self, step: &Step) -> Vec<(Self, &'static str)> {
        let half = |how: Half, word| {
            let mut cut = self.clone();
            cut.world.half(step, how).then_some((cut, word))
        };
        let all = [
            (Half::First, " and a first part"),
            (Half::Second, " and a second part"),
            (Half::Third, " and all but the record"),
        ];
        all.into_iter().filter_map(|(how, word)| half(how, word)).collect()
    }

    /// What a machine needs, now that it can be asked; `None` where that cannot be.
    fn planned(&mut self, slot: &Slot) -> Option<Vec<Step>> {
        self.world.carry_over(slot);
        let mut seen: Observed = self.before.seen.clone();
        let begun = self.world.number(slot);
        let mut host = self.world.seen.hosts.get(slot)?.clone();
        if let HostSeen::Ready(facts) = &mut host
            && let Some(record) = &mut facts.record
        {
            // The release that this apply has begun there is none of those that it found.
            record.releases.retain(|release| release.number != begun);
        }
        seen.hosts.insert(slot.clone(), host);
        let known = self.plan.images.iter();
        let known = known.map(|(service, image)| (service.clone(), self.world.resolved(image)));
        let images: BTreeMap<String, Image> = known.collect();
        let (partial, first) = (self.plan.partial.contains(slot), self.graph.next_id());
        let plan = plan_host(self.spec, &seen, slot, OnTheWay { images: &images, partial, first });
        plan.blocked.is_empty().then_some(plan.steps)
    }

    /// What is left behind.
    pub(crate) fn end(self, how: End) -> Stage {
        let Self { before, mut world, spec, .. } = self;
        let status = match how {
            End::Complete => ReleaseStatus::Complete,
            End::Failed => ReleaseStatus::Failed,
            End::Crash => ReleaseStatus::Started,
        };
        let slots: Vec<Slot> = world.seen.hosts.keys().cloned().collect();
        for slot in slots {
            let Some(begun) = world.begun_there(&slot) else { continue };
            let Some(HostSeen::Ready(facts)) = world.seen.hosts.get_mut(&slot) else { continue };
            let releases = facts.record.iter_mut().flat_map(|record| &mut record.releases);
            releases.filter(|one| one.number == begun).for_each(|release| release.status = status);
        }
        let mut after = before.clone();
        (after.seen, after.asleep) = (world.seen, world.disks);
        after.with(spec)
    }
}

/// Does all of a plan, in its own order.
pub(crate) fn to_the_end(spec: &Spec, before: &Stage, plan: &Plan) -> Stage {
    let mut walk = Walk::new(spec, before, plan);
    while let Some(step) = walk.ready().first() {
        walk.does(step);
    }
    assert!(walk.waiting().is_empty(), "never begun: {:?}", walk.waiting());
    let end = if walk.failed == 0 { End::Complete } else { End::Failed };
    walk.end(end)
}

/// The step that comes at a place of an order; without an order, the first of the plan.
pub(crate) fn next(walk: &Walk<'_>, order: &[u8], at: usize) -> Option<Step> {
    let ready = walk.ready();
    let choice = if order.is_empty() { 0 } else { usize::from(order[at % order.len()]) };
    (!ready.is_empty()).then(|| ready[choice % ready.len()].clone())
}
