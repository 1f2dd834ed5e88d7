//! Exit codes, in one place. Those from 64 on are sysexits.h's.

use std::process::ExitCode;

use crate::plan::summary::Ending;

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done,
    /// Failed, or declined at the question.
    Failed,
    /// Changes are pending (`--detailed-exitcode`).
    Pending,
    /// The command line is wrong.
    Usage,
    /// `deploy.yaml` is wrong.
    BadSpec,
    /// Something needed for the decision could not be reached.
    Unreachable,
    /// Refused for safety, stale plan included.
    Refused,
    /// Locked, or the wait for the lock ended.
    Locked,
    /// Interrupted.
    Interrupted,
    /// What the command there ended with (`ssh`, `exec`, `run`): its own code, 128 and the number of the
    /// signal that ended it, 126 and 127 where it could not be started, 255 where the connection broke.
    Child(u8),
}

impl Exit {
    /// Of a plan that was shown and not applied, by the value that is rendered: 69 when a decision rests
    /// on something unreachable, 73 when it would be unsafe, 1 when it cannot be met; 2 for changes where
    /// that is asked for.
    pub fn of(ending: Ending, detailed: bool) -> Self {
        match ending {
            Ending::Changes if detailed => Self::Pending,
            Ending::Nothing | Ending::Changes => Self::Done,
            Ending::Unreachable => Self::Unreachable,
            Ending::Refused => Self::Refused,
            Ending::Impossible => Self::Failed,
        }
    }

    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Pending => 2,
            Self::Usage => 64,
            Self::BadSpec => 65,
            Self::Unreachable => 69,
            Self::Refused => 73,
            Self::Locked => 75,
            Self::Interrupted => 130,
            Self::Child(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
