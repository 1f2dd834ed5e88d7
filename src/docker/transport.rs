//! How bytes reach an engine: a fresh stream for every request, never one from a pool, since a
//! write into a dead ssh channel gives no error.

use std::fmt;
use std::io;
use std::path::PathBuf;

use futures_util::future::BoxFuture;
use http::{HeaderValue, Request, Response, header};
use hyper::body::{Body, Incoming};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

/// What can carry HTTP to an engine.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// One connection to an engine.
pub type ByteStream = Box<dyn Stream>;

/// A way to an engine: a local socket here, a channel through ssh in `host/`.
pub trait Dial: Send + Sync + fmt::Debug {
    /// A fresh connection; each carries one request, or a few that are pipelined.
    fn dial(&self) -> BoxFuture<'_, io::Result<ByteStream>>;

    /// As a person knows the engine: `unix:///var/run/docker.sock`, `ec2-user@192.0.2.7`.
    fn name(&self) -> String;
}

/// An engine's socket on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixSocket(pub PathBuf);

impl Dial for UnixSocket {
    fn dial(&self) -> BoxFuture<'_, io::Result<ByteStream>> {
        Box::pin(async { Ok(Box::new(UnixStream::connect(&self.0).await?) as ByteStream) })
    }

    fn name(&self) -> String {
        format!("unix://{}", self.0.display())
    }
}

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    /// No connection.
    #[error("no connection")]
    Dial(#[source] io::Error),
    /// The connection broke, or what came over it is not HTTP.
    #[error("the connection broke")]
    Http(#[from] hyper::Error),
    /// The request's path is not a URI.
    #[error("invalid path")]
    Path(#[from] http::Error),
}

/// Sends one request over a fresh connection; the answer's body streams from it. Dropping the answer
/// closes the connection. `hyper::upgrade::on` works on the answer.
pub(crate) async fn send<B>(
    dial: &dyn Dial,
    mut request: Request<B>,
) -> Result<Response<Incoming>, TransportError>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // The engine wants the path alone in the request line, and any host (RFC 9112 §3.2.1).
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse().map_err(http::Error::from)?;
    request.headers_mut().insert(header::HOST, HeaderValue::from_static("docker"));
    let stream = dial.dial().await.map_err(TransportError::Dial)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the answer's body, or when the answer is dropped.
    tokio::spawn(connection.with_upgrades());
    Ok(sender.send_request(request).await?)
}
