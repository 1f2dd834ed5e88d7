//! Reads the secrets that a spec refers to: environment variables, files, commands. What is missing is
//! a cause for the plan to show, together with everything else that is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use secrecy::{SecretString, zeroize::Zeroize as _};
use tokio::process::Command;

use super::Need;
use crate::docker::create::NoValue;
use crate::explain::Explain;
use crate::observed::{Missing, Secrets};
use crate::plan::hash::source_key;
use crate::plan::names;
use crate::plan::settings::{Env, Settings};
use crate::spec::{EnvValue, Machine, SecretSource, Service, Spec};

/// Enough for a command that asks its person to touch a key.
const COMMAND: Duration = Duration::from_secs(60);

/// No secret is bigger; a path that names a disk image by mistake is not read into memory.
const LARGEST: u64 = 1 << 20;

/// Lines of a failed command's stderr that are shown.
const SHOWN_LINES: usize = 5;

/// What the person allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consent {
    /// Whether `{command: …}` sources may run.
    pub commands: bool,
}

/// Why a secret could not be read. No variant holds what was read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The environment variable is not set.
    #[error("environment variable {name}, {needed}, is not set")]
    NoVariable {
        /// Its name.
        name: String,
        /// What it is for, `the password of registry ghcr.io`.
        needed: String,
    },
    /// The file cannot be read.
    #[error("cannot read {}, {needed}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What it is for.
        needed: String,
        /// Why.
        source: io::Error,
    },
    /// A command may not run without consent.
    #[error("command `{command}`, {needed}, may not run without your consent")]
    NoConsent {
        /// Its words.
        command: String,
        /// What it is for.
        needed: String,
    },
    /// The command could not be started.
    #[error("cannot start command `{command}`, {needed}")]
    NotStarted {
        /// Its words.
        command: String,
        /// What it is for.
        needed: String,
        /// Why.
        source: io::Error,
    },
    /// The command failed.
    #[error("command `{command}`, {needed}, failed with {status}{stderr}")]
    Failed {
        /// Its words.
        command: String,
        /// What it is for.
        needed: String,
        /// `exit status: 1`.
        status: String,
        /// The last lines of its stderr after `: `, or empty.
        stderr: String,
    },
    /// The command did not end.
    #[error("command `{command}`, {needed}, did not end within {} s", COMMAND.as_secs())]
    Hangs {
        /// Its words.
        command: String,
        /// What it is for.
        needed: String,
    },
    /// Not text.
    #[error("{origin}, {needed}, is not UTF-8 text")]
    NotText {
        /// Where it came from, in words.
        origin: String,
        /// What it is for.
        needed: String,
    },
}

impl Explain for SecretError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::NoVariable { name, .. } => format!("export {name}=…, or write it into `.env`"),
            Self::File { path, source, .. } if source.kind() == io::ErrorKind::NotFound => {
                format!("write it to `{}` (chmod 600), or correct the path", path.display())
            }
            Self::File { path, .. } => format!("check `ls -l {}`", path.display()),
            Self::NoConsent { .. } => "answer yes when asked, or pass `-y`".to_owned(),
            Self::NotStarted { command, .. } => {
                let program = command.split(' ').next().unwrap_or_default();
                format!("install `{program}` or correct the command; it runs without a shell")
            }
            Self::Failed { command, .. } | Self::Hangs { command, .. } => format!("run `{command}` yourself"),
            Self::NotText { .. } => "a secret has to be text; encode it (base64) if it is not".to_owned(),
        })
    }
}

/// A source and what it is for, as in "FILE, the password of registry ghcr.io, …".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// Where it comes from.
    pub source: SecretSource,
    /// What it is for.
    pub purpose: String,
    /// The services that need it.
    pub of: BTreeSet<String>,
}

/// Every secret that `need` asks for, once each, in the order of the spec: passwords of the registries
/// that are asked (a service that is built and run on `local` asks none, unless it is pushed), build
/// secrets, and, to deploy, the services' environment.
pub fn needed(spec: &Spec, need: Need) -> Vec<Needed> {
    let mut all = Vec::new();
    if need == Need::Machines {
        return all;
    }
    for registry in spec.registries.values() {
        let purpose = format!("the password of registry {}", registry.server);
        if need == Need::Images || asks_registry(spec, &registry.server) {
            let served = |service: &&Service| names::server(&service.image) == registry.server;
            let of = spec.services.values().filter(served).map(|service| service.name.clone()).collect();
            all.extend(registry.password.clone().map(|source| Needed { source, purpose, of }));
        }
    }
    for service in spec.services.values() {
        for (name, value) in service.environment.iter().filter(|_| need == Need::Everything) {
            let purpose = format!("the value of {name} for service {}", service.name);
            if let EnvValue::Secret(source) = value {
                all.push(Needed { source: source.clone(), purpose, of: [service.name.clone()].into() });
            }
        }
        for (id, source) in service.build.iter().flat_map(|build| &build.secrets) {
            let purpose = format!("build secret {id} of service {}", service.name);
            all.push(Needed { source: source.clone(), purpose, of: [service.name.clone()].into() });
        }
    }
    once_each(all)
}

