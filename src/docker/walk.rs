//! Lists a folder as a build context: without what `.dockerignore` leaves out, links not followed.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::context::{ContextError, Entry, Kind};
use super::dockerignore::{Matched, Matcher};
use crate::id::Digest;

/// Everything below `root` that is sent; `always` names paths that are, whatever the patterns say.
/// Sizes are those of now; digests of files are not filled in.
pub(crate) fn entries(root: &Path, matcher: &Matcher, always: &[&str]) -> Result<Vec<Entry>, ContextError> {
    let mut walk = Walk { matcher, always, entries: Vec::new() };
    walk.folder(root, "", None)?;
    Ok(walk.entries)
}

/// A file from anywhere under a name of its own; `None` where it is not there any more.
pub(crate) fn file(source: &Path, path: String) -> Result<Option<Entry>, ContextError> {
    Ok(metadata(source)?.map(|metadata| Entry {
        path,
        size: metadata.len(),
        executable: metadata.mode() & 0o100 != 0,
        kind: Kind::File,
        digest: Digest::of(&[]),
        source: source.to_owned(),
        modified: modified(&metadata),
        target: None,
    }))
}

struct Walk<'a> {
    matcher: &'a Matcher,
    always: &'a [&'a str],
    entries: Vec<Entry>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, prefix: &str, matched: Option<&Matched>) -> Result<(), ContextError> {
        let read = |source| ContextError::Read { path: folder.to_owned(), source };
        for child in fs::read_dir(folder).map_err(read)? {
            let source = child.map_err(read)?.path();
            let name = source.file_name().and_then(|name| name.to_str());
            let path =
                format!("{prefix}{}", name.ok_or_else(|| ContextError::Name { path: source.clone() })?);
            self.child(source, path, matched)?;
        }
        Ok(())
    }

    fn child(&mut self, source: PathBuf, path: String, folder: Option<&Matched>) -> Result<(), ContextError> {
        let (excluded, matched) = self.matcher.excludes(&path, folder);
        let excluded = excluded && !self.always.contains(&path.as_str());
        let Some(metadata) = metadata(&source)? else { return Ok(()) };
        if metadata.is_dir() {
            return self.subfolder(source, path, &matched, excluded);
        }
        if excluded {
            return Ok(());
        }
        if metadata.is_symlink() {
            let target = fs::read_link(&source).map_err(|error| unreadable(&source, error))?;
            let digest = Digest::of(target.as_os_str().as_encoded_bytes());
            let modified = modified(&metadata);
            let (kind, target) = (Kind::Symlink, Some(target));
            let entry = Entry { path, size: 0, executable: false, kind, digest, source, modified, target };
            self.entries.push(entry);
        } else if metadata.is_file() {
            self.entries.extend(file(&source, path)?);
        }
        Ok(())
    }

    fn subfolder(
        &mut self,
        source: PathBuf,
        path: String,
        matched: &Matched,
        excluded: bool,
    ) -> Result<(), ContextError> {
        let below = format!("{path}/");
        let wanted_below = self.always.iter().any(|always| always.starts_with(&below));
        if excluded && !wanted_below && self.matcher.skips_all_of(&path) {
            return Ok(());
        }
        let Some(metadata) = metadata(&source)? else { return Ok(()) };
        let at = self.entries.len();
        let (kind, digest, modified) = (Kind::Dir, Digest::of(&[]), modified(&metadata));
        let folder = source.clone();
        let entry = Entry { path, size: 0, executable: false, kind, digest, source, modified, target: None };
        self.entries.push(entry);
        let walked = self.folder(&folder, &below, Some(matched));
        if excluded && self.entries.len() == at + 1 {
            self.entries.pop();
            // Nobody asked for it, so nobody needs to be able to read it.
            return match walked {
                Err(ContextError::Read { source, .. })
                    if source.kind() == io::ErrorKind::PermissionDenied =>
                {
                    Ok(())
                }
                other => other,
            };
        }
        walked
    }
}

/// `None` where it has gone since its folder was listed.
fn metadata(path: &Path) -> Result<Option<Metadata>, ContextError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, error)),
    }
}

fn unreadable(path: &Path, source: io::Error) -> ContextError {
    ContextError::Read { path: path.to_owned(), source }
}

fn modified(metadata: &Metadata) -> u64 {
    u64::try_from(metadata.mtime()).unwrap_or(0)
}
