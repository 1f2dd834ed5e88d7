//! What a machine says about itself, in one command.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::str::FromStr as _;

use secrecy::SecretString;

use super::Host;
use super::error::HostError;
use crate::id::{Arch, Digest};
use crate::observed::{Distribution, FileSeen, Listening};
use crate::plan::names::{keys_begin, keys_end};
use crate::plan::paths::resolve;
use crate::record::{self, Lease, Record};
use crate::ssh::command::Script;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The deployment, which names a3's folder.
    pub deployment: String,
    /// Files to look at.
    pub files: Vec<AskedFile>,
    /// Where the engine keeps its images, `/var/lib/docker` unless it says otherwise.
    pub docker_root: String,
    /// Whose part of `authorized_keys` is looked at; empty: nobody's.
    pub keys_mark: String,
}

impl Ask {
    /// About a deployment and the files of its services.
    pub fn new(deployment: impl Into<String>, files: Vec<AskedFile>) -> Self {
        let docker_root = "/var/lib/docker".to_owned();
        Self { deployment: deployment.into(), files, docker_root, keys_mark: String::new() }
    }
}

/// A file to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedFile {
    /// As the spec says it: absolute, relative, or beginning with `~`.
    pub path: String,
    /// Whether it is looked at with sudo, as it was written.
    pub sudo: bool,
}

/// What the machine said: the part of [`crate::observed::HostFacts`] that its engine does not know.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Its architecture.
    pub arch: Arch,
    /// What it calls itself.
    pub machine: String,
    /// What relative paths mean.
    pub base: String,
    /// What `~` means.
    pub home: String,
    /// a3's folder there.
    pub folder: Folder,
    /// Whether `sudo -n` works and is allowed, or the user is root.
    pub sudo: bool,
    /// What it runs.
    pub distribution: Option<Distribution>,
    /// Ports that its processes hold.
    pub listening: Vec<Listening>,
    /// Whether it could say which.
    pub ports_known: bool,
    /// What it has of Docker.
    pub docker: DockerState,
    /// Free bytes where the engine keeps its images.
    pub disk_free: Option<u64>,
    /// Seconds since 1970, on its clock.
    pub now: u64,
    /// The keys in a3's part of `authorized_keys`.
    pub admitted: Vec<String>,
    /// By resolved path, the files that were asked about and those of the record.
    pub files: BTreeMap<String, FileSeen>,
    /// What a3 wrote down there.
    pub record: Option<Record>,
    /// The key for the HMAC of secrets.
    pub key: Option<SecretString>,
    /// The lease in force; one that has expired or was given back is none.
    pub lease: Option<Lease>,
}

/// What a machine has of Docker, whether or not it answers this user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DockerState {
    /// Neither its program nor its socket.
    Missing,
    /// Installed; its service does not run.
    Stopped,
    /// It runs, or nobody can say.
    #[default]
    There,
}

/// a3's folder on a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Where it is, or would be made.
    pub path: String,
    /// Whether it is there.
    pub state: FolderState,
}

/// Whether a3's folder can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderState {
    /// Not made yet.
    Absent,
    /// There, and this user's to write, with sudo if need be.
    Usable,
    /// There, and not this user's to write: refused.
    Refused,
}

impl Host {
    /// Asks the machine everything at once. Files of its record that were not asked about cost a
    /// second command: they left the spec.
    ///
    /// # Errors
    /// [`HostError`]; a folder that is not this user's is an answer, not an error.
    pub async fn facts(&self, ask: &Ask) -> Result<Facts, HostError> {
        let answer = self.read(&self.script(ask)?).await?;
        let mut facts = self.understand(&answer, ask)?;
        let forgotten: Vec<AskedFile> = facts
            .record
            .iter()
            .flat_map(|record| &record.files)
            .filter(|(path, _)| !facts.files.contains_key(*path))
            .map(|(path, file)| AskedFile { path: path.clone(), sudo: file.sudo })
            .collect();
        if !forgotten.is_empty() {
            let ask = Ask { files: forgotten, ..ask.clone() };
            let answer = self.read(&self.script(&ask)?).await?;
            facts.files.append(&mut self.understand(&answer, &ask)?.files);
        }
        Ok(facts)
    }

    fn script(&self, ask: &Ask) -> Result<Script, HostError> {
        let base = match self {
            Self::Local(host) => host.base.display().to_string(),
            Self::Ssh(_) => String::new(),
        };
        let paths: Vec<String> = in_order(&ask.files)
            .map(|file| format!("{}{}", if file.sudo { 's' } else { 'u' }, file.path))
            .collect();
        let script = Script::new(include_str!("scripts/facts.sh"))
            .set("NAME", &ask.deployment)?
            .set("BASE", &base)?
            .set("SUDO", self.sudo_word())?
            .set("DOCKER_ROOT", &ask.docker_root)?
            .set("KEYS_BEGIN", &keys_begin(&ask.keys_mark))?
            .set("KEYS_END", &keys_end(&ask.keys_mark))?
            .set("FOLDER", include_str!("scripts/folder.sh"))?
            .set("FILES", include_str!("scripts/files.sh"))?
            .args(paths.iter().map(String::as_str))?;
        // Digests of large files take their time.
        Ok(script.within(std::time::Duration::from_secs(600)))
    }

