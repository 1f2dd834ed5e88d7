//! Reads the files of a spec. `spec/` itself reads none: this is where its inputs come from.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use crate::explain::Explain;
use crate::spec::{self, Config, Diagnostics, Inputs, Source, Spec, dotenv};

/// A spec that was read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The spec.
    pub spec: Spec,
    /// What a person should know about how it was read, one line each.
    pub notices: Vec<String>,
}

/// Why a spec could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file that was named is not there.
    #[error("{} does not exist", path.display())]
    Missing {
        /// As it was named.
        path: PathBuf,
    },
    /// A file is there and cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// As it was named.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The `.env` beside the first file is wrong.
    #[error("{} is not a list of NAME=VALUE", path.display())]
    Dotenv {
        /// The file.
        path: PathBuf,
        /// Which line.
        #[source]
        source: dotenv::DotenvError,
    },
    /// The spec is wrong.
    #[error(transparent)]
    Invalid(#[from] Diagnostics),
}

impl Explain for LoadError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Missing { .. } => Some("a3 init writes one; or name another: a3 plan -f FILE".into()),
            Self::Unreadable { path, .. } => Some(format!("look at it: ls -l {}", path.display())),
            Self::Dotenv { path, .. } => Some(format!("write NAME=VALUE lines into {}", path.display())),
            Self::Invalid(diagnostics) => diagnostics.help(),
        }
    }
}

/// Reads and validates the files, in the order of merging, with the process's environment over the
/// `.env` beside the first one. `COMPOSE_PROFILES` adds to `profiles`.
///
/// # Errors
///
/// A file that cannot be read, or all that is wrong with the spec.
pub fn load(files: &[PathBuf], profiles: &[String]) -> Result<Loaded, LoadError> {
    load_with(files, profiles, None)
}

/// As [`load`], with a service that is active whatever its profiles.
///
/// # Errors
///
/// As [`load`].
pub fn load_with(files: &[PathBuf], profiles: &[String], service: Option<&str>) -> Result<Loaded, LoadError> {
    let read = Read::new(files, profiles, service, std::env::vars_os())?;
    let parsed = spec::parse(&read.inputs())?;
    Ok(Loaded { spec: parsed.spec, notices: parsed.notices })
}

/// The merged spec with the file and line of each value.
///
/// # Errors
///
/// As [`load`].
pub fn load_config(files: &[PathBuf], profiles: &[String]) -> Result<Config, LoadError> {
    let read = Read::new(files, profiles, None, std::env::vars_os())?;
    Ok(spec::config(&read.inputs())?)
}

/// Everything that was read.
struct Read {
    sources: Vec<Source>,
    env: BTreeMap<String, String>,
    profiles: BTreeSet<String>,
    service: Option<String>,
    files: BTreeMap<PathBuf, Result<String, String>>,
}

impl Read {
    fn new(
        files: &[PathBuf],
        profiles: &[String],
        service: Option<&str>,
        process: impl Iterator<Item = (std::ffi::OsString, std::ffi::OsString)>,
    ) -> Result<Self, LoadError> {
        let sources = files.iter().map(|path| source(path)).collect::<Result<Vec<_>, _>>()?;
        // Variables that are not text cannot be written into a spec either.
        let process =
            process.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let env = environment(files, process.collect())?;
        let compose = env.get("COMPOSE_PROFILES").map(String::as_str).unwrap_or_default();
        let compose = compose.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
        let profiles = profiles.iter().cloned().chain(compose).collect();
        let mut read =
            Self { sources, env, profiles, service: service.map(str::to_owned), files: BTreeMap::new() };
        for (path, _) in spec::files_named(&read.inputs()) {
            match std::fs::read_to_string(&path) {
                Ok(text) => drop(read.files.insert(path, Ok(text))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => drop(read.files.insert(path, Err(error.to_string()))),
            }
        }
        Ok(read)
    }

    fn inputs(&self) -> Inputs<'_> {
        Inputs {
            sources: &self.sources,
            env: &self.env,
            profiles: &self.profiles,
            service: self.service.as_deref(),
            files: &self.files,
        }
    }
}

fn source(path: &Path) -> Result<Source, LoadError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Source { path: path.to_owned(), bytes }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(LoadError::Missing { path: path.to_owned() })
        }
        Err(source) => Err(LoadError::Unreadable { path: path.to_owned(), source }),
    }
}

fn environment(
    files: &[PathBuf],
    process: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, LoadError> {
    let folder = files.first().and_then(|path| path.parent()).unwrap_or(Path::new(""));
    let path = folder.join(".env");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(process),
        Err(source) => return Err(LoadError::Unreadable { path, source }),
    };
    let named = dotenv::parse(&text, &process).map_err(|source| LoadError::Dotenv { path, source })?;
    let mut env: BTreeMap<String, String> = named.into_iter().collect();
    env.extend(process);
    Ok(env)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::EnvValue;

    fn load_in(folder: &Path, env: &[(&str, &str)]) -> Result<Spec, LoadError> {
        load_one(folder, None, env)
    }

    fn load_one(folder: &Path, service: Option<&str>, env: &[(&str, &str)]) -> Result<Spec, LoadError> {
        let process = env.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let read = Read::new(&[folder.join("deploy.yaml")], &["tools".to_owned()], service, process)?;
        Ok(spec::parse(&read.inputs())?.spec)
    }

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    const SPEC: &str = "name: m-${A}-${B}\nservices:\n  s: { image: redis, env_file: s.env }\n  t: { image: redis, profiles: [tools] }\n  u: { image: redis, profiles: [more] }\n  v: { image: redis, profiles: [other] }\n";

    #[test]
    fn the_environment_goes_over_dotenv_and_files_are_read_beside_the_spec() {
        let folder = folder(&[
            ("deploy.yaml", SPEC),
            (".env", "A=file\nB=file\nCOMPOSE_PROFILES=more, none\n"),
            ("s.env", "K=v\n"),
        ]);
        let spec = load_in(folder.path(), &[("A", "process")]).unwrap();
        assert_eq!(spec.name, "m-process-file");
        assert!(matches!(spec.services["s"].environment["K"], EnvValue::Resolved(_)));
        assert_eq!(spec.services.keys().collect::<Vec<_>>(), ["s", "t", "u"]);
        assert_eq!(spec.inactive, ["v"]);
    }

    #[test]
    fn a_service_that_is_asked_for_is_active_and_its_siblings_are_not() {
        let text = "name: m\nservices:\n  s: { image: redis, profiles: [x] }\n  t: { image: redis, profiles: [x] }\n";
        let folder = folder(&[("deploy.yaml", text)]);
        let spec = load_one(folder.path(), Some("s"), &[]).unwrap();
        assert_eq!(spec.services.keys().collect::<Vec<_>>(), ["s"]);
        assert_eq!(spec.inactive, ["t"]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let nothing = folder(&[]);
        assert!(matches!(load_in(nothing.path(), &[]), Err(LoadError::Missing { .. })));
        let without = folder(&[("deploy.yaml", SPEC)]);
        let error = load_in(without.path(), &[("A", "a"), ("B", "b")]).unwrap_err();
        assert!(error.to_string().contains("s.env does not exist"), "{error}");
        let wrong = folder(&[("deploy.yaml", SPEC), (".env", "A=1\nwhat is this\n")]);
        let error = load_in(wrong.path(), &[]).unwrap_err();
        assert!(crate::explain::chain(&error).ends_with("line 2: expected NAME=VALUE"), "{error}");
    }
}
