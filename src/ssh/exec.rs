//! Commands on a machine, and its forwarded sockets and ports.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelStream, ChannelWriteHalf};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;

use super::error::SshError;
use super::session::Session;
pub use crate::tty::Piece;

/// The most that [`Session::exec`] keeps of a command's standard output.
const MAX_OUTPUT: usize = 32 << 20;

/// The most that it keeps of standard error; the rest is dropped.
const MAX_ERRORS: usize = 64 << 10;

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With this status.
    Status(u32),
    /// By this signal, without `SIG`.
    Signal(String),
}

impl Exit {
    /// As a shell gives it: the status, or 128 and the signal's number (only common ones are known,
    /// 128 otherwise).
    pub fn code(&self) -> i32 {
        match self {
            Self::Status(status) => i32::try_from(*status).unwrap_or(255),
            Self::Signal(name) => {
                128 + SIGNALS.iter().find(|(known, _)| known == name).map_or(0, |(_, n)| *n)
            }
        }
    }
}

/// POSIX's names and the numbers that Linux gives them.
const SIGNALS: [(&str, i32); 7] =
    [("HUP", 1), ("INT", 2), ("QUIT", 3), ("ABRT", 6), ("KILL", 9), ("PIPE", 13), ("TERM", 15)];

/// What a command said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub exit: Exit,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error, its first 64 KiB.
    pub stderr: Vec<u8>,
}

/// A command that runs. Dropping it before its end terminates it.
pub struct Running {
    session: Session,
    read: ChannelReadHalf,
    pub(super) write: Arc<ChannelWriteHalf<Msg>>,
    exit: Option<Exit>,
    permit: Option<OwnedSemaphorePermit>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("session", &self.session).field("exit", &self.exit).finish()
    }
}

impl Running {
    /// A command on a channel that was opened for it.
    pub(super) fn on(session: Session, channel: Channel<Msg>, permit: OwnedSemaphorePermit) -> Self {
        let (read, write) = channel.split();
        Self { session, read, write: Arc::new(write), exit: None, permit: Some(permit) }
    }

    /// The next part; `None` when the command has ended. Has to be asked for steadily: a part that
    /// nobody takes holds up everything else on the connection.
    ///
    /// # Errors
    /// [`SshError::ChannelRefused`] where the machine does not run commands.
    pub async fn next(&mut self) -> Result<Option<Piece>, SshError> {
        loop {
            match self.read.wait().await {
                None => return Ok(None),
                Some(ChannelMsg::Data { data }) => return Ok(Some(Piece::Out(data))),
                Some(ChannelMsg::ExtendedData { data, .. }) => return Ok(Some(Piece::Err(data))),
                Some(ChannelMsg::ExitStatus { exit_status }) => self.exit = Some(Exit::Status(exit_status)),
                Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                    self.exit = Some(Exit::Signal(signal_text(&signal_name)));
                }
                Some(ChannelMsg::Failure) => {
                    let host = self.session.host().to_owned();
                    let (what, reason) = ("to run a command".to_owned(), "request denied".to_owned());
                    return Err(SshError::ChannelRefused { host, what, reason });
                }
                Some(_) => {}
            }
        }
    }

    /// Sends to the command's standard input.
    ///
    /// # Errors
    /// [`SshError::Lost`].
    pub async fn send(&self, data: Bytes) -> Result<(), SshError> {
        self.write.data_bytes(data).await.map_err(|_| self.session.lost())
    }

    /// Ends the command's standard input.
    ///
    /// # Errors
    /// [`SshError::Lost`].
    pub async fn end_input(&self) -> Result<(), SshError> {
        self.write.eof().await.map_err(|_| self.session.lost())
    }

    /// How it ended, once [`Running::next`] has given `None`.
    ///
    /// # Errors
    /// [`SshError::Lost`] where the connection ended before the command.
    pub fn exit(&self) -> Result<Exit, SshError> {
        self.exit.clone().ok_or_else(|| self.session.lost())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let (write, permit) = (Arc::clone(&self.write), self.permit.take());
        // Closing is a message to the connection's task; without a runtime that task is gone too.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let ended = self.exit.is_some();
            runtime.spawn(async move {
                if !ended {
                    // sshd counts a command until it ends, whether or not its channel is closed.
                    let _ = write.signal(russh::Sig::TERM).await;
                }
                let _ = write.close().await;
                drop(permit);
            });
        }
    }
}

/// RFC 4254's names, without `SIG`.
fn signal_text(signal: &russh::Sig) -> String {
    match signal {
        russh::Sig::Custom(name) => name.clone(),
        known => format!("{known:?}"),
    }
}

