//! What this machine remembers about deployments: where they ran, and under which name a file was
//! last applied. Losing it loses only the hint.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The version of the file's shape.
const VERSION: u32 = 1;

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hints {
    /// [`VERSION`]; another one is as good as no file.
    version: u32,
    /// By deployment.
    deployments: BTreeMap<String, Places>,
    /// By the spec file's absolute path: the name it was last applied as.
    files: BTreeMap<PathBuf, String>,
}

/// Where a deployment has run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// EC2 regions.
    #[serde(default)]
    pub regions: BTreeSet<String>,
    /// `user@host:port` of machines that existed before a3.
    #[serde(default)]
    pub hosts: BTreeSet<String>,
}

impl Hints {
    /// Reads them from a3's state folder; none where there is nothing to be read.
    pub fn read(folder: &Path) -> Self {
        let text = fs::read_to_string(file(folder)).unwrap_or_default();
        let hints: Self = serde_json::from_str(&text).unwrap_or_default();
        if hints.version == VERSION { hints } else { Self { version: VERSION, ..Self::default() } }
    }

    /// Where a deployment has run, as far as this machine knows.
    pub fn places(&self, deployment: &str) -> Places {
        self.deployments.get(deployment).cloned().unwrap_or_default()
    }

    /// The name a file was last applied as.
    pub fn name_of(&self, spec: &Path) -> Option<&str> {
        self.files.get(spec).map(String::as_str)
    }

    /// Remembers an apply: the places are added to those known, the name is that of `spec`, an
    /// absolute path.
    ///
    /// # Errors
    /// The file cannot be written: worth a warning, no more.
    pub fn remember(folder: &Path, spec: &Path, deployment: &str, places: &Places) -> io::Result<()> {
        change(folder, |hints| {
            let known = hints.deployments.entry(deployment.to_owned()).or_default();
            known.regions.extend(places.regions.iter().cloned());
            known.hosts.extend(places.hosts.iter().cloned());
            hints.files.insert(spec.to_owned(), deployment.to_owned());
        })
    }

    /// Forgets a deployment after its destroy.
    ///
    /// # Errors
    /// The file cannot be written: worth a warning, no more.
    pub fn forget(folder: &Path, deployment: &str) -> io::Result<()> {
        change(folder, |hints| {
            hints.deployments.remove(deployment);
            hints.files.retain(|_, name| name != deployment);
        })
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.join("hints.json")
}

/// Reads, changes and writes under a lock, since another deployment's a3 may be at it too.
fn change(folder: &Path, change: impl FnOnce(&mut Hints)) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let lock = File::create(folder.join("hints.lock"))?;
    lock.lock()?;
    let mut hints = Hints::read(folder);
    change(&mut hints);
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer_pretty(&mut new, &hints)?;
    new.write_all(b"\n")?;
    new.persist(file(folder))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(region: &str) -> Places {
        Places { regions: [region.to_owned()].into(), hosts: BTreeSet::new() }
    }

    #[test]
    fn places_add_up_and_the_name_is_the_last() {
        let folder = tempfile::tempdir().unwrap();
        let (state, spec) = (folder.path().join("a3"), Path::new("/x/deploy.yaml"));
        Hints::remember(&state, spec, "music-a", &places("us-west-2")).unwrap();
        Hints::remember(&state, spec, "music-a", &places("eu-north-1")).unwrap();
        Hints::remember(&state, spec, "music-b", &places("us-west-2")).unwrap();
        let hints = Hints::read(&state);
        assert_eq!(hints.places("music-a").regions.len(), 2);
        assert_eq!(hints.name_of(spec), Some("music-b"));
        Hints::forget(&state, "music-b").unwrap();
        let hints = Hints::read(&state);
        assert_eq!((hints.name_of(spec), hints.places("music-b")), (None, Places::default()));
        assert_eq!(hints.places("music-a").regions.len(), 2);
    }

    #[test]
    fn a_file_that_makes_no_sense_is_no_hint() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(file(folder.path()), "{\"version\": 99, \"deployments\": {}, \"files\": {}}").unwrap();
        assert_eq!(Hints::read(folder.path()).places("x"), Places::default());
        fs::write(file(folder.path()), "not json").unwrap();
        Hints::remember(folder.path(), Path::new("/y"), "x", &places("r")).unwrap();
        assert_eq!(Hints::read(folder.path()).name_of(Path::new("/y")), Some("x"));
    }
}
