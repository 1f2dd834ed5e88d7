//! What can go wrong on a machine that was reached.

use std::io;
use std::path::PathBuf;

use super::install::PATIENCE;
use crate::docker::EngineError;
use crate::explain::{Explain, chain};
use crate::observed::Cause;
use crate::ssh::SshError;
use crate::ssh::command::CommandError;

/// Why a machine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The way there.
    #[error(transparent)]
    Ssh(#[from] SshError),
    /// A path or name that no shell can take.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// `sh` cannot be run here.
    #[error("cannot run sh on this machine")]
    Shell(#[source] io::Error),
    /// A script ended with a status.
    #[error("{doing} failed on {host} with status {status}{}", said(.stderr))]
    Failed {
        /// Which machine.
        host: String,
        /// `reading what is there`.
        doing: String,
        /// As the shell gives it.
        status: i32,
        /// The last lines of standard error.
        stderr: String,
    },
    /// A script took too long.
    #[error("{doing} on {host} took more than {seconds} s")]
    TooSlow {
        /// Which machine.
        host: String,
        /// What.
        doing: String,
        /// How long.
        seconds: u64,
    },
    /// An answer that makes no sense.
    #[error("{host} gave an answer that a3 does not understand: `{line}`")]
    Answer {
        /// Which machine.
        host: String,
        /// The line.
        line: String,
    },
    /// A processor that a3 does not deploy to.
    #[error("{host} is a {machine} machine; a3 deploys to amd64 and arm64")]
    Architecture {
        /// Which machine.
        host: String,
        /// `uname -m`.
        machine: String,
    },
    /// `record.json` is not what a3 writes.
    #[error("{host}:{folder}/record.json cannot be read")]
    Record {
        /// Which machine.
        host: String,
        /// a3's folder.
        folder: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// `record.json` was written by a later a3.
    #[error("{host}:{folder}/record.json was written by a newer a3 (version {version})")]
    NewerRecord {
        /// Which machine.
        host: String,
        /// a3's folder.
        folder: String,
        /// Its version.
        version: u32,
    },
    /// a3's folder belongs to someone else.
    #[error("a3's folder {folder} on {host} is not yours to write")]
    FolderRefused {
        /// Which machine.
        host: String,
        /// a3's folder.
        folder: String,
    },
    /// A target's folder is not this user's to write.
    #[error("cannot write {target} on {host}")]
    NotWritable {
        /// Which machine.
        host: String,
        /// Where the file should go.
        target: String,
    },
    /// `sudo: true`, and `sudo -n` does not work.
    #[error("cannot write {target} on {host}: sudo does not work there without a password")]
    NoSudo {
        /// Which machine.
        host: String,
        /// Where the file should go.
        target: String,
    },
    /// A folder is where the file should go.
    #[error("{target} on {host} is a folder")]
    TargetIsFolder {
        /// Which machine.
        host: String,
        /// Where the file should go.
        target: String,
    },
    /// A file could not be put in place.
    #[error("cannot put {target} in place on {host}{}", said(.stderr))]
    NotPlaced {
        /// Which machine.
        host: String,
        /// Where the file should go.
        target: String,
        /// The last lines of standard error.
        stderr: String,
    },
    /// Sending was cut off; nothing was replaced.
    #[error("copying to {host} was cut off")]
    Cut {
        /// Which machine.
        host: String,
    },
    /// A file could not be removed.
    #[error("cannot remove {target} on {host}{}", said(.stderr))]
    NotRemoved {
        /// Which machine.
        host: String,
        /// The file.
        target: String,
        /// The last lines of standard error.
        stderr: String,
    },
    /// A data file here cannot be read.
    #[error("cannot read {}", path.display())]
    Source {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A data file here changed after the plan was made.
    #[error("{} has changed since the plan was made", path.display())]
    SourceChanged {
        /// The file.
        path: PathBuf,
    },
    /// A copy on this machine.
    #[error("cannot write {target}")]
    Write {
        /// The file.
        target: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Docker could not be installed or started.
    #[error("{} docker failed on {host} with status {status}{}", if *.started { "starting" } else { "installing" }, said(.last))]
    NotInstalled {
        /// Which machine.
        host: String,
        /// Whether it had only to be started.
        started: bool,
        /// Of the script.
        status: i32,
        /// The last line of what was said.
        last: String,
    },
    /// Another installation is at work there.
    #[error("the package manager of {host} was busy with something else for {} minutes", PATIENCE / 60)]
    PackagesBusy {
        /// Which machine.
        host: String,
    },
    /// Docker is missing, stopped, or not this user's to use.
    #[error("docker does not work on {host}: {said}")]
    NoEngine {
        /// Which machine.
        host: String,
        /// What the docker command said.
        said: String,
    },
}

impl HostError {
    /// The error of this kind that another one rests on: an engine that is reached through a machine
    /// hides it in its own.
    pub fn behind<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        let mut link = Some(error);
        while let Some(error) = link {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(found);
            }
            // What an io::Error carries is not its source.
            let carried = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            if let Some(found) = carried.and_then(|carried| carried.downcast_ref::<Self>()) {
                return Some(found);
            }
            link = error.source();
        }
        None
    }
}

/// The engine is there and this user may not use it.
pub fn is_denied(error: &EngineError) -> bool {
    matches!(HostError::behind(error), Some(HostError::NoEngine { said, .. }) if said.contains("permission denied"))
}

/// Why a machine's engine did not answer, with what helps on the way there: Docker is missing, or the
/// user may not use it.
pub fn engine_cause(error: &EngineError) -> Cause {
    let behind = HostError::behind(error).and_then(Explain::help);
    Cause { message: chain(error), help: behind.or_else(|| error.help()) }
}

impl Explain for HostError {
    fn help(&self) -> Option<String> {
        let help = match self {
            Self::Ssh(error) => return error.help(),
            Self::Command(error) => return error.help(),
            Self::Record { folder, .. } => {
                format!(
                    "mend {folder}/record.json there, or move it away: the history of releases begins again"
                )
            }
            Self::NewerRecord { .. } => "use that version of a3 or a later one".to_owned(),
            Self::FolderRefused { folder, .. } => {
                format!("ask its owner for access, or log in as a user who may write {folder}")
            }
            Self::NotWritable { .. } => {
                "set `sudo: true` on that entry of `files:`, or choose a target below the home folder"
                    .to_owned()
            }
            Self::NoSudo { .. } => {
                "let the user run sudo without a password, or choose another target".to_owned()
            }
            Self::TargetIsFolder { target, .. } => {
                format!("end the target with a slash to copy into the folder: {target}/")
            }
            Self::SourceChanged { .. } => "plan again: a3 apply".to_owned(),
            Self::NotInstalled { started: true, .. } => {
                "there: sudo journalctl -u docker --no-pager -n 30".to_owned()
            }
            Self::NotInstalled { .. } => {
                "mend what the lines above say, there, then a3 apply goes on with it".to_owned()
            }
            Self::PackagesBusy { .. } => {
                "there: ps -ef | grep -E 'apt|dpkg|dnf'; then a3 apply again".to_owned()
            }
            Self::NoEngine { said, .. } if said.contains("not found") => {
                "install Docker there (Debian: apt-get install docker.io)".to_owned()
            }
            Self::NoEngine { said, .. } if said.contains("permission denied") => {
                "add the user to the group docker there: sudo usermod -aG docker USER".to_owned()
            }
            Self::NoEngine { .. } => "start it there: sudo systemctl start docker".to_owned(),
            Self::Shell(_)
            | Self::Failed { .. }
            | Self::TooSlow { .. }
            | Self::Answer { .. }
            | Self::Architecture { .. }
            | Self::NotPlaced { .. }
            | Self::Cut { .. }
            | Self::NotRemoved { .. }
            | Self::Source { .. }
            | Self::Write { .. } => return None,
        };
        Some(help)
    }
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!(": {stderr}") }
}