/// What several need is named for the first.
fn once_each(all: Vec<Needed>) -> Vec<Needed> {
    let mut once: Vec<Needed> = Vec::new();
    for one in all {
        match once.iter_mut().find(|known| known.source == one.source) {
            Some(known) => known.of.extend(one.of),
            None => once.push(one),
        }
    }
    once
}

fn asks_registry(spec: &Spec, server: &str) -> bool {
    spec.services.values().any(|service| {
        let local = spec.groups.get(&service.on).is_some_and(|group| matches!(group.machine, Machine::Local));
        names::server(&service.image) == server && !(local && service.build.is_some())
    })
}

/// The command lines that reading the secrets of `spec` would run, for the question that asks for consent.
pub fn commands(spec: &Spec, need: Need) -> Vec<String> {
    let words = needed(spec, need).into_iter().filter_map(|one| match one.source {
        SecretSource::Command(words) => Some(words.join(" ")),
        SecretSource::Env(_) | SecretSource::File(_) => None,
    });
    words.collect()
}

/// The values that the settings of a service's container hold only by reference, by name.
///
/// # Errors
/// [`NoValue`] for the first that is not known.
pub fn environment(
    settings: &Settings,
    service: &Service,
    secrets: &Secrets,
) -> Result<BTreeMap<String, SecretString>, NoValue> {
    let mut values = BTreeMap::new();
    for (name, value) in &settings.environment {
        let value = match (value, service.environment.get(name)) {
            (Env::Plain(_) | Env::Unset, _) => continue,
            (Env::Secret(source), _) => secrets.values.get(&source_key(source)).cloned(),
            (Env::Resolved, Some(EnvValue::Resolved(value))) => Some(value.clone()),
            (Env::Resolved, _) => None,
        };
        values.insert(name.clone(), value.ok_or_else(|| NoValue(name.clone()))?);
    }
    Ok(values)
}

/// Reads what [`needed`] names, side by side. What is missing comes back as causes, each with its help;
/// the values are known by [`source_key`].
pub async fn read_secrets(spec: &Spec, need: Need, consent: Consent) -> (Secrets, Vec<Missing>) {
    read_sources(&needed(spec, need), folder(spec), consent).await
}

/// As [`read_secrets`], for sources that a command needs beyond the plan (`a3 push` on `local`). Commands
/// run in `folder`.
pub async fn read_sources(needed: &[Needed], folder: &Path, consent: Consent) -> (Secrets, Vec<Missing>) {
    let reads = needed.iter().map(async |one| (one, read(one, folder, consent).await));
    let mut values = BTreeMap::new();
    let mut missing = Vec::new();
    for (one, result) in futures_util::future::join_all(reads).await {
        match result {
            Ok(value) => {
                values.insert(source_key(&one.source), value);
            }
            Err(error) => missing.push(Missing { cause: error.cause(), of: one.of.clone() }),
        }
    }
    (Secrets { values }, missing)
}

/// The folder of the first spec file: local paths are relative to it.
fn folder(spec: &Spec) -> &Path {
    let parent = spec.files.first().and_then(|file| file.parent());
    parent.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

async fn read(one: &Needed, folder: &Path, consent: Consent) -> Result<SecretString, SecretError> {
    let needed = one.purpose.clone();
    match &one.source {
        SecretSource::Env(name) => match std::env::var(name) {
            Ok(value) => Ok(value.into()),
            Err(std::env::VarError::NotPresent) => {
                Err(SecretError::NoVariable { name: name.clone(), needed })
            }
            Err(std::env::VarError::NotUnicode(_)) => {
                Err(SecretError::NotText { origin: format!("environment variable {name}"), needed })
            }
        },
        SecretSource::File(path) => {
            let bytes = read_file(path).await;
            let bytes = bytes.map_err(|source| SecretError::File {
                path: path.clone(),
                needed: needed.clone(),
                source,
            })?;
            text(bytes).ok_or_else(|| SecretError::NotText { origin: path.display().to_string(), needed })
        }
        SecretSource::Command(words) => {
            let command = words.join(" ");
            if !consent.commands {
                return Err(SecretError::NoConsent { command, needed });
            }
            let bytes = run(words, folder, &needed).await?;
            text(bytes)
                .ok_or_else(|| SecretError::NotText { origin: format!("the output of `{command}`"), needed })
        }
    }
}

async fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let size = tokio::fs::metadata(path).await?.len();
    if size > LARGEST {
        return Err(io::Error::other(format!("it is too big for a secret: {size} bytes")));
    }
    tokio::fs::read(path).await
}

