//! Keys that are behind a passphrase: opened once a run, whichever machines need them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use russh::keys::{PrivateKey, decode_secret_key};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;

use super::error::SshError;

/// How often a person may mistype.
const TRIES: u32 = 3;

/// Asks the person for the passphrase of a key; `again` after a wrong one. `None`: nobody can be
/// asked, or the person does not want to say.
pub type Asker = dyn Fn(&Path, bool) -> Option<SecretString> + Send + Sync;

/// What was opened, and how the person is asked; clones share it. By default nobody is asked.
#[derive(Clone, Default)]
pub struct Passphrases {
    shared: Option<Arc<Shared>>,
}

struct Shared {
    ask: Box<Asker>,
    /// Held while the person is asked: five machines with one key are one question. `None` is an
    /// answer too, and not asked for again.
    opened: Mutex<BTreeMap<PathBuf, Option<Arc<PrivateKey>>>>,
}

/// There is one person at one terminal, whatever part of the program needs a key.
static OF_PROCESS: OnceLock<Passphrases> = OnceLock::new();

impl fmt::Debug for Passphrases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.shared.is_some() { "Passphrases(asked for)" } else { "Passphrases(none)" })
    }
}

impl Passphrases {
    /// Asks in this way.
    pub fn asked_by(ask: Box<Asker>) -> Self {
        Self { shared: Some(Arc::new(Shared { ask, opened: Mutex::default() })) }
    }

    /// From now on [`Passphrases::of_process`] asks in this way; the first call counts.
    pub fn ask_by(ask: Box<Asker>) {
        OF_PROCESS.get_or_init(|| Self::asked_by(ask));
    }

    /// Those of the person who runs this program.
    pub fn of_process() -> Self {
        OF_PROCESS.get().cloned().unwrap_or_default()
    }

    /// The key in a file, opened.
    ///
    /// # Errors
    /// [`SshError::KeyEncrypted`] where nobody says the passphrase, [`SshError::KeyUnusable`],
    /// [`SshError::KeyUnreadable`].
    pub async fn open(&self, path: &Path) -> Result<Arc<PrivateKey>, SshError> {
        let locked = || SshError::KeyEncrypted { path: path.to_owned() };
        let shared = self.shared.as_ref().ok_or_else(locked)?;
        let mut opened = shared.opened.lock().await;
        if let Some(known) = opened.get(path) {
            return known.clone().ok_or_else(locked);
        }
        let text = std::fs::read_to_string(path)
            .map_err(|source| SshError::KeyUnreadable { path: path.to_owned(), source })?;
        let (asking, file) = (Arc::clone(shared), path.to_owned());
        // A person is slow, and so is the hash that a passphrase goes through.
        let key = tokio::task::spawn_blocking(move || ask(&asking.ask, &file, &text)).await;
        let key = key.unwrap_or_else(|_| Ok(None))?.map(Arc::new);
        opened.insert(path.to_owned(), key.clone());
        key.ok_or_else(locked)
    }
}

fn ask(ask: &Asker, path: &Path, text: &str) -> Result<Option<PrivateKey>, SshError> {
    for again in 0..TRIES {
        let Some(passphrase) = ask(path, again > 0) else { return Ok(None) };
        match decode_secret_key(text, Some(passphrase.expose_secret())) {
            Ok(key) => return Ok(Some(key)),
            Err(
                error @ (russh::keys::Error::CouldNotReadKey
                | russh::keys::Error::UnsupportedKeyType { .. }
                | russh::keys::Error::UnknownAlgorithm(_)),
            ) => return Err(SshError::KeyUnusable { path: path.to_owned(), source: error.into() }),
            // Whatever else it is: with a wrong passphrase, what comes out is noise.
            Err(_) => {}
        }
    }
    Ok(None)
}
