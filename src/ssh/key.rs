//! What there is to log in with: one named key, or what the agent and the usual files have.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{HashAlg, PrivateKey, PublicKey, decode_secret_key};
use tokio::net::UnixStream;

use super::config::Config;
use super::dial::Jumps;
use super::error::SshError;
use super::passphrase::Passphrases;
use super::route::Target;
use crate::explain::chain;

/// The files in `~/.ssh` that are tried, as `ssh` does.
const USUAL: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// An agent that does not answer by then is not there.
const AGENT_PATIENCE: Duration = Duration::from_secs(3);

/// What this machine's user has: an agent, keys, known hosts.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    /// The agent's socket.
    pub agent: Option<PathBuf>,
    /// `~/.ssh`.
    pub folder: Option<PathBuf>,
    /// Files that know host keys.
    pub known_hosts: Vec<PathBuf>,
    /// What says more about each machine.
    pub config: Config,
    /// How keys are opened that have a passphrase.
    pub passphrases: Passphrases,
    /// The connections to jump hosts.
    pub jumps: Jumps,
}

impl Keyring {
    /// That of whoever runs a3: `SSH_AUTH_SOCK`, `~/.ssh`, and the system's known hosts.
    pub fn of_user() -> Self {
        let folder = std::env::home_dir().map(|home| home.join(".ssh"));
        let own =
            folder.iter().flat_map(|folder| ["known_hosts", "known_hosts2"].map(|name| folder.join(name)));
        let system = ["ssh_known_hosts", "ssh_known_hosts2"].map(|name| Path::new("/etc/ssh").join(name));
        let known_hosts = own.chain(system).collect();
        Self {
            agent: Self::agent_of_user(),
            folder,
            known_hosts,
            config: Config::of_user(),
            passphrases: Passphrases::of_process(),
            jumps: Jumps::default(),
        }
    }

    /// `SSH_AUTH_SOCK`.
    pub(crate) fn agent_of_user() -> Option<PathBuf> {
        std::env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty()).map(PathBuf::from)
    }
}

/// One key to try.
#[derive(Debug)]
pub(crate) enum Candidate {
    File {
        key: Arc<PrivateKey>,
        path: PathBuf,
    },
    /// Behind a passphrase; the public half where it is known without.
    Sealed {
        key: Option<PublicKey>,
        path: PathBuf,
    },
    Agent {
        key: PublicKey,
    },
}

impl Candidate {
    /// `ed25519 SHA256:… (~/.ssh/id_ed25519)`.
    pub(crate) fn shown(&self) -> String {
        let origin = match self {
            Self::File { path, .. } | Self::Sealed { path, .. } => path.display().to_string(),
            Self::Agent { .. } => "agent".to_owned(),
        };
        match self.public() {
            Some(key) => {
                format!("{} {} ({origin})", key.algorithm().as_str(), key.fingerprint(HashAlg::Sha256))
            }
            None => origin,
        }
    }

    fn public(&self) -> Option<&PublicKey> {
        match self {
            Self::File { key, .. } => Some(key.public_key()),
            Self::Sealed { key, .. } => key.as_ref(),
            Self::Agent { key } => Some(key),
        }
    }

    fn is(&self, other: &PublicKey) -> bool {
        self.public().is_some_and(|key| key.key_data() == other.key_data())
    }

    pub(crate) fn is_rsa(&self) -> bool {
        self.public().is_some_and(|key| key.algorithm().is_rsa())
    }
}

/// The agent's connection.
pub(crate) type Agent = AgentClient<UnixStream>;

/// Everything to try, in order.
#[derive(Default)]
pub(crate) struct Candidates {
    pub(crate) keys: Vec<Candidate>,
    pub(crate) agent: Option<Agent>,
    /// Keys that were passed over, and why.
    pub(crate) notes: Vec<String>,
}

impl Candidates {
    /// The named key, or those of the agent and of the files that are listed or usual.
    pub(crate) async fn gather(target: &Target) -> Result<Self, SshError> {
        let mut found = Self::default();
        match &target.identity_file {
            Some(path) => found.named(path, &target.keyring).await?,
            None => found.several(target).await,
        }
        Ok(found)
    }

    /// The one key that deploy.yaml names: what is wrong with it is found before dialling.
    async fn named(&mut self, path: &Path, ring: &Keyring) -> Result<(), SshError> {
        let (public, is_private) = match read(path)? {
            KeyFile::Private(key) => {
                self.keys.push(Candidate::File { key: Arc::new(*key), path: path.to_owned() });
                return Ok(());
            }
            KeyFile::Locked(public) => (public, true),
            KeyFile::Public(public) => (Some(public), false),
        };
        let held = self.ask_agent(ring).await;
        let is_it = |key: &PublicKey| public.as_ref().is_some_and(|own| own.key_data() == key.key_data());
        let key = match held.into_iter().find(is_it) {
            Some(key) => Candidate::Agent { key },
            None if is_private => {
                Candidate::File { key: ring.passphrases.open(path).await?, path: path.to_owned() }
            }
            None => return Err(SshError::NotInAgent { path: path.to_owned() }),
        };
        self.keys.push(key);
        Ok(())
    }

