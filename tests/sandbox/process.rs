//! A command with a deadline, and what it said.

use std::io::{Read, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, RwLockReadGuard};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

/// No call of a3 in these tests is meant to take longer; what does is killed and fails its test.
const DEADLINE: Duration = Duration::from_secs(100);
/// Between two looks at a child.
const PAUSE: Duration = Duration::from_millis(20);

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Output {
    /// `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// Fails the test with everything that was said unless it ended with 0.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.ended(0)
    }

    /// Fails the test with everything that was said unless it ended with this.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Fails the test with everything that was said unless this is part of it.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.all().contains(text), "nothing said `{text}`: {self}");
        self
    }

    pub(crate) fn all(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "code {:?}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

/// A command at work.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    stdout: Heard,
    stderr: Heard,
    deadline: Instant,
    /// Its place beside the others in the sandbox.
    #[expect(dead_code, reason = "held")]
    beside: Option<RwLockReadGuard<'static, ()>>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = Heard::of(child.stdout.take().unwrap());
        let stderr = Heard::of(child.stderr.take().unwrap());
        Self { child, stdout, stderr, deadline: Instant::now() + DEADLINE, beside: None }
    }

    /// One that reaches the sandbox as long as it is at work.
    pub(crate) fn beside_others(command: &mut Command) -> Self {
        let beside = crate::place::beside_others();
        Self { beside, ..Self::start(command) }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes one line to its standard input and closes that.
    pub(crate) fn tell(&mut self, line: &str) {
        let mut input = self.child.stdin.take().unwrap();
        input.write_all(line.as_bytes()).unwrap();
    }

    /// Waits until standard error holds this text.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) {
        self.wait(text, |running| running.stderr.so_far());
    }

    /// Waits until standard output holds this text.
    #[track_caller]
    pub(crate) fn hears(&mut self, text: &str) {
        self.wait(text, |running| running.stdout.so_far());
    }

    #[track_caller]
    fn wait(&mut self, text: &str, heard: impl Fn(&Self) -> String) {
        loop {
            let heard = heard(self);
            if heard.contains(text) {
                return;
            }
            let ended = self.child.try_wait().unwrap();
            if ended.is_some() || Instant::now() > self.deadline {
                self.child.kill().ok();
                panic!("`{text}` was never said ({ended:?}):\n{heard}");
            }
            sleep(PAUSE);
        }
    }

    /// How many lines standard output has by now.
    pub(crate) fn lines(&self) -> usize {
        self.stdout.so_far().lines().count()
    }

    /// Waits until standard output has so many lines.
    #[track_caller]
    pub(crate) fn wait_for_lines(&mut self, count: usize) {
        while self.lines() < count {
            let ended = self.child.try_wait().unwrap();
            if ended.is_some() || Instant::now() > self.deadline {
                self.child.kill().ok();
                panic!("no {count} lines ({ended:?}):\n{}\n{}", self.stdout.so_far(), self.stderr.so_far());
            }
            sleep(PAUSE);
        }
    }

    /// Sends a signal: `INT`, `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(status.unwrap().success(), "no signal {name} to {}", self.pid());
    }

    #[track_caller]
    pub(crate) fn end(mut self) -> Output {
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let (stdout, stderr) = (self.stdout.end(), self.stderr.end());
                return Output { code: status.code(), stdout, stderr };
            }
            if Instant::now() > self.deadline {
                self.child.kill().ok();
                self.child.wait().ok();
                let said = (self.stdout.end(), self.stderr.end());
                panic!("not done after {DEADLINE:?}:\n--- stdout\n{}\n--- stderr\n{}", said.0, said.1);
            }
            sleep(PAUSE);
        }
    }
}

/// What a pipe has said so far.
#[derive(Debug)]
struct Heard {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Heard {
    fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                heard.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        Self { text, reader: Some(reader) }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    fn end(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().ok();
        }
        self.so_far()
    }
}

/// Says a figure that `make test` repeats at its end; a test's own output is captured.
pub(crate) fn figure(line: &str) {
    writeln!(std::io::stderr().lock(), "figure: {line}").ok();
}

/// Runs a command to its end.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Output {
    Running::start(command.stdin(Stdio::null())).end()
}
