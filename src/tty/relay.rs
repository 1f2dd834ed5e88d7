//! Input there, output here, signals and sizes as they come, until one side ends.

use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::fs::File;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::input;
use super::raw::{Raw, Size, size};
use super::signals::{Signal, Signals};
use crate::observed::Cause;

/// Of a signal that is sent again and again, the third is for us.
const INSISTS: u32 = 3;

/// So long a terminal's process has to end after its person has gone.
const FAREWELL: Duration = Duration::from_secs(2);

/// A part of what the far side says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Of standard output, and everything of a terminal.
    Out(Bytes),
    /// Of standard error.
    Err(Bytes),
}

/// Where what is typed goes; shutting it down is the end of the far side's input.
pub type Input = Box<dyn AsyncWrite + Send + Unpin>;

/// A process somewhere else.
pub trait Far: Send {
    /// The next part of what it says; `None` when it has ended.
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Piece>, Cause>>;
}

/// The far side cannot be given a signal.
#[derive(Debug)]
pub struct Refused;

/// What can be done to a process somewhere else while it runs.
pub trait Control: Send + Sync {
    /// Its terminal has another size now. Not worth an error.
    fn resize(&self, size: Size) -> BoxFuture<'_, ()>;

    /// Gives it a signal.
    fn signal(&self, signal: Signal) -> BoxFuture<'_, Result<(), Refused>>;

    /// How long it has to end after a signal; `None` where it may take its time.
    fn grace(&self) -> Option<Duration>;
}

/// How the two sides are connected.
pub struct Wiring {
    /// The far side has a terminal, so that ours is raw meanwhile.
    pub tty: bool,
    /// Where our input goes; `None` where it is left alone.
    pub input: Option<Input>,
    /// The handle on the far side.
    pub control: Arc<dyn Control>,
}

/// How it ended.
#[derive(Debug)]
pub enum End {
    /// The far side ended.
    Closed,
    /// Whoever read our output has gone.
    BrokenPipe,
    /// The far side was given a signal, and does not end of it.
    GaveUp(Signal),
    /// The connection broke.
    Lost(Cause),
}

/// Connects this process's terminal or pipes with `far` until one side ends.
///
/// Guarantees that everything that `far` said is written when this is over, unless the pipe is broken;
/// and that the terminal has the modes it had before, whatever happens.
///
/// # Errors
/// Standard input is no terminal where `tty` asks for one.
pub async fn relay(far: &mut dyn Far, wiring: Wiring) -> io::Result<End> {
    let Wiring { tty, input, control } = wiring;
    let mut signals = Signals::catch()?;
    let raw = tty.then(Raw::enter).transpose()?;
    let _sizes = tty.then(|| follow_size(Arc::clone(&control))).transpose()?;
    let _feed = input.map(|input| AbortOnDropHandle::new(tokio::spawn(feed(input))));
    let mut pump = Box::pin(pump(far));
    let mut patience = Patience { tty, times: 0, until: None, last: Signal::Terminate };
    let end = loop {
        tokio::select! {
            end = &mut pump => break end,
            signal = signals.next() => {
                let taken = tokio::time::timeout(FAREWELL, control.signal(signal)).await;
                if patience.ends(signal, control.grace(), matches!(taken, Ok(Ok(())))) {
                    break End::GaveUp(signal);
                }
            }
            () = over(patience.until) => break End::GaveUp(patience.last),
        }
    };
    drop((raw, pump));
    if matches!(end, End::BrokenPipe) {
        end_writer(far, &*control).await;
    }
    Ok(end)
}

/// Ends a far side that would write on for nobody. What it says is still taken: it may stand in the way
/// of everything else on the connection.
async fn end_writer(far: &mut dyn Far, control: &dyn Control) {
    let drain = async { while let Ok(Some(_)) = far.next().await {} };
    let end = async { futures_util::join!(drain, control.signal(Signal::Pipe)) };
    // One that ends later or never is not waited for.
    let _ = tokio::time::timeout(FAREWELL, end).await;
}

/// How long the far side is waited for after signals.
struct Patience {
    tty: bool,
    times: u32,
    until: Option<Instant>,
    last: Signal,
}

impl Patience {
    /// Whether this signal is the last one.
    fn ends(&mut self, signal: Signal, grace: Option<Duration>, taken: bool) -> bool {
        self.times += 1;
        self.last = signal;
        // With a terminal these come from outside: its person, or the whole session, is going.
        let grace = grace.or(self.tty.then_some(FAREWELL));
        self.until = self.until.or(grace.map(|grace| Instant::now() + grace));
        !taken || self.times >= INSISTS
    }
}

async fn over(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// Sends our input, and its end.
async fn feed(mut far: Input) {
    let mut pieces = input::pieces();
    while let Some(piece) = pieces.recv().await {
        // A far side that does not read any more shows on its output.
        if far.write_all(&piece).await.is_err() || far.flush().await.is_err() {
            return;
        }
    }
    let _ = far.shutdown().await;
    // Whoever holds the sending half open may hold the whole connection open.
    std::future::pending::<()>().await;
}

/// Tells the far side every new size; the first one too, since it may have started with another.
fn follow_size(control: Arc<dyn Control>) -> io::Result<AbortOnDropHandle<()>> {
    let mut changes = signal(SignalKind::window_change())?;
    Ok(AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            if let Some(size) = size() {
                control.resize(size).await;
            }
            if changes.recv().await.is_none() {
                return;
            }
        }
    })))
}

/// Writes what the far side says to where it belongs.
async fn pump(far: &mut dyn Far) -> End {
    // Not std's own handle: that one keeps what follows the last newline.
    let opened =
        (std::io::stdout().as_fd().try_clone_to_owned(), std::io::stderr().as_fd().try_clone_to_owned());
    let (Ok(out), Ok(err)) = opened else { return End::BrokenPipe };
    let (mut out, mut err) = (File::from_std(out.into()), File::from_std(err.into()));
    loop {
        let written = match far.next().await {
            Ok(None) => return End::Closed,
            Ok(Some(Piece::Out(bytes))) => write(&mut out, &bytes).await,
            Ok(Some(Piece::Err(bytes))) => write(&mut err, &bytes).await,
            Err(cause) => return End::Lost(cause),
        };
        if written.is_err() {
            return End::BrokenPipe;
        }
    }
}

async fn write(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes).await?;
    file.flush().await
}
