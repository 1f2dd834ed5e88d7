//! Room for commands and file transfers: sshd allows only so many at a time on one connection
//! (`MaxSessions`: ten, or one where somebody was strict). Forwarded sockets and ports do not count.
//!
//! One connection is enough for nearly every machine. What it takes is learned from refusals; who
//! waits for more than a moment, because what runs there runs long (a log that is followed through
//! `docker system dial-stdio`), gets another connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use russh::client::Msg;
use russh::{Channel, ChannelOpenFailure};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::error::SshError;
use super::session::Session;

/// What OpenSSH allows unless told otherwise is ten; two are left to those that were given up.
const MAX_SESSIONS: usize = 8;

/// Commands are mostly short: so long one is waited for.
const MOMENT: Duration = Duration::from_secs(1);

/// A command that was given up holds its place until it ends, so a refusal is not final at once.
const INTERVAL: Duration = Duration::from_millis(100);

/// Connections beside the first.
const MORE: usize = 3;

/// Until even those are of no help.
const PATIENCE: Duration = Duration::from_secs(60);

/// The places of one connection.
#[derive(Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    /// How many there are, as far as is known.
    all: AtomicUsize,
    /// Further connections to the same machine.
    more: Mutex<Vec<Session>>,
}

impl Default for Places {
    fn default() -> Self {
        let free = Arc::new(Semaphore::new(MAX_SESSIONS));
        Self { free, all: AtomicUsize::new(MAX_SESSIONS), more: Mutex::default() }
    }
}

impl Places {
    /// The machine takes fewer than was thought: unless this is the only one, the place is gone.
    fn refused(&self, permit: OwnedSemaphorePermit) -> bool {
        let all = self.all.load(Ordering::Relaxed);
        let others = all.saturating_sub(self.free.available_permits() + 1);
        if others > 0 {
            permit.forget();
            self.all.fetch_sub(1, Ordering::Relaxed);
        }
        others > 0
    }
}

/// A channel, and its place for as long as it is held.
type Opened = (Channel<Msg>, OwnedSemaphorePermit);

impl Session {
    /// A channel for a command or subsystem.
    pub(super) async fn open_session(&self) -> Result<Opened, SshError> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(opened) = self.open_soon().await? {
                return Ok(opened);
            }
            if let Some(opened) = self.open_elsewhere().await? {
                return Ok(opened);
            }
            if Instant::now() > end {
                let (what, reason) = ("a session".to_owned(), "too many of them".to_owned());
                return Err(SshError::ChannelRefused { host: self.host().to_owned(), what, reason });
            }
        }
    }

    /// On this connection, if there is room in a moment.
    async fn open_soon(&self) -> Result<Option<Opened>, SshError> {
        let places = &self.inner.places;
        let end = Instant::now() + MOMENT;
        while Instant::now() < end {
            let free = Arc::clone(&places.free).acquire_owned();
            let Ok(permit) = tokio::time::timeout_at(end, free).await else { return Ok(None) };
            let permit = permit.map_err(|_| self.lost())?;
            match self.inner.handle.channel_open_session().await {
                Ok(channel) => return Ok(Some((channel, permit))),
                Err(russh::Error::ChannelOpenFailure(ChannelOpenFailure::ConnectFailed)) => {
                    if !places.refused(permit) {
                        tokio::time::sleep(INTERVAL).await;
                    }
                }
                Err(error) => return Err(self.error(error, "a session")),
            }
        }
        Ok(None)
    }

    /// On another connection to the same machine.
    async fn open_elsewhere(&self) -> Result<Option<Opened>, SshError> {
        let mut more = self.inner.places.more.lock().await;
        more.retain(|session| !session.is_closed());
        for session in &*more {
            if session.inner.places.free.available_permits() > 0
                && let Some(opened) = Box::pin(session.open_soon()).await?
            {
                return Ok(Some(opened));
            }
        }
        if more.len() == MORE {
            return Ok(None);
        }
        let session = Box::pin(self.again()).await?;
        let opened = Box::pin(session.open_soon()).await;
        more.push(session);
        opened
    }
}
