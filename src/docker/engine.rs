//! One Docker engine, over any [`Dial`].

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bollard::Docker;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};
use serde::Deserialize;

use super::endpoint::Surroundings;
use super::transport::{self, Dial, TransportError, UnixSocket};
use crate::explain::Explain;
use crate::id::Arch;

/// Until an answer begins, for the typed calls. Own requests ([`Engine::raw`]) have no such limit:
/// a stop takes its grace period and a build takes hours.
const ANSWER_SECONDS: u64 = 120;

/// The API that a3's requests are written for.
pub fn api_version() -> String {
    let version = bollard::API_DEFAULT_VERSION;
    format!("{}.{}", version.major_version, version.minor_version)
}

/// An engine. Cheap to clone; every request goes over a connection of its own.
#[derive(Clone)]
pub struct Engine {
    dial: Arc<dyn Dial>,
    pub(crate) api: Docker,
    /// Held while a network is made.
    pub(super) networks: Arc<tokio::sync::Mutex<()>>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Engine").field(&self.dial).finish()
    }
}

/// Where an engine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnginePlace {
    /// What its machine calls itself.
    pub machine: String,
    /// Where it keeps images and volumes there, `/var/lib/docker`.
    pub folder: String,
}

/// What an engine says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineVersion {
    /// `26.1.5`.
    pub version: String,
    /// Of the machine that it runs on.
    pub arch: Arch,
    /// `1.45`.
    pub api: String,
}

