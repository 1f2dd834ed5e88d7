//! Which engine is the local one: `DOCKER_HOST`, else the current docker context, else the default
//! socket, as the docker command decides it
//! (<https://docs.docker.com/engine/manage-resources/contexts/>). Only unix sockets are local.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::engine::EngineError;
use crate::id::Digest;

/// The engine's socket where nothing else is said.
pub const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// What the choice rests on, so that it can be tested without an environment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    /// `DOCKER_HOST`.
    pub(crate) host: Option<String>,
    /// `DOCKER_CONTEXT`.
    pub(crate) context: Option<String>,
    /// `DOCKER_CONFIG`, else `~/.docker`.
    pub(crate) config: Option<PathBuf>,
}

impl Surroundings {
    /// This process's.
    pub(crate) fn here() -> Self {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let home = || etcetera::home_dir().ok().map(|home| home.join(".docker"));
        Self {
            host: set("DOCKER_HOST"),
            context: set("DOCKER_CONTEXT"),
            config: set("DOCKER_CONFIG").map(PathBuf::from).or_else(home),
        }
    }

    /// The local engine's socket.
    ///
    /// # Errors
    /// [`EngineError::NotLocal`] for an engine that is not behind a unix socket;
    /// [`EngineError::Context`] for a docker context that cannot be read.
    pub(crate) fn socket(&self) -> Result<PathBuf, EngineError> {
        if let Some(host) = &self.host {
            return unix_socket(host, "DOCKER_HOST");
        }
        let Some(name) = self.context_name()? else { return Ok(DEFAULT_SOCKET.into()) };
        let from = format!("the docker context `{name}`");
        let file = self.folder().join("contexts/meta").join(Digest::of(name.as_bytes()).hex());
        let meta: Meta = read(&file.join("meta.json"), &from)?.unwrap_or_default();
        match meta.endpoints.docker {
            Some(docker) => unix_socket(&docker.host, &from),
            None => Err(EngineError::Context { from, path: file.join("meta.json"), source: not_found() }),
        }
    }

    /// `None` is the default context, which is the default socket.
    fn context_name(&self) -> Result<Option<String>, EngineError> {
        let name = match &self.context {
            Some(name) => Some(name.clone()),
            None => {
                let file = self.folder().join("config.json");
                let config: Option<Config> = read(&file, "the docker configuration")?;
                config.and_then(|config| config.current_context)
            }
        };
        Ok(name.filter(|name| !name.is_empty() && name != "default"))
    }

    fn folder(&self) -> &Path {
        self.config.as_deref().unwrap_or(Path::new(".docker"))
    }
}

/// `~/.docker/config.json`, as far as it names an engine.
#[derive(Debug, Deserialize)]
struct Config {
    #[serde(rename = "currentContext")]
    current_context: Option<String>,
}

/// `contexts/meta/<sha256 of the name>/meta.json`.
#[derive(Debug, Default, Deserialize)]
struct Meta {
    #[serde(rename = "Endpoints", default)]
    endpoints: Endpoints,
}

#[derive(Debug, Default, Deserialize)]
struct Endpoints {
    docker: Option<DockerEndpoint>,
}

#[derive(Debug, Deserialize)]
struct DockerEndpoint {
    #[serde(rename = "Host", default)]
    host: String,
}

/// A JSON file's content; `None` if there is none.
fn read<T: serde::de::DeserializeOwned>(path: &Path, from: &str) -> Result<Option<T>, EngineError> {
    let failed = |source| EngineError::Context { from: from.to_owned(), path: path.to_owned(), source };
    match std::fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| failed(error.into())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

fn not_found() -> std::io::Error {
    std::io::ErrorKind::NotFound.into()
}

fn unix_socket(endpoint: &str, from: &str) -> Result<PathBuf, EngineError> {
    match endpoint.strip_prefix("unix://") {
        Some("") => Ok(DEFAULT_SOCKET.into()),
        Some(path) => Ok(path.into()),
        None => Err(EngineError::NotLocal { endpoint: endpoint.to_owned(), from: from.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(current: &str, name: &str, host: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let config = serde_json::json!({ "currentContext": current, "auths": {} });
        std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        let meta = folder.path().join("contexts/meta").join(Digest::of(name.as_bytes()).hex());
        std::fs::create_dir_all(&meta).unwrap();
        let text = serde_json::json!({ "Name": name, "Endpoints": { "docker": { "Host": host } } });
        std::fs::write(meta.join("meta.json"), text.to_string()).unwrap();
        folder
    }

    fn near(folder: &tempfile::TempDir) -> Surroundings {
        Surroundings { config: Some(folder.path().to_owned()), ..Surroundings::default() }
    }

    #[test]
    fn docker_host_comes_first() {
        let folder = folder_with("colima", "colima", "unix:///from/context.sock");
        let here = Surroundings { host: Some("unix:///run/user/7/docker.sock".into()), ..near(&folder) };
        assert_eq!(here.socket().unwrap(), Path::new("/run/user/7/docker.sock"));
    }

    #[test]
    fn then_the_current_context_and_then_the_default_socket() {
        let folder = folder_with("colima", "colima", "unix:///from/context.sock");
        assert_eq!(near(&folder).socket().unwrap(), Path::new("/from/context.sock"));
        let default = folder_with("default", "colima", "unix:///from/context.sock");
        assert_eq!(near(&default).socket().unwrap(), Path::new(DEFAULT_SOCKET));
        let named = Surroundings { context: Some("colima".into()), ..near(&default) };
        assert_eq!(named.socket().unwrap(), Path::new("/from/context.sock"));
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(near(&empty).socket().unwrap(), Path::new(DEFAULT_SOCKET));
    }

    #[test]
    fn an_engine_elsewhere_is_refused_by_name() {
        use crate::explain::Explain as _;
        let folder = folder_with("far", "far", "ssh://me@far");
        let error = near(&folder).socket().unwrap_err();
        assert!(matches!(error, EngineError::NotLocal { .. }));
        assert!(error.to_string().contains("ssh://me@far"), "{error}");
        assert!(error.help().unwrap().contains("host:"));
        let tcp = Surroundings { host: Some("tcp://10.0.0.1:2375".into()), ..Surroundings::default() };
        assert!(matches!(tcp.socket(), Err(EngineError::NotLocal { .. })));
    }

    #[test]
    fn a_context_that_is_not_there_is_an_error_not_the_default_socket() {
        let folder = folder_with("gone", "colima", "unix:///from/context.sock");
        let error = near(&folder).socket().unwrap_err();
        assert!(matches!(error, EngineError::Context { .. }), "{error}");
        std::fs::write(folder.path().join("config.json"), "{").unwrap();
        assert!(matches!(near(&folder).socket(), Err(EngineError::Context { .. })));
    }
}
