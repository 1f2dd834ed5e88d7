//! Why there is no way back, and what to type instead.

use crate::explain::Explain;
use crate::id::Slot;
use crate::observed::Cause;

/// Why there is no way back.
#[derive(Debug, thiserror::Error)]
pub enum RollbackError {
    /// What a machine remembers is not known.
    #[error("{slot} cannot be asked what it ran: {}", cause.message)]
    Unseen {
        /// The machine.
        slot: Slot,
        /// Why.
        cause: Cause,
    },
    /// Nothing was ever released.
    #[error("nothing of `{0}` was released yet, so there is nothing to go back to")]
    NoRelease(String),
    /// The running one is the first.
    #[error("there is nothing to go back to: no complete release is remembered below {below}")]
    NothingBelow {
        /// What runs, or what it went back to.
        below: u64,
    },
    /// `--to` names none.
    #[error("no complete release {to} is remembered; there are {known}")]
    NotThere {
        /// What was asked for.
        to: u64,
        /// `1, 2`
        known: String,
    },
    /// A service that was never released.
    #[error("no release has a service `{service}`; there are {known}")]
    Unknown {
        /// The service.
        service: String,
        /// Those of the releases.
        known: String,
    },
    /// A service that the release does not have.
    #[error("release {to} has no service `{service}`; it has {known}")]
    NoService {
        /// The release.
        to: u64,
        /// The service.
        service: String,
        /// Those it has.
        known: String,
    },
    /// A group whose machines remember nothing so early.
    #[error("{slot} does not remember what it ran in release {to}: its history begins later")]
    Lacks {
        /// The machine.
        slot: Slot,
        /// The release.
        to: u64,
    },
    /// A group whose machines run something and remember nothing.
    #[error("{slot} runs `{service}`, and what it ran before is lost: it has no record of releases")]
    Lost {
        /// The machine.
        slot: Slot,
        /// What runs there.
        service: String,
    },
    /// A machine runs something that the release leaves out, although it ran then.
    #[error(
        "{slot} ran `{service}` in release {to}, and that release does not say what it was: a record was lost"
    )]
    Unnamed {
        /// The machine.
        slot: Slot,
        /// What runs there.
        service: String,
        /// The release.
        to: u64,
    },
    /// Machines of one group ran different things.
    #[error("in release {to}, `{service}` was not the same on {one} and {other}")]
    Differs {
        /// The release.
        to: u64,
        /// The service.
        service: String,
        /// A machine.
        one: Slot,
        /// Another one.
        other: Slot,
    },
    /// A value that was never written down.
    #[error(
        "release {to} of `{service}` took `environment.{name}` from a variable or an env_file, and deploy.yaml no longer does"
    )]
    NoValue {
        /// The release.
        to: u64,
        /// The service.
        service: String,
        /// The variable.
        name: String,
    },
    /// Written by another a3.
    #[error("what {slot} remembers of `{service}` in release {to} cannot be read")]
    Unreadable {
        /// The machine.
        slot: Slot,
        /// The service.
        service: String,
        /// The release.
        to: u64,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Explain for RollbackError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Unseen { cause, .. } => return cause.help.clone(),
            Self::NoRelease(_) => "a3 apply makes the first release".to_owned(),
            Self::NothingBelow { .. } => {
                "a3 history lists the releases; else set deploy.yaml back yourself, and a3 apply".to_owned()
            }
            Self::NotThere { .. } | Self::Unknown { .. } | Self::NoService { .. } => {
                "a3 history lists them".to_owned()
            }
            Self::Lacks { .. } | Self::Lost { .. } => {
                "a3 rollback SERVICE, for services of other machines; else a3 apply with an earlier deploy.yaml"
                    .to_owned()
            }
            Self::Unnamed { .. } => {
                "a3 rollback SERVICE, for the other services; else a3 apply with an earlier deploy.yaml".to_owned()
            }
            Self::Differs { .. } => "a3 history; another release with a3 rollback --to N".to_owned(),
            Self::NoValue { name, .. } => {
                format!("add `{name}` to the service's env_file again, or choose another release: a3 history")
            }
            Self::Unreadable { .. } => "a3 rollback with the a3 that wrote it (a3 --version)".to_owned(),
        })
    }
}
