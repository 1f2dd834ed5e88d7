//! How keys and the agent are, without connecting to anybody.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use russh::keys::agent::client::AgentClient;

use super::error::SshError;
use super::key::{Keyring, is_locked, line, plain, public_key};

/// An agent that does not answer by then is not there.
const PATIENCE: Duration = Duration::from_secs(3);

/// A private key file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    /// `ssh-ed25519`.
    pub kind: String,
    /// Its public half, `ssh-ed25519 AAAA…`.
    pub public: String,
    /// Whether it has a passphrase.
    pub locked: bool,
    /// Permission bits, where others than its owner have any.
    pub open: Option<u32>,
}

/// Looks at a private key.
///
/// # Errors
/// It is not there, or no key.
pub fn examine(path: &Path) -> Result<KeyFile, SshError> {
    let public = public_key(path)?;
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mode = std::fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode() & 0o777);
    Ok(KeyFile {
        kind: public.split(' ').next().unwrap_or_default().to_owned(),
        locked: is_locked(&text),
        // A public half names a key of the agent, and may be read by all.
        open: (mode & 0o077 != 0 && text.contains("PRIVATE KEY")).then_some(mode),
        public,
    })
}

/// The public halves of the agent's keys; `None` where no agent is named.
///
/// # Errors
/// Why the agent does not answer, in words.
pub async fn agent_keys(ring: &Keyring) -> Option<Result<Vec<String>, String>> {
    let socket = ring.agent.as_ref()?;
    let ask = async {
        let mut agent = AgentClient::connect_uds(socket).await?;
        agent.request_identities().await
    };
    Some(match tokio::time::timeout(PATIENCE, ask).await {
        Ok(Ok(identities)) => Ok(identities.into_iter().filter_map(|one| line(&plain(one)?).ok()).collect()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer".to_owned()),
    })
}
