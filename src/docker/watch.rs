//! Watching a container that removes itself: its output and exit code are gone with it, so that both
//! are caught from before it starts.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use serde::Deserialize;
use tokio_util::task::AbortOnDropHandle;

use super::engine::{Engine, EngineError};

/// How many of its last lines are kept.
const LINES: usize = 20;

/// How long the answers may trail behind the container's end.
const TRAIL: Duration = Duration::from_secs(5);

/// Ends when it is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    lines: AbortOnDropHandle<VecDeque<String>>,
    exit: AbortOnDropHandle<Option<i64>>,
}

impl Watch {
    /// Watches a container that was created and is not started yet.
    pub(super) async fn on(engine: &Engine, id: &str) -> Result<Self, EngineError> {
        let mut output = engine.attach(id).await?;
        let lines = async move {
            let mut last = VecDeque::new();
            while let Ok(Some(line)) = output.try_next().await {
                if last.len() == LINES {
                    last.pop_front();
                }
                last.push_back(line.text().into_owned());
            }
            last
        };
        let doing = format!("wait for {id}");
        let request = Request::post(format!("/containers/{id}/wait?condition=next-exit"));
        let request = request
            .body(Empty::<Bytes>::new())
            .map_err(|error| EngineError::Answer { doing: doing.clone(), source: Box::new(error) })?;
        // The head comes at once, the body when it ends.
        let answer = engine.accepted(&doing, engine.raw(request).await?).await?;
        let exit = async move {
            let body = answer.into_body().collect().await.ok()?;
            serde_json::from_slice::<Ended>(&body.to_bytes()).ok().map(|ended| ended.code)
        };
        Ok(Self {
            lines: AbortOnDropHandle::new(tokio::spawn(lines)),
            exit: AbortOnDropHandle::new(tokio::spawn(exit)),
        })
    }

    /// Its exit code once it ended; `None` if that does not come.
    pub(super) async fn exit_code(&mut self) -> Option<i64> {
        tokio::time::timeout(TRAIL, &mut self.exit).await.ok()?.ok()?
    }

    /// Its last lines once it ended.
    pub(super) async fn last_lines(&mut self) -> Vec<String> {
        let lines = tokio::time::timeout(TRAIL, &mut self.lines).await;
        lines.ok().and_then(Result::ok).unwrap_or_default().into()
    }
}

#[derive(Debug, Deserialize)]
struct Ended {
    #[serde(rename = "StatusCode")]
    code: i64,
}