    /// In the order of `ssh`: what the agent holds of the files, what else it holds, the other files.
    async fn several(&mut self, target: &Target) {
        let ring = &target.keyring;
        let held = self.ask_agent(ring).await;
        let usual = ring.folder.iter().flat_map(|folder| USUAL.map(|name| folder.join(name)));
        let (files, listed) = match target.identities.as_slice() {
            [] => (usual.collect(), false),
            listed => (listed.to_vec(), true),
        };
        let mut from_files = Vec::new();
        for path in files {
            match read(&path) {
                Ok(KeyFile::Private(key)) => from_files.push(Candidate::File { key: Arc::new(*key), path }),
                Ok(KeyFile::Locked(key)) => from_files.push(Candidate::Sealed { key, path }),
                Ok(KeyFile::Public(key)) if held.iter().any(|held| held.key_data() == key.key_data()) => {
                    from_files.push(Candidate::Agent { key });
                }
                Ok(KeyFile::Public(_)) => {
                    self.notes.push(format!("the agent does not hold {}", path.display()));
                }
                Err(SshError::KeyUnreadable { source, .. })
                    if source.kind() == std::io::ErrorKind::NotFound =>
                {
                    if listed {
                        self.notes.push(format!("{} does not exist", path.display()));
                    }
                }
                Err(error) => self.notes.push(chain(&error)),
            }
        }
        let is_held = |key: &Candidate| held.iter().any(|held| key.is(held));
        let (both, only_files): (Vec<_>, Vec<_>) = from_files.into_iter().partition(is_held);
        let both = both.iter().filter_map(Candidate::public).cloned().collect::<Vec<_>>();
        let is_other = |key: &PublicKey| !both.iter().any(|own| own.key_data() == key.key_data());
        let others: Vec<PublicKey> = match target.identities_only {
            true => Vec::new(),
            false => held.iter().filter(|key| is_other(key)).cloned().collect(),
        };
        self.keys.extend(both.into_iter().chain(others).map(|key| Candidate::Agent { key }));
        self.keys.extend(only_files);
    }

    /// The agent's keys; none where there is no agent.
    async fn ask_agent(&mut self, ring: &Keyring) -> Vec<PublicKey> {
        let Some(socket) = &ring.agent else { return Vec::new() };
        let ask = async {
            let mut agent = AgentClient::connect_uds(socket).await?;
            let keys = agent.request_identities().await?;
            Ok::<_, russh::keys::Error>((agent, keys))
        };
        let why = match tokio::time::timeout(AGENT_PATIENCE, ask).await {
            Ok(Ok((agent, identities))) => {
                self.agent = Some(agent);
                return identities.into_iter().filter_map(plain).collect();
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        self.notes.push(format!("the agent at {} does not work: {why}", socket.display()));
        Vec::new()
    }
}

/// Certificates in the agent come beside their plain keys, which are tried.
pub(super) fn plain(identity: AgentIdentity) -> Option<PublicKey> {
    match identity {
        AgentIdentity::PublicKey { key, .. } => Some(key),
        AgentIdentity::Certificate { .. } => None,
    }
}

enum KeyFile {
    Private(Box<PrivateKey>),
    /// The public half alone: how one of an agent's keys is named.
    Public(PublicKey),
    /// With a passphrase; the public half where it can be known without.
    Locked(Option<PublicKey>),
}

fn read(path: &Path) -> Result<KeyFile, SshError> {
    let unreadable = |source| SshError::KeyUnreadable { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    if let Ok(public) = PublicKey::from_openssh(text.trim()) {
        return Ok(KeyFile::Public(public));
    }
    match decode_secret_key(&text, None) {
        Ok(key) => Ok(KeyFile::Private(Box::new(key))),
        Err(_) if is_locked(&text) => Ok(KeyFile::Locked(public_half(path, &text))),
        Err(source) => Err(SshError::KeyUnusable { path: path.to_owned(), source: Box::new(source) }),
    }
}

/// The library has no one error for a missing passphrase, the forms say it themselves.
pub(super) fn is_locked(text: &str) -> bool {
    text.contains("BEGIN ENCRYPTED PRIVATE KEY")
        || text.contains("Proc-Type: 4,ENCRYPTED")
        || PrivateKey::from_openssh(text).is_ok_and(|key| key.is_encrypted())
        || text.lines().any(|line| line.starts_with("Encryption: aes"))
}

/// An OpenSSH key shows its public half without the passphrase; others have it in a file beside.
fn public_half(path: &Path, text: &str) -> Option<PublicKey> {
    if let Ok(key) = PrivateKey::from_openssh(text) {
        return Some(key.public_key().clone());
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".pub");
    PublicKey::from_openssh(std::fs::read_to_string(beside).ok()?.trim()).ok()
}

/// Makes sure that a named key can be used: by the agent, or opened now rather than when a machine
/// answers, minutes later and among other things on the terminal.
///
/// # Errors
/// What would keep a login from being tried.
pub async fn ready(identity_file: &Path, ring: &Keyring) -> Result<(), SshError> {
    Candidates::default().named(identity_file, ring).await
}

/// The public half of a private key, as an OpenSSH line without a comment.
///
/// # Errors
/// [`SshError::KeyUnreadable`], [`SshError::KeyUnusable`]; [`SshError::KeyEncrypted`] where it has a
/// passphrase and its public half is nowhere to be found.
pub fn public_key(identity_file: &Path) -> Result<String, SshError> {
    let key = match read(identity_file)? {
        KeyFile::Private(key) => key.public_key().clone(),
        KeyFile::Public(key) | KeyFile::Locked(Some(key)) => key,
        KeyFile::Locked(None) => return Err(SshError::KeyEncrypted { path: identity_file.to_owned() }),
    };
    line(&key)
        .map_err(|source| SshError::KeyUnusable { path: identity_file.to_owned(), source: source.into() })
}

/// `ssh-ed25519 AAAA…`, without a comment.
pub(crate) fn line(key: &PublicKey) -> Result<String, russh::keys::ssh_key::Error> {
    PublicKey::from(key.key_data().clone()).to_openssh()
}
