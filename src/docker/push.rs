//! Pushes through the engine, with progress by layer and the digest that the registry gave.

use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::Empty;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::build::error_of;
use super::engine::{Engine, EngineError};
use super::json_lines::{JsonLines, JsonLinesError};
use super::query::Query;
use super::transfer::{self, TransferError};
use crate::event::Sink;
use crate::id::Digest;
use crate::registry::Credential;

/// Push asks for the header even where there is no credential: `{}`.
const ANONYMOUS: &str = "e30=";

/// One push or pull.
pub(super) struct Transfer<'a> {
    pub(super) doing: &'static str,
    pub(super) reference: &'a str,
    pub(super) query: Query,
    pub(super) credential: Option<&'a Credential>,
}

impl Engine {
    /// Pushes `reference` (`REPO:TAG`) and yields the digest that the engine names afterwards; whoever
    /// pins it asks the registry once more.
    ///
    /// Layers are reported as progress: `waiting`, `pushing`, `done`, `exists`. Dropping the future
    /// cancels the push.
    ///
    /// # Errors
    /// [`TransferError`]: denied, unreachable registry, no such local image; the engine went away.
    pub async fn push(
        &self,
        reference: &str,
        credential: Option<&Credential>,
        sink: Sink<'_>,
    ) -> Result<Digest, TransferError> {
        let (repository, tag) = repository_and_tag(reference);
        let query = Query::new(&format!("/images/{repository}/push")).with("tag", tag);
        let mut digest = None;
        let transfer = Transfer { doing: "push", reference, query, credential };
        self.transfer(transfer, &mut |line| {
            transfer::report(line, sink);
            digest = digest_of(line).or_else(|| digest.take());
        })
        .await?;
        digest.ok_or_else(|| TransferError::NoDigest { reference: reference.to_owned() })
    }

    /// Posts, and hands every line of the answer on until one is a failure.
    pub(super) async fn transfer(
        &self,
        transfer: Transfer<'_>,
        line: &mut (dyn FnMut(&Value) + Send),
    ) -> Result<(), TransferError> {
        let Transfer { doing, reference, query, credential } = transfer;
        let what = format!("{doing} {reference}");
        let post = Request::post(query.as_str()).header("X-Registry-Auth", auth(credential));
        let post = post.body(Empty::<Bytes>::new());
        let post = post.map_err(|error| EngineError::Answer { doing: what.clone(), source: error.into() })?;
        let accepted = self.accepted(&what, self.raw(post).await?).await;
        let response = accepted.map_err(|error| TransferError::refused(doing, reference, error))?;
        let mut lines = JsonLines::new(response.into_body());
        while let Some(value) = lines.next().await.map_err(|error| self.cut(&what, error))? {
            if let Some(message) = error_of(&value) {
                return Err(TransferError::failed(doing, reference, message));
            }
            line(&value);
        }
        Ok(())
    }

    /// A stream that ended before its end.
    pub(super) fn cut(&self, doing: &str, error: JsonLinesError) -> EngineError {
        let doing = doing.to_owned();
        match error {
            JsonLinesError::Body(source) => EngineError::Broken { engine: self.name(), doing, source },
            error => EngineError::Answer { doing, source: error.into() },
        }
    }
}

/// The value of `X-Registry-Auth`; marked as sensitive, so that no log shows it.
pub(super) fn auth(credential: Option<&Credential>) -> HeaderValue {
    let value = credential.map_or_else(|| SecretString::from(ANONYMOUS), Credential::x_registry_auth);
    // Base64 is always a valid header value.
    let mut value =
        HeaderValue::from_str(value.expose_secret()).unwrap_or(HeaderValue::from_static(ANONYMOUS));
    value.set_sensitive(true);
    value
}

/// `aux` with graph drivers; with the containerd store only the line `TAG: digest: sha256:… size: N`.
fn digest_of(line: &Value) -> Option<Digest> {
    if let Some(digest) = line["aux"]["Digest"].as_str() {
        return digest.parse().ok();
    }
    let (_, rest) = line["status"].as_str()?.split_once(": digest: ")?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Takes `REPO:TAG` apart; without a tag it is `latest`.
pub(super) fn repository_and_tag(reference: &str) -> (&str, &str) {
    match reference.rsplit_once(':') {
        // A colon before a slash belongs to the registry's port.
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (reference, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_digest_of_either_store() {
        let digest = Digest::of(b"x");
        let aux = json!({"progressDetail": {}, "aux": {"Tag": "v1", "Digest": digest.as_str(), "Size": 1}});
        assert_eq!(digest_of(&aux), Some(digest.clone()));
        let status = json!({"status": format!("v1: digest: {digest} size: 528")});
        assert_eq!(digest_of(&status), Some(digest));
        assert_eq!(digest_of(&json!({"id": "a", "status": "Pushed"})), None);
    }

    #[test]
    fn a_port_is_not_a_tag() {
        assert_eq!(repository_and_tag("r:5000/a/b"), ("r:5000/a/b", "latest"));
        assert_eq!(repository_and_tag("r:5000/a/b:v1"), ("r:5000/a/b", "v1"));
        assert_eq!(repository_and_tag("s2:src-0123"), ("s2", "src-0123"));
    }

    #[test]
    fn the_header_is_url_safe_and_hidden() {
        let credential =
            Credential { server: "r:1".into(), username: "u".into(), password: "?>~???>>>".into() };
        let value = auth(Some(&credential));
        let text = value.to_str().unwrap();
        assert!(!text.contains(['+', '/']), "{text}");
        assert_eq!(format!("{value:?}"), "Sensitive");
        assert_eq!(auth(None).to_str().unwrap(), "e30=");
    }
}
