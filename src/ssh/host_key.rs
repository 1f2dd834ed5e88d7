//! Whether the machine that answers is the one that is meant.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use russh::client;
use russh::keys::ssh_key::Fingerprint;
use russh::keys::{Algorithm, Certificate, EcdsaCurve, HashAlg, PublicKey, PublicKeyOrCertificate};

use super::error::SshError;
use super::known_hosts::{self, Known};

/// Which host keys are accepted.
#[derive(Clone, Debug)]
pub enum HostKeys {
    /// Those of the person's known_hosts files.
    KnownHosts,
    /// The same, and those of machines that the files do not know: they are written down
    /// (`StrictHostKeyChecking accept-new`).
    AcceptNew,
    /// Exactly these, any of them.
    Pinned(Vec<Pin>),
    /// Whatever is shown; [`super::Session::host_key`] says what that was, to be pinned from then on.
    FirstContact,
}

/// A host key that is known beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pin {
    /// The key itself.
    Key(PublicKey),
    /// Its SHA256 fingerprint.
    Fingerprint(Fingerprint),
}

impl FromStr for Pin {
    type Err = SshError;

    /// Takes `ssh-ed25519 AAAA… [comment]` or `SHA256:…`.
    fn from_str(text: &str) -> Result<Self, SshError> {
        let text = text.trim();
        let pin = if text.starts_with("SHA256:") {
            text.parse().ok().map(Self::Fingerprint)
        } else {
            PublicKey::from_openssh(text).ok().map(Self::Key)
        };
        pin.ok_or_else(|| SshError::NotAHostKey(text.to_owned()))
    }
}

impl Pin {
    fn accepts(&self, key: &PublicKey) -> bool {
        match self {
            Self::Key(pinned) => pinned.key_data() == key.key_data(),
            Self::Fingerprint(pinned) => *pinned == key.fingerprint(HashAlg::Sha256),
        }
    }

    /// Whether it is the same key, each as a key or as its fingerprint.
    pub fn is(&self, other: &Self) -> bool {
        match other {
            Self::Key(key) => self.accepts(key),
            Self::Fingerprint(fingerprint) => match self {
                Self::Key(key) => *fingerprint == key.fingerprint(HashAlg::Sha256),
                Self::Fingerprint(own) => own == fingerprint,
            },
        }
    }

    /// `ssh-ed25519 SHA256:…`, or the fingerprint alone.
    pub fn shown(&self) -> String {
        match self {
            Self::Key(key) => shown(key),
            Self::Fingerprint(fingerprint) => fingerprint.to_string(),
        }
    }
}

/// `ssh-ed25519 SHA256:…`, as errors and plans show a key.
pub(crate) fn shown(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm().as_str(), key.fingerprint(HashAlg::Sha256))
}

/// Which machine is dialled, in the words of the error texts.
#[derive(Clone, Debug)]
pub(crate) struct Dialled {
    pub(crate) host: String,
    /// As known_hosts files name it.
    pub(crate) name: String,
    /// As certificates name it.
    pub(crate) principal: String,
    /// The `ssh` command that would ask the person.
    pub(crate) login: String,
}

/// [`HostKeys`] with the files read.
#[derive(Debug)]
pub(crate) enum Policy {
    Known(Known),
    /// The files, of which the first learns what is new.
    AcceptNew(Known, Vec<PathBuf>),
    Pinned(Vec<Pin>),
    FirstContact,
}

impl Policy {
    pub(crate) fn read(keys: &HostKeys, files: &[PathBuf], name: &str) -> Self {
        match keys {
            HostKeys::KnownHosts => Self::Known(Known::read(files, name)),
            HostKeys::AcceptNew => Self::AcceptNew(Known::read(files, name), files.to_vec()),
            HostKeys::Pinned(pins) => Self::Pinned(pins.clone()),
            HostKeys::FirstContact => Self::FirstContact,
        }
    }

