//! Ctrl-C and SIGTERM: the first lets nothing new start and cuts off what may be cut off, the second
//! ends everything within 5 s. What had begun and may not be cut (launch, swap, records) runs to its
//! end after the first.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long the second Ctrl-C leaves for what is at work.
const LAST_GRACE: Duration = Duration::from_secs(4);

/// 128 and SIGINT's number, as shells have it.
const INTERRUPTED: i32 = 130;

/// How long a container that has just been started may still prove that it works after the first
/// Ctrl-C: most do within a second, and then nothing has to be undone.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether somebody wants a3 to stop.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    first: CancellationToken,
    second: CancellationToken,
}

impl Stop {
    /// Follows SIGINT and SIGTERM from now on.
    pub fn on_signals() -> std::io::Result<Self> {
        let stop = Self::default();
        let mut interrupts = signal(SignalKind::interrupt())?;
        let mut terminations = signal(SignalKind::terminate())?;
        let shared = stop.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupts.recv() => {}
                    _ = terminations.recv() => {}
                }
                shared.request();
                if shared.second.is_cancelled() {
                    shared.end_process().await;
                }
            }
        });
        Ok(stop)
    }

    /// Whatever does not listen (a question, a second look) is not waited for.
    async fn end_process(&self) {
        tokio::time::sleep(LAST_GRACE + Duration::from_secs(1)).await;
        std::process::exit(INTERRUPTED);
    }

    /// As one Ctrl-C does.
    pub fn request(&self) {
        if self.first.is_cancelled() {
            self.second.cancel();
        }
        self.first.cancel();
    }

    /// Nothing new starts; not a person's first or second wish.
    pub fn wind_down(&self) {
        self.first.cancel();
    }

    /// Somebody else has the lease, or the person asked: nothing new starts.
    pub fn is_requested(&self) -> bool {
        self.first.is_cancelled()
    }

    /// Ends at the first request.
    pub async fn requested(&self) {
        self.first.cancelled().await;
    }

    /// Ends a few seconds after the first request: the end of a wait that should not just be cut off.
    pub async fn impatient(&self) {
        self.first.cancelled().await;
        tokio::time::sleep(PATIENCE).await;
    }

    /// Ends a moment after the second request.
    pub async fn forced(&self) {
        self.second.cancelled().await;
        tokio::time::sleep(LAST_GRACE).await;
    }

    /// Runs something that may be cut off; `None` if it was.
    pub async fn cut<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.requested() => None,
            done = work => Some(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_request_cuts_off_and_the_second_is_another() {
        let stop = Stop::default();
        assert_eq!(stop.cut(async { 1 }).await, Some(1));
        stop.request();
        assert!(stop.is_requested());
        assert_eq!(stop.cut(std::future::pending::<u8>()).await, None);
        assert!(!stop.second.is_cancelled());
        stop.request();
        assert!(stop.second.is_cancelled());
    }
}
