//! What there is to log in with: one named key, or what the agent and the usual files have.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{HashAlg, PrivateKey, PublicKey, decode_secret_key};
use tokio::net::UnixStream;

use super::error::SshError;

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
}

impl Keyring {
    /// That of whoever runs a3: `SSH_AUTH_SOCK`, `~/.ssh`, and the system's known hosts.
    pub fn of_user() -> Self {
        let folder = std::env::home_dir().map(|home| home.join(".ssh"));
        let own =
            folder.iter().flat_map(|folder| ["known_hosts", "known_hosts2"].map(|name| folder.join(name)));
        let known_hosts = own.chain([PathBuf::from("/etc/ssh/ssh_known_hosts")]).collect();
        let agent = std::env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty()).map(PathBuf::from);
        Self { agent, folder, known_hosts }
    }
}

/// One key to try.
#[derive(Debug)]
pub(crate) enum Candidate {
    File { key: Arc<PrivateKey>, path: PathBuf },
    Agent { key: PublicKey },
}

impl Candidate {
    /// `ed25519 SHA256:… (~/.ssh/id_ed25519)`.
    pub(crate) fn shown(&self) -> String {
        let (key, origin) = match self {
            Self::File { key, path } => (key.public_key(), path.display().to_string()),
            Self::Agent { key } => (key, "agent".to_owned()),
        };
        format!("{} {} ({origin})", key.algorithm().as_str(), key.fingerprint(HashAlg::Sha256))
    }

    pub(crate) fn is_rsa(&self) -> bool {
        match self {
            Self::File { key, .. } => key.algorithm().is_rsa(),
            Self::Agent { key } => key.algorithm().is_rsa(),
        }
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
    /// The named key, or those of the agent and the usual files.
    pub(crate) async fn gather(identity: Option<&Path>, ring: &Keyring) -> Result<Self, SshError> {
        let mut found = Self::default();
        match identity {
            Some(path) => found.named(path, ring).await?,
            None => found.usual(ring).await,
        }
        Ok(found)
    }

    async fn named(&mut self, path: &Path, ring: &Keyring) -> Result<(), SshError> {
        match read(path)? {
            KeyFile::Private(key) => {
                self.keys.push(Candidate::File { key: Arc::new(*key), path: path.to_owned() });
                Ok(())
            }
            KeyFile::Locked(public) => {
                let held = self.ask_agent(ring).await;
                match held
                    .into_iter()
                    .find(|key| Some(key.key_data()) == public.as_ref().map(PublicKey::key_data))
                {
                    Some(key) => {
                        self.keys.push(Candidate::Agent { key });
                        Ok(())
                    }
                    None => Err(SshError::KeyEncrypted { path: path.to_owned() }),
                }
            }
        }
    }

    async fn usual(&mut self, ring: &Keyring) {
        let held = self.ask_agent(ring).await;
        self.keys.extend(held.into_iter().map(|key| Candidate::Agent { key }));
        let Some(folder) = &ring.folder else { return };
        for path in USUAL.map(|name| folder.join(name)) {
            match read(&path) {
                Ok(KeyFile::Private(key)) => {
                    let held = self.keys.iter().any(|other| {
                        matches!(other, Candidate::Agent { key: held } if held.key_data() == key.public_key().key_data())
                    });
                    if !held {
                        self.keys.push(Candidate::File { key: Arc::new(*key), path });
                    }
                }
                Ok(KeyFile::Locked(_)) => self.notes.push(format!("{} has a passphrase", path.display())),
                Err(SshError::KeyUnreadable { source, .. })
                    if source.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => self.notes.push(error.to_string()),
            }
        }
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
fn plain(identity: AgentIdentity) -> Option<PublicKey> {
    match identity {
        AgentIdentity::PublicKey { key, .. } => Some(key),
        AgentIdentity::Certificate { .. } => None,
    }
}

enum KeyFile {
    Private(Box<PrivateKey>),
    /// With a passphrase; the public half where it can be known without.
    Locked(Option<PublicKey>),
}

fn read(path: &Path) -> Result<KeyFile, SshError> {
    let unreadable = |source| SshError::KeyUnreadable { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    if let Ok(public) = PublicKey::from_openssh(text.trim()) {
        // `IdentityFile key.pub` is how one of an agent's keys is named.
        return Ok(KeyFile::Locked(Some(public)));
    }
    match decode_secret_key(&text, None) {
        Ok(key) => Ok(KeyFile::Private(Box::new(key))),
        Err(_) if is_locked(&text) => Ok(KeyFile::Locked(public_half(path, &text))),
        Err(source) => Err(SshError::KeyUnusable { path: path.to_owned(), source: Box::new(source) }),
    }
}

/// The library has no one error for a missing passphrase, the forms say it themselves.
fn is_locked(text: &str) -> bool {
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

/// The public half of a private key, as an OpenSSH line without a comment.
///
/// # Errors
/// [`SshError::KeyUnreadable`], [`SshError::KeyUnusable`]; [`SshError::KeyEncrypted`] where it has a
/// passphrase and its public half is nowhere to be found.
pub fn public_key(identity_file: &Path) -> Result<String, SshError> {
    let key = match read(identity_file)? {
        KeyFile::Private(key) => key.public_key().clone(),
        KeyFile::Locked(Some(key)) => key,
        KeyFile::Locked(None) => return Err(SshError::KeyEncrypted { path: identity_file.to_owned() }),
    };
    line(&key)
        .map_err(|source| SshError::KeyUnusable { path: identity_file.to_owned(), source: source.into() })
}

/// `ssh-ed25519 AAAA…`, without a comment.
pub(crate) fn line(key: &PublicKey) -> Result<String, russh::keys::ssh_key::Error> {
    PublicKey::from(key.key_data().clone()).to_openssh()
}
