//! One connection to a machine, shared by everything that is done there.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use russh::Disconnect;
use russh::client::{self, Handle};
use russh::keys::PublicKey;

use super::dial::Jumps;
use super::dial::{dial, hop};
use super::error::SshError;
use super::host_key::{Client, ClientError, HostKeys, Pin, Policy};
use super::key::{Candidates, line};
use super::login::log_in;
use super::places::Places;
use super::route::Target;

/// A connection that is logged in. Clones share it; it ends with the last of them.
#[derive(Clone)]
pub struct Session {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) handle: Handle<Client>,
    pub(super) host: String,
    pub(super) places: Places,
    /// For another connection like this one; only to the machine that this one goes to.
    target: Target,
    user: String,
    address: String,
    host_key: String,
    /// The jump host's, which this one runs through.
    hop: Option<Session>,
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
        let candidates = Candidates::gather(target).await?;
        if candidates.keys.is_empty() {
            return Err(SshError::NoKey { host: target.host.clone(), notes: candidates.notes });
        }
        let hop = hop(target).await?;
        Self::through(target, hop, candidates).await
    }

    /// Another connection to the same machine, on the same way.
    pub(super) async fn again(&self) -> Result<Self, SshError> {
        let target = &self.inner.target;
        let candidates = Candidates::gather(target).await?;
        Self::through(target, self.inner.hop.clone(), candidates).await
    }

    async fn through(target: &Target, hop: Option<Self>, candidates: Candidates) -> Result<Self, SshError> {
        let seen = Arc::new(OnceLock::new());
        let exchange = exchange_keys(target, hop.as_ref(), Arc::clone(&seen));
        let handle = tokio::time::timeout(target.connect_timeout, exchange).await;
        let mut handle = handle.map_err(|_| target.timed_out())??;
        log_in(&mut handle, target, candidates).await?;
        let protocol = |source| SshError::Protocol { host: target.host.clone(), source };
        let key = seen.get().ok_or_else(|| protocol("no host key was shown".into()))?;
        let mut again = target.clone();
        again.host_keys = HostKeys::Pinned(vec![Pin::Key(key.clone())]);
        // Those who hold the connections to jump hosts are held by them otherwise.
        again.keyring.jumps = Jumps::default();
        let inner = Inner {
            handle,
            host: target.host.clone(),
            places: Places::default(),
            user: target.user.clone(),
            address: target.address().to_owned(),
            host_key: line(key).map_err(|source| protocol(source.into()))?,
            hop,
            target: again,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The key that the machine showed, as an OpenSSH line without a comment.
    pub fn host_key(&self) -> &str {
        &self.inner.host_key
    }

    /// The machine's name or address, as the person calls it.
    pub fn host(&self) -> &str {
        &self.inner.host
    }

    /// The name or address that was dialled: an alias in ssh_config stands for another one.
    pub fn address(&self) -> &str {
        &self.inner.address
    }

    /// The jump host that the connection runs through.
    pub fn hop(&self) -> Option<&str> {
        self.inner.hop.as_ref().map(Session::host)
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

async fn exchange_keys(
    target: &Target,
    hop: Option<&Session>,
    seen: Arc<OnceLock<PublicKey>>,
) -> Result<Handle<Client>, SshError> {
    let stream = dial(target, hop).await?;
    let at = target.dialled();
    let policy = Policy::read(&target.host_keys, &target.keyring.known_hosts, &at.name);
    let config = client::Config {
        nodelay: true,
        keepalive_interval: Some(Duration::from_secs(15)),
        keepalive_max: 3,
        preferred: russh::Preferred {
            key: Cow::Owned(policy.algorithms()),
            host_key_certificates: Cow::Owned(policy.certificates()),
            ..russh::Preferred::default()
        },
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
