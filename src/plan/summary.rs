//! How many things a plan changes, counted by address: an image that is built, tagged and pushed
//! is one thing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::step::{Change, Plan};

/// Counts of a plan. Replacing is counted by itself, not as adding and destroying.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
        let touched = |address: &&String| !strongest.contains_key(address.as_str());
        Self {
            add: count(Change::Create),
            change: count(Change::Update),
            replace: count(Change::Replace),
            destroy: count(Change::Delete),
            unchanged: plan.unchanged.iter().filter(touched).collect::<BTreeSet<_>>().len(),
            blocked: plan.blocked.len(),
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
