//! How many things a plan changes, counted by address: an image that is built, tagged and pushed
//! is one thing.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reason::Reason;
use super::step::{Action, BlockedKind, Change, Cost, Plan};

/// Counts of a plan. Replacing is counted by itself, not as adding and destroying.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Made.
    pub add: usize,
    /// Changed in place.
    pub change: usize,
    /// Ended and made again.
    pub replace: usize,
    /// Ended.
    pub destroy: usize,
    /// As they should be.
    pub unchanged: usize,
    /// Decisions that could not be made.
    pub blocked: usize,
    /// Of those that are touched: what was changed outside a3, not in the spec.
    pub drift: usize,
    /// Of those that are touched: what a machine that cannot be asked yet may have already.
    pub assumed: usize,
    /// What it costs.
    pub costs: Costs,
}

/// What a plan costs those who use the services, those who own the data, and who pays. No prices: a3
/// knows none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Costs {
    /// Containers that are away for about a second.
    pub restarts: usize,
    /// Seconds that one of those may take more, if it does not stop by itself: the longest
    /// `stop_grace_period`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_grace: Option<u64>,
    /// Machines that stop and start, and are away for about a minute.
    pub stop_starts: usize,
    /// Machines that another one takes the place of, and are away for minutes; their disks are lost.
    pub replaced_machines: usize,
    /// Machines that end, with their disks.
    pub ended_machines: usize,
    /// Volumes that end, with what is in them.
    pub lost_volumes: usize,
    /// Machines that are launched in a slot that has none, and are billed from then on.
    pub launched_machines: usize,
}

impl Costs {
    /// Adds up a plan's.
    pub fn of(plan: &Plan) -> Self {
        let mut costs = Self::default();
        for step in &plan.steps {
            match (step.cost, &step.action) {
                (Cost::Restart { grace }, _) => {
                    costs.restarts += 1;
                    costs.longest_grace = costs.longest_grace.max(Some(grace));
                }
                (Cost::StopStart, _) => costs.stop_starts += 1,
                (Cost::ReplaceMachine, _) => costs.replaced_machines += 1,
                (Cost::DataAtRisk, _) => costs.ended_machines += 1,
                (Cost::DataLost, Action::RemoveVolumes { volumes, .. }) => {
                    costs.lost_volumes += volumes.len();
                }
                (Cost::None, Action::Launch(_)) => costs.launched_machines += 1,
                (Cost::None | Cost::DataLost, _) => {}
            }
        }
        costs
    }
}

impl Summary {
    /// Counts a plan.
    pub fn of(plan: &Plan) -> Self {
        let mut strongest: BTreeMap<&str, Change> = BTreeMap::new();
        for step in &plan.steps {
            let kept = strongest.entry(&step.address).or_insert(step.change);
            if weight(step.change) > weight(*kept) {
                *kept = step.change;
            }
        }
        let count = |change: Change| strongest.values().filter(|kept| **kept == change).count();
        let drifted = plan.steps.iter().filter(|step| step.is_drift());
        let assumed = plan.steps.iter().filter(|step| step.reasons.contains(&Reason::NotSeen));
        let touched = |address: &&String| !strongest.contains_key(address.as_str());
        Self {
            add: count(Change::Create),
            change: count(Change::Update),
            replace: count(Change::Replace),
            destroy: count(Change::Delete),
            unchanged: plan.unchanged.iter().filter(touched).collect::<BTreeSet<_>>().len(),
            blocked: plan.blocked.len(),
            drift: drifted.map(|step| &step.address).collect::<BTreeSet<_>>().len(),
            assumed: assumed.map(|step| &step.address).collect::<BTreeSet<_>>().len(),
            costs: Costs::of(plan),
        }
    }
}

/// How a plan ends: the last lines that are rendered and the exit code are both made of this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// There is nothing to do and nothing in doubt.
    Nothing,
    /// There is something to do.
    Changes,
    /// A decision rests on something that could not be reached.
    Unreachable,
    /// What is wished would touch what is not ours, or be unsafe.
    Refused,
    /// What is wished cannot be done as it is written.
    Impossible,
}

impl Ending {
    /// What was not reached may change the rest, so it goes first; then what is unsafe.
    pub fn of(plan: &Plan) -> Self {
        let has = |kind: BlockedKind| plan.blocked.iter().any(|blocked| blocked.kind == kind);
        if has(BlockedKind::Unreachable) {
            Self::Unreachable
        } else if has(BlockedKind::Refused) {
            Self::Refused
        } else if has(BlockedKind::Impossible) {
            Self::Impossible
        } else if plan.steps.is_empty() {
            Self::Nothing
        } else {
            Self::Changes
        }
    }
}

/// Whether the steps of a plan are done as it is: a destroy takes away what it can reach, and what it could
/// not is found again by the proof at its end.
pub fn goes_on(plan: &Plan) -> bool {
    match Ending::of(plan) {
        Ending::Nothing | Ending::Changes => true,
        Ending::Unreachable => plan.destroy && !plan.steps.is_empty(),
        Ending::Refused | Ending::Impossible => false,
    }
}

/// What an address with several steps counts as.
fn weight(change: Change) -> u8 {
    match change {
        Change::Update => 0,
        Change::Create => 1,
        Change::Delete => 2,
        Change::Replace => 3,
    }
}
