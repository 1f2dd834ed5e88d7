//! Whether a container that was started works: it stays up, its HEALTHCHECK says so, and the caller's
//! own probe (`check` in the spec) does.

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::container::ContainerDetail;
use super::engine::{Engine, EngineError};
use crate::event::Sink;
use crate::explain::Explain;
use crate::observed::{ContainerState, Health};
use crate::wait::{self, Found, Pace, WaitError};

/// Between two tries.
const INTERVAL: Duration = Duration::from_secs(1);

/// One try of the probe.
const TRY: Duration = Duration::from_secs(5);

/// How long a container without any check has to stay up.
const SETTLE: Duration = Duration::from_millis(700);

/// One try of the caller's: `Err` says in a few words why not yet. It is given the container as it is
/// now, with its published ports and its own address.
pub type Probe<'a> = dyn Fn(ContainerDetail) -> BoxFuture<'a, Result<(), String>> + Send + Sync + 'a;

/// Ends once nobody waits any more for the proof.
pub type Cut<'a> = dyn Fn() -> BoxFuture<'a, ()> + Send + Sync + 'a;

/// What proves that a container works.
#[derive(Clone, Copy, Default)]
pub struct Proof<'a> {
    /// The caller's probe, and its whole deadline. `None`: only what the engine says.
    pub probe: Option<(&'a Probe<'a>, Duration)>,
    /// Ends the wait early: the person wants to stop. `None`: nothing does.
    pub cut: Option<&'a Cut<'a>>,
}

impl fmt::Debug for Proof<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deadline = self.probe.map(|(_, deadline)| deadline);
        f.debug_struct("Proof").field("probe", &deadline).finish()
    }
}

/// Why a container does not count as working.
#[derive(Debug, thiserror::Error)]
pub enum Unproven {
    /// It ended.
    #[error("it ended with exit code {code}")]
    Ended {
        /// Its exit code.
        code: i64,
    },
    /// It is not there any more.
    #[error("it is gone")]
    Gone,
    /// It keeps ending, and its restart policy keeps starting it.
    #[error("it keeps restarting")]
    Restarting,
    /// It never answered as it should, or never became healthy.
    #[error("{0}")]
    Late(String),
    /// The person stopped it before that was known.
    #[error("interrupted before it could prove that it works")]
    Interrupted,
    /// The engine could not be asked.
    #[error("it cannot be looked at")]
    Engine(#[from] EngineError),
}

impl Explain for Unproven {
    fn help(&self) -> Option<String> {
        match self {
            Self::Late(_) => {
                Some("its last lines are above; if it only needs longer, raise `check.timeout`".into())
            }
            Self::Engine(error) => error.help(),
            Self::Ended { .. } | Self::Gone | Self::Restarting => Some("its last lines are above".into()),
            Self::Interrupted => Some("a3 apply goes on from here".into()),
        }
    }
}

/// What one look says.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Works,
    NotYet(String),
    Ended(i64),
    Gone,
}

/// Judges by what the engine says. A container that ended well and is not started again did its work.
fn judge(detail: &ContainerDetail) -> Verdict {
    match detail.seen.state {
        ContainerState::Running => match detail.seen.health {
            None | Some(Health::Healthy) => Verdict::Works,
            Some(Health::Starting) => Verdict::NotYet("its health is not decided".into()),
            Some(Health::Unhealthy) => Verdict::NotYet("it is unhealthy".into()),
        },
        ContainerState::Restarting => Verdict::NotYet("it keeps restarting".into()),
        ContainerState::Exited(0) if !detail.starts_again(0) => Verdict::Works,
        ContainerState::Exited(code) if !detail.starts_again(code) => Verdict::Ended(code),
        ContainerState::Exited(code) => Verdict::NotYet(format!("it ended with exit code {code}")),
        ContainerState::Created => Verdict::NotYet("it is not started".into()),
        ContainerState::Paused => Verdict::NotYet("it is paused".into()),
        ContainerState::Gone => Verdict::Gone,
    }
}

