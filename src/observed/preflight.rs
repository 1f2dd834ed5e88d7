//! What was found out about a plan before any of it is done.

use super::Cause;

/// What could not be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unchecked {
    /// What, in a few words.
    pub what: String,
    /// Why not.
    pub why: String,
    /// What would tell.
    pub help: Option<String>,
}

/// A call that a plan would make, asked about with EC2's `DryRun` and not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSeen {
    /// Its IAM action, `ec2:CreateTags`.
    pub action: &'static str,
    /// What EC2 said.
    pub said: CallSaid,
}

/// What EC2 said to a call that was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallSaid {
    /// It would be let through.
    Allowed,
    /// It would fail: a right is missing, or something about it is wrong.
    Refused {
        /// Why, and what to do.
        cause: Cause,
        /// Whether the caller may not, as opposed to something being wrong.
        missing_right: bool,
    },
    /// It was not asked, or EC2 did not say; why.
    NotChecked(String),
}
