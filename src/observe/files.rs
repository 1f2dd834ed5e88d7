//! The data files here: folders file by file, each with its digest.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use indexmap::IndexMap;
use sha2::Digest as _;
use walkdir::WalkDir;

use crate::id::Digest;
use crate::observed::{Cause, LocalFile, Missing};
use crate::spec::{DataFile, Spec};

/// By service, in the order of the spec. What cannot be read is added to `missing`.
pub(crate) async fn read(spec: &Spec, missing: &mut Vec<Missing>) -> IndexMap<String, Vec<LocalFile>> {
    let wanted: Vec<(String, Vec<DataFile>)> =
        spec.services.values().map(|service| (service.name.clone(), service.files.clone())).collect();
    // Hashing a gigabyte takes seconds; the runtime's own threads stay free for the network.
    let read = tokio::task::spawn_blocking(move || {
        let mut unread = Vec::new();
        let files = wanted.into_iter().map(|(service, entries)| {
            let mut files = Vec::new();
            for (index, entry) in entries.iter().enumerate() {
                match read_entry(index, entry) {
                    Ok(read) => files.extend(read),
                    Err(error) => unread.push(cannot_read(&service, entry, &error)),
                }
            }
            (service, files)
        });
        let files: IndexMap<_, _> = files.collect();
        (files, unread)
    });
    match read.await {
        Ok((files, unread)) => {
            missing.extend(unread);
            files
        }
        Err(error) => {
            let cause = Cause { message: format!("reading the data files failed: {error}"), help: None };
            missing.push(Missing { cause, of: BTreeSet::new() });
            IndexMap::new()
        }
    }
}

/// Private keys that the spec names and that cannot be read: found before anything is launched.
pub(crate) fn unreadable_keys(spec: &Spec) -> Vec<Missing> {
    let named = spec.groups.values().filter_map(|group| Some((group, group.ssh.identity_file.as_ref()?)));
    let unreadable = named.filter_map(|(group, path)| {
        let error = fs::File::open(path).err()?;
        let cause = Cause {
            message: format!("the key {} of group `{}` cannot be read: {error}", path.display(), group.name),
            help: Some(format!(
                "ls -l {}, or correct instances.{}.ssh.identity_file; ssh-keygen -t ed25519 makes a key",
                path.display(),
                group.name
            )),
        };
        Some(Missing { cause, of: [group.name.clone()].into() })
    });
    unreadable.collect()
}

fn cannot_read(service: &str, entry: &DataFile, error: &io::Error) -> Missing {
    let source = entry.source.display();
    let cause = Cause {
        message: format!("data file {source} of service `{service}` cannot be read: {error}"),
        help: Some(format!("ls -l {source}, or correct `services.{service}.files`")),
    };
    Missing { cause, of: [service.to_owned()].into() }
}

fn read_entry(index: usize, entry: &DataFile) -> io::Result<Vec<LocalFile>> {
    let meta = fs::metadata(&entry.source)?;
    if meta.is_file() {
        let target = match (entry.target.strip_suffix('/'), entry.source.file_name()) {
            (Some(folder), Some(name)) => format!("{folder}/{}", name.to_string_lossy()),
            _ => entry.target.clone(),
        };
        return Ok(vec![read_file(index, entry, &entry.source, target)?]);
    }
    // A trailing slash keeps the folder's own name, as it does for a file.
    let root = match (entry.target.strip_suffix('/'), entry.source.file_name()) {
        (Some(folder), Some(name)) => format!("{folder}/{}", name.to_string_lossy()),
        _ => entry.target.clone(),
    };
    let mut files = Vec::new();
    for found in WalkDir::new(&entry.source).follow_links(true).sort_by_file_name() {
        let found = found.map_err(io::Error::from)?;
        if found.file_type().is_file() {
            let inside = found.path().strip_prefix(&entry.source).unwrap_or(found.path());
            let target = format!("{root}/{}", inside.display());
            files.push(read_file(index, entry, found.path(), target)?);
        }
    }
    Ok(files)
}

fn read_file(index: usize, entry: &DataFile, source: &Path, target: String) -> io::Result<LocalFile> {
    let mut file = fs::File::open(source)?;
    let meta = file.metadata()?;
    let mut hash = sha2::Sha256::new();
    io::copy(&mut file, &mut hash)?;
    let mode = entry.mode.unwrap_or(meta.permissions().mode() & 0o777);
    let digest = Digest::from_hash(&hash.finalize());
    Ok(LocalFile { entry: index, source: source.to_owned(), target, mode, digest, size: meta.len() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::OnChange;

    fn entry(source: &Path, target: &str) -> DataFile {
        let source = source.to_owned();
        DataFile { source, target: target.into(), mode: None, sudo: false, on_change: OnChange::Restart }
    }

    #[test]
    fn a_trailing_slash_keeps_the_name_and_folders_are_read_file_by_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("music.csv");
        fs::write(&file, "a,b\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let read = read_entry(3, &entry(&file, "music/")).unwrap();
        assert_eq!(read[0].target, "music/music.csv");
        assert_eq!((read[0].mode, read[0].size, read[0].entry), (0o640, 4, 3));
        assert_eq!(read[0].digest, Digest::of(b"a,b\n"));
        assert_eq!(read_entry(0, &entry(&file, "songs.csv")).unwrap()[0].target, "songs.csv");
        assert_eq!(read_entry(0, &entry(folder.path(), "data")).unwrap()[0].target, "data/music.csv");
        assert!(read_entry(0, &entry(&folder.path().join("none"), "x")).is_err());
    }
}
