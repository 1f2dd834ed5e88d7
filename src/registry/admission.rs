//! Convincing a registry: which header a question carries, where tokens come from, and what a refusal
//! means.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use reqwest::header::HeaderValue;
use secrecy::SecretString;

use super::auth::{self, Challenge};
use super::credential::Credential;
use super::error::RegistryError;
use super::wire::{Question, Wire, trouble};
use super::{target, tls};

/// Whether a token may come from the ones at hand.
#[derive(Clone, Copy)]
pub(super) enum Fresh {
    Yes,
    No,
}

impl Wire {
    /// The `Authorization` header for a question; `None` where nobody has a credential and the registry
    /// takes basic only.
    pub(super) async fn convince(
        &self,
        challenge: &Challenge,
        question: &Question,
        fresh: Fresh,
    ) -> Result<Option<HeaderValue>, RegistryError> {
        if let Some(flaw) = self.credential.as_ref().and_then(Credential::flaw) {
            let (server, origin) = (self.server.clone(), self.origin.clone());
            return Err(RegistryError::BadCredential { server, flaw, origin });
        }
        let Challenge::Bearer { realm, service } = challenge else {
            return Ok(self.credential.as_ref().and_then(auth::basic));
        };
        let scope = question.right.scope(&question.repository);
        let known = self.tokens().get(&scope).cloned().filter(|_| matches!(fresh, Fresh::No));
        let token = match known {
            Some(token) => token,
            None => self.fetch_token(realm, service.as_deref(), question, challenge).await?,
        };
        let header = auth::bearer(&token);
        self.tokens().insert(scope, token);
        Ok(header)
    }

    async fn fetch_token(
        &self,
        realm: &str,
        service: Option<&str>,
        question: &Question,
        challenge: &Challenge,
    ) -> Result<SecretString, RegistryError> {
        let url: Option<reqwest::Url> = realm.parse().ok();
        let host = url.as_ref().and_then(|url| url.host_str()).unwrap_or_default();
        let encrypted = url.as_ref().is_some_and(|url| url.scheme() == "https");
        if !(encrypted || target::is_loopback(host) && target::is_loopback(&self.server)) {
            let (server, realm) = (self.server.clone(), realm.to_owned());
            return Err(RegistryError::OpenRealm { server, realm });
        }
        let scope = question.right.scope(&question.repository);
        let http = self.http.client().await?;
        let request = auth::token_request(http, realm, service, &scope, self.credential.as_ref());
        let answer = self.read(request.send().await.map_err(|error| tls::no_answer(host, error))?).await?;
        match answer.status.as_u16() {
            200 => {}
            401 => return Err(self.not_let_in(question)),
            403 => return Err(self.denied(question, answer.detail(), Some(challenge))),
            _ => {
                let asked = format!("a token for {scope}");
                return Err(trouble(host, &answer).unwrap_or_else(|| self.unexpected(asked, &answer)));
            }
        }
        let parsed = serde_json::from_slice::<auth::TokenAnswer>(&answer.body).ok();
        parsed.and_then(auth::TokenAnswer::token).ok_or_else(|| RegistryError::Corrupt {
            server: host.to_owned(),
            what: format!("a token for {scope}"),
            why: "there is no token in it".to_owned(),
        })
    }

    /// 401 to what cannot be a question of rights.
    pub(super) fn not_let_in(&self, question: &Question) -> RegistryError {
        let server = self.server.clone();
        match &self.credential {
            Some(credential) => RegistryError::WrongPassword {
                server,
                username: credential.username.clone(),
                origin: self.origin.clone(),
            },
            None => RegistryError::NoCredential { server, repository: question.repository.clone() },
        }
    }

    pub(super) fn denied(
        &self,
        question: &Question,
        detail: String,
        challenge: Option<&Challenge>,
    ) -> RegistryError {
        let (server, repository) = (self.server.clone(), question.repository.clone());
        if self.credential.is_none() {
            return RegistryError::NoCredential { server, repository };
        }
        let bearer = matches!(challenge, Some(Challenge::Bearer { .. }));
        RegistryError::Denied { server, repository, action: question.right.action(), detail, bearer }
    }

    pub(super) fn tokens(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, SecretString>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