/// Why an engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The local engine is not behind a unix socket: the spec is wrong (exit code 65).
    #[error("{from} names the engine {endpoint}, which is not on this machine")]
    NotLocal {
        /// `tcp://…`, `ssh://…`.
        endpoint: String,
        /// `DOCKER_HOST`, or the docker context.
        from: String,
    },
    /// The current docker context cannot be read.
    #[error("cannot read {from} in {}", path.display())]
    Context {
        /// Which.
        from: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No connection.
    #[error("cannot reach the Docker engine at {engine}")]
    Unreachable {
        /// As a person knows it.
        engine: String,
        /// Why.
        source: io::Error,
    },
    /// The connection broke, or no answer came in time.
    #[error("the Docker engine at {engine} did not answer: {doing}")]
    Broken {
        /// As a person knows it.
        engine: String,
        /// `create container s2`.
        doing: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The engine said no.
    #[error("cannot {doing}: {message}")]
    Refused {
        /// `create container s2`.
        doing: String,
        /// HTTP status; 200 for an error inside a stream.
        status: u16,
        /// In the engine's words.
        message: String,
    },
    /// Something of the same name belongs to somebody else.
    #[error("a {what} named {name} exists and does not belong to this deployment")]
    Foreign {
        /// `network`, `container`.
        what: String,
        /// Its name.
        name: String,
    },
    /// The engine answered something that a3 does not understand.
    #[error("cannot understand the Docker engine's answer to: {doing}")]
    Answer {
        /// `create container s2`.
        doing: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl EngineError {
    /// Whether the engine could not be reached at all, so that nothing is known about what it has.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Broken { .. })
    }

    /// The HTTP status of a refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the engine has no such thing.
    pub fn is_absent(&self) -> bool {
        self.status() == Some(404)
    }
}

impl Explain for EngineError {
    fn help(&self) -> Option<String> {
        match self {
            Self::NotLocal { .. } => Some(
                "deploy there as a machine of its own: `instances: { NAME: { host: USER@ADDRESS } }`; or unset it for `local`"
                    .into(),
            ),
            Self::Context { .. } => Some("docker context ls; docker context use default".into()),
            Self::Unreachable { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("may this user use Docker? sudo usermod -aG docker $USER, then log in again".into())
            }
            Self::Unreachable { .. } => Some("start it there: sudo systemctl start docker; docker version shows whether it runs".into()),
            Self::Foreign { what, name } => {
                Some(format!("choose another name, or remove it yourself: docker {what} rm {name}"))
            }
            Self::Refused { message, .. } if is_port_taken(message) => {
                Some("see who has the port: docker ps; sudo ss -lntup".into())
            }
            Self::Broken { .. } => Some("is Docker healthy there? docker version; sudo systemctl restart docker".into()),
            Self::Refused { .. } | Self::Answer { .. } => None,
        }
    }
}

/// From Docker's proxy, and from the kernel through it.
fn is_port_taken(message: &str) -> bool {
    message.contains("port is already allocated") || message.contains("address already in use")
}

impl Engine {
    /// The engine at the other end of `dial`.
    pub fn over(dial: Arc<dyn Dial>) -> Self {
        let inner = Arc::clone(&dial);
        let transport = move |request: bollard::BollardRequest| {
            let dial = Arc::clone(&inner);
            async move { transport::send(&*dial, request).await.map_err(into_bollard) }
        };
        let address = Some("http://docker");
        let connected = Docker::connect_with_custom_transport(
            transport,
            address,
            ANSWER_SECONDS,
            bollard::API_DEFAULT_VERSION,
        );
        match connected {
            Ok(api) => Self { dial, api, networks: Arc::default() },
            // It only takes the address apart and opens nothing (bollard 0.21 `docker.rs:704`).
            Err(error) => unreachable!("a constant address is valid: {error}"),
        }
    }

    /// This machine's engine: `DOCKER_HOST`, else the current docker context, else the default
    /// socket. Opens nothing yet.
    ///
    /// # Errors
    /// [`EngineError::NotLocal`] if that is not a unix socket, [`EngineError::Context`] if the docker
    /// context cannot be read.
    pub fn local() -> Result<Self, EngineError> {
        let socket = Surroundings::here().socket()?;
        Ok(Self::over(Arc::new(UnixSocket(socket))))
    }

    /// As a person knows it.
    pub fn name(&self) -> String {
        self.dial.name()
    }

    /// The way to it, for requests that are pipelined on one connection.
    pub(crate) fn dial(&self) -> &dyn Dial {
        &*self.dial
    }

    /// Sends a request of our own (`/build?…`) over a fresh connection and gives the answer's head,
    /// whatever its status; the body streams. There is no time limit. `hyper::upgrade::on` works.
    ///
    /// # Errors
    /// [`EngineError::Unreachable`], [`EngineError::Broken`].
    pub(crate) async fn raw<B>(&self, request: Request<B>) -> Result<Response<Incoming>, EngineError>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let doing = format!("{} {}", request.method(), request.uri().path());
        transport::send(&*self.dial, request).await.map_err(|error| self.broken(&doing, error))
    }

    /// The answer if its status is one of success (or 101, 304), else the engine's message.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::Broken`].
    pub(crate) async fn accepted(
        &self,
        doing: &str,
        response: Response<Incoming>,
    ) -> Result<Response<Incoming>, EngineError> {
        let status = response.status();
        if status.is_success() || matches!(status.as_u16(), 101 | 304) {
            return Ok(response);
        }
        let body = response.into_body().collect().await.map_err(|error| self.broken(doing, error.into()))?;
        Err(refused(doing, status.as_u16(), &body.to_bytes()))
    }

    /// The engine's version.
    ///
    /// # Errors
    /// As every call: unreachable, broken, refused; [`EngineError::Answer`] for an architecture that
    /// a3 does not know.
    pub async fn version(&self) -> Result<EngineVersion, EngineError> {
        let doing = "ask its version";
        let version = self.api.version().await.map_err(|error| self.failed(doing, error))?;
        let arch = version.arch.unwrap_or_default().parse();
        Ok(EngineVersion {
            version: version.version.unwrap_or_default(),
            arch: arch
                .map_err(|error| EngineError::Answer { doing: doing.into(), source: Box::new(error) })?,
            api: version.api_version.unwrap_or_default(),
        })
    }

    /// Which machine the engine is on.
    ///
    /// # Errors
    /// Unreachable, broken, refused.
    pub async fn place(&self) -> Result<EnginePlace, EngineError> {
        let info = self.api.info().await.map_err(|error| self.failed("ask where it is", error))?;
        let folder = info.docker_root_dir.unwrap_or_else(|| "/var/lib/docker".into());
        Ok(EnginePlace { machine: info.name.unwrap_or_default(), folder })
    }

    /// Turns bollard's error into ours; `doing` completes "cannot …".
    pub(crate) fn failed(&self, doing: &str, error: bollard::errors::Error) -> EngineError {
        use bollard::errors::Error;
        let doing = doing.to_owned();
        match error {
            Error::DockerResponseServerError { status_code, message } => {
                EngineError::Refused { doing, status: status_code, message: message.trim().to_owned() }
            }
            Error::DockerStreamError { error } => EngineError::Refused { doing, status: 200, message: error },
            Error::IOError { err } => match err.downcast::<DialFailed>() {
                Ok(DialFailed(source)) => EngineError::Unreachable { engine: self.name(), source },
                Err(err) => EngineError::Broken { engine: self.name(), doing, source: Box::new(err) },
            },
            error @ (Error::HyperResponseError { .. } | Error::RequestTimeoutError) => {
                EngineError::Broken { engine: self.name(), doing, source: Box::new(error) }
            }
            other => EngineError::Answer { doing, source: Box::new(other) },
        }
    }

    /// Turns an error of our own requests into the public one.
    pub(crate) fn broken(&self, doing: &str, error: TransportError) -> EngineError {
        match error {
            TransportError::Dial(source) => EngineError::Unreachable { engine: self.name(), source },
            TransportError::Http(source) => {
                EngineError::Broken { engine: self.name(), doing: doing.into(), source: Box::new(source) }
            }
            TransportError::Path(source) => {
                EngineError::Answer { doing: doing.into(), source: Box::new(source) }
            }
        }
    }
}

/// A refusal from an error answer's body, `{"message": "…"}`, or plain text from old engines.
pub(crate) fn refused(doing: &str, status: u16, body: &[u8]) -> EngineError {
    #[derive(Deserialize)]
    struct Message {
        message: String,
    }
    let message = match serde_json::from_slice::<Message>(body) {
        Ok(Message { message }) => message,
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    let message = message.trim();
    let message = if message.is_empty() { format!("HTTP status {status}") } else { message.to_owned() };
    EngineError::Refused { doing: doing.to_owned(), status, message }
}

/// Marks, inside the one kind of error that bollard's transport can return, that there was no
/// connection: then nothing has happened and nothing is known.
#[derive(Debug, thiserror::Error)]
#[error("no connection")]
struct DialFailed(#[source] io::Error);

fn into_bollard(error: TransportError) -> bollard::errors::Error {
    match error {
        TransportError::Dial(error) => {
            let err = io::Error::new(error.kind(), DialFailed(error));
            bollard::errors::Error::IOError { err }
        }
        TransportError::Http(err) => err.into(),
        TransportError::Path(err) => err.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_that_is_not_there_is_unreachable_and_not_absent() {
        let engine = Engine::over(Arc::new(UnixSocket("/nonexistent/docker.sock".into())));
        let error = engine.version().await.unwrap_err();
        assert!(matches!(&error, EngineError::Unreachable { .. }), "{error:?}");
        assert!(error.is_unreachable() && !error.is_absent());
        assert_eq!(
            crate::explain::chain(&error),
            "cannot reach the Docker engine at unix:///nonexistent/docker.sock: No such file or directory (os error 2)"
        );
        let request = Request::get("/_ping").body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
        assert!(matches!(engine.raw(request).await, Err(EngineError::Unreachable { .. })));
    }

    #[test]
    fn a_refusal_carries_the_engines_words() {
        let json = refused("create container x", 409, br#"{"message":"name in use"}"#);
        assert_eq!(json.to_string(), "cannot create container x: name in use");
        assert_eq!(refused("x", 500, b"plain\n").to_string(), "cannot x: plain");
        assert_eq!(refused("x", 500, b"").to_string(), "cannot x: HTTP status 500");
        assert!(refused("x", 404, b"").is_absent());
    }
}
