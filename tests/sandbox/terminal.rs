//! A command in a terminal of its own, and a person who types into it and reads what it shows.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, ExitStatus};
use std::sync::RwLockReadGuard;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use pty_process::Size;
use pty_process::blocking::{Command as PtyCommand, Pts, Pty, open};
use rustix::termios::tcgetattr;

/// Nothing here takes longer; what does, hangs.
const DEADLINE: Duration = Duration::from_secs(100);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// A terminal with a command in it.
pub(crate) struct Terminal {
    pty: std::sync::Arc<Pty>,
    /// Held: without it the terminal would be gone with the command, modes and all.
    pts: Pts,
    child: Child,
    pieces: Receiver<Vec<u8>>,
    shown: Vec<u8>,
    /// What was read up to.
    read: usize,
    modes: String,
    deadline: Instant,
    #[expect(dead_code, reason = "held")]
    beside: Option<RwLockReadGuard<'static, ()>>,
}

impl Terminal {
    /// Starts a command in a terminal of so many rows and columns.
    pub(crate) fn of(command: Command, rows: u16, columns: u16) -> Self {
        let beside = crate::place::beside_others();
        let (pty, pts) = open().unwrap();
        pty.resize(Size::new(rows, columns)).unwrap();
        let modes = modes(&pts);
        let child = PtyCommand::from(command).env("TERM", "xterm").spawn_borrowed(&pts).unwrap();
        let pty = std::sync::Arc::new(pty);
        let (sender, pieces) = channel();
        let reader = std::sync::Arc::clone(&pty);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(count @ 1..) = (&*reader).read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let (shown, deadline) = (Vec::new(), Instant::now() + DEADLINE);
        Self { pty, pts, child, pieces, shown, read: 0, modes, deadline, beside }
    }

    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        self.pty.resize(Size::new(rows, columns)).unwrap();
    }

    /// Types.
    pub(crate) fn types(&mut self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).unwrap();
    }

    /// Reads on until this is shown, and gives what came before it.
    #[track_caller]
    pub(crate) fn shows(&mut self, text: &str) -> String {
        loop {
            let unread = &self.shown[self.read..];
            if let Some(at) = unread.windows(text.len()).position(|window| window == text.as_bytes()) {
                let before = String::from_utf8_lossy(&unread[..at]).into_owned();
                self.read += at + text.len();
                return before;
            }
            // Asked for first: what an ended command has shown is still to be read.
            let ended = self.child.try_wait().unwrap();
            match self.pieces.recv_timeout(PAUSE) {
                Ok(piece) => self.shown.extend(piece),
                Err(RecvTimeoutError::Timeout) if Instant::now() < self.deadline && ended.is_none() => {}
                Err(_) => {
                    self.child.kill().ok();
                    panic!("`{text}` is never shown ({ended:?}): {}", String::from_utf8_lossy(&self.shown));
                }
            }
        }
    }

    fn drain(&mut self) {
        while let Ok(piece) = self.pieces.recv_timeout(Duration::from_millis(100)) {
            self.shown.extend(piece);
        }
    }

    /// Whether the terminal has the modes now that it had before the command.
    pub(crate) fn is_as_before(&self) -> bool {
        modes(&self.pts) == self.modes
    }

    /// Waits until the command has taken the terminal for itself.
    #[track_caller]
    pub(crate) fn is_raw(&self) {
        let until = Instant::now() + DEADLINE;
        while self.is_as_before() {
            assert!(Instant::now() < until, "the terminal is never raw");
            std::thread::sleep(PAUSE);
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Waits for the command's end, which has to leave the terminal as it was, and gives how it ended.
    #[track_caller]
    pub(crate) fn ends(mut self) -> ExitStatus {
        self.end()
    }

    /// As [`Terminal::ends`], with everything that was written to the terminal.
    #[track_caller]
    pub(crate) fn ends_having_shown(mut self) -> (ExitStatus, String) {
        let status = self.end();
        self.drain();
        (status, String::from_utf8_lossy(&self.shown).into_owned())
    }

    #[track_caller]
    fn end(&mut self) -> ExitStatus {
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > self.deadline {
                self.child.kill().ok();
                self.drain();
                panic!("it does not end: {}", String::from_utf8_lossy(&self.shown));
            }
            std::thread::sleep(PAUSE);
        };
        let now = modes(&self.pts);
        assert_eq!(now, self.modes, "the terminal is not as it was");
        status
    }

    /// As [`Terminal::ends`], with this code.
    #[track_caller]
    pub(crate) fn ends_with(self, code: i32) {
        let shown = String::from_utf8_lossy(&self.shown).into_owned();
        assert_eq!(self.ends().code(), Some(code), "{shown}");
    }
}

fn modes(terminal: &Pts) -> String {
    let now = tcgetattr(terminal).unwrap();
    let flags = (now.input_modes, now.output_modes, now.control_modes, now.local_modes);
    format!("{flags:?} {:?}", now.special_codes)
}
