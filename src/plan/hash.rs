//! The container's configuration hash, `<version>:<hash>` in label `dev.a3.config`.
//!
//! Every version that a3 ever wrote stays here: a container is judged by the version in its label,
//! and gets the newest at its next recreate. There is one so far.

use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use super::names::CONFIG_VERSION;
use super::settings::{Env, Settings};
use crate::observed::Secrets;
use crate::spec::{EnvValue, SecretSource, Service};

/// The label's value for a service; `None` while the machine's key or a secret is not known.
///
/// A secret enters as HMAC under the machine's random `key`, so that the label tells that it
/// changed and nothing else.
pub fn config(
    settings: &Settings,
    service: &Service,
    secrets: &Secrets,
    key: Option<&SecretString>,
) -> Option<String> {
    let mut form = serde_json::to_value(settings).ok()?;
    // Changes without a new container, so it is compared with the record instead.
    form.as_object_mut()?.remove("in_place");
    for (name, value) in &settings.environment {
        let secret = match (value, service.environment.get(name)) {
            (Env::Plain(_) | Env::Unset, _) => continue,
            (Env::Resolved, Some(EnvValue::Resolved(secret))) => secret,
            (Env::Secret(source), _) => secrets.values.get(&source_key(source))?,
            (Env::Resolved, _) => return None,
        };
        let mac = keyed(key?, name, secret);
        form["environment"][name] = serde_json::Value::String(mac);
    }
    let text = serde_json::to_string(&form).ok()?;
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(text)[..16]);
    Some(format!("{CONFIG_VERSION}:{hash}"))
}

/// How [`Secrets`] knows a source.
pub fn source_key(source: &SecretSource) -> String {
    serde_json::to_string(source).unwrap_or_else(|_| format!("{source:?}"))
}

fn keyed(key: &SecretString, name: &str, value: &SecretString) -> String {
    // HMAC takes a key of any length (RFC 2104), so this cannot fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes()) else {
        return String::new();
    };
    mac.update(name.as_bytes());
    mac.update(&[0]);
    mac.update(value.expose_secret().as_bytes());
    data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes())
}