    /// Signature algorithms in the order asked for. A server shows one key only, of the first type
    /// that both like: the types that are known come first, or a good machine would be refused.
    /// RSA with SHA-1 is not among them.
    pub(crate) fn algorithms(&self) -> Vec<Algorithm> {
        let known: Vec<Algorithm> = match self {
            Self::Known(known) | Self::AcceptNew(known, _) => {
                known.keys.iter().map(|(key, _)| key.algorithm()).collect()
            }
            Self::Pinned(pins) => pins
                .iter()
                .filter_map(|pin| match pin {
                    Pin::Key(key) => Some(key.algorithm()),
                    Pin::Fingerprint(_) => None,
                })
                .collect(),
            Self::FirstContact => Vec::new(),
        };
        let is_rsa = |algorithm: &Algorithm| matches!(algorithm, Algorithm::Rsa { .. });
        // A key's type says nothing about the hash that it signs with.
        let same = |one: &Algorithm, other: &Algorithm| one == other || (is_rsa(one) && is_rsa(other));
        let is_known = |algorithm: &Algorithm| known.iter().any(|other| same(algorithm, other));
        let (first, rest): (Vec<_>, Vec<_>) = usual().into_iter().partition(is_known);
        first.into_iter().chain(rest).collect()
    }

    fn check(&self, key: &PublicKey, at: &Dialled) -> Result<(), SshError> {
        match self {
            Self::FirstContact => Ok(()),
            Self::Pinned(pins) if pins.iter().any(|pin| pin.accepts(key)) => Ok(()),
            Self::Pinned(pins) => Err(mismatch(key, pins.iter().map(Pin::shown).collect(), None, at)),
            Self::Known(known) => check_known(known, key, at),
            Self::AcceptNew(known, files) => match check_known(known, key, at) {
                Err(SshError::HostKeyUnknown { .. }) => {
                    // As with ssh, a file that cannot be written keeps nobody out.
                    let _ = super::key::line(key).map(|line| known_hosts::learn(files, &at.name, &line));
                    Ok(())
                }
                checked => checked,
            },
        }
    }

    /// Types of keys to be asked for with a certificate: all of them, if somebody vouches for it.
    pub(crate) fn certificates(&self) -> Vec<Algorithm> {
        match self.known() {
            Some(known) if !known.authorities.is_empty() => usual(),
            _ => Vec::new(),
        }
    }

    fn known(&self) -> Option<&Known> {
        match self {
            Self::Known(known) | Self::AcceptNew(known, _) => Some(known),
            Self::Pinned(_) | Self::FirstContact => None,
        }
    }

    /// A certificate, by an authority that the files name for this machine. One that is no good does
    /// not count, and the key in it is judged as a plain one.
    fn check_certificate(
        &self,
        certificate: &Certificate,
        key: &PublicKey,
        at: &Dialled,
    ) -> Result<(), SshError> {
        let authorities = self.known().map(|known| &known.authorities);
        let trusted: Vec<Fingerprint> =
            authorities.into_iter().flatten().map(|(key, _)| key.fingerprint(HashAlg::Sha256)).collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let names =
            |name: &String| known_hosts::glob(name.to_lowercase().as_bytes(), at.principal.as_bytes());
        let good = certificate.cert_type().is_host()
            && certificate.valid_principals().iter().any(names)
            && certificate.critical_options().is_empty()
            && certificate.validate_at(now, &trusted).is_ok();
        let revoked = self.known().into_iter().flat_map(|known| &known.revoked).find(|(revoked, _)| {
            revoked.key_data() == certificate.signature_key() || revoked.key_data() == key.key_data()
        });
        match revoked {
            Some((revoked, file)) => {
                let (host, file) = (at.host.clone(), file.clone());
                Err(SshError::HostKeyRevoked { host, seen: shown(revoked), file })
            }
            _ if good => Ok(()),
            _ => self.check(key, at),
        }
    }
}

