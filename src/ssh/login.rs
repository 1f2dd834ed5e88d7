//! Logging in: keys are offered one after the other, and opened only when the machine would take them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use russh::MethodKind;
use russh::client::{self, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::{HashAlg, PrivateKeyWithHashAlg, PublicKey};

use super::error::SshError;
use super::host_key::Client;
use super::key::{Agent, Candidate, Candidates};
use super::route::Target;

/// An offer may wait for a finger on a security key.
const OFFER_PATIENCE: Duration = Duration::from_secs(60);

/// Why a key was not even offered.
enum NotOffered {
    /// The machine takes it; it has to be opened.
    Sealed,
    Because(String),
}

pub(super) async fn log_in(
    handle: &mut Handle<Client>,
    target: &Target,
    found: Candidates,
) -> Result<(), SshError> {
    let Candidates { keys, mut agent, mut notes } = found;
    if let (Some(agent), Some(binding)) = (&mut agent, handle.agent_session_binding()) {
        // Only OpenSSH's agent knows this, and only keys bound to a destination need it.
        let _ = agent.bind_session(binding, false).await;
    }
    let mut rsa_hashes = None;
    let (mut tried, mut accepts) = (Vec::new(), Vec::new());
    let mut sealed = None;
    for mut key in keys {
        // What cannot even be offered without its passphrase.
        if let Candidate::Sealed { key: None, path } = &key {
            match open(target, path).await {
                Ok(open) => key = open,
                Err(error) => {
                    notes.push(error.to_string());
                    continue;
                }
            }
        }
        let hashes = match (key.is_rsa(), &rsa_hashes) {
            (false, _) => vec![None],
            (true, Some(known)) => Vec::clone(known),
            (true, None) => rsa_hashes.insert(sha2_of(handle).await).clone(),
        };
        for hash in hashes {
            let mut offered = offer(handle, target, &key, hash, agent.as_mut()).await?;
            if let (Err(NotOffered::Sealed), Candidate::Sealed { path, .. }) = (&offered, &key) {
                match open(target, path).await {
                    Ok(open) => {
                        key = open;
                        offered = offer(handle, target, &key, hash, agent.as_mut()).await?;
                    }
                    Err(error) => sealed = Some(error),
                }
            }
            match offered {
                Ok(client::AuthResult::Success) => return Ok(()),
                Ok(client::AuthResult::Failure { remaining_methods, partial_success }) => {
                    accepts = remaining_methods.iter().map(|method| name_of(*method)).collect();
                    if partial_success {
                        notes.push("the key is accepted, but is not enough".to_owned());
                    }
                }
                Err(NotOffered::Because(why)) => notes.push(why),
                Err(NotOffered::Sealed) => break,
            }
        }
        tried.push(key.shown());
        if handle.is_closed() {
            notes.push("then it hung up".to_owned());
            break;
        }
    }
    if let Some(error) = sealed {
        return Err(error);
    }
    tried.append(&mut notes);
    Err(SshError::AuthRefused { host: target.host.clone(), user: target.user.clone(), tried, accepts })
}

async fn open(target: &Target, path: &Path) -> Result<Candidate, SshError> {
    let key = target.keyring.passphrases.open(path).await?;
    Ok(Candidate::File { key, path: path.to_owned() })
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

/// Offers one key.
async fn offer(
    handle: &mut Handle<Client>,
    target: &Target,
    key: &Candidate,
    hash: Option<HashAlg>,
    agent: Option<&mut Agent>,
) -> Result<Result<client::AuthResult, NotOffered>, SshError> {
    let user = target.user.as_str();
    let offered = async {
        match (key, agent) {
            (Candidate::File { key, .. }, _) => {
                let key = PrivateKeyWithHashAlg::new(Arc::clone(key), hash);
                let offered = handle.authenticate_publickey(user, key).await;
                offered.map_err(|error| NotOffered::Because(error.to_string()))
            }
            (Candidate::Agent { key }, Some(agent)) => {
                let offered = handle.authenticate_publickey_with(user, key.clone(), hash, agent).await;
                offered.map_err(|error| NotOffered::Because(format!("the agent did not sign: {error}")))
            }
            (Candidate::Agent { .. }, None) => Err(NotOffered::Because("the agent is gone".to_owned())),
            (Candidate::Sealed { key: Some(key), .. }, _) => ask_first(handle, user, key, hash).await,
            (Candidate::Sealed { key: None, .. }, _) => Err(NotOffered::Sealed),
        }
    };
    tokio::time::timeout(OFFER_PATIENCE, offered).await.map_err(|_| target.timed_out())
}

/// Asks whether the machine would take a key, as OpenSSH does before it asks for a passphrase: the
/// library turns to the signer only then.
async fn ask_first(
    handle: &mut Handle<Client>,
    user: &str,
    key: &PublicKey,
    hash: Option<HashAlg>,
) -> Result<client::AuthResult, NotOffered> {
    match handle.authenticate_publickey_with(user, key.clone(), hash, &mut Sealed).await {
        Ok(refused) => Ok(refused),
        Err(SealedError::Wanted) => Err(NotOffered::Sealed),
        Err(SealedError::Send) => Err(NotOffered::Because("the connection ended".to_owned())),
    }
}

/// Signs nothing: that it is asked is the answer.
struct Sealed;

enum SealedError {
    Wanted,
    Send,
}

impl From<russh::SendError> for SealedError {
    fn from(_: russh::SendError) -> Self {
        Self::Send
    }
}

impl russh::Signer for Sealed {
    type Error = SealedError;

    async fn auth_sign(
        &mut self,
        _key: &AgentIdentity,
        _hash: Option<HashAlg>,
        _to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, SealedError> {
        Err(SealedError::Wanted)
    }
}
