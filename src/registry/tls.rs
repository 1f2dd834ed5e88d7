//! The HTTP client of one registry: timeouts, redirects, roots of trust; and what a failed connection
//! means.

use std::error::Error as StdError;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;

use super::error::RegistryError;

/// For a connection, its TLS handshake included.
pub(super) const CONNECT: Duration = Duration::from_secs(5);

/// For a whole question, with everything that it takes.
pub(super) const WHOLE: Duration = Duration::from_secs(30);

/// A blob may be served by another host; no registry needs more hops.
const REDIRECTS: usize = 5;

/// The HTTP client of one registry, made at the first question and off the runtime's own threads:
/// the system's roots of trust are some 140 certificates to read and parse, and machines can be
/// asked meanwhile.
#[derive(Debug)]
pub(super) struct Http {
    server: String,
    loopback: bool,
    /// Beside the system's.
    roots: Vec<reqwest::Certificate>,
    made: OnceCell<reqwest::Client>,
}

impl Http {
    /// For `server`. Loopback is never asked through a proxy.
    pub(super) fn new(server: &str, loopback: bool) -> Result<Self, RegistryError> {
        let mut roots = Vec::new();
        let files = extra_roots(&Path::new("/etc/docker/certs.d").join(server));
        for file in files.map_err(|error| not_set_up(server, Arc::new(error)))? {
            let certificates = reqwest::Certificate::from_pem_bundle(&file);
            roots.extend(certificates.map_err(|error| not_set_up(server, Arc::new(error)))?);
        }
        Ok(Self { server: server.to_owned(), loopback, roots, made: OnceCell::new() })
    }

    pub(super) async fn client(&self) -> Result<&reqwest::Client, RegistryError> {
        self.made.get_or_try_init(|| self.make()).await
    }

    async fn make(&self) -> Result<reqwest::Client, RegistryError> {
        let (loopback, roots) = (self.loopback, self.roots.clone());
        let made = tokio::task::spawn_blocking(move || build(loopback, roots)).await;
        let made = made.map_err(|error| not_set_up(&self.server, Arc::new(error)))?;
        made.map_err(|error| not_set_up(&self.server, Arc::new(error)))
    }
}

fn not_set_up(server: &str, source: Arc<dyn StdError + Send + Sync>) -> RegistryError {
    RegistryError::Setup { server: server.to_owned(), source }
}

fn build(loopback: bool, roots: Vec<reqwest::Certificate>) -> reqwest::Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("a3/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .timeout(WHOLE)
        .redirect(reqwest::redirect::Policy::custom(follow))
        .tls_certs_merge(roots);
    if loopback {
        builder = builder.no_proxy();
    }
    builder.build()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_the_crt_files_of_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in [("ca.crt", "a"), ("client.cert", "b"), ("client.key", "c")] {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        assert_eq!(extra_roots(folder.path()).unwrap(), [b"a"]);
        assert!(extra_roots(&folder.path().join("none")).unwrap().is_empty());
    }
}
