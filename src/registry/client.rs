//! Looking at a reference: digest, platform, label, size.

use std::sync::Arc;

use reqwest::Method;

use super::auth::Right;
use super::cache::ImageCache;
use super::credential::Credential;
use super::error::RegistryError;
use super::manifest::{ACCEPT, Config, ImageManifest, Manifest, fits};
use super::target::Target;
use super::tls;
use super::wire::{Answer, Question, Wire};
use crate::explain::Explain as _;
use crate::id::{Digest, Platform};
use crate::observed::{Cause, RemoteImage, RemoteSeen};

/// A registry, with one credential or none. Cheap to clone; clones share connection and tokens.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) wire: Arc<Wire>,
    cache: ImageCache,
}

/// Why there is no image to report.
enum NoImage {
    Absent,
    Unusable(Cause),
    Failed(RegistryError),
}

impl From<RegistryError> for NoImage {
    fn from(error: RegistryError) -> Self {
        Self::Failed(error)
    }
}

impl Client {
    /// A client for `server` (`HOST` or `HOST:PORT`, `docker.io` for Docker Hub) that keeps what it learns
    /// in [`ImageCache::standard`]. Asks nobody yet.
    ///
    /// # Errors
    /// [`RegistryError::Setup`] if a certificate in `/etc/docker/certs.d/SERVER` cannot be read.
    pub fn new(server: &str, credential: Option<Credential>) -> Result<Self, RegistryError> {
        Ok(Self { wire: Arc::new(Wire::new(server, credential)?), cache: ImageCache::standard() })
    }

    /// Says where the credential comes from ([`super::origin`]), for the messages about it.
    #[must_use]
    pub fn credential_from(mut self, origin: String) -> Self {
        // Nobody else has the client yet, or its messages stay general.
        if let Some(wire) = Arc::get_mut(&mut self.wire) {
            wire.origin = origin;
        }
        self
    }

    /// Keeps what it learns in `cache` instead.
    #[must_use]
    pub fn with_cache(mut self, cache: ImageCache) -> Self {
        self.cache = cache;
        self
    }

    /// The server as given.
    pub fn server(&self) -> &str {
        &self.wire.server
    }

    /// Finds out how the registry is reached, so that the first question after it has only itself to
    /// ask. What goes wrong is that question's answer.
    pub async fn greet(&self) {
        let _ = tokio::time::timeout(tls::WHOLE, self.wire.endpoint()).await;
    }

    /// The registry's clock just now, seconds since 1970, where it can be reached and says so. Counts for
    /// the first question of a client; later it is the time of that.
    pub async fn date(&self) -> Option<u64> {
        let reached = tokio::time::timeout(tls::WHOLE, self.wire.endpoint()).await;
        reached.ok()?.ok()?.date
    }

    /// What `reference` (`SERVER/NAME[:TAG][@DIGEST]`) is for `platform`. Takes at most 30 s.
    ///
    /// A HEAD gives the digest; what a digest contains comes from the cache, or from its manifest and
    /// configuration, each verified against its digest.
    ///
    /// "Denied" from a registry that works with tokens is [`RemoteSeen::NotVisible`]: GHCR says it of
    /// names that do not exist yet. A wrong password, or none where one is needed, is
    /// [`RemoteSeen::Unreachable`] with its own message, like everything that kept the registry from answering.
    pub async fn look_up(&self, reference: &str, platform: Platform) -> RemoteSeen {
        let found = tokio::time::timeout(tls::WHOLE, self.find(reference, platform)).await;
        let found = found.unwrap_or_else(|_| Err(NoImage::Failed(self.timed_out())));
        match found {
            Ok(image) => RemoteSeen::Found(image),
            Err(NoImage::Absent) => RemoteSeen::Absent,
            Err(NoImage::Unusable(cause)) => RemoteSeen::Unusable(cause),
            Err(NoImage::Failed(RegistryError::Denied { bearer: true, .. })) => RemoteSeen::NotVisible,
            Err(NoImage::Failed(error)) => RemoteSeen::Unreachable(error.cause()),
        }
    }

    pub(super) fn timed_out(&self) -> RegistryError {
        let server = self.wire.server.clone();
        RegistryError::TimedOut { server, seconds: tls::WHOLE.as_secs(), last: String::new() }
    }

