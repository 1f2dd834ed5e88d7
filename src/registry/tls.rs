//! The HTTP client of one registry: timeouts, redirects, roots of trust; and what a failed connection
//! means.

use std::error::Error as StdError;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::error::RegistryError;

/// For a connection, its TLS handshake included.
pub(super) const CONNECT: Duration = Duration::from_secs(5);

/// For a whole question, with everything that it takes.
pub(super) const WHOLE: Duration = Duration::from_secs(30);

/// A blob may be served by another host; no registry needs more hops.
const REDIRECTS: usize = 5;

/// The client for `server`. Loopback is never asked through a proxy.
pub(super) fn http_client(server: &str, loopback: bool) -> Result<reqwest::Client, RegistryError> {
    let setup =
        |source: Arc<dyn StdError + Send + Sync>| RegistryError::Setup { server: server.to_owned(), source };
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("a3/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .timeout(WHOLE)
        .redirect(reqwest::redirect::Policy::custom(follow));
    if loopback {
        builder = builder.no_proxy();
    }
    let roots =
        extra_roots(&Path::new("/etc/docker/certs.d").join(server)).map_err(|e| setup(Arc::new(e)))?;
    for root in roots {
        let certificates = reqwest::Certificate::from_pem_bundle(&root).map_err(|e| setup(Arc::new(e)))?;
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|e| setup(Arc::new(e)))
}

/// Never from TLS to plain text; reqwest itself drops the credential when the host changes.
fn follow(attempt: reqwest::redirect::Attempt<'_>) -> reqwest::redirect::Action {
    let from_tls = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
    if from_tls && attempt.url().scheme() != "https" {
        return attempt.error("the registry redirects from https to http");
    }
    if attempt.previous().len() > REDIRECTS {
        return attempt.error("too many redirects");
    }
    attempt.follow()
}

/// Every `*.crt` of a folder, as Docker reads it
/// (<https://docs.docker.com/engine/security/certificates/>). No folder is no certificate.
fn extra_roots(folder: &Path) -> io::Result<Vec<Vec<u8>>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        // Root may keep it to itself; the system's store is still there.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut roots = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "crt") {
            roots.push(std::fs::read(&path)?);
        }
    }
    Ok(roots)
}

/// What a request that got no answer means.
pub(super) fn no_answer(server: &str, error: reqwest::Error) -> RegistryError {
    let server = server.to_owned();
    if let Some(tls) = tls_error(&error) {
        return RegistryError::Tls { server, source: Arc::new(tls.clone()) };
    }
    if error.is_timeout() {
        let seconds = if error.is_connect() { CONNECT } else { WHOLE }.as_secs();
        return RegistryError::TimedOut { server, seconds, last: String::new() };
    }
    // hyper-util keeps its connect error private; this text is its first word.
    let unresolved = chain(&error).any(|link| link.to_string().starts_with("dns error"));
    let connect = error.is_connect();
    let source = Arc::new(error.without_url());
    match (unresolved, connect) {
        (true, _) => RegistryError::Name { server, source },
        (false, true) => RegistryError::Connect { server, source },
        (false, false) => RegistryError::Broken { server, source },
    }
}

/// Whether the handshake failed because the other side does not speak TLS at all (and not because its
/// certificate is wrong).
pub(super) fn is_plain_text(error: &reqwest::Error) -> bool {
    match tls_error(error) {
        Some(tls) => matches!(tls, rustls::Error::InvalidMessage(_)),
        None => {
            error.is_connect()
                && chain(error).any(|link| {
                    link.downcast_ref::<io::Error>().is_some_and(|io| {
                        matches!(io.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset)
                    })
                })
        }
    }
}

fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    chain(error).find_map(|link| link.downcast_ref::<rustls::Error>())
}

/// Every link. `io::Error` leaves the error that it wraps out of its sources, so it is looked into.
fn chain(error: &reqwest::Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    let first: &(dyn StdError + 'static) = error;
    std::iter::successors(Some(first), |&link| {
        match link.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inside) => Some(inside as &(dyn StdError + 'static)),
            None => link.source(),
        }
    })
}