    fn understand(&self, answer: &str, ask: &Ask) -> Result<Facts, HostError> {
        let mut lines = Lines::default();
        for line in answer.lines() {
            lines.take(line).ok_or_else(|| self.nonsense(line))?;
        }
        let host = self.name();
        let missing = |what: &str| self.nonsense(&format!("no {what}"));
        let arch = Arch::from_str(&lines.arch)
            .map_err(|_| HostError::Architecture { host: host.to_owned(), machine: lines.arch.clone() })?;
        let folder = lines.folder.take().ok_or_else(|| missing("folder"))?;
        let record = self.record(lines.record.as_deref(), &folder.path)?;
        let now = lines.now.ok_or_else(|| missing("time"))?;
        let files = lines.files(ask).ok_or_else(|| missing("answer about every file"))?;
        Ok(Facts {
            arch,
            machine: lines.machine,
            folder,
            sudo: lines.sudo,
            distribution: lines.distribution,
            listening: lines.listening,
            ports_known: lines.ports_known,
            docker: lines.docker,
            disk_free: lines.free.map(|blocks| blocks * 1024),
            now,
            admitted: lines.admitted,
            files,
            record,
            key: lines.key,
            lease: lines.lease.filter(|lease| lease.expires > now),
            base: lines.base,
            home: lines.home,
        })
    }

    fn record(&self, text: Option<&str>, folder: &str) -> Result<Option<Record>, HostError> {
        let Some(text) = text else { return Ok(None) };
        let (host, folder) = (self.name().to_owned(), folder.to_owned());
        let record: Record = match serde_json::from_str(text) {
            Ok(record) => record,
            Err(source) => return Err(HostError::Record { host, folder, source }),
        };
        if record.version > record::VERSION {
            return Err(HostError::NewerRecord { host, folder, version: record.version });
        }
        Ok(Some(record))
    }

    fn nonsense(&self, line: &str) -> HostError {
        HostError::Answer { host: self.name().to_owned(), line: line.chars().take(200).collect() }
    }
}

/// The script looks at the user's files first.
fn in_order(files: &[AskedFile]) -> impl Iterator<Item = &AskedFile> {
    files.iter().filter(|file| !file.sudo).chain(files.iter().filter(|file| file.sudo))
}

/// The answer's lines, sorted.
#[derive(Debug, Default)]
struct Lines {
    arch: String,
    machine: String,
    home: String,
    base: String,
    sudo: bool,
    now: Option<u64>,
    distribution: Option<Distribution>,
    docker: DockerState,
    listening: Vec<Listening>,
    ports_known: bool,
    folder: Option<Folder>,
    admitted: Vec<String>,
    free: Option<u64>,
    record: Option<String>,
    key: Option<SecretString>,
    lease: Option<Lease>,
    /// `file`, `other` or `absent`, one a path.
    kinds: Vec<String>,
    /// One a `file`.
    modes: VecDeque<u32>,
    /// One a `file`.
    digests: VecDeque<Digest>,
}

impl Lines {
    /// `None` for a line that makes no sense.
    fn take(&mut self, line: &str) -> Option<()> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "arch" => rest.clone_into(&mut self.arch),
            "name" => rest.clone_into(&mut self.machine),
            "home" => rest.clone_into(&mut self.home),
            "base" => rest.clone_into(&mut self.base),
            "sudo" => self.sudo = rest == "yes",
            "now" => self.now = Some(rest.parse().ok()?),
            "os" => self.distribution = Some(distribution(rest)?),
            "docker" => self.docker = docker_state(rest)?,
            "listens" => self.listening.push(super::listening::of(rest)?),
            "ports" => self.ports_known = rest == "known",
            "free" => self.free = Some(rest.parse().ok()?),
            "folder" => self.folder = Some(folder(rest)?),
            "admitted" => self.admitted.push(rest.to_owned()),
            "record" => self.record = Some(rest.to_owned()),
            "key" => self.key = Some(rest.to_owned().into()),
            "lease" => self.lease = Lease::parse(rest),
            "file" | "other" | "absent" => self.kinds.push(word.to_owned()),
            "mode" => self.modes.push_back(u32::from_str_radix(rest, 8).ok()?),
            "digest" => self.digests.push_back(format!("sha256:{rest}").parse().ok()?),
            _ => return None,
        }
        Some(())
    }

    /// `None` where there are not as many answers as questions: a file went away in between.
    fn files(&mut self, ask: &Ask) -> Option<BTreeMap<String, FileSeen>> {
        if self.kinds.len() != ask.files.len() {
            return None;
        }
        let mut files = BTreeMap::new();
        for (file, kind) in in_order(&ask.files).zip(&self.kinds) {
            let seen = match kind.as_str() {
                "file" => {
                    let (mode, digest) = (self.modes.pop_front()?, self.digests.pop_front()?);
                    FileSeen::File { digest, mode: mode & 0o7777 }
                }
                "absent" => FileSeen::Absent,
                _ => FileSeen::Other,
            };
            files.insert(resolve(&file.path, &self.base, &self.home), seen);
        }
        Some(files)
    }
}

fn distribution(text: &str) -> Option<Distribution> {
    let mut parts = text.splitn(3, '|').map(str::to_owned);
    Some(Distribution { id: parts.next()?, version: parts.next()?, name: parts.next()? })
}

fn docker_state(text: &str) -> Option<DockerState> {
    Some(match text {
        "missing" => DockerState::Missing,
        "stopped" => DockerState::Stopped,
        "there" => DockerState::There,
        _ => return None,
    })
}

fn folder(text: &str) -> Option<Folder> {
    let (state, path) = text.split_once(' ')?;
    let state = match state {
        "absent" => FolderState::Absent,
        "usable" => FolderState::Usable,
        "refused" => FolderState::Refused,
        _ => return None,
    };
    Some(Folder { path: path.to_owned(), state })
}
