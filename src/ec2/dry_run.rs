//! `DryRun`: whether an endpoint heeds it, and what its answers mean.

use super::{Cloud, CloudError};
use crate::explain::Explain as _;
use crate::observed::CallSaid;

const IGNORED: &str = "not asked: this endpoint ignores DryRun";

/// What an endpoint makes of `DryRun`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DryRun {
    /// It says what it would do, and does not do it.
    Heeded,
    /// It passes it over and does what it is asked: it is asked nothing.
    Ignored,
    /// It did not say, and why: it is asked nothing either.
    NotKnown(String),
}

impl DryRun {
    /// Only the answer that `DryRun` has of its own shows that it was read; any other may come from an
    /// endpoint that would have done the call at another time.
    fn of<T>(answer: Result<T, CloudError>) -> Self {
        match answer {
            Ok(_) => Self::Ignored,
            Err(error) if error.code() == Some("DryRunOperation") => Self::Heeded,
            Err(error) => Self::NotKnown(error.cause().message),
        }
    }

    /// Why a call is not asked about; `None` where it may be.
    pub fn against(&self) -> Option<String> {
        match self {
            Self::Heeded => None,
            Self::Ignored => Some(IGNORED.to_owned()),
            Self::NotKnown(why) => {
                Some(format!("not asked: whether this endpoint heeds DryRun is not known ({why})"))
            }
        }
    }
}

impl Cloud {
    /// What the endpoint makes of `DryRun`, asked with a call that only looks.
    pub async fn dry_run(&self) -> DryRun {
        let answer = self.client.describe_instances().dry_run(true).send().await;
        DryRun::of(answer.map_err(self.failed("DescribeInstances")))
    }
}

/// The codes are those of <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>.
pub(super) fn judge<T>(answer: Result<T, CloudError>) -> CallSaid {
    let error = match answer {
        Ok(_) => return CallSaid::NotChecked("asked, and the endpoint ignored DryRun".to_owned()),
        Err(error) => error,
    };
    match error.code() {
        Some("DryRunOperation") => CallSaid::Allowed,
        // Asked in a form that changes nothing, and EC2 says so: the right is there.
        Some(
            "InvalidPermission.Duplicate"
            | "InvalidPermission.NotFound"
            | "InvalidGroup.Duplicate"
            | "InvalidKeyPair.Duplicate"
            | "IncorrectInstanceState"
            | "IncorrectState",
        ) => CallSaid::Allowed,
        Some(code) if passes(code) => CallSaid::NotChecked(format!("EC2 did not say ({code})")),
        Some(_) => {
            let missing_right = matches!(error, CloudError::Denied { .. });
            CallSaid::Refused { cause: error.cause(), missing_right }
        }
        None => CallSaid::NotChecked(format!("EC2 did not say ({})", error.cause().message)),
    }
}

/// Codes of troubles that pass, and say nothing about the call.
fn passes(code: &str) -> bool {
    matches!(
        code,
        "RequestLimitExceeded"
            | "Throttling"
            | "ThrottlingException"
            | "InternalError"
            | "InternalFailure"
            | "ServiceUnavailable"
            | "Unavailable"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: &str) -> CallSaid {
        let error = CloudError::Refused {
            action: "RunInstances",
            region: "r".into(),
            code: code.into(),
            message: "words".into(),
        };
        judge::<()>(Err(error))
    }

    #[test]
    fn only_the_answer_of_a_dry_run_shows_that_it_is_heeded() {
        let answered = |code: &str| {
            DryRun::of::<()>(Err(CloudError::Refused {
                action: "DescribeInstances",
                region: "r".into(),
                code: code.into(),
                message: "words".into(),
            }))
        };
        assert_eq!(answered("DryRunOperation"), DryRun::Heeded);
        assert_eq!(DryRun::of(Ok(())), DryRun::Ignored);
        for code in ["RequestLimitExceeded", "InternalError", "UnauthorizedOperation", "ExpiredToken"] {
            let DryRun::NotKnown(why) = answered(code) else { panic!("{code}") };
            assert!(why.contains(code), "{why}");
        }
        let silent = CloudError::TimedOut { on: "x".into(), after: Default::default(), last: "x".into() };
        assert!(matches!(DryRun::of::<()>(Err(silent)), DryRun::NotKnown(_)));
        assert!(DryRun::Heeded.against().is_none() && DryRun::Ignored.against().is_some());
    }

    #[test]
    fn codes_are_told_apart() {
        assert_eq!(said("DryRunOperation"), CallSaid::Allowed);
        assert_eq!(said("InvalidPermission.Duplicate"), CallSaid::Allowed);
        assert!(matches!(said("InternalError"), CallSaid::NotChecked(_)));
        assert!(matches!(judge(Ok(())), CallSaid::NotChecked(_)));
        for code in ["VcpuLimitExceeded", "UnsupportedOperation", "InvalidParameterValue"] {
            let CallSaid::Refused { cause, missing_right: false } = said(code) else { panic!("{code}") };
            assert!(cause.help.is_some(), "{code}");
        }
        let denied = CloudError::Denied {
            permission: "ec2:CreateTags".into(),
            region: "r".into(),
            code: "UnauthorizedOperation".into(),
            message: "words".into(),
        };
        assert!(matches!(judge::<()>(Err(denied)), CallSaid::Refused { missing_right: true, .. }));
    }
}
