//! Whether a service answers, asked from its own machine.

use std::time::Duration;

use http::{Request, header};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Host;
use crate::docker::transport::ByteStream;
use crate::explain::Explain;
use crate::spec::Check;

/// One try.
const TRY: Duration = Duration::from_secs(5);

/// Why a service does not count as working.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Nothing listens, or the connection broke.
    #[error("{url} does not answer")]
    Silent {
        /// What was asked for.
        url: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No answer within five seconds.
    #[error("{url} did not answer within {} s", TRY.as_secs())]
    Slow {
        /// What was asked for.
        url: String,
    },
    /// Another status.
    #[error("{url} answered {status}, expected {expected}")]
    Status {
        /// What was asked for.
        url: String,
        /// What came.
        status: u16,
        /// What the spec wants.
        expected: u16,
    },
}

impl Explain for CheckError {
    fn help(&self) -> Option<String> {
        Some("see its log: a3 logs".to_owned())
    }
}

impl Host {
    /// Asks a service once, as its machine sees it: at `address` and `port`, through ssh where there
    /// is one. Pace and deadline are the caller's.
    ///
    /// # Errors
    /// [`CheckError`]: each may be gone at the next try.
    pub async fn http_check(&self, address: &str, port: u16, check: &Check) -> Result<(), CheckError> {
        judge(self.connect(address, port), address, port, check).await
    }

    /// A TCP connection that starts on the machine.
    async fn connect(
        &self,
        address: &str,
        port: u16,
    ) -> Result<ByteStream, Box<dyn std::error::Error + Send + Sync>> {
        match self {
            Self::Local(_) => Ok(Box::new(TcpStream::connect((address, port)).await?)),
            Self::Ssh(host) => Ok(Box::new(host.session.port(address, port).await?)),
        }
    }
}

/// Asks a service once, as this machine sees it.
///
/// # Errors
/// [`CheckError`]
pub async fn http_check_from_here(address: &str, port: u16, check: &Check) -> Result<(), CheckError> {
    let connect = async {
        let stream: ByteStream = Box::new(TcpStream::connect((address, port)).await?);
        Ok(stream)
    };
    judge(connect, address, port, check).await
}

/// One try over a connection that is being made.
async fn judge(
    connect: impl Future<Output = Result<ByteStream, Box<dyn std::error::Error + Send + Sync>>>,
    address: &str,
    port: u16,
    check: &Check,
) -> Result<(), CheckError> {
    // A path is what the spec says; an IPv6 address stands in brackets in a URL.
    let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
    let authority = format!("{host}:{port}");
    let url = format!("http://{authority}{}", check.http);
    let ask = async { get(connect.await?, &authority, &check.http).await };
    let status = match tokio::time::timeout(TRY, ask).await {
        Ok(Ok(status)) => status,
        Ok(Err(source)) => return Err(CheckError::Silent { url, source }),
        Err(_) => return Err(CheckError::Slow { url }),
    };
    if status == check.status {
        return Ok(());
    }
    Err(CheckError::Status { url, status, expected: check.status })
}

async fn get(
    stream: ByteStream,
    authority: &str,
    path: &str,
) -> Result<u16, Box<dyn std::error::Error + Send + Sync>> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path)
        .header(header::HOST, authority)
        .header(header::USER_AGENT, concat!("a3/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .body(Empty::<bytes::Bytes>::new())?;
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await;
    // The status is in before the body, which nobody needs.
    connection.abort();
    Ok(answer?.status().as_u16())
}
