//! Builds with the engine's BuildKit through its HTTP API: `POST /build` asks, a session of our own
//! ([`super::session`]) sends context and secrets and gives credentials.
//!
//! The context goes through the session on every engine: sent as the request's body it fails where the
//! engine uses the containerd image store (<https://github.com/moby/moby/issues/47717>).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use bollard_buildkit_proto::moby::buildkit::v1::StatusResponse;
use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use prost::Message as _;
use secrecy::SecretString;
use serde_json::Value;

use super::build_error::BuildError;
use super::context::Context;
use super::engine::{Engine, EngineError};
use super::json_lines::JsonLines;
use super::progress::Progress;
use super::query::Query;
use super::redact::Redact;
use super::services::{BuildSecrets, ContextUpload, RegistryAuth};
use super::session::{Services, Session};
use crate::event::{Activity, Sink};
use crate::id::{Digest, Platform};
use crate::plan::names::label;
use crate::registry::Credential;
use crate::spec::Build;

/// Where BuildKit fetches the context: below its name for the session. The path must be another for
/// every build: BuildKit merges equal sources of builds that run at once, and would give one the
/// other's context (and 20.10 has been seen to panic over it).
const CONTEXT_URL: &str = "http://buildkit-session/";

/// What the context is called in progress reports.
const CONTEXT: &str = "context";

/// Between two reports of how much of the context has been sent.
const TICK: Duration = Duration::from_millis(200);

/// One image to build.
#[derive(Debug)]
pub struct BuildRequest<'a> {
    /// What the spec says.
    pub build: &'a Build,
    /// Its context, read.
    pub context: &'a Context,
    /// What to build for.
    pub platform: Platform,
    /// The names that it gets, `REPO:TAG`.
    pub tags: Vec<String>,
    /// Labels on top of `build.labels` and of `dev.a3.source` and `dev.a3.hash`, which are always set.
    pub labels: BTreeMap<String, String>,
    /// The values of `build.secrets`, by id.
    pub secrets: BTreeMap<String, SecretString>,
    /// For base images; each is given to its own server only.
    pub credentials: Vec<Credential>,
}

impl Engine {
    /// Builds an image; yields the id that the engine gives it (with graph drivers the digest of its
    /// configuration, with the containerd store that of its manifest).
    ///
    /// Every vertex of BuildKit's graph is reported as [`Activity::Progress`] with status
    /// `started`, `cached`, `done`, `error` or `canceled`, its output line by line without secrets; the
    /// context on its way as part `context`, `sending`, then `done`.
    /// Dropping the future hangs up, which cancels the build.
    ///
    /// # Errors
    /// [`BuildError`]: a step failed, the context changed meanwhile, the engine refused or went away.
    pub async fn build(&self, request: BuildRequest<'_>, sink: Sink<'_>) -> Result<Digest, BuildError> {
        let redact = Redact::new(
            request.secrets.values().chain(request.credentials.iter().map(|credential| &credential.password)),
        );
        let upload = ContextUpload::new(request.context.clone());
        let services = Services {
            context: upload.clone(),
            secrets: BuildSecrets(Arc::new(request.secrets.clone())),
            auth: RegistryAuth(Arc::new(request.credentials.clone())),
        };
        let session = Session::open(self, services).await?;
        let sending = Sending { upload: &upload, total: request.context.size(), reported: 0, sink };
        let built = self.solve(&request, &session, Progress::new(sink, redact), sending).await;
        // BuildKit only knows that the context broke off, we know why.
        match (built, upload.failure()) {
            (Err(_), Some(error)) => Err(error.into()),
            (built, _) => built,
        }
    }

