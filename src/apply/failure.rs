//! How a step fails, and what that means for the whole.

use crate::explain::Explain;
use crate::observed::Cause;

/// A step's failure.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) cause: Cause,
    pub(crate) kind: FailureKind,
}

/// What kind of failure it was; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureKind {
    /// Something did not work.
    Failed,
    /// It would have been unsafe to go on.
    Refused,
    /// The person stopped it.
    Interrupted,
    /// Somebody else holds the lock, or took it over.
    Locked,
}

impl Failure {
    /// A failure that no adapter raised.
    pub(crate) fn new(message: impl Into<String>, help: Option<String>) -> Self {
        Self { cause: Cause { message: message.into(), help }, kind: FailureKind::Failed }
    }

    pub(crate) fn of_kind(kind: FailureKind, cause: Cause) -> Self {
        Self { cause, kind }
    }

    pub(crate) fn interrupted() -> Self {
        Self::of_kind(FailureKind::Interrupted, Cause { message: "interrupted".into(), help: None })
    }
}

impl<E: Explain> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { cause: Explain::cause(&error), kind: FailureKind::Failed }
    }
}

/// What a step yields.
#[derive(Clone, Debug, Default)]
pub(crate) struct Done {
    /// A word about the result: an id, a digest, an address.
    pub(crate) note: Option<String>,
    /// The image that later steps run.
    pub(crate) image: Option<crate::id::Digest>,
    /// Somebody had done it in the meantime.
    pub(crate) unchanged: bool,
}

impl Done {
    pub(crate) fn noted(note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..Self::default() }
    }
}

/// How a step's function ends.
pub(crate) type StepResult = Result<Done, Failure>;
