//! What can go wrong with EC2, each with what to do about it.

use std::time::Duration;

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};

use crate::explain::Explain;
use crate::wait::WaitError;

use super::help;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// An answer of EC2 or STS that is not the wished one, or none at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloudError {
    /// Neither the spec nor the environment nor the profile names a region.
    #[error("no region is set for EC2")]
    NoRegion,
    /// No credential could be had.
    #[error("no AWS credential could be loaded{}", for_profile(.profile.as_deref()))]
    NoCredentials {
        /// `ec2.profile`.
        profile: Option<String>,
        /// What the providers said.
        #[source]
        source: Source,
    },
    /// The credential belongs to an account that the spec does not allow.
    #[error("account {account} ({caller}) is not among `allowed_account_ids` ({})", .allowed.join(", "))]
    WrongAccount {
        /// The account that the credential belongs to.
        account: String,
        /// The caller's ARN.
        caller: String,
        /// Those of the spec.
        allowed: Vec<String>,
    },
    /// No answer, or none that is EC2's.
    #[error("{service} in {region} did not answer {action}")]
    Unreachable {
        /// `EC2` or `STS`.
        service: &'static str,
        /// The region.
        region: String,
        /// The call.
        action: &'static str,
        /// Why.
        #[source]
        source: Source,
    },
    /// The caller may not.
    #[error("the caller may not {permission} in {region}{}", on_resource(.message))]
    Denied {
        /// The permission that is missing, `ec2:RunInstances`.
        permission: String,
        /// The region.
        region: String,
        /// EC2's code.
        code: String,
        /// EC2's words, without the encoded part.
        message: String,
    },
    /// EC2 answered with an error.
    #[error("{action} in {region} failed: {message} ({code})")]
    Refused {
        /// The call.
        action: &'static str,
        /// The region.
        region: String,
        /// EC2's code, <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>.
        code: String,
        /// EC2's words.
        message: String,
    },
    /// EC2's answer lacks what it always has.
    #[error("EC2's answer to {action} has no {what}")]
    Incomplete {
        /// The call.
        action: &'static str,
        /// What is missing.
        what: &'static str,
    },
    /// A wait's deadline passed.
    #[error("timed out after {} s waiting for {on} ({last})", .after.as_secs())]
    TimedOut {
        /// The condition.
        on: String,
        /// How long.
        after: Duration,
        /// What was seen last.
        last: String,
    },
    /// An instance ended while something else was awaited.
    #[error("{id} is {state} while {on} was awaited{}", because(.reason.as_deref()))]
    Ended {
        /// `i-…`.
        id: String,
        /// Its state.
        state: String,
        /// What was awaited.
        on: String,
        /// EC2's reason.
        reason: Option<String>,
    },
    /// A new type did not come about, and the instance runs as it did before.
    #[error("{id} could not become `{wanted}`, and was started again as `{kind}`")]
    StartedAgain {
        /// `i-…`.
        id: String,
        /// The type that it has.
        kind: String,
        /// The one that it should have.
        wanted: String,
        /// Why not.
        #[source]
        source: Box<CloudError>,
    },
    /// A new type did not come about, and the instance could not be started again.
    #[error(
        "{id} could not become `{wanted}`, and stays stopped: starting it again as `{kind}` failed ({back})"
    )]
    LeftStopped {
        /// `i-…`.
        id: String,
        /// The type that it had.
        kind: String,
        /// The one that it should have.
        wanted: String,
        /// Why it was not started again.
        back: String,
        /// Why it did not become what it should.
        #[source]
        source: Box<CloudError>,
    },
    /// Something has our name or id and not our mark.
    #[error("{what} does not carry this deployment's mark and is left alone")]
    Foreign {
        /// What, with its id or name.
        what: String,
    },
    /// A public key that EC2 does not take.
    #[error("EC2 does not take a public key of type `{kind}`")]
    KeyType {
        /// The key's algorithm.
        kind: String,
    },
    /// User data is larger than EC2 takes.
    #[error("the user data of {slot} has {bytes} bytes, EC2 takes {}", super::user_data::LIMIT)]
    UserData {
        /// The slot.
        slot: String,
        /// With a3's own part.
        bytes: usize,
    },
    /// Every client token of the slot's generation is used up.
    #[error("{slot} generation {generation}: EC2 answered {attempts} client tokens with ended instances")]
    TokensUsed {
        /// The slot.
        slot: String,
        /// Its generation.
        generation: u32,
        /// How many were tried.
        attempts: u32,
    },
}