    async fn solve(
        &self,
        request: &BuildRequest<'_>,
        session: &Session,
        mut progress: Progress<'_>,
        mut sending: Sending<'_>,
    ) -> Result<Digest, BuildError> {
        let doing = format!("build {}", request.tags.join(", "));
        let answer = |source| EngineError::Answer { doing: doing.clone(), source };
        let post = Request::post(path(request, session).as_str()).body(Empty::<Bytes>::new());
        let post = post.map_err(|error| answer(error.into()))?;
        let response = self.accepted(&doing, self.raw(post).await?).await?;
        let mut lines = JsonLines::new(response.into_body());
        let mut id = None;
        let mut ticks = tokio::time::interval(TICK);
        loop {
            let line = tokio::select! {
                line = lines.next() => line.map_err(|error| self.cut(&doing, error))?,
                _ = ticks.tick() => {
                    sending.report();
                    continue;
                }
            };
            let Some(line) = line else { break };
            if let Some(message) = error_of(&line) {
                let message = progress.redact().apply(message);
                return Err(BuildError::new(&message, progress.into_failed(), request.context));
            }
            match (line["id"].as_str(), &line["aux"]) {
                (Some("moby.buildkit.trace"), Value::String(encoded)) => {
                    progress.take(status(encoded).map_err(answer)?);
                }
                (Some("moby.image.id"), aux) => id = aux["ID"].as_str().map(str::to_owned),
                _ => {}
            }
        }
        sending.report();
        let id = id.ok_or_else(|| answer("the build ended without an image".into()))?;
        Ok(id.parse().map_err(|error: crate::id::NotADigest| answer(error.into()))?)
    }
}

/// Reports how much of the context has been sent: BuildKit's own messages do not say it.
struct Sending<'a> {
    upload: &'a ContextUpload,
    total: u64,
    reported: u64,
    sink: Sink<'a>,
}

impl Sending<'_> {
    fn report(&mut self) {
        let done = self.upload.sent();
        if done == self.reported {
            return;
        }
        self.reported = done;
        let status = if done < self.total { "sending" } else { "done" };
        let (part, status, total) = (CONTEXT.to_owned(), status.to_owned(), Some(self.total.max(done)));
        (self.sink)(Activity::Progress { part, status, done, total });
    }
}

/// The engine's own message in a line that reports a failure; the status was 200 long before.
pub(crate) fn error_of(line: &Value) -> Option<&str> {
    line["errorDetail"]["message"].as_str().or_else(|| line["error"].as_str())
}

fn status(encoded: &str) -> Result<StatusResponse, Box<dyn std::error::Error + Send + Sync>> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded)?;
    Ok(StatusResponse::decode(bytes.as_slice())?)
}

/// <https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Image/operation/ImageBuild>, and
/// `version=2` for BuildKit, which is not in it.
fn path(request: &BuildRequest<'_>, session: &Session) -> Query {
    let build = request.build;
    let json = |map: Value| map.to_string();
    let mut query = Query::new("/build")
        .with("version", "2")
        .with("session", &session.id)
        .with("remote", &format!("{CONTEXT_URL}{}", session.context))
        .with("dockerfile", &request.context.dockerfile().name)
        .with("platform", &request.platform.to_string())
        .with("labels", &json(serde_json::json!(labels(request))))
        .with("buildargs", &json(serde_json::json!(build.args)))
        .each("t", &request.tags);
    if let Some(target) = &build.target {
        query = query.with("target", target);
    }
    if !build.cache_from.is_empty() {
        query = query.with("cachefrom", &json(serde_json::json!(build.cache_from)));
    }
    if build.pull {
        query = query.with("pull", "1");
    }
    if build.no_cache {
        query = query.with("nocache", "1");
    }
    query
}

fn labels(request: &BuildRequest<'_>) -> BTreeMap<String, String> {
    let source = request.context.source_digest(request.platform);
    let mut labels: BTreeMap<_, _> = request.build.labels.clone().into_iter().collect();
    labels.insert(label::SOURCE.to_owned(), source.to_string());
    labels.insert(label::HASH.to_owned(), request.context.source_version().to_string());
    labels.extend(request.labels.clone());
    labels
}