impl Session {
    /// Starts a command.
    ///
    /// # Errors
    /// [`SshError::ChannelRefused`], [`SshError::Lost`].
    pub async fn start(&self, command: &str) -> Result<Running, SshError> {
        let (session, command) = (self.clone(), command.to_owned());
        self.to_its_end(async move {
            let (channel, permit) = session.open_session().await?;
            channel.exec(true, command).await.map_err(|error| session.error(error, "to run a command"))?;
            Ok(Running::on(session, channel, permit))
        })
        .await
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// As [`Session::start`]; [`SshError::TooMuchOutput`] beyond 32 MiB. A status other than 0 is not
    /// an error here.
    pub async fn exec(&self, command: &str, stdin: &[u8]) -> Result<Output, SshError> {
        self.exec_watched(command, stdin, &|_| {}).await
    }

    /// As [`Session::exec`], with an eye on each part of what the command says.
    ///
    /// # Errors
    /// As there.
    pub async fn exec_watched(
        &self,
        command: &str,
        stdin: &[u8],
        watch: &(dyn Fn(&Piece) + Send + Sync),
    ) -> Result<Output, SshError> {
        let mut running = self.start(command).await?;
        let input = Bytes::copy_from_slice(stdin);
        let mut output = Output { exit: Exit::Status(0), stdout: Vec::new(), stderr: Vec::new() };
        let write = running.write.make_writer();
        let feed = feed(write, input);
        tokio::pin!(feed);
        let mut fed = false;
        loop {
            let piece = tokio::select! {
                // A command may end without reading: its end counts, not the input's.
                () = &mut feed, if !fed => { fed = true; continue; }
                piece = running.next() => piece?,
            };
            piece.iter().for_each(watch);
            match piece {
                None => break,
                Some(Piece::Out(data)) if output.stdout.len() + data.len() > MAX_OUTPUT => {
                    let host = self.host().to_owned();
                    return Err(SshError::TooMuchOutput { host, limit: MAX_OUTPUT });
                }
                Some(Piece::Out(data)) => output.stdout.extend_from_slice(&data),
                Some(Piece::Err(data)) => {
                    let room = MAX_ERRORS - output.stderr.len();
                    output.stderr.extend_from_slice(&data[..data.len().min(room)]);
                }
            }
        }
        output.exit = running.exit()?;
        Ok(output)
    }

    /// A command's input and output as one stream, with all that its shell says.
    pub(super) async fn raw_stream(&self, command: &str) -> Result<Tunnel, SshError> {
        let (session, command) = (self.clone(), command.to_owned());
        self.to_its_end(async move {
            let (channel, permit) = session.open_session().await?;
            channel.exec(false, command).await.map_err(|error| session.error(error, "to run a command"))?;
            Ok(Tunnel::new(channel.into_stream(), Some(permit)))
        })
        .await
    }

    /// A stream to a Unix socket of the machine (`direct-streamlocal@openssh.com`).
    ///
    /// # Errors
    /// [`SshError::ChannelRefused`] where the socket is missing, not this user's to use, or
    /// forwarding is off; [`SshError::Lost`].
    pub async fn socket(&self, path: &str) -> Result<Tunnel, SshError> {
        let (session, path) = (self.clone(), path.to_owned());
        self.to_its_end(async move {
            let channel = session.inner.handle.channel_open_direct_streamlocal(path.as_str()).await;
            let channel = channel.map_err(|error| session.error(error, &format!("the socket {path}")))?;
            Ok(Tunnel::new(channel.into_stream(), None))
        })
        .await
    }

    /// A stream to a TCP port as the machine sees it (`direct-tcpip`).
    ///
    /// # Errors
    /// [`SshError::ChannelRefused`] where nothing listens or forwarding is off; [`SshError::Lost`].
    pub async fn port(&self, address: &str, port: u16) -> Result<Tunnel, SshError> {
        let (session, address) = (self.clone(), address.to_owned());
        self.to_its_end(async move {
            let handle = &session.inner.handle;
            let channel =
                handle.channel_open_direct_tcpip(address.as_str(), u32::from(port), "127.0.0.1", 0).await;
            let what = || format!("a connection to {address}:{port}");
            let channel = channel.map_err(|error| session.error(error, &what()))?;
            Ok(Tunnel::new(channel.into_stream(), None))
        })
        .await
    }

    /// Opens a channel even if the caller gives up meanwhile: a half-open one would have no owner to
    /// close it, and sshd allows only a few.
    pub(super) async fn to_its_end<T: Send + 'static>(
        &self,
        open: impl Future<Output = Result<T, SshError>> + Send + 'static,
    ) -> Result<T, SshError> {
        tokio::spawn(open).await.unwrap_or_else(|_| Err(self.lost()))
    }
}

async fn feed(mut write: impl AsyncWrite + Unpin, input: Bytes) {
    use tokio::io::AsyncWriteExt as _;
    if !input.is_empty() && write.write_all(&input).await.is_err() {
        return;
    }
    // A broken channel shows on the reading side.
    let _ = write.shutdown().await;
}

/// A byte stream through the connection.
pub struct Tunnel {
    /// What was read already.
    first: Bytes,
    stream: ChannelStream<Msg>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Tunnel {
    fn new(stream: ChannelStream<Msg>, permit: Option<OwnedSemaphorePermit>) -> Self {
        Self { first: Bytes::new(), stream, _permit: permit }
    }

    /// Gives this once more, before all else.
    pub(super) fn put_back(&mut self, data: &[u8]) {
        self.first = Bytes::copy_from_slice(data);
    }
}

impl std::fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tunnel")
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.first.is_empty() {
            let room = self.first.len().min(buf.remaining());
            buf.put_slice(&self.first.split_to(room));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