impl Engine {
    /// Waits until a container is proven to work.
    ///
    /// With a probe, a HEALTHCHECK or both: asked every second until all agree, at most for the
    /// probe's deadline (with a HEALTHCHECK that takes longer to decide: for that long). With neither:
    /// it has to be up for a moment without a restart; a process that ends later is not noticed.
    ///
    /// # Errors
    /// [`Unproven`]; a container that ended for good ends the wait at once, and so does `proof.cut`.
    pub async fn prove(&self, name: &str, proof: Proof<'_>, sink: Sink<'_>) -> Result<(), Unproven> {
        let first = self.look(name).await?;
        if proof.probe.is_none() && first.health_deadline.is_none() {
            return self.stays_up(name).await;
        }
        let asked = proof.probe.map_or(Duration::ZERO, |(_, deadline)| deadline);
        // The first HEALTHCHECK runs only after its interval; a shorter deadline could never be met.
        let deadline = first.health_deadline.map_or(asked, |decided| asked.max(decided + INTERVAL));
        let pace = Pace { deadline, interval: INTERVAL };
        let ask = || async {
            let detail = self.look(name).await?;
            match judge(&detail) {
                Verdict::Works => {}
                Verdict::NotYet(why) => return Ok(Found::NotYet(why)),
                Verdict::Ended(code) => return Err(Unproven::Ended { code }),
                Verdict::Gone => return Err(Unproven::Gone),
            }
            let Some((probe, _)) = proof.probe else { return Ok(Found::Ready(())) };
            Ok(match tokio::time::timeout(TRY, probe(detail)).await {
                Ok(Ok(())) => Found::Ready(()),
                Ok(Err(why)) => Found::NotYet(why),
                Err(_) => Found::NotYet(format!("no answer within {} s", TRY.as_secs())),
            })
        };
        let on = format!("{} to work", first.seen.name);
        let proving = wait::until(&on, pace, sink, ask);
        let proven = match proof.cut {
            None => proving.await,
            Some(cut) => tokio::select! {
                proven = proving => proven,
                () = cut() => return Err(Unproven::Interrupted),
            },
        };
        proven.map_err(|error| match error {
            WaitError::Ended(error) => error,
            late @ WaitError::TimedOut { .. } => Unproven::Late(late.to_string()),
        })
    }

    async fn look(&self, name: &str) -> Result<ContainerDetail, Unproven> {
        self.container(name).await?.ok_or(Unproven::Gone)
    }

    async fn stays_up(&self, name: &str) -> Result<(), Unproven> {
        tokio::time::sleep(SETTLE).await;
        let detail = match self.container(name).await? {
            Some(detail) => detail,
            None => return Err(Unproven::Gone),
        };
        match judge(&detail) {
            // The engine counts from the last start by hand.
            Verdict::Works if detail.restart_count > 0 => Err(Unproven::Restarting),
            Verdict::Works => Ok(()),
            Verdict::NotYet(_) if detail.seen.state == ContainerState::Restarting => {
                Err(Unproven::Restarting)
            }
            Verdict::NotYet(why) => Err(Unproven::Late(why)),
            Verdict::Ended(code) => Err(Unproven::Ended { code }),
            Verdict::Gone => Err(Unproven::Gone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::inspect::tests::detail_with;

    #[test]
    fn what_counts_as_working() {
        let of = |status: &str, code, policy: &str, health: Option<&str>| {
            judge(&detail_with(status, code, policy, health))
        };
        assert_eq!(of("running", 0, "no", None), Verdict::Works);
        assert_eq!(of("running", 0, "no", Some("healthy")), Verdict::Works);
        assert!(matches!(of("running", 0, "no", Some("starting")), Verdict::NotYet(_)));
        assert!(matches!(of("running", 0, "no", Some("unhealthy")), Verdict::NotYet(_)));
        assert_eq!(of("exited", 0, "no", None), Verdict::Works);
        assert_eq!(of("exited", 3, "no", None), Verdict::Ended(3));
        assert_eq!(of("exited", 0, "on-failure", None), Verdict::Works);
        assert!(matches!(of("exited", 3, "on-failure", None), Verdict::NotYet(_)));
        assert!(matches!(of("exited", 0, "always", None), Verdict::NotYet(_)));
        let mut tried = detail_with("exited", 3, "on-failure", None);
        (tried.restart_count, tried.restart_limit) = (1, 2);
        assert!(matches!(judge(&tried), Verdict::NotYet(_)));
        tried.restart_count = 2;
        assert_eq!(judge(&tried), Verdict::Ended(3), "its tries are used up");
        assert!(matches!(of("restarting", 1, "always", None), Verdict::NotYet(_)));
        assert_eq!(of("dead", 1, "no", None), Verdict::Gone);
    }
}
