//! What a plan consists of: steps with their reasons and costs, and the decisions that could not be
//! made. What a step does is its [`Action`].

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::action::{
    Action, Build, FileCopy, Firewall, Image, Install, Installer, Launch, Modify, Push, Rule, Run, Tag,
    TagFrom,
};
use super::reason::{FieldChange, Reason};
use crate::id::Slot;
use crate::observed::Scope;

/// The whole difference between what is wanted and what exists.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Plan {
    /// The deployment.
    pub deployment: String,
    /// Whether this plan takes away everything.
    pub destroy: bool,
    /// Who looked and where.
    pub scope: Scope,
    /// In an order that respects [`Step::after`].
    pub steps: Vec<Step>,
    /// Decisions that could not be made; apply refuses while there are any.
    pub blocked: Vec<Blocked>,
    /// What a person should know although no step follows from it.
    pub notices: Vec<String>,
    /// What the steps rest on and nobody has checked.
    #[serde(default)]
    pub not_checked: Vec<NotChecked>,
    /// What already is as it should be, as addresses.
    pub unchanged: Vec<String>,
    /// What a destroy leaves behind on purpose.
    pub kept: Vec<String>,
    /// What each service shall run, as far as it was asked for: what is planned on the way goes by this.
    #[serde(default)]
    pub images: BTreeMap<String, Image>,
    /// Machines of which only some services are planned (`--target`): nothing else there is touched, on the
    /// way neither.
    #[serde(default)]
    pub partial: BTreeSet<Slot>,
    /// Machines that cannot be asked yet and of which no service is left in the spec: what is still there of
    /// them is planned when they answer.
    #[serde(default)]
    pub unseen: BTreeSet<Slot>,
}

impl Plan {
    /// Whether there is nothing to do and nothing in doubt.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.blocked.is_empty()
    }

    /// Whether a machine ends, which wants more than a yes.
    pub fn ends_machines(&self) -> bool {
        self.steps.iter().any(|step| match &step.action {
            Action::Terminate { .. } => true,
            Action::Launch(launch) => launch.replaces.is_some(),
            _ => false,
        })
    }
}

/// Numbers a step within its plan, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct StepId(pub u32);

/// One thing to do.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Step {
    /// Within the plan.
    pub id: StepId,
    /// What it is about, `s2.image`, `web/0`, `web/0/s2`.
    pub address: String,
    /// How it changes the world.
    pub change: Change,
    /// What is done.
    pub action: Action,
    /// Why.
    pub reasons: Vec<Reason>,
    /// Field by field.
    pub fields: Vec<FieldChange>,
    /// What it costs those who use the service.
    pub cost: Cost,
    /// Steps that must have succeeded before.
    pub after: Vec<StepId>,
    /// Planned again on the way: its machine cannot be asked yet, and this is what a fresh one needs; or it
    /// stops first, and this is what it needs as it is now.
    pub provisional: bool,
}

impl Step {
    /// One that waits for nothing, costs nothing, and has no reason yet.
    pub(crate) fn new(id: StepId, address: impl Into<String>, change: Change, action: Action) -> Self {
        Self {
            id,
            address: address.into(),
            change,
            action,
            reasons: Vec::new(),
            fields: Vec::new(),
            cost: Cost::None,
            after: Vec::new(),
            provisional: false,
        }
    }

    /// Whether it changes which containers a machine is known to run, which is what a release counts.
    pub fn begins_release_on(&self, machine: &Slot) -> bool {
        match &self.action {
            Action::Run(run) | Action::Prove(run) => run.slot == *machine,
            // What a person takes away is no other release: apply runs the same one again.
            Action::RemoveContainer { slot, .. } => {
                slot == machine && !self.reasons.iter().any(|reason| matches!(reason, Reason::Asked { .. }))
            }
            _ => false,
        }
    }
}

/// How a step changes the world: Terraform's symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// `+`
    Create,
    /// `~`
    Update,
    /// `-/+`
    Replace,
    /// `-`
    Delete,
}

impl Change {
    /// As a plan prints it.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Create => "+",
            Self::Update => "~",
            Self::Replace => "-/+",
            Self::Delete => "-",
        }
    }
}

/// What a step costs those who use the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cost {
    /// Nothing that they notice.
    #[default]
    None,
    /// The service is away: about a second when it stops on SIGTERM, at most the grace period.
    Restart {
        /// `stop_grace_period`, seconds.
        grace: u64,
    },
    /// The machine stops and starts again, with its disk; a public address may change.
    StopStart,
    /// The machine is away for minutes and comes back with another address.
    ReplaceMachine,
    /// Something that cannot be made again ends: a disk.
    DataAtRisk,
    /// Volumes end, with what is in them.
    DataLost,
}

/// A decision that could not be made.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, JsonSchema)]
pub struct Blocked {
    /// What it is about.
    pub address: String,
    /// Why.
    pub why: String,
    /// What to do.
    pub help: Option<String>,
    /// Whether something was unreachable (69) or refused for safety or a clash (73 or 1).
    pub kind: BlockedKind,
}

/// Something that steps rest on and that nobody has checked.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, JsonSchema)]
pub struct NotChecked {
    /// What it is about, as steps name it.
    pub addresses: Vec<String>,
    /// What: `disk space`, `ec2:StopInstances`.
    pub what: String,
    /// Why not.
    pub why: String,
    /// What would tell.
    pub help: Option<String>,
}

/// What kept a decision from being made.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BlockedKind {
    /// Something needed for it could not be reached.
    Unreachable,
    /// It would touch what is not ours, or is unsafe.
    Refused,
    /// The wish cannot be met as it is written.
    Impossible,
}
