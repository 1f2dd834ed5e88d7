//! Waiting, in one place: a condition, a deadline, an interval, terminal states that end it early,
//! and "still waiting on X" in the events.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use crate::event::{Activity, Sink};

/// How long and how often.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The whole deadline.
    pub deadline: Duration,
    /// Between two tries.
    pub interval: Duration,
}

/// What one try found. An `Err` of the try is terminal and ends the wait at once.
#[derive(Debug)]
pub enum Found<T> {
    /// The condition holds.
    Ready(T),
    /// Not yet, with a word about why, for the message if the deadline passes.
    NotYet(String),
}

/// Why a wait ended without its condition.
#[derive(Debug)]
pub enum WaitError<E> {
    /// The deadline passed.
    TimedOut {
        /// The condition, as in "timed out waiting for …".
        on: String,
        /// How long.
        after: Duration,
        /// What the last try found.
        last: String,
    },
    /// A terminal state.
    Ended(E),
}

impl<E: fmt::Display> fmt::Display for WaitError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut { on, after, last } => {
                write!(f, "timed out after {} s waiting for {on}", after.as_secs())?;
                if last.is_empty() { Ok(()) } else { write!(f, " ({last})") }
            }
            Self::Ended(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for WaitError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::TimedOut { .. } => None,
            // `Ended` shows its error itself; its source is the next link.
            Self::Ended(error) => error.source(),
        }
    }
}

/// Asks `ask` until it is ready, ends with an error, or the deadline passes. A try that hangs is cut
/// off at the deadline. Reports [`Activity::Waiting`] after every try that was not ready.
pub async fn until<T, E, F>(on: &str, pace: Pace, sink: Sink<'_>, mut ask: F) -> Result<T, WaitError<E>>
where
    F: AsyncFnMut() -> Result<Found<T>, E>,
{
    let began = Instant::now();
    let end = began + pace.deadline;
    let mut last = String::new();
    loop {
        match tokio::time::timeout_at(end, ask()).await {
            Ok(Ok(Found::Ready(value))) => return Ok(value),
            Ok(Ok(Found::NotYet(why))) => last = why,
            Ok(Err(error)) => return Err(WaitError::Ended(error)),
            Err(_) => {}
        }
        if Instant::now() + pace.interval >= end {
            return Err(WaitError::TimedOut { on: on.to_owned(), after: pace.deadline, last });
        }
        sink(Activity::Waiting { on: on.to_owned(), elapsed: began.elapsed() });
        tokio::time::sleep(pace.interval).await;
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    const QUICK: Pace = Pace { deadline: Duration::from_millis(60), interval: Duration::from_millis(5) };

    #[tokio::test]
    async fn ready_ends_it() {
        let mut tries = 0;
        let got = until("x", QUICK, &|_| {}, async || {
            tries += 1;
            Ok::<_, Infallible>(if tries == 3 { Found::Ready(tries) } else { Found::NotYet(String::new()) })
        });
        assert_eq!(got.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn the_deadline_says_what_was_last_seen() {
        let ask = async || Ok::<Found<()>, Infallible>(Found::NotYet("pending".into()));
        let error = until("the instance", QUICK, &|_| {}, ask).await.unwrap_err();
        assert_eq!(error.to_string(), "timed out after 0 s waiting for the instance (pending)");
    }

    #[tokio::test]
    async fn a_try_that_hangs_is_cut_off() {
        let ask = async || {
            std::future::pending::<()>().await;
            Ok::<Found<()>, Infallible>(Found::Ready(()))
        };
        assert!(matches!(until("x", QUICK, &|_| {}, ask).await, Err(WaitError::TimedOut { .. })));
    }
}
