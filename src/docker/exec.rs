//! A command inside a container that runs.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::json;

use super::attach::Attached;
use super::call::Call;
use super::engine::{Engine, EngineError};
use crate::explain::Explain as _;
use crate::observed::Cause;
use crate::tty::{Far, Input, Piece, Size};
use crate::wait::{self, Found, Pace, WaitError};

/// How the engine begins when it could not start the command, in the place of the command's output.
const NOT_STARTED: &[u8] = b"OCI runtime exec failed";

/// The engine writes the exit code down a moment after the output has ended.
const TRAIL: Pace = Pace { deadline: Duration::from_secs(20), interval: Duration::from_millis(25) };

/// A command for a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecCommand {
    /// Program and arguments.
    pub words: Vec<String>,
    /// Whether it gets a terminal.
    pub tty: bool,
    /// Whether it gets our input.
    pub stdin: bool,
    /// `NAME=value`, beside the container's own.
    pub environment: Vec<String>,
    /// `user[:group]`; the container's where none is named.
    pub user: Option<String>,
    /// Where it starts; the container's where none is named.
    pub workdir: Option<String>,
    /// Of its terminal.
    pub size: Option<Size>,
}

/// A command that was started.
#[derive(Clone, Debug)]
pub struct Exec {
    engine: Engine,
    id: String,
}

/// Its output.
#[derive(Debug)]
pub struct ExecOutput {
    exec: Exec,
    attached: Attached,
    begun: bool,
    failure: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    running: bool,
    exit_code: Option<i64>,
    #[serde(default)]
    pid: u32,
}

impl Engine {
    /// Starts a command in a container.
    ///
    /// Assumes that the container runs. A command that is not there shows in [`ExecOutput::failure`].
    ///
    /// # Errors
    /// Unreachable, broken, refused.
    pub async fn exec(
        &self,
        container: &str,
        command: &ExecCommand,
    ) -> Result<(Exec, ExecOutput, Input), EngineError> {
        #[derive(Deserialize)]
        struct Created {
            #[serde(rename = "Id")]
            id: String,
        }
        let program = command.words.first().map(String::as_str).unwrap_or_default();
        let doing = format!("run {program} in {container}");
        let mut body = json!({
            "Cmd": command.words, "Env": command.environment, "Tty": command.tty,
            "AttachStdin": command.stdin, "AttachStdout": true, "AttachStderr": true,
            "User": command.user.as_deref().unwrap_or_default(),
            "WorkingDir": command.workdir.as_deref().unwrap_or_default(),
        });
        if let Some(size) = command.size {
            body["ConsoleSize"] = json!([size.rows, size.columns]);
        }
        let call = Call::post(format!("/containers/{container}/exec")).json(&body);
        let created: Created = self.ask(&doing, call).await?;
        let path = format!("/exec/{}/start", created.id);
        let body = json!({ "Detach": false, "Tty": command.tty });
        let (attached, input) = self.hijack(&doing, &path, Some(&body), command.tty).await?;
        let exec = Exec { engine: self.clone(), id: created.id };
        let output = ExecOutput { exec: exec.clone(), attached, begun: false, failure: None };
        Ok((exec, output, input))
    }
}

impl Exec {
    async fn look(&self) -> Result<Inspected, EngineError> {
        self.engine
            .ask("look at a command in a container", Call::get(format!("/exec/{}/json", self.id)))
            .await
    }

    /// Its process's number on the engine's machine, while it runs.
    ///
    /// # Errors
    /// Unreachable, broken, refused.
    pub async fn pid(&self) -> Result<Option<u32>, EngineError> {
        let now = self.look().await?;
        Ok((now.running && now.pid > 0).then_some(now.pid))
    }

    /// Gives its terminal another size.
    ///
    /// # Errors
    /// Unreachable, broken, refused: it does not run yet, or no more.
    pub async fn resize(&self, size: Size) -> Result<(), EngineError> {
        let path = format!("/exec/{}/resize?h={}&w={}", self.id, size.rows, size.columns);
        self.engine.order("resize a terminal", Call::post(path)).await
    }

    /// How it ended, once its output has; 128 and the signal's number where one ended it.
    ///
    /// # Errors
    /// Unreachable, broken, refused; broken too where it does not end.
    pub async fn exit_code(&self) -> Result<i64, EngineError> {
        let ask = || async {
            let now = self.look().await?;
            Ok(match now.exit_code {
                Some(code) if !now.running => Found::Ready(code),
                _ => Found::NotYet("still running".into()),
            })
        };
        let ended = wait::until("the command's end", TRAIL, &|_| {}, ask).await;
        ended.map_err(|error| match error {
            WaitError::Ended(error) => error,
            late @ WaitError::TimedOut { .. } => EngineError::Broken {
                engine: self.engine.name(),
                doing: "say how a command ended".into(),
                source: Box::new(late),
            },
        })
    }
}

impl ExecOutput {
    /// Why the command could not be started, in the engine's words, once its output has ended.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    async fn next_piece(&mut self) -> Result<Option<Piece>, EngineError> {
        let piece = self.attached.next().await?;
        if std::mem::replace(&mut self.begun, true) {
            return Ok(piece);
        }
        // Only what was never a process: a command may print the same.
        if let Some(Piece::Out(said)) = &piece
            && said.starts_with(NOT_STARTED)
            && self.exec.look().await?.pid == 0
        {
            self.failure = Some(String::from_utf8_lossy(said).trim().to_owned());
            return Ok(None);
        }
        Ok(piece)
    }
}

impl Far for ExecOutput {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Piece>, Cause>> {
        Box::pin(async { self.next_piece().await.map_err(|error| error.cause()) })
    }
}