impl CloudError {
    /// EC2's error code, where EC2 answered with one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } | Self::Denied { code, .. } => Some(code),
            Self::StartedAgain { source, .. } | Self::LeftStopped { source, .. } => source.code(),
            _ => None,
        }
    }

    /// Whether nobody could say, as opposed to EC2 having said no.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::NoCredentials { .. } | Self::NoRegion)
    }

    /// Sorts the SDK's error: no answer, a refusal for lack of a right, or another refusal.
    pub(super) fn from_sdk<E>(action: &'static str, region: &str, error: SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let service = if action == super::connect::WHO_AM_I { "STS" } else { "EC2" };
        let said = error
            .as_service_error()
            .and_then(|said| Some((said.code()?.to_owned(), said.message().unwrap_or_default().to_owned())));
        match said {
            Some((code, message)) => Self::answered(action, region, code, message),
            None => Self::Unreachable { service, region: region.to_owned(), action, source: error.into() },
        }
    }

    fn answered(action: &'static str, region: &str, code: String, message: String) -> Self {
        let region = region.to_owned();
        if is_denied(&code) {
            let service = if action == super::connect::WHO_AM_I { "sts" } else { "ec2" };
            let permission = denied_permission(&message).unwrap_or_else(|| format!("{service}:{action}"));
            let message = message.split(" Encoded authorization failure").next().unwrap_or_default();
            return Self::Denied { permission, region, code, message: message.to_owned() };
        }
        Self::Refused { action, region, code, message }
    }

    /// A wait's end, for something that can end only by its deadline or with our own errors.
    pub(super) fn from_wait(error: WaitError<Self>) -> Self {
        match error {
            WaitError::TimedOut { on, after, last } => Self::TimedOut { on, after, last },
            WaitError::Ended(error) => error,
        }
    }
}

/// Codes by which EC2 and STS say that a right is missing.
fn is_denied(code: &str) -> bool {
    matches!(
        code,
        "UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException" | "Client.UnauthorizedOperation"
    )
}

/// `ec2:CreateTags` out of "… is not authorized to perform: ec2:CreateTags on resource: …".
fn denied_permission(message: &str) -> Option<String> {
    let rest = message.split("not authorized to perform: ").nth(1)?;
    let permission = rest.split([' ', '.', ',']).next().filter(|word| word.contains(':'))?;
    Some(permission.to_owned())
}

fn on_resource(message: &str) -> String {
    let resource = message.split(" on resource: ").nth(1).and_then(|rest| rest.split(' ').next());
    resource.map(|resource| format!(" on {resource}")).unwrap_or_default()
}

fn for_profile(profile: Option<&str>) -> String {
    profile.map(|profile| format!(" for profile `{profile}`")).unwrap_or_default()
}

fn because(reason: Option<&str>) -> String {
    reason.map(|reason| format!(": {reason}")).unwrap_or_default()
}

impl Explain for CloudError {
    fn help(&self) -> Option<String> {
        match self {
            Self::NoRegion => {
                Some("set `ec2.region`, or export AWS_REGION, or: aws configure set region us-west-2".into())
            }
            Self::NoCredentials { profile, source } => {
                Some(help::credentials(profile.as_deref(), &crate::explain::chain(source.as_ref())))
            }
            Self::WrongAccount { allowed, .. } => Some(format!(
                "switch to account {} (AWS_PROFILE or `ec2.profile`), or change `allowed_account_ids`",
                allowed.join(" or ")
            )),
            Self::Unreachable { region, .. } => Some(help::unreachable(region)),
            Self::Denied { permission, .. } => {
                Some(format!("ask for the permission `{permission}`, or use another `ec2.profile`"))
            }
            Self::Refused { code, region, .. } => help::code(code, region),
            Self::TimedOut { .. } => Some("a3 apply goes on where this stopped; a3 status shows it".into()),
            Self::Ended { .. } => Some("a3 apply launches it again once the reason is gone".into()),
            Self::StartedAgain { source, .. } => source.help(),
            Self::LeftStopped { kind, .. } => {
                Some(format!("write `instance_type: {kind}` again: a3 apply then starts it as it was"))
            }
            Self::Foreign { .. } => {
                Some("rename the deployment, or remove it by hand if it is not needed".into())
            }
            Self::KeyType { .. } => Some("ssh-keygen -t ed25519 makes one that it takes (RSA also)".into()),
            Self::UserData { .. } => Some("let `user_data` fetch what is large, or gzip it".into()),
            Self::TokensUsed { .. } => Some("try again tomorrow: EC2 forgets a token after a day".into()),
            Self::Incomplete { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = "You are not authorized to perform this operation. User: arn:aws:iam::1:user/u is not \
        authorized to perform: ec2:CreateTags on resource: arn:aws:ec2:r:1:instance/* because no identity-based \
        policy allows it. Encoded authorization failure message: AAAA";

    #[test]
    fn a_missing_permission_is_named_and_its_encoded_part_dropped() {
        let error = CloudError::answered("RunInstances", "r", "UnauthorizedOperation".into(), MESSAGE.into());
        assert_eq!(error.to_string(), "the caller may not ec2:CreateTags in r on arn:aws:ec2:r:1:instance/*");
        assert!(error.help().unwrap().contains("`ec2:CreateTags`"));
        assert!(!format!("{error:?}").contains("AAAA"));
        assert_eq!(error.code(), Some("UnauthorizedOperation"));
    }

    #[test]
    fn without_a_name_the_call_is_the_permission() {
        let bare = "You are not authorized to perform this operation.";
        let error = CloudError::answered("RunInstances", "r", "UnauthorizedOperation".into(), bare.into());
        assert_eq!(error.to_string(), "the caller may not ec2:RunInstances in r");
    }

    #[test]
    fn other_refusals_keep_code_and_words() {
        let error =
            CloudError::answered("RunInstances", "r", "InsufficientInstanceCapacity".into(), "none".into());
        assert_eq!(error.to_string(), "RunInstances in r failed: none (InsufficientInstanceCapacity)");
        assert!(error.help().unwrap().contains("instance_type"));
        assert!(!error.is_unreachable());
    }
}
