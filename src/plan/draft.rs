//! A plan that is being written: numbers steps and keeps what blocks them.

use super::preflight;
use super::reason::{FieldChange, Reason};
use super::step::{Action, Blocked, BlockedKind, Change, Cost, NotChecked, Step, StepId};
use crate::observed::{Cause, Unchecked};

/// Collects steps in an order that respects their dependencies.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) steps: Vec<Step>,
    pub(crate) blocked: Vec<Blocked>,
    pub(crate) notices: Vec<String>,
    pub(crate) not_checked: Vec<NotChecked>,
    pub(crate) unchanged: Vec<String>,
    /// The number of the first step; host steps that are planned again on the way go on counting.
    pub(crate) first: u32,
}

/// A step without its number.
#[derive(Debug)]
pub(crate) struct NewStep {
    step: Step,
}

impl NewStep {
    pub(crate) fn new(address: impl Into<String>, change: Change, action: Action) -> Self {
        Self { step: Step::new(StepId(0), address, change, action) }
    }

    pub(crate) fn because(mut self, reason: Reason) -> Self {
        self.step.reasons.push(reason);
        self
    }

    pub(crate) fn reasons(mut self, reasons: Vec<Reason>) -> Self {
        self.step.reasons.extend(reasons);
        self
    }

    pub(crate) fn fields(mut self, fields: Vec<FieldChange>) -> Self {
        self.step.fields.extend(fields);
        self
    }

    pub(crate) fn cost(mut self, cost: Cost) -> Self {
        self.step.cost = cost;
        self
    }

    pub(crate) fn after(mut self, steps: impl IntoIterator<Item = StepId>) -> Self {
        for step in steps {
            if !self.step.after.contains(&step) {
                self.step.after.push(step);
            }
        }
        self
    }

    pub(crate) fn provisional(mut self, provisional: bool) -> Self {
        self.step.provisional = provisional;
        self
    }
}

impl Draft {
    pub(crate) fn add(&mut self, new: NewStep) -> StepId {
        let count = u32::try_from(self.steps.len()).unwrap_or(u32::MAX);
        let id = StepId(self.first.saturating_add(count));
        self.steps.push(Step { id, ..new.step });
        id
    }

    /// Steps from `first` on are planned again once `reach` is done, which stops and starts their machine.
    pub(crate) fn later(&mut self, first: usize, reach: Option<StepId>) {
        let Some(reach) = reach else { return };
        for step in self.steps.iter_mut().skip(first) {
            step.provisional = true;
            if !step.after.contains(&reach) {
                step.after.push(reach);
            }
        }
    }

    pub(crate) fn not_checked(&mut self, address: impl Into<String>, what: Unchecked) {
        preflight::note(&mut self.not_checked, address.into(), what);
    }

    pub(crate) fn unreachable(&mut self, address: impl Into<String>, cause: &Cause) {
        self.block(address, BlockedKind::Unreachable, cause.message.clone(), cause.help.clone());
    }

    pub(crate) fn refused(&mut self, address: impl Into<String>, cause: &Cause) {
        self.block(address, BlockedKind::Refused, cause.message.clone(), cause.help.clone());
    }

    pub(crate) fn impossible(&mut self, address: impl Into<String>, cause: &Cause) {
        self.block(address, BlockedKind::Impossible, cause.message.clone(), cause.help.clone());
    }

    pub(crate) fn block(
        &mut self,
        address: impl Into<String>,
        kind: BlockedKind,
        why: String,
        help: Option<String>,
    ) {
        self.blocked.push(Blocked { address: address.into(), why, help, kind });
    }
}