    async fn find(&self, reference: &str, platform: Platform) -> Result<RemoteImage, NoImage> {
        let target = Target::parse(&self.wire.server, reference)?;
        let head = self.manifest(Method::HEAD, &target).await?;
        if let Some(digest) = digest_header(&head)
            && let Some(image) = self.cache.get(&digest, platform)
        {
            return Ok(image);
        }
        // By the digest just seen, so that a tag which moves in between gives no mixture.
        let pinned = match digest_header(&head) {
            Some(digest) => Target { version: digest.to_string(), ..target.clone() },
            None => target.clone(),
        };
        let top = self.manifest(Method::GET, &pinned).await?;
        let digest = self.verified(&pinned, &top)?;
        let unusable = |why: String, help: Option<String>| {
            NoImage::Unusable(Cause { message: format!("`{reference}` cannot be used: {why}"), help })
        };
        let (manifest_digest, manifest) =
            match Manifest::parse(&top.body).map_err(|why| unusable(why, None))? {
                Manifest::Image(manifest) => (digest.clone(), manifest),
                Manifest::Index(entries) => {
                    let child = entries.iter().find(|(name, _)| fits(name, platform));
                    let (_, child) = child.ok_or_else(|| {
                        let names: Vec<_> = entries.iter().map(|(name, _)| name.as_str()).collect();
                        unusable(not_for(platform, &names.join(", ")), Some(other_platform(platform)))
                    })?;
                    (child.clone(), self.child(&target, child, &unusable).await?)
                }
            };
        let config = self.config(&target, &manifest.config).await?;
        if !fits(&config.platform, platform) {
            return Err(unusable(not_for(platform, &config.platform), Some(other_platform(platform))));
        }
        let image = RemoteImage {
            digest,
            manifest_digest,
            config_digest: manifest.config,
            source: config.source,
            size: manifest.size,
        };
        self.cache.put(&image, platform);
        Ok(image)
    }

    async fn child(
        &self,
        target: &Target,
        digest: &Digest,
        unusable: &impl Fn(String, Option<String>) -> NoImage,
    ) -> Result<ImageManifest, NoImage> {
        let child = Target { version: digest.to_string(), ..target.clone() };
        let answer = self.manifest(Method::GET, &child).await?;
        self.verified(&child, &answer)?;
        match Manifest::parse(&answer.body).map_err(|why| unusable(why, None))? {
            Manifest::Image(manifest) => Ok(manifest),
            Manifest::Index(_) => Err(unusable("it is an index of indexes".to_owned(), None)),
        }
    }

    async fn config(&self, target: &Target, digest: &Digest) -> Result<Config, RegistryError> {
        let path = format!("{}/blobs/{digest}", target.repository);
        let answer = self.wire.ask(&pull(Method::GET, target, path.clone(), None)).await?;
        let corrupt = |why: String| RegistryError::Corrupt {
            server: self.wire.server.clone(),
            what: path.clone(),
            why,
        };
        if !answer.status.is_success() {
            return Err(corrupt(format!("the manifest names it, and it answers {}", answer.status.as_u16())));
        }
        let found = Digest::of(&answer.body);
        if found != *digest {
            return Err(corrupt(format!("its content has the digest {found}")));
        }
        Config::parse(&answer.body).map_err(corrupt)
    }

    /// The manifest of `target`; absent is 404.
    async fn manifest(&self, method: Method, target: &Target) -> Result<Answer, NoImage> {
        let question = pull(method, target, target.manifest_path(), Some(ACCEPT));
        let answer = self.wire.ask(&question).await?;
        match answer.status.as_u16() {
            404 => Err(NoImage::Absent),
            200 => Ok(answer),
            _ => Err(self.wire.unexpected(format!("{} {}", question.method, question.path), &answer).into()),
        }
    }

    /// The digest of a manifest's content, which must be the one that was asked for.
    fn verified(&self, target: &Target, answer: &Answer) -> Result<Digest, RegistryError> {
        let found = Digest::of(&answer.body);
        match target.version.parse::<Digest>() {
            Ok(wanted) if wanted != found => Err(RegistryError::Corrupt {
                server: self.wire.server.clone(),
                what: target.manifest_path(),
                why: format!("its content has the digest {found}"),
            }),
            _ => Ok(found),
        }
    }
}

/// A question that needs the right to read.
pub(super) fn pull(method: Method, target: &Target, path: String, accept: Option<&'static str>) -> Question {
    let repository = target.repository.clone();
    Question { method, repository, right: Right::Pull, path, accept, body: None }
}

/// The digest that a registry names in its answer.
pub(super) fn digest_header(answer: &Answer) -> Option<Digest> {
    answer.header("docker-content-digest")?.parse().ok()
}

fn not_for(platform: Platform, found: &str) -> String {
    let found = if found.is_empty() { "nothing that runs" } else { found };
    format!("it is not for {platform}, but for {found}")
}

fn other_platform(platform: Platform) -> String {
    format!("choose an image for {platform}, or set the service's `platform` (and a machine of that kind)")
}