/// Runs a command without a shell, without input, for at most [`COMMAND`]; ended when nobody waits any more.
async fn run(words: &[String], folder: &Path, needed: &str) -> Result<Vec<u8>, SecretError> {
    let (command, needed) = (words.join(" "), needed.to_owned());
    let not_started =
        |source| SecretError::NotStarted { command: command.clone(), needed: needed.clone(), source };
    let Some((program, arguments)) = words.split_first() else {
        return Err(not_started(io::Error::other("it is empty")));
    };
    let mut started = Command::new(program);
    started.args(arguments).current_dir(folder).kill_on_drop(true);
    let child = started.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let output = tokio::time::timeout(COMMAND, child.map_err(not_started)?.wait_with_output()).await;
    let Ok(output) = output else { return Err(SecretError::Hangs { command, needed }) };
    let output = output.map_err(not_started)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let stderr = last_lines(&String::from_utf8_lossy(&output.stderr));
    Err(SecretError::Failed { command, needed, status: output.status.to_string(), stderr })
}

fn last_lines(stderr: &str) -> String {
    let lines: Vec<_> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let shown = lines[lines.len().saturating_sub(SHOWN_LINES)..].join(" | ");
    if shown.is_empty() { shown } else { format!(": {shown}") }
}

/// Loses exactly one trailing newline (`\n` or `\r\n`). What is not text is wiped.
fn text(bytes: Vec<u8>) -> Option<SecretString> {
    let mut text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            error.into_bytes().zeroize();
            return None;
        }
    };
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Some(text.into())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::observed::Cause;

    const YES: Consent = Consent { commands: true };

    async fn read_one(source: SecretSource, consent: Consent) -> Result<String, Cause> {
        let one = Needed { source, purpose: "the password of registry r.test".into(), of: BTreeSet::new() };
        let (secrets, mut missing) = read_sources(&[one], Path::new("/"), consent).await;
        match secrets.values.into_values().next() {
            Some(value) => Ok(value.expose_secret().to_owned()),
            None => Err(missing.remove(0).cause),
        }
    }

    fn command(words: &[&str]) -> SecretSource {
        SecretSource::Command(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[tokio::test]
    async fn a_file_loses_exactly_one_newline() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        for (content, want) in [("t", "t"), ("t\n", "t"), ("t\r\n", "t"), ("t\n\n", "t\n"), (" t ", " t ")] {
            std::fs::write(&file, content).unwrap();
            assert_eq!(read_one(SecretSource::File(file.clone()), YES).await.unwrap(), want);
        }
        std::fs::write(&file, [0xff]).unwrap();
        let cause = read_one(SecretSource::File(file), YES).await.unwrap_err();
        assert!(cause.message.ends_with("is not UTF-8 text"), "{}", cause.message);
    }

    #[tokio::test]
    async fn what_is_missing_is_a_cause_with_a_help() {
        let cause = read_one(SecretSource::Env("A3_TEST_IS_NOT_SET".into()), YES).await.unwrap_err();
        assert_eq!(
            cause.message,
            "environment variable A3_TEST_IS_NOT_SET, the password of registry r.test, is not set"
        );
        let cause = read_one(SecretSource::File("/nonexistent/token".into()), YES).await.unwrap_err();
        assert!(
            cause.message.starts_with("cannot read /nonexistent/token, the password"),
            "{}",
            cause.message
        );
        assert!(cause.help.unwrap().contains("/nonexistent/token"));
        let cause = read_one(command(&["a3-no-such-program", "x"]), YES).await.unwrap_err();
        assert!(cause.help.unwrap().contains("install `a3-no-such-program`"));
    }

    #[tokio::test]
    async fn a_command_gives_its_output_and_runs_without_a_shell() {
        assert_eq!(read_one(command(&["printf", "%s\\n", "$HOME;`id`"]), YES).await.unwrap(), "$HOME;`id`");
        assert_eq!(read_one(command(&["pwd"]), YES).await.unwrap(), "/");
        assert_eq!(read_one(command(&["cat"]), YES).await.unwrap(), "", "there is no input to wait for");
    }

    #[tokio::test]
    async fn a_failed_command_shows_its_stderr_and_never_its_output() {
        let cause = read_one(command(&["sh", "-c", "echo hunter2; echo no login >&2; exit 4"]), YES).await;
        let cause = cause.unwrap_err();
        assert!(cause.message.ends_with("failed with exit status: 4: no login"), "{}", cause.message);
        // Its command line names the value here, its outcome does not.
        assert_eq!(cause.message.matches("hunter2").count(), 1);
    }

    #[tokio::test]
    async fn no_command_runs_without_consent() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("ran");
        let cause =
            read_one(command(&["touch", mark.to_str().unwrap()]), Consent::default()).await.unwrap_err();
        assert!(cause.message.contains("consent") && cause.help.unwrap().contains("-y"));
        assert!(!mark.exists());
    }
}
