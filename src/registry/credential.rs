//! User and password for a registry: the spec's, else those of the Docker configuration and its
//! helpers.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential};
use secrecy::{ExposeSecret as _, SecretString};

use crate::explain::Explain;
use crate::observed::Secrets;
use crate::plan::hash::source_key;
use crate::spec::{Registry, SecretSource};

/// A helper may ask its person something; beyond this it hangs.
const HELPER: Duration = Duration::from_secs(20);

/// What Docker's helpers call the user of an identity token.
const TOKEN_USER: &str = "<token>";

/// Where Docker keeps Docker Hub's credential.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// What a registry wants to see. Its `Debug` shows no password.
#[derive(Clone, Debug)]
pub struct Credential {
    /// `HOST` or `HOST:PORT`.
    pub server: String,
    /// The user; `<token>` if the password is an identity token.
    pub username: String,
    /// Password or token.
    pub password: SecretString,
}

impl Credential {
    /// Whether the password is an identity token of `docker login`, which is exchanged for access tokens.
    pub fn is_identity_token(&self) -> bool {
        self.username == TOKEN_USER
    }

    /// The value of an engine's `X-Registry-Auth`: JSON in URL-safe base64
    /// (<https://docs.docker.com/reference/api/engine/#section/Authentication>). It is a secret.
    pub fn x_registry_auth(&self) -> SecretString {
        use base64::Engine as _;
        let password = self.password.expose_secret();
        let server = key(&self.server);
        let json = if self.is_identity_token() {
            serde_json::json!({ "identitytoken": password, "serveraddress": server })
        } else {
            serde_json::json!({ "username": self.username, "password": password, "serveraddress": server })
        };
        base64::engine::general_purpose::URL_SAFE.encode(json.to_string()).into()
    }

    /// Why no registry can accept it.
    pub(super) fn flaw(&self) -> Option<&'static str> {
        let password = self.password.expose_secret();
        if self.username.is_empty() {
            Some("the user name is empty")
        } else if self.username.contains(':') {
            Some("the user name has a colon in it")
        } else if password.is_empty() {
            Some("the password is empty")
        } else if password.chars().any(char::is_control) {
            Some("the password has a line break or another control character in it")
        } else {
            None
        }
    }
}

/// Why there is no credential to try.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The password's source was not read; `plan` says why under what is missing.
    #[error("the password for registry {server} is not known: {origin} was not read")]
    NotRead {
        /// The registry.
        server: String,
        /// Where it should come from.
        origin: String,
    },
    /// A password without a user.
    #[error("`registry.password` for {server} has no `registry.username`")]
    NoUser {
        /// The registry.
        server: String,
    },
    /// The Docker configuration is there and cannot be read.
    #[error("cannot read the Docker configuration {}", .file.display())]
    Config {
        /// `config.json`.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The Docker configuration makes no sense.
    #[error("the Docker configuration {} has no usable credential for {server}: {why}", .file.display())]
    Malformed {
        /// `config.json`.
        file: PathBuf,
        /// The registry.
        server: String,
        /// In words.
        why: String,
    },
    /// A credential helper failed.
    #[error("credential helper `{helper}` failed for {server}: {words}")]
    Helper {
        /// `docker-credential-…`.
        helper: String,
        /// The registry.
        server: String,
        /// The first line of its stderr.
        words: String,
    },
    /// A credential helper did not end.
    #[error("the credential helper of the Docker configuration did not answer for {server} within {} s", HELPER.as_secs())]
    HelperHangs {
        /// The registry.
        server: String,
    },
}

impl Explain for CredentialError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::NotRead { origin, .. } => format!("provide {origin}"),
            Self::NoUser { .. } => "add `username:` under `registry:`".to_owned(),
            Self::Config { file, .. } => format!("check the permissions of `{}`", file.display()),
            Self::Malformed { server, .. } => format!("run `docker login {server}` again"),
            Self::Helper { helper, server, .. } => {
                format!("try `echo {server} | {helper} get`, or set `registry.password`")
            }
            Self::HelperHangs { server } => {
                format!("run `docker login {server}` again, or set `registry.password`")
            }
        })
    }
}

