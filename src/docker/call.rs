//! One request with a JSON answer. bollard's own calls write bodies and answers to its debug log, and
//! those of containers hold secrets in their environment; also, its time limit is one for all.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::engine::{Engine, EngineError};

/// How long an engine may take for what does not depend on a container's grace period.
const PATIENCE: Duration = Duration::from_secs(120);

/// A request.
#[derive(Debug)]
pub(crate) struct Call {
    method: Method,
    path: String,
    body: Bytes,
    limit: Duration,
}

impl Call {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path)
    }

    fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), body: Bytes::new(), limit: PATIENCE }
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        Self { body: body.to_string().into(), ..self }
    }

    /// Allows for a container's grace period on top.
    pub(crate) fn and(self, grace: Duration) -> Self {
        Self { limit: PATIENCE.saturating_add(grace), ..self }
    }

    fn request(self, doing: &str) -> Result<Request<Full<Bytes>>, EngineError> {
        let request = Request::builder().method(self.method).uri(self.path);
        let request = match self.body.is_empty() {
            true => request,
            false => request.header(header::CONTENT_TYPE, "application/json"),
        };
        request
            .body(Full::new(self.body))
            .map_err(|error| EngineError::Answer { doing: doing.to_owned(), source: Box::new(error) })
    }
}

impl Engine {
    /// Sends a request and reads its JSON answer; `doing` completes "cannot …".
    ///
    /// # Errors
    /// Unreachable, broken (also: no answer in time), refused, or not what was expected.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, doing: &str, call: Call) -> Result<T, EngineError> {
        let body = self.answer(doing, call).await?;
        serde_json::from_slice(&body)
            .map_err(|error| EngineError::Answer { doing: doing.to_owned(), source: Box::new(error) })
    }

    /// Sends a request whose answer has nothing to read.
    ///
    /// # Errors
    /// Unreachable, broken (also: no answer in time), refused.
    pub(crate) async fn order(&self, doing: &str, call: Call) -> Result<(), EngineError> {
        self.answer(doing, call).await.map(drop)
    }

    async fn answer(&self, doing: &str, call: Call) -> Result<Bytes, EngineError> {
        let limit = call.limit;
        let request = call.request(doing)?;
        let work = async {
            let response = self.raw(request).await?;
            let response = self.accepted(doing, response).await?;
            let body = response.into_body().collect().await;
            body.map(|body| body.to_bytes()).map_err(|error| self.broken(doing, error.into()))
        };
        match tokio::time::timeout(limit, work).await {
            Ok(answer) => answer,
            Err(late) => Err(EngineError::Broken {
                engine: self.name(),
                doing: doing.to_owned(),
                source: Box::new(late),
            }),
        }
    }
}

/// What was answered, or `None` where the engine has no such thing.
pub(crate) fn if_there<T>(answer: Result<T, EngineError>) -> Result<Option<T>, EngineError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}
