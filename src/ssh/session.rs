//! One connection to a machine, shared by everything that is done there.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use russh::client::{self, Handle};
use russh::keys::{HashAlg, PrivateKeyWithHashAlg, PublicKey};
use russh::{Disconnect, MethodKind};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::error::SshError;
use super::host_key::{Client, ClientError, Dialled, HostKeys, Policy};
use super::key::{Agent, Candidate, Candidates, Keyring, line};
use super::known_hosts;

/// A login may wait for a finger on a security key.
const LOGIN_PATIENCE: Duration = Duration::from_secs(60);

/// OpenSSH allows ten commands and file transfers at a time on one connection (`MaxSessions`);
/// forwarded sockets do not count.
const MAX_SESSIONS: usize = 8;

/// How to reach a machine.
#[derive(Clone, Debug)]
pub struct Target {
    /// A name or address.
    pub host: String,
    /// Its ssh port.
    pub port: u16,
    /// Who logs in.
    pub user: String,
    /// The private key; `None` asks the agent and the usual files.
    pub identity_file: Option<PathBuf>,
    /// Which host keys are accepted.
    pub host_keys: HostKeys,
    /// From the first packet until keys are exchanged.
    pub connect_timeout: Duration,
    /// What this machine's user has to offer.
    pub keyring: Keyring,
}

impl Target {
    /// Port 22, 10 s, the user's own keyring.
    pub fn new(host: impl Into<String>, user: impl Into<String>, host_keys: HostKeys) -> Self {
        Self {
            host: host.into(),
            port: 22,
            user: user.into(),
            identity_file: None,
            host_keys,
            connect_timeout: Duration::from_secs(10),
            keyring: Keyring::of_user(),
        }
    }

    fn dialled(&self) -> Dialled {
        let port = if self.port == 22 { String::new() } else { format!("-p {} ", self.port) };
        Dialled {
            host: self.host.clone(),
            name: known_hosts::name(&self.host, self.port),
            login: format!("ssh {port}{}@{}", self.user, self.host),
        }
    }

    fn timed_out(&self) -> SshError {
        SshError::TimedOut {
            host: self.host.clone(),
            port: self.port,
            seconds: self.connect_timeout.as_secs(),
        }
    }
}

/// A connection that is logged in. Clones share it; it ends with the last of them.
#[derive(Clone)]
pub struct Session {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) handle: Handle<Client>,
    pub(super) host: String,
    pub(super) sessions: Arc<Semaphore>,
    user: String,
    host_key: String,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({}@{})", self.inner.user, self.inner.host)
    }
}

