//! A shell or a command on a machine for a person: with a terminal there if they have one here.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use russh::client::Msg;
use russh::{ChannelWriteHalf, Pty, Sig};

use super::error::SshError;
use super::exec::{Piece, Running};
use super::session::Session;
use crate::explain::Explain as _;
use crate::observed::Cause;
use crate::tty::{Control, Far, Input, Refused, Signal, Size};

/// sshd passes signals on for ordinary users, not for root; then the end of the channel is all there is.
const GRACE: Duration = Duration::from_secs(2);

/// What OpenSSH takes where nobody knows.
const UNKNOWN: Size = Size { rows: 24, columns: 80 };

/// The terminal that the far side is to think it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// `TERM`.
    pub kind: String,
    /// Its size, where known.
    pub size: Option<Size>,
    /// Its erase character.
    pub erase: Option<u8>,
    /// Whether it is UTF-8.
    pub utf8: bool,
}

/// A handle on a running command.
#[derive(Clone)]
pub struct Remote {
    write: Arc<ChannelWriteHalf<Msg>>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Remote")
    }
}

impl Session {
    /// Starts the user's shell, or a command line in it; with a terminal where one is given.
    ///
    /// # Errors
    /// [`SshError::ChannelRefused`], [`SshError::Lost`].
    pub async fn shell(
        &self,
        command: Option<&str>,
        terminal: Option<&Terminal>,
    ) -> Result<Running, SshError> {
        let (session, command, terminal) = (self.clone(), command.map(str::to_owned), terminal.cloned());
        self.to_its_end(async move {
            let (channel, permit) = session.open_session().await?;
            if let Some(terminal) = terminal {
                let size = terminal.size.unwrap_or(UNKNOWN);
                let mut modes = vec![(Pty::IUTF8, u32::from(terminal.utf8))];
                modes.extend(terminal.erase.map(|erase| (Pty::VERASE, u32::from(erase))));
                let (columns, rows) = (u32::from(size.columns), u32::from(size.rows));
                let asked = channel.request_pty(true, &terminal.kind, columns, rows, 0, 0, &modes).await;
                asked.map_err(|error| session.error(error, "a terminal"))?;
            }
            let started = match command {
                Some(command) => channel.exec(true, command).await,
                None => channel.request_shell(true).await,
            };
            started.map_err(|error| session.error(error, "to run a command"))?;
            Ok(Running::on(session, channel, permit))
        })
        .await
    }
}

impl Running {
    /// Where its input goes.
    pub fn input(&self) -> Input {
        Box::new(self.write.make_writer())
    }

    /// A handle on it that outlives a borrow.
    pub fn remote(&self) -> Remote {
        Remote { write: Arc::clone(&self.write) }
    }
}

impl Far for Running {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Piece>, Cause>> {
        Box::pin(async { Self::next(self).await.map_err(|error| error.cause()) })
    }
}

impl Control for Remote {
    fn resize(&self, size: Size) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let (columns, rows) = (u32::from(size.columns), u32::from(size.rows));
            // A connection that is gone shows on its output.
            let _ = self.write.window_change(columns, rows, 0, 0).await;
        })
    }

    fn signal(&self, signal: Signal) -> BoxFuture<'_, Result<(), Refused>> {
        Box::pin(async move {
            let signal = match signal {
                Signal::Hangup => Sig::HUP,
                Signal::Interrupt => Sig::INT,
                Signal::Quit => Sig::QUIT,
                Signal::Terminate => Sig::TERM,
                Signal::Pipe => Sig::PIPE,
            };
            self.write.signal(signal).await.map_err(|_| Refused)
        })
    }

    fn grace(&self) -> Option<Duration> {
        Some(GRACE)
    }
}
