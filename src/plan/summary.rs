//! How many things a plan changes, counted by address: an image that is built, tagged and pushed
//! is one thing.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::step::{BlockedKind, Change, Plan};

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
        let touched = |address: &&String| !strongest.contains_key(address.as_str());
        Self {
            add: count(Change::Create),
            change: count(Change::Update),
            replace: count(Change::Replace),
            destroy: count(Change::Delete),
            unchanged: plan.unchanged.iter().filter(touched).collect::<BTreeSet<_>>().len(),
            blocked: plan.blocked.len(),
            drift: drifted.map(|step| &step.address).collect::<BTreeSet<_>>().len(),
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

/// What an address with several steps counts as.
fn weight(change: Change) -> u8 {
    match change {
        Change::Update => 0,
        Change::Create => 1,
        Change::Delete => 2,
        Change::Replace => 3,
    }
}
