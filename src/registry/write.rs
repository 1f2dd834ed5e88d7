//! The two things that a3 itself writes to a registry: an upload that it cancels at once, to learn
//! whether it may push, and a tag beside another.

use reqwest::Method;

use super::auth::Right;
use super::client::{Client, digest_header};
use super::error::RegistryError;
use super::manifest::ACCEPT;
use super::target::{self, Target};
use super::tls;
use super::wire::{Answer, Question};
use crate::id::Digest;

/// Whether a push would be let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushRight {
    /// Yes.
    Allowed,
    /// No, and why.
    Denied {
        /// In words, the registry's own where it has any.
        why: String,
        /// What to do.
        help: Option<String>,
    },
    /// The registry does not say before the push.
    NotChecked {
        /// In words.
        why: String,
    },
}

impl Client {
    /// Starts an upload into `repository` (`NAME` or `SERVER/NAME`) and cancels it. Nothing becomes
    /// visible in the registry. Takes at most 30 s.
    ///
    /// # Errors
    /// Whatever kept the registry from answering, a wrong password included.
    pub async fn may_push(&self, repository: &str) -> Result<PushRight, RegistryError> {
        let repository = target::repository(&self.wire.server, repository)?;
        let probe = tokio::time::timeout(tls::WHOLE, self.probe(&repository)).await;
        probe.unwrap_or_else(|_| Err(self.timed_out()))
    }

    async fn probe(&self, repository: &str) -> Result<PushRight, RegistryError> {
        let question = self.push(Method::POST, repository, format!("{repository}/blobs/uploads/"));
        let answer = match self.wire.ask(&question).await {
            Ok(answer) => answer,
            Err(error @ (RegistryError::Denied { .. } | RegistryError::NoCredential { .. })) => {
                use crate::explain::Explain as _;
                return Ok(PushRight::Denied { why: error.to_string(), help: error.help() });
            }
            Err(error) => return Err(error),
        };
        let words = || {
            let (server, status) = (&self.wire.server, answer.status.as_u16());
            format!("registry {server} answers {status} to an upload into `{repository}`{}", answer.detail())
        };
        match answer.status.as_u16() {
            202 => {
                self.cancel(repository, &answer).await;
                Ok(PushRight::Allowed)
            }
            // Some registries want a repository to be made first (ECR); 405 is one that is read-only.
            404 => {
                let help = "make the repository in the registry first, or check its name".to_owned();
                Ok(PushRight::Denied { why: words(), help: Some(help) })
            }
            405 => {
                let help = "the registry is read-only (a mirror?): push to another".to_owned();
                Ok(PushRight::Denied { why: words(), help: Some(help) })
            }
            _ => Ok(PushRight::NotChecked { why: words() }),
        }
    }

    /// Best effort: a registry drops what is not finished by itself.
    async fn cancel(&self, repository: &str, started: &Answer) {
        let Some(location) = started.header("location") else { return };
        let question = self.push(Method::DELETE, repository, location.to_owned());
        if let Err(error) = self.wire.ask(&question).await {
            tracing::debug!(%error, "an upload was not cancelled");
        }
    }

    /// Gives the manifest `digest`, which `from` names, the tag of `to` too. Both are in one repository,
    /// so no layer moves. Repeating it changes nothing. Takes at most 30 s.
    ///
    /// # Errors
    /// [`RegistryError::TwoRepositories`], [`RegistryError::NotThere`] if the manifest is gone, and whatever
    /// kept the registry from answering or made it refuse.
    pub async fn copy_tag(&self, from: &str, digest: &Digest, to: &str) -> Result<(), RegistryError> {
        let copy = tokio::time::timeout(tls::WHOLE, self.copy(from, digest, to)).await;
        copy.unwrap_or_else(|_| Err(self.timed_out()))
    }

    async fn copy(&self, from: &str, digest: &Digest, to: &str) -> Result<(), RegistryError> {
        let server = &self.wire.server;
        let (source, to_target) = (Target::parse(server, from)?, Target::parse(server, to)?);
        if source.repository != to_target.repository {
            return Err(RegistryError::TwoRepositories { from: from.to_owned(), to: to.to_owned() });
        }
        let repository = &source.repository;
        let mut get = self.push(Method::GET, repository, format!("{repository}/manifests/{digest}"));
        get.accept = Some(ACCEPT);
        let answer = self.wire.ask(&get).await?;
        if !answer.status.is_success() {
            let reference = format!("{server}/{repository}@{digest}");
            return Err(RegistryError::NotThere { server: server.clone(), reference });
        }
        self.same(digest, &Digest::of(&answer.body), &get.path)?;
        let kind = answer.header("content-type").unwrap_or_default().to_owned();
        let mut put = self.push(Method::PUT, repository, to_target.manifest_path());
        put.body = Some((kind, answer.body));
        let answer = self.wire.ask(&put).await?;
        if !answer.status.is_success() {
            return Err(self.wire.unexpected(format!("PUT {}", put.path), &answer));
        }
        let mut head = self.push(Method::HEAD, repository, to_target.manifest_path());
        head.accept = Some(ACCEPT);
        let answer = self.wire.ask(&head).await?;
        match digest_header(&answer) {
            Some(found) => self.same(digest, &found, &head.path),
            None => Err(self.wire.unexpected(format!("HEAD {}", head.path), &answer)),
        }
    }

    fn same(&self, wanted: &Digest, found: &Digest, what: &str) -> Result<(), RegistryError> {
        if wanted == found {
            return Ok(());
        }
        Err(RegistryError::Corrupt {
            server: self.wire.server.clone(),
            what: what.to_owned(),
            why: format!("it should be {wanted} and is {found}"),
        })
    }

    fn push(&self, method: Method, repository: &str, path: String) -> Question {
        let repository = repository.to_owned();
        Question { method, repository, right: Right::Push, path, accept: None, body: None }
    }
}