fn check_known(known: &Known, key: &PublicKey, at: &Dialled) -> Result<(), SshError> {
    let is = |other: &PublicKey| other.key_data() == key.key_data();
    if let Some((_, file)) = known.revoked.iter().find(|(revoked, _)| is(revoked)) {
        let (host, file) = (at.host.clone(), file.clone());
        return Err(SshError::HostKeyRevoked { host, seen: shown(key), file });
    }
    if known.keys.iter().any(|(other, _)| is(other)) {
        return Ok(());
    }
    match known.keys.first() {
        Some((_, file)) => {
            let expected = known.keys.iter().map(|(key, _)| shown(key)).collect();
            Err(mismatch(key, expected, Some(file.clone()), at))
        }
        None => {
            Err(SshError::HostKeyUnknown { host: at.host.clone(), seen: shown(key), login: at.login.clone() })
        }
    }
}

fn mismatch(key: &PublicKey, expected: Vec<String>, known_in: Option<PathBuf>, at: &Dialled) -> SshError {
    SshError::HostKeyMismatch {
        host: at.host.clone(),
        expected,
        seen: shown(key),
        known_in,
        name: at.name.clone(),
    }
}

fn usual() -> Vec<Algorithm> {
    let ecdsa = |curve| Algorithm::Ecdsa { curve };
    let rsa = |hash| Algorithm::Rsa { hash: Some(hash) };
    vec![
        Algorithm::Ed25519,
        ecdsa(EcdsaCurve::NistP256),
        ecdsa(EcdsaCurve::NistP384),
        ecdsa(EcdsaCurve::NistP521),
        rsa(HashAlg::Sha512),
        rsa(HashAlg::Sha256),
    ]
}

/// What russh asks during a session.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) policy: Policy,
    pub(crate) at: Dialled,
    /// The key that the machine showed.
    pub(crate) seen: Arc<OnceLock<PublicKey>>,
}

/// Why a session ended: the library's reason, or our own.
#[derive(Debug)]
pub(crate) enum ClientError {
    Ssh(russh::Error),
    HostKey(Box<SshError>),
}

impl From<russh::Error> for ClientError {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

impl client::Handler for Client {
    type Error = ClientError;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, ClientError> {
        let key = shown.public_key();
        let refuse = |error| ClientError::HostKey(Box::new(error));
        let checked = match shown.certificate() {
            Some(certificate) => self.policy.check_certificate(certificate, &key, &self.at),
            None => self.policy.check(&key, &self.at),
        };
        checked.map_err(refuse)?;
        // Keys are exchanged again in long sessions, by the same machine.
        let first = self.seen.get_or_init(|| key.clone());
        if first.key_data() != key.key_data() {
            let pin = vec![Pin::Key(first.clone()).shown()];
            return Err(refuse(mismatch(&key, pin, None, &self.at)));
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";

    const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBG1eSysVIdb3SKIX/gfM0fGybAxsscybguqqMQk7BvMcmN5QPyugLM82GjDJHpnPwzNaEqFiHbkU1YB2JYyWK+0=";

    #[test]
    fn pins_are_keys_or_fingerprints() {
        let key: Pin = format!("{KEY} root@host\n").parse().unwrap();
        let Pin::Key(public) = &key else { panic!("not a key") };
        let fingerprint: Pin = public.fingerprint(HashAlg::Sha256).to_string().parse().unwrap();
        assert!(key.accepts(public) && fingerprint.accepts(public));
        assert!("ssh-ed25519".parse::<Pin>().is_err());
        assert!("SHA256:short".parse::<Pin>().is_err());
    }

    #[test]
    fn known_types_are_asked_for_first_and_sha1_never() {
        let pin = ECDSA.parse().unwrap();
        let asked = Policy::Pinned(vec![pin]).algorithms();
        assert_eq!(asked[0].as_str(), "ecdsa-sha2-nistp256");
        assert_eq!(asked.len(), 6);
        assert!(!asked.contains(&Algorithm::Rsa { hash: None }));
        assert_eq!(Policy::FirstContact.algorithms()[0], Algorithm::Ed25519);
    }
}