/// The credential for a registry of the spec; `None` if there is none anywhere, which is right for a
/// public one. `secrets` holds what `observe::secrets` has read.
///
/// # Errors
/// [`CredentialError`]: what is there and cannot be used.
pub async fn credential_for(
    registry: &Registry,
    secrets: &Secrets,
) -> Result<Option<Credential>, CredentialError> {
    let server = registry.server.clone();
    let Some(source) = &registry.password else {
        let found = credential_from_docker_config(&server).await?;
        // The configuration may hold another person's login for the same server.
        let wanted = |credential: &Credential| {
            credential.is_identity_token()
                || registry.username.as_ref().is_none_or(|name| *name == credential.username)
        };
        return Ok(found.filter(wanted));
    };
    let Some(username) = registry.username.clone() else { return Err(CredentialError::NoUser { server }) };
    match secrets.values.get(&source_key(source)) {
        Some(password) => Ok(Some(Credential { server, username, password: password.clone() })),
        None => Err(CredentialError::NotRead { server, origin: source_words(source) }),
    }
}

/// The credential that `docker login` left for `server`, from `$DOCKER_CONFIG/config.json` or
/// `~/.docker/config.json`, or from the helper that it names.
///
/// # Errors
/// [`CredentialError`]: a configuration or helper that is there and fails. A missing one is `None`.
pub async fn credential_from_docker_config(server: &str) -> Result<Option<Credential>, CredentialError> {
    let Some(folder) = docker_folder() else { return Ok(None) };
    let (file, owned) = (folder.join("config.json"), server.to_owned());
    let (answer, answered) = tokio::sync::oneshot::channel();
    // A thread of its own and not tokio's: a helper that hangs would keep the runtime from ending.
    std::thread::spawn(move || {
        // Nobody listens any more after the timeout.
        let _ = answer.send(read_config(&file, &owned));
    });
    match tokio::time::timeout(HELPER, answered).await {
        Ok(Ok(found)) => found,
        Ok(Err(_)) | Err(_) => Err(CredentialError::HelperHangs { server: server.to_owned() }),
    }
}

/// Where a registry's credential comes from, in words, for messages about it.
pub fn origin(registry: &Registry) -> String {
    match &registry.password {
        Some(source) => format!("`registry.password` ({})", source_words(source)),
        None => match docker_folder() {
            Some(folder) => format!("`{}`", folder.join("config.json").display()),
            None => "the Docker configuration".to_owned(),
        },
    }
}

fn source_words(source: &SecretSource) -> String {
    match source {
        SecretSource::Env(name) => format!("environment variable {name}"),
        SecretSource::File(path) => format!("file {}", path.display()),
        SecretSource::Command(words) => format!("command `{}`", words.join(" ")),
    }
}

fn docker_folder() -> Option<PathBuf> {
    let given = std::env::var_os("DOCKER_CONFIG").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    given.or_else(|| Some(etcetera::home_dir().ok()?.join(".docker")))
}

/// The name under which Docker keeps a server's credential.
fn key(server: &str) -> &str {
    if super::target::api_host(server) == super::target::api_host("docker.io") {
        DOCKER_HUB_KEY
    } else {
        server
    }
}

fn read_config(file: &Path, server: &str) -> Result<Option<Credential>, CredentialError> {
    let opened = match File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(CredentialError::Config { file: file.to_owned(), source }),
    };
    let malformed = |why: &str| CredentialError::Malformed {
        file: file.to_owned(),
        server: server.to_owned(),
        why: why.to_owned(),
    };
    let (username, password) = match docker_credential::get_credential_from_reader(opened, key(server)) {
        Ok(DockerCredential::UsernamePassword(username, password)) => (username, password),
        Ok(DockerCredential::IdentityToken(token)) => (TOKEN_USER.to_owned(), token),
        Err(error) => return no_credential(error, server, malformed),
    };
    Ok(Some(Credential { server: server.to_owned(), username, password: password.into() }))
}

