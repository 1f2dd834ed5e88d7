//! How often EC2 is asked while waiting: every second at first, then every 2, at last every 5. The
//! SDK's own waiters ask every 15 s at best and cannot say that they still wait.

use std::time::Duration;

use tokio::time::Instant;

use super::CloudError;
use crate::event::{Activity, Sink};
use crate::wait::{self, Found, Pace, WaitError};

/// How long each interval is used; the last goes on until the deadline.
const STAGES: [(Duration, Duration); 2] =
    [(Duration::from_secs(10), Duration::from_secs(1)), (Duration::from_secs(20), Duration::from_secs(2))];

const LAST: Duration = Duration::from_secs(5);

/// Waits for `on`, at most `deadline`.
// The function itself is no `AsyncFnMut`, a closure around it is.
#[expect(clippy::redundant_closure)]
pub(super) async fn until<T, F, Fut>(
    on: &str,
    deadline: Duration,
    sink: Sink<'_>,
    mut ask: F,
) -> Result<T, CloudError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Found<T>, CloudError>>,
{
    let began = Instant::now();
    let since_began = |activity: Activity| match activity {
        Activity::Waiting { on, .. } => sink(Activity::Waiting { on, elapsed: began.elapsed() }),
        other => sink(other),
    };
    for (length, interval) in STAGES {
        let left = deadline.saturating_sub(began.elapsed());
        if left <= length {
            break;
        }
        let pace = Pace { deadline: length, interval };
        match wait::until(on, pace, &since_began, || ask()).await {
            Err(WaitError::TimedOut { .. }) => tokio::time::sleep(interval).await,
            ended => return ended.map_err(CloudError::from_wait),
        }
    }
    let pace = Pace { deadline: deadline.saturating_sub(began.elapsed()), interval: LAST.min(deadline / 10) };
    match wait::until(on, pace, &since_began, || ask()).await {
        Err(WaitError::TimedOut { on, last, .. }) => Err(CloudError::TimedOut { on, after: deadline, last }),
        ended => ended.map_err(CloudError::from_wait),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_whole_deadline_is_named_and_kept() {
        let began = Instant::now();
        let ask = async || Ok(Found::<()>::NotYet("pending".into()));
        let error = until("i-1", Duration::from_millis(1500), &|_| {}, ask).await.unwrap_err();
        assert_eq!(error.to_string(), "timed out after 1 s waiting for i-1 (pending)");
        assert!(began.elapsed() < Duration::from_secs(3));
    }

    #[tokio::test]
    async fn an_end_is_told_at_once() {
        let ask = async || Err(CloudError::NoRegion);
        let ended = until::<(), _, _>("i-1", Duration::from_secs(60), &|_| {}, ask).await;
        assert!(matches!(ended, Err(CloudError::NoRegion)));
    }
}