impl Session {
    /// Connects, checks the host key before anything else is sent, and logs in.
    ///
    /// # Errors
    /// [`SshError`]; [`SshError::is_boot_noise`] tells what a booting machine answers.
    pub async fn connect(target: &Target) -> Result<Self, SshError> {
        let candidates = Candidates::gather(target.identity_file.as_deref(), &target.keyring).await?;
        if candidates.keys.is_empty() {
            return Err(SshError::NoKey { host: target.host.clone(), notes: candidates.notes });
        }
        let seen = Arc::new(OnceLock::new());
        let exchange = exchange_keys(target, Arc::clone(&seen));
        let handle = tokio::time::timeout(target.connect_timeout, exchange).await;
        let mut handle = handle.map_err(|_| target.timed_out())??;
        let login = log_in(&mut handle, target, candidates);
        tokio::time::timeout(LOGIN_PATIENCE, login).await.map_err(|_| target.timed_out())??;
        let host_key = seen
            .get()
            .map(line)
            .transpose()
            .map_err(|source| SshError::Protocol { host: target.host.clone(), source: source.into() })?;
        let inner = Inner {
            handle,
            host: target.host.clone(),
            sessions: Arc::new(Semaphore::new(MAX_SESSIONS)),
            user: target.user.clone(),
            host_key: host_key.unwrap_or_default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The key that the machine showed, as an OpenSSH line without a comment.
    pub fn host_key(&self) -> &str {
        &self.inner.host_key
    }

    /// The machine's name or address, as it was dialled.
    pub fn host(&self) -> &str {
        &self.inner.host
    }

    /// Who is logged in.
    pub fn user(&self) -> &str {
        &self.inner.user
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.inner.handle.is_closed()
    }

    /// Ends the connection for all clones.
    pub async fn close(&self) {
        // It may be gone already, which is what was wanted.
        let _ = self.inner.handle.disconnect(Disconnect::ByApplication, "", "").await;
    }

    pub(super) fn lost(&self) -> SshError {
        SshError::Lost { host: self.inner.host.clone() }
    }

    /// An error after the login.
    pub(super) fn error(&self, error: russh::Error, what: &str) -> SshError {
        match error {
            russh::Error::ChannelOpenFailure(reason) => SshError::ChannelRefused {
                host: self.inner.host.clone(),
                what: what.to_owned(),
                reason: format!("{reason:?}"),
            },
            error if is_hang_up(&error) => self.lost(),
            error => SshError::Protocol { host: self.inner.host.clone(), source: error.into() },
        }
    }
}

async fn exchange_keys(target: &Target, seen: Arc<OnceLock<PublicKey>>) -> Result<Handle<Client>, SshError> {
    let stream = dial(target).await?;
    let at = target.dialled();
    let policy = Policy::read(&target.host_keys, &target.keyring.known_hosts, &at.name);
    let config = client::Config {
        nodelay: true,
        keepalive_interval: Some(Duration::from_secs(15)),
        keepalive_max: 3,
        preferred: russh::Preferred { key: Cow::Owned(policy.algorithms()), ..russh::Preferred::default() },
        ..client::Config::default()
    };
    let handler = Client { policy, at, seen };
    client::connect_stream(Arc::new(config), stream, handler).await.map_err(|error| {
        let host = target.host.clone();
        match error {
            ClientError::HostKey(error) => *error,
            ClientError::Ssh(error) if is_hang_up(&error) => {
                SshError::Closed { host, during: "while keys were exchanged", source: error.into() }
            }
            ClientError::Ssh(error) => SshError::Protocol { host, source: error.into() },
        }
    })
}

async fn dial(target: &Target) -> Result<TcpStream, SshError> {
    let host = || target.host.clone();
    let addresses = tokio::net::lookup_host((target.host.as_str(), target.port)).await;
    let addresses =
        addresses.map_err(|source| SshError::Unresolvable { host: host(), source: Some(source) })?;
    let mut last = SshError::Unresolvable { host: host(), source: None };
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
    let host = target.host.clone();
    match source.kind() {
        io::ErrorKind::ConnectionRefused => SshError::Refused { host, port: target.port },
        io::ErrorKind::TimedOut => target.timed_out(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            SshError::Closed { host, during: "while it was dialled", source: source.into() }
        }
        _ => SshError::Unroutable { host, source },
    }
}

/// Whether the other side is simply gone.
fn is_hang_up(error: &russh::Error) -> bool {
    use russh::Error;
    matches!(
        error,
        Error::Disconnect
            | Error::HUP
            | Error::IO(_)
            | Error::SendError
            | Error::RecvError
            | Error::ConnectionTimeout
            | Error::KeepaliveTimeout
            | Error::InactivityTimeout
    )
}

async fn log_in(handle: &mut Handle<Client>, target: &Target, found: Candidates) -> Result<(), SshError> {
    let Candidates { keys, mut agent, mut notes } = found;
    if let (Some(agent), Some(binding)) = (&mut agent, handle.agent_session_binding()) {
        // Only OpenSSH's agent knows this, and only keys bound to a destination need it.
        let _ = agent.bind_session(binding, false).await;
    }
    let mut rsa_hashes = None;
    let mut tried = Vec::new();
    let mut accepts = Vec::new();
    for key in keys {
        let hashes = match (key.is_rsa(), &rsa_hashes) {
            (false, _) => vec![None],
            (true, Some(known)) => Vec::clone(known),
            (true, None) => rsa_hashes.insert(sha2_of(handle).await).clone(),
        };
        for hash in hashes {
            match offer(handle, target, &key, hash, agent.as_mut()).await {
                Ok(client::AuthResult::Success) => return Ok(()),
                Ok(client::AuthResult::Failure { remaining_methods, partial_success }) => {
                    accepts = remaining_methods.iter().map(|method| name_of(*method)).collect();
                    if partial_success {
                        notes.push("the key is accepted, but is not enough".to_owned());
                    }
                }
                Err(why) => notes.push(why),
            }
        }
        tried.push(key.shown());
        if handle.is_closed() {
            break;
        }
    }
    tried.append(&mut notes);
    Err(SshError::AuthRefused { host: target.host.clone(), user: target.user.clone(), tried, accepts })
}

fn name_of(method: MethodKind) -> String {
    let name: &str = (&method).into();
    name.to_owned()
}

/// The SHA-2 variants of RSA to try. A server that does not say takes SHA-512 if it is younger than
/// 2016; SHA-1 is never offered.
async fn sha2_of(handle: &Handle<Client>) -> Vec<Option<HashAlg>> {
    match handle.best_supported_rsa_hash().await {
        Ok(Some(Some(hash))) => vec![Some(hash)],
        _ => vec![Some(HashAlg::Sha512), Some(HashAlg::Sha256)],
    }
}

/// Offers one key. `Err` says why it could not even be offered.
async fn offer(
    handle: &mut Handle<Client>,
    target: &Target,
    key: &Candidate,
    hash: Option<HashAlg>,
    agent: Option<&mut Agent>,
) -> Result<client::AuthResult, String> {
    match (key, agent) {
        (Candidate::File { key, .. }, _) => {
            let key = PrivateKeyWithHashAlg::new(Arc::clone(key), hash);
            handle.authenticate_publickey(&target.user, key).await.map_err(|error| error.to_string())
        }
        (Candidate::Agent { key }, Some(agent)) => handle
            .authenticate_publickey_with(&target.user, key.clone(), hash, agent)
            .await
            .map_err(|error| format!("the agent did not sign: {error}")),
        (Candidate::Agent { .. }, None) => Err("the agent is gone".to_owned()),
    }
}
