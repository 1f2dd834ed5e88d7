//! Exit codes, in one place. Those from 64 on are sysexits.h's.

use std::process::ExitCode;

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
