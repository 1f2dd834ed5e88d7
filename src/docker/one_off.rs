//! A container that runs once, for a person or a script, and is attached to from before it starts.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use serde::Deserialize;
use serde_json::json;
use tokio_util::task::AbortOnDropHandle;

use super::attach::Attached;
use super::call::Call;
use super::create::{NewContainer, NoValue};
use super::engine::{Engine, EngineError};
use super::query::Query;
use crate::explain::Explain;
use crate::tty::{Input, Size};

/// How a one-off container is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OneOff {
    /// Whether it gets a terminal.
    pub tty: bool,
    /// Of its terminal, where known.
    pub size: Option<Size>,
    /// Whether it gets our input.
    pub stdin: bool,
    /// Whether it is removed when it ends.
    pub remove: bool,
}

/// Why a one-off container was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// A value of its environment was not handed in.
    #[error(transparent)]
    Value(#[from] NoValue),
    /// The engine's word.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Explain for CreateError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Value(error) => error.help(),
            Self::Engine(error) => error.help(),
        }
    }
}

/// Its end, waited for from before it starts, since one that removes itself cannot be asked later.
#[derive(Debug)]
pub struct Ending {
    answer: AbortOnDropHandle<Result<i64, EngineError>>,
    engine: Engine,
}

impl Engine {
    /// Creates a container to run once, and gives its id.
    ///
    /// # Errors
    /// [`CreateError`].
    pub async fn create_one_off(&self, new: &NewContainer, how: OneOff) -> Result<String, CreateError> {
        let mut body = new.body(&BTreeMap::new())?;
        body["Tty"] = json!(how.tty);
        body["OpenStdin"] = json!(how.stdin);
        body["StdinOnce"] = json!(how.stdin);
        body["AttachStdin"] = json!(how.stdin);
        body["AttachStdout"] = json!(true);
        body["AttachStderr"] = json!(true);
        body["HostConfig"]["AutoRemove"] = json!(how.remove);
        if let Some(size) = how.size {
            body["HostConfig"]["ConsoleSize"] = json!([size.rows, size.columns]);
        }
        Ok(self.create_container(&new.settings.name, new.platform, &body).await?)
    }

    /// Attaches to a container that was created and is not started yet: nothing it says is lost.
    ///
    /// # Errors
    /// Unreachable, broken, refused.
    pub async fn attach_to(&self, id: &str, how: OneOff) -> Result<(Attached, Input), EngineError> {
        let mut path = format!("/containers/{id}/attach?stream=1&stdout=1&stderr=1");
        if how.stdin {
            path.push_str("&stdin=1");
        }
        self.hijack(&format!("attach to {id}"), &path, None, how.tty).await
    }

    /// Waits for the end of a container that is about to be started, and, if it removes itself, for
    /// its removal.
    ///
    /// # Errors
    /// Unreachable, broken, refused.
    pub async fn ending(&self, id: &str, how: OneOff) -> Result<Ending, EngineError> {
        #[derive(Deserialize)]
        struct Ended {
            #[serde(rename = "StatusCode")]
            code: i64,
        }
        let doing = format!("wait for {id}");
        let answer = |error: Box<dyn std::error::Error + Send + Sync>| EngineError::Answer {
            doing: "wait for a container".into(),
            source: error,
        };
        let until = if how.remove { "removed" } else { "next-exit" };
        let request = Request::post(format!("/containers/{id}/wait?condition={until}"));
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| answer(Box::new(error)))?;
        // The head comes at once, the body when it ends.
        let response = self.accepted(&doing, self.raw(request).await?).await?;
        let engine = self.clone();
        let waiting = async move {
            let body = response.into_body().collect().await;
            let body = body.map_err(|error| engine.broken(&doing, error.into()))?;
            let ended = serde_json::from_slice::<Ended>(&body.to_bytes());
            ended.map(|ended| ended.code).map_err(|error| answer(Box::new(error)))
        };
        Ok(Ending { answer: AbortOnDropHandle::new(tokio::spawn(waiting)), engine: self.clone() })
    }

    /// Sends a signal (`INT`) to a container's first process.
    ///
    /// # Errors
    /// Unreachable, broken; refused: it does not run.
    pub async fn kill_container(&self, id: &str, signal: &str) -> Result<(), EngineError> {
        let path = Query::new(&format!("/containers/{id}/kill")).with("signal", signal);
        self.order(&format!("send {signal} to {id}"), Call::post(path.as_str())).await
    }

    /// Gives a container's terminal another size.
    ///
    /// # Errors
    /// Unreachable, broken; refused: it does not run yet, or no more.
    pub async fn resize_container(&self, id: &str, size: Size) -> Result<(), EngineError> {
        let path = format!("/containers/{id}/resize?h={}&w={}", size.rows, size.columns);
        self.order("resize a terminal", Call::post(path)).await
    }

    /// Removes a container that never started.
    ///
    /// # Errors
    /// Unreachable, broken, refused.
    pub async fn discard_one_off(&self, id: &str) -> Result<(), EngineError> {
        self.delete_container(id, true).await
    }
}

impl Ending {
    /// Its exit code.
    ///
    /// # Errors
    /// Broken: the connection ended before the container.
    pub async fn code(self) -> Result<i64, EngineError> {
        self.answer.await.unwrap_or_else(|error| {
            Err(EngineError::Broken {
                engine: self.engine.name(),
                doing: "wait for a container".into(),
                source: Box::new(error),
            })
        })
    }
}
