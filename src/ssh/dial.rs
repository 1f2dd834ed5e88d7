//! The stream that a connection runs on: a port that is dialled, a channel through a jump host, or a
//! command.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, Join, ReadBuf, join};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;

use super::error::SshError;
use super::route::{Target, Via};
use super::session::Session;

/// A jump host that has just failed fails for everybody who waits for it.
const FAILURE_HOLDS: Duration = Duration::from_secs(5);

/// What a connection can run on.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The connections to jump hosts; clones share them. One login there, whatever lies behind.
#[derive(Clone, Default)]
pub struct Jumps {
    open: Arc<std::sync::Mutex<HashMap<String, Arc<Mutex<Jump>>>>>,
}

#[derive(Default)]
enum Jump {
    #[default]
    New,
    Open(Session),
    Failed(Arc<SshError>, Instant),
}

impl fmt::Debug for Jumps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jumps")
    }
}

impl Jumps {
    /// The connection to a jump host; a new one where it is the first or has ended.
    pub(super) async fn session(&self, hop: &Target) -> Result<Session, Arc<SshError>> {
        let slot = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(open.entry(way(hop)).or_default())
        };
        let mut jump = slot.lock().await;
        match &*jump {
            Jump::Open(session) if !session.is_closed() => return Ok(session.clone()),
            Jump::Failed(error, when) if when.elapsed() < FAILURE_HOLDS => return Err(Arc::clone(error)),
            _ => {}
        }
        match Box::pin(Session::connect(hop)).await {
            Ok(session) => {
                *jump = Jump::Open(session.clone());
                Ok(session)
            }
            Err(error) => {
                let error = Arc::new(error);
                *jump = Jump::Failed(Arc::clone(&error), Instant::now());
                Err(error)
            }
        }
    }
}

/// The same way to the same machine.
fn way(target: &Target) -> String {
    let before = match &target.via {
        Via::Direct => String::new(),
        Via::Jump(hop) => format!("{} ", way(hop)),
        Via::Command(command) => format!("{command} "),
    };
    format!("{before}{}@{}:{}", target.user, target.address(), target.port)
}

/// The session of the jump host on the way, if there is one. Not in the time that dialling may take:
/// somebody may be asked for a passphrase.
pub(super) async fn hop(target: &Target) -> Result<Option<Session>, SshError> {
    let Via::Jump(hop) = &target.via else { return Ok(None) };
    let session = target.keyring.jumps.session(hop).await;
    session.map(Some).map_err(|source| SshError::Jump {
        host: target.host.clone(),
        hop: hop.host.clone(),
        source,
    })
}

/// Opens the stream to the machine's port.
pub(super) async fn dial(target: &Target, hop: Option<&Session>) -> Result<Box<dyn Stream>, SshError> {
    match (&target.via, hop) {
        (Via::Command(command), _) => Ok(Box::new(through_command(target, command)?)),
        (_, Some(hop)) => {
            Ok(Box::new(hop.port(target.address(), target.port).await.map_err(|error| match error {
                SshError::ChannelRefused { reason, .. } => {
                    SshError::Beyond { at: target.at(), hop: hop.host().to_owned(), reason }
                }
                error => SshError::Jump {
                    host: target.host.clone(),
                    hop: hop.host().to_owned(),
                    source: Arc::new(error),
                },
            })?))
        }
        _ => Ok(Box::new(direct(target).await?)),
    }
}

async fn direct(target: &Target) -> Result<TcpStream, SshError> {
    let unresolvable = |source| SshError::Unresolvable { host: target.address().to_owned(), source };
    let addresses = tokio::net::lookup_host((target.address(), target.port)).await;
    let addresses = addresses.map_err(|source| unresolvable(Some(source)))?;
    let mut last = unresolvable(None);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Small packets both ways: waiting to fill one costs a round trip each.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => last = dial_error(target, error),
        }
    }
    Err(last)
}

fn dial_error(target: &Target, source: io::Error) -> SshError {
    match source.kind() {
        io::ErrorKind::ConnectionRefused => SshError::Refused { at: target.at(), login: target.login() },
        io::ErrorKind::TimedOut => target.timed_out(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => SshError::Closed {
            host: target.host.clone(),
            during: "while it was dialled",
            source: source.into(),
        },
        _ => SshError::Unroutable { host: target.at(), source },
    }
}

/// A command whose input and output are the stream; it ends with it.
struct CommandStream {
    stream: Join<ChildStdout, ChildStdin>,
    _child: Child,
}

/// What it says goes to the terminal, as with `ssh`: it may be the only one who knows what is wrong.
fn through_command(target: &Target, command: &str) -> Result<CommandStream, SshError> {
    let failed =
        |source| SshError::ProxyCommand { host: target.host.clone(), command: command.to_owned(), source };
    let mut child = Command::new("sh")
        .args(["-c", &format!("exec {command}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let (Some(output), Some(input)) = (child.stdout.take(), child.stdin.take()) else {
        return Err(failed(io::ErrorKind::BrokenPipe.into()));
    };
    Ok(CommandStream { stream: join(output, input), _child: child })
}

impl AsyncRead for CommandStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for CommandStream {
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
