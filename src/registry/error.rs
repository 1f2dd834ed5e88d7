//! What a registry can answer instead of what was asked.

use std::sync::Arc;

use crate::explain::Explain;

/// Why a registry could not be asked, or refused. Cheap to clone, since one failure to connect answers
/// every question that waits for it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RegistryError {
    /// Not an image reference, or one of another registry.
    #[error("`{reference}` is not an image reference of {server}: {why}")]
    BadReference {
        /// The registry that was asked.
        server: String,
        /// As given.
        reference: String,
        /// In words.
        why: String,
    },
    /// A certificate under `/etc/docker/certs.d` is unreadable, or TLS could not be set up.
    #[error("cannot set up TLS for {server}")]
    Setup {
        /// The registry.
        server: String,
        /// The first cause.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// Its name does not resolve.
    #[error("the name of registry {server} does not resolve")]
    Name {
        /// The registry.
        server: String,
        /// The resolver's words.
        source: Arc<reqwest::Error>,
    },
    /// Nothing answers at its address.
    #[error("cannot connect to registry {server}")]
    Connect {
        /// The registry.
        server: String,
        /// Connection refused, no route, …
        source: Arc<reqwest::Error>,
    },
    /// Its certificate is not trusted, or it does not speak TLS.
    #[error("registry {server} cannot be trusted: TLS failed")]
    Tls {
        /// The registry.
        server: String,
        /// What is wrong with the certificate or the handshake.
        source: Arc<rustls::Error>,
    },
    /// No answer in time.
    #[error("registry {server} did not answer within {seconds} s{last}")]
    TimedOut {
        /// The registry.
        server: String,
        /// The deadline.
        seconds: u64,
        /// What the last try found, with a leading space; empty when it found nothing.
        last: String,
    },
    /// The connection broke in the middle of an answer.
    #[error("the connection to registry {server} broke")]
    Broken {
        /// The registry.
        server: String,
        /// How.
        source: Arc<reqwest::Error>,
    },
    /// It is in trouble (5xx), still after trying again.
    #[error("registry {server} is in trouble: it answers {status}{detail}")]
    Fault {
        /// The registry or its token server.
        server: String,
        /// 5xx.
        status: u16,
        /// Its own words with a leading `: `, or empty.
        detail: String,
        /// `Retry-After` in seconds, where it says.
        retry_after: Option<u64>,
    },
    /// Too many requests (429).
    #[error("registry {server} asks to wait{}: too many requests", for_seconds(*.retry_after))]
    Busy {
        /// The registry.
        server: String,
        /// `Retry-After` in seconds, where it says.
        retry_after: Option<u64>,
    },
    /// Something answers that is no registry.
    #[error("{server} is not a registry: `/v2/` answers {status}")]
    NotARegistry {
        /// What was asked.
        server: String,
        /// Its answer.
        status: u16,
    },
    /// It wants a login and there is no credential.
    #[error("registry {server} asks for a login for `{repository}`, and there is no credential for it")]
    NoCredential {
        /// The registry.
        server: String,
        /// What was asked for.
        repository: String,
    },
    /// The user name or password is wrong.
    #[error("registry {server} refuses the password of user `{username}`")]
    WrongPassword {
        /// The registry.
        server: String,
        /// Whose.
        username: String,
        /// Where the password comes from, in words.
        origin: String,
    },
    /// The credential cannot be right, whatever the registry says.
    #[error("the credential for registry {server} cannot be used: {flaw}")]
    BadCredential {
        /// The registry.
        server: String,
        /// `the password is empty`, …
        flaw: &'static str,
        /// Where it comes from, in words.
        origin: String,
    },
    /// The credential is fine and has no such right, or (GHCR) there is no such name.
    #[error("registry {server} does not let this credential {action} `{repository}`{detail}")]
    Denied {
        /// The registry.
        server: String,
        /// What was asked for.
        repository: String,
        /// `pull` or `push to`.
        action: &'static str,
        /// Its own words with a leading `: `, or empty.
        detail: String,
        /// Whether it works with tokens: there "denied" and "no such name" are one answer.
        bearer: bool,
    },
    /// The registry names a token server without TLS.
    #[error("registry {server} wants the credential sent to `{realm}`, which is not encrypted")]
    OpenRealm {
        /// The registry.
        server: String,
        /// The token server.
        realm: String,
    },
    /// An answer that fits nothing.
    #[error("registry {server} answers {status} to {question}{detail}")]
    Unexpected {
        /// The registry.
        server: String,
        /// What was asked, `GET me/s2/manifests/v1`.
        question: String,
        /// Its answer.
        status: u16,
        /// Its own words with a leading `: `, or empty.
        detail: String,
    },
    /// What it sent is not what it should be: another digest, not JSON, too big.
    #[error("registry {server} sent something wrong for {what}: {why}")]
    Corrupt {
        /// The registry.
        server: String,
        /// Which manifest or blob.
        what: String,
        /// In words.
        why: String,
    },
    /// There is no such image (any more).
    #[error("registry {server} has no `{reference}`")]
    NotThere {
        /// The registry.
        server: String,
        /// The reference.
        reference: String,
    },
    /// A tag can only be copied inside one repository.
    #[error("`{from}` and `{to}` are not in one repository")]
    TwoRepositories {
        /// The source.
        from: String,
        /// The target.
        to: String,
    },
}

