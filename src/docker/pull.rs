//! Pulls through the engine, with a credential that travels in the request and is stored nowhere.

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{Empty, Full};
use secrecy::ExposeSecret as _;

use super::engine::{Engine, EngineError};
use super::push::{Transfer, auth, repository_and_tag};
use super::query::Query;
use super::transfer::{self, TransferError};
use crate::event::Sink;
use crate::registry::Credential;

const SEE: &str = "see";

impl Engine {
    /// Pulls `pinned` (`REPO@sha256:…`) for the engine's own platform. That it is there already is fine.
    ///
    /// Layers are reported as progress: `waiting`, `downloading`, `downloaded`, `extracting`, `done`,
    /// `exists`. Dropping the future cancels the pull.
    ///
    /// # Errors
    /// [`TransferError`]: denied, not found, another platform, full disk, unreachable registry; the engine
    /// went away.
    pub async fn pull(
        &self,
        pinned: &str,
        credential: Option<&Credential>,
        sink: Sink<'_>,
    ) -> Result<(), TransferError> {
        let create = Query::new("/images/create");
        let query = match pinned.contains('@') {
            true => create.with("fromImage", pinned),
            // Without a tag the engine would pull every one.
            false => {
                let (repository, tag) = repository_and_tag(pinned);
                create.with("fromImage", repository).with("tag", tag)
            }
        };
        let transfer = Transfer { doing: "pull", reference: pinned, query, credential };
        self.transfer(transfer, &mut |line| transfer::report(line, sink)).await
    }

    /// Whether the engine's machine could pull `reference` with this credential: it asks the registry
    /// for the image, or, where the engine has no such question, whether the credential is good.
    ///
    /// # Errors
    /// [`TransferError`], as a pull would fail.
    pub async fn can_pull(
        &self,
        reference: &str,
        credential: Option<&Credential>,
    ) -> Result<(), TransferError> {
        let path = format!("/distribution/{reference}/json");
        let get = Request::get(path).header("X-Registry-Auth", auth(credential)).body(Empty::<Bytes>::new());
        let doing = format!("{SEE} {reference}");
        let get = get.map_err(|error| EngineError::Answer { doing: doing.clone(), source: error.into() })?;
        match self.accepted(&doing, self.raw(get).await?).await {
            Ok(_) => Ok(()),
            Err(EngineError::Refused { status: 404, message, .. }) if message.contains("page not found") => {
                match credential {
                    Some(credential) => self.log_in(reference, credential).await,
                    None => Ok(()),
                }
            }
            Err(error) => Err(TransferError::refused(SEE, reference, error)),
        }
    }

    /// `POST /auth`: the engine tries the credential and keeps nothing.
    async fn log_in(&self, reference: &str, credential: &Credential) -> Result<(), TransferError> {
        let doing = format!("log in to {}", credential.server);
        let body = serde_json::json!({
            "username": credential.username,
            "password": credential.password.expose_secret(),
            "serveraddress": credential.server,
        });
        let post = Request::post("/auth").header(header::CONTENT_TYPE, "application/json");
        let post = post.body(Full::new(Bytes::from(body.to_string())));
        let post =
            post.map_err(|error| EngineError::Answer { doing: doing.clone(), source: error.into() })?;
        match self.accepted(&doing, self.raw(post).await?).await {
            Ok(_) => Ok(()),
            Err(error) => Err(TransferError::refused(SEE, reference, error)),
        }
    }
}
