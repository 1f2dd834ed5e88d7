//! One machine that services run on: this one, or one behind ssh. Both do the same things by the
//! same scripts; they differ in how a script, a file and a request to the engine get there.

mod admit;
mod check;
mod error;
mod facts;
mod install;
mod listening;
mod logins;
mod process;
mod tunnel;
mod upload;

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

pub use check::{CheckError, http_check_from_here};
pub use error::{HostError, engine_cause, is_denied};
pub use facts::{Ask, AskedFile, DockerState, Facts, Folder, FolderState};
pub use logins::Login;
pub use upload::{Removal, Upload};

use crate::docker::Engine;
use crate::ssh::Session;
use crate::ssh::command::{READ, Script, WRITE};

/// A machine; clones share its connection.
#[derive(Clone, Debug)]
pub enum Host {
    /// This one.
    Local(Arc<LocalHost>),
    /// One behind ssh.
    Ssh(Arc<SshHost>),
}

/// This machine.
#[derive(Debug)]
pub struct LocalHost {
    engine: Engine,
    /// The spec's folder: what relative paths mean.
    base: PathBuf,
    sudo: bool,
}

/// A machine behind ssh.
#[derive(Debug)]
pub struct SshHost {
    session: Session,
    engine: Engine,
    sudo: bool,
}

/// What a script said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    /// The last lines.
    pub(crate) stderr: String,
}

impl Host {
    /// This machine with its engine; relative paths mean `base`, the spec's folder. `sudo` says
    /// whether `sudo -n` may be used (`instances.*.sudo`).
    pub fn local(engine: Engine, base: impl Into<PathBuf>, sudo: bool) -> Self {
        Self::Local(Arc::new(LocalHost { engine, base: base.into(), sudo }))
    }

    /// A machine behind ssh. Its engine is reached over the same connection, when it is asked.
    pub fn ssh(session: Session, sudo: bool) -> Self {
        let engine = tunnel::engine(session.clone(), sudo);
        Self::Ssh(Arc::new(SshHost { session, engine, sudo }))
    }

    /// As a person knows it: `this machine`, or the name or address that was dialled.
    pub fn name(&self) -> &str {
        match self {
            Self::Local(_) => "this machine",
            Self::Ssh(host) => host.session.host(),
        }
    }

    /// Its Docker engine.
    pub fn engine(&self) -> Engine {
        match self {
            Self::Local(host) => host.engine.clone(),
            Self::Ssh(host) => host.engine.clone(),
        }
    }

    /// The ssh connection, where there is one.
    pub fn session(&self) -> Option<&Session> {
        match self {
            Self::Local(_) => None,
            Self::Ssh(host) => Some(&host.session),
        }
    }

    /// Runs a script that only looks, and gives its output. The command line is always [`READ`].
    ///
    /// # Errors
    /// [`HostError::Failed`] for a status other than 0.
    pub async fn read(&self, script: &Script) -> Result<String, HostError> {
        let said = self.run(READ, script).await?;
        self.accept(said, "reading what is there")
    }

    /// Runs a script that changes something, and gives its output. The command line is always
    /// [`WRITE`].
    ///
    /// # Errors
    /// [`HostError::Failed`] for a status other than 0.
    pub async fn write(&self, script: &Script) -> Result<String, HostError> {
        let said = self.run(WRITE, script).await?;
        self.accept(said, "a change")
    }

    /// Runs a script in a3's folder, with sudo where that is needed and allowed. Statuses are the
    /// caller's to judge.
    pub(crate) async fn in_folder(&self, folder: &str, inner: &Script) -> Result<Said, HostError> {
        let script = Script::new(include_str!("scripts/in_folder.sh"))
            .set("D", folder)?
            .set("SUDO", self.sudo_word())?
            .set("INNER", &inner.text())?
            .within(inner.limit());
        let said = self.run(WRITE, &script).await?;
        if said.status == FOLDER_REFUSED {
            return Err(HostError::FolderRefused { host: self.name().to_owned(), folder: folder.to_owned() });
        }
        Ok(said)
    }

    /// The output of a script that ended well.
    pub(crate) fn accept(&self, said: Said, doing: &str) -> Result<String, HostError> {
        if said.status == 0 {
            return Ok(said.stdout);
        }
        Err(HostError::Failed {
            host: self.name().to_owned(),
            doing: doing.to_owned(),
            status: said.status,
            stderr: said.stderr,
        })
    }

    /// Whether scripts may use `sudo -n`, as their variable SUDO has it.
    pub(crate) fn sudo_word(&self) -> &'static str {
        let sudo = match self {
            Self::Local(host) => host.sudo,
            Self::Ssh(host) => host.sudo,
        };
        if sudo { "yes" } else { "no" }
    }

    pub(crate) async fn run(&self, command: &str, script: &Script) -> Result<Said, HostError> {
        let run = async {
            match self {
                Self::Local(_) => run_here(command, script).await,
                Self::Ssh(host) => run_there(&host.session, command, script).await,
            }
        };
        tokio::time::timeout(script.limit(), run).await.unwrap_or_else(|_| {
            Err(HostError::TooSlow {
                host: self.name().to_owned(),
                doing: command.to_owned(),
                seconds: script.limit().as_secs(),
            })
        })
    }
}

/// `in_folder.sh`'s status where the folder is not this user's to write.
const FOLDER_REFUSED: i32 = 73;

async fn run_there(session: &Session, command: &str, script: &Script) -> Result<Said, HostError> {
    let output = session.run(command, script).await?;
    Ok(Said { status: output.exit.code(), stdout: text(output.stdout), stderr: last_lines(&output.stderr) })
}

async fn run_here(command: &str, script: &Script) -> Result<Said, HostError> {
    let mut words = command.split(' ');
    let mut child = Command::new(words.next().unwrap_or("sh"))
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(HostError::Shell)?;
    let input = child.stdin.take();
    let script = script.text();
    let feed = async move {
        if let Some(mut input) = input {
            // A shell that ended early says why itself.
            let _ = input.write_all(script.as_bytes()).await;
        }
    };
    let ((), output) = tokio::join!(feed, child.wait_with_output());
    let output = output.map_err(HostError::Shell)?;
    let status = output.status.code().unwrap_or(128);
    Ok(Said { status, stdout: text(output.stdout), stderr: last_lines(&output.stderr) })
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// What is worth showing of standard error: its last five lines, in one.
fn last_lines(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(5)..].join("; ")
}