impl RegistryError {
    /// Whether the registry did not answer, as opposed to having said no.
    pub fn is_no_answer(&self) -> bool {
        self.is_transient()
            || matches!(self, Self::Name { .. } | Self::Connect { .. } | Self::TimedOut { .. })
    }

    /// Whether the same question may have another answer in a moment.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, Self::Fault { .. } | Self::Busy { .. } | Self::Broken { .. })
    }
}

impl Explain for RegistryError {
    fn help(&self) -> Option<String> {
        let help = match self {
            Self::BadReference { server, .. } => format!("write it as `{server}/NAME:TAG`, in lower case"),
            Self::Setup { server, .. } | Self::Tls { server, .. } => format!(
                "put the certificate of its CA into `/etc/docker/certs.d/{server}/ca.crt` (Docker reads it \
                 too) or into the system's store (`update-ca-certificates`), or name it in SSL_CERT_FILE"
            ),
            Self::Name { server, .. } => format!("check the spelling of `{server}`, and the network"),
            Self::Connect { server, .. } | Self::TimedOut { server, .. } | Self::Broken { server, .. } => {
                format!("check the network, a proxy (HTTPS_PROXY), or try `curl -i https://{server}/v2/`")
            }
            Self::Fault { server, .. } => {
                format!("try again later; `curl -i https://{server}/v2/` shows its state")
            }
            Self::Busy { .. } => "wait, or log in: registries give a known user more requests".to_owned(),
            Self::NotARegistry { .. } => "check `registry.server` and the first part of `image`".to_owned(),
            Self::NoCredential { server, .. } => format!(
                "add `registry: {{ server: {server}, username: …, password: {{ file: … }} }}`, or run \
                 `docker login {server}`; if it is meant to be public, check the name"
            ),
            Self::WrongPassword { server, origin, .. } => format!(
                "check `registry.username`, and the password in {origin}; a token may have expired. \
                 `docker login {server}` tells whether a password is right"
            ),
            Self::BadCredential { origin, .. } => format!("look at {origin}"),
            Self::Denied { server, action: "pull", .. } => {
                format!("check the name, and that the credential for {server} may read it")
            }
            Self::Denied { server, .. } if server == "ghcr.io" => {
                "the token may be wrong or have expired (GHCR says only \"denied\"); it needs the scope \
                 `write:packages`, and the name begins with your own user or organisation, `ghcr.io/OWNER/…`"
                    .to_owned()
            }
            Self::Denied { .. } => {
                "the password may be wrong or have expired; else check the name, and that the credential may \
                 write to it"
                    .to_owned()
            }
            Self::OpenRealm { .. } => {
                "a3 sends no credential without TLS; mend the registry's token realm".to_owned()
            }
            Self::Unexpected { .. } | Self::Corrupt { .. } | Self::TwoRepositories { .. } => return None,
            Self::NotThere { .. } => "run `a3 plan` again: someone has removed it".to_owned(),
        };
        Some(help)
    }
}

fn for_seconds(seconds: Option<u64>) -> String {
    seconds.map(|seconds| format!(" {seconds} s")).unwrap_or_default()
}