fn no_credential(
    error: CredentialRetrievalError,
    server: &str,
    malformed: impl Fn(&str) -> CredentialError,
) -> Result<Option<Credential>, CredentialError> {
    use CredentialRetrievalError as E;
    match error {
        E::NoCredentialConfigured | E::ConfigNotFound => Ok(None),
        // What every helper of Docker says when it has none; its stdout is never shown, it may hold
        // more (<https://github.com/docker/docker-credential-helpers/blob/master/credentials/error.go>).
        E::HelperFailure { stdout, .. } if stdout.contains("credentials not found") => Ok(None),
        E::HelperFailure { helper, stderr, .. } => {
            let words = stderr.lines().next().unwrap_or("it says nothing").trim().to_owned();
            Err(CredentialError::Helper { helper, server: server.to_owned(), words })
        }
        E::HelperCommunicationError => Err(malformed("the helper that it names is not installed")),
        E::MalformedHelperResponse => Err(malformed("the helper that it names answers nonsense")),
        E::CredentialDecodingError => Err(malformed("its `auth` is not base64 of USER:PASSWORD")),
        E::CredentialMismatchError => Err(malformed("its `auth` and `username`, `password` differ")),
        E::ConfigReadError => Err(malformed("it is not valid JSON")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn config(text: &str, server: &str) -> Result<Option<Credential>, CredentialError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.json");
        std::fs::write(&file, text).unwrap();
        read_config(&file, server)
    }

    fn registry(username: Option<&str>, password: Option<SecretSource>) -> Registry {
        let username = username.map(str::to_owned);
        Registry { server: "r.test".into(), username, password, persist_login: false }
    }

    #[test]
    fn docker_logins_are_found() {
        let text = r#"{"auths":{"r.test":{"auth":"bWU6cGE6c3M="}}}"#;
        let found = config(text, "r.test").unwrap().unwrap();
        assert_eq!((found.username.as_str(), found.password.expose_secret()), ("me", "pa:ss"));
        assert!(config(text, "other.test").unwrap().is_none());
    }

    #[test]
    fn docker_hub_is_found_under_its_old_address() {
        let text = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"bWU6cGE="}}}"#;
        assert_eq!(config(text, "docker.io").unwrap().unwrap().username, "me");
    }

    #[test]
    fn an_identity_token_is_told_apart() {
        let found = config(r#"{"auths":{"r.test":{"identitytoken":"t"}}}"#, "r.test").unwrap().unwrap();
        assert!(found.is_identity_token());
    }

    #[test]
    fn no_configuration_is_no_error_and_a_broken_one_is() {
        assert!(read_config(Path::new("/nonexistent/config.json"), "r.test").unwrap().is_none());
        let error = config("{", "r.test").unwrap_err();
        assert!(error.to_string().ends_with("it is not valid JSON"), "{error}");
        let error = config(r#"{"auths":{"r.test":{"auth":"!"}}}"#, "r.test").unwrap_err();
        assert!(error.to_string().contains("not base64"), "{error}");
        let error = config(r#"{"credsStore":"a3-is-not-installed"}"#, "r.test").unwrap_err();
        assert!(error.to_string().contains("not installed"), "{error}");
    }

    #[test]
    fn a_helper_without_a_credential_is_none_and_its_stdout_is_never_shown() {
        let failure = |stdout: &str, stderr: &str| {
            let error = CredentialRetrievalError::HelperFailure {
                helper: "docker-credential-x".into(),
                stdout: stdout.into(),
                stderr: stderr.into(),
            };
            no_credential(error, "r.test", |_| unreachable!())
        };
        assert!(failure("credentials not found in native keychain\n", "").unwrap().is_none());
        let error = failure("hunter2", "keychain is locked\nmore").unwrap_err();
        assert_eq!(
            error.to_string(),
            "credential helper `docker-credential-x` failed for r.test: keychain is locked"
        );
        assert!(!format!("{error:?}").contains("hunter2"));
    }

    #[tokio::test]
    async fn the_specs_password_comes_first() {
        let source = SecretSource::Env("TOKEN".into());
        let secrets =
            Secrets { values: BTreeMap::from([(source_key(&source), SecretString::from("hunter2"))]) };
        let found =
            credential_for(&registry(Some("me"), Some(source.clone())), &secrets).await.unwrap().unwrap();
        assert_eq!(found.password.expose_secret(), "hunter2");
        assert!(!format!("{found:?}").contains("hunter2"));
        let error = credential_for(&registry(None, Some(source.clone())), &secrets).await.unwrap_err();
        assert!(matches!(error, CredentialError::NoUser { .. }));
        let error =
            credential_for(&registry(Some("me"), Some(source)), &Secrets::default()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the password for registry r.test is not known: environment variable TOKEN was not read"
        );
    }

    #[test]
    fn what_no_registry_accepts_is_said_before_it_is_asked() {
        let flaw = |username: &str, password: &str| {
            Credential { server: "r.test".into(), username: username.into(), password: password.into() }
                .flaw()
        };
        assert_eq!(flaw("me", "ghp_0123"), None);
        assert!(flaw("", "x").is_some() && flaw("a:b", "x").is_some());
        assert!(flaw("me", "").unwrap().contains("empty"));
        assert!(flaw("me", "two\nlines").unwrap().contains("line break"));
    }

    #[test]
    fn the_engines_header_is_url_safe() {
        let credential =
            Credential { server: "r.test".into(), username: "me".into(), password: "?>~?>~".into() };
        let header = credential.x_registry_auth();
        assert!(!header.expose_secret().contains(['+', '/']));
        let json = data_encoding::BASE64URL.decode(header.expose_secret().as_bytes()).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(json["password"], "?>~?>~");
        assert_eq!(json["serveraddress"], "r.test");
    }
}
