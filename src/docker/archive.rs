//! A context as a tar stream: written by a blocking thread, never whole in memory.
//!
//! Owner and group are 0 and modes are 0644 or 0755 for everything, so that what is built does not
//! depend on whose umask the checkout had. Times are the files' own, in whole seconds: BuildKit's
//! cache does not look at them, and a web server that makes ETags from time and size would serve
//! stale pages if they were all alike.

use std::fs;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

use super::context::{Context, ContextError, Entry, Kind};
use crate::id::Digest;

/// Why the stream ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    /// Something in the context.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// Nobody reads it any more, or an entry's name cannot be written.
    #[error("cannot write the context's tar stream")]
    Write(#[from] io::Error),
}

/// Writes the context to `out`. Every file is hashed again on its way: one that is not what the source
/// digest says is an error, and the stream ends in the middle. `sent` counts the bytes of files.
pub(crate) fn write(context: &Context, out: impl Write, sent: &AtomicU64) -> Result<(), ArchiveError> {
    let mut builder = Builder::new(out);
    // BuildKit tells a tar by its first 1024 bytes, which a long first name would not fit.
    let mut root = header(EntryType::Directory, 0o755, 0);
    builder.append_data(&mut root, "./", io::empty())?;
    for entry in context.entries() {
        append(&mut builder, entry, sent)?;
    }
    builder.into_inner()?.flush()?;
    Ok(())
}

fn append(builder: &mut Builder<impl Write>, entry: &Entry, sent: &AtomicU64) -> Result<(), ArchiveError> {
    match (entry.kind, &entry.target) {
        (Kind::File, _) => append_file(builder, entry, sent),
        (Kind::Symlink, Some(target)) => {
            let mut header = header(EntryType::Symlink, 0o777, entry.modified);
            Ok(builder.append_link(&mut header, &entry.path, target)?)
        }
        (Kind::Dir | Kind::Symlink, _) => {
            let mut header = header(EntryType::Directory, 0o755, entry.modified);
            Ok(builder.append_data(&mut header, format!("{}/", entry.path), io::empty())?)
        }
    }
}

fn append_file(
    builder: &mut Builder<impl Write>,
    entry: &Entry,
    sent: &AtomicU64,
) -> Result<(), ArchiveError> {
    let path = &entry.source;
    let changed = || ContextError::Changed { path: path.clone() };
    let file = fs::File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => changed(),
        _ => ContextError::Read { path: path.clone(), source: error },
    })?;
    let mode = if entry.executable { 0o755 } else { 0o644 };
    let mut header = header(EntryType::Regular, mode, entry.modified);
    header.set_size(entry.size);
    let mut content =
        Hashed { inner: file.take(entry.size), hasher: Sha256::new(), got: 0, sent, failed: None };
    let appended = builder.append_data(&mut header, &entry.path, &mut content);
    if let Some(source) = content.failed {
        return Err(ContextError::Read { path: path.clone(), source }.into());
    }
    appended?;
    let more = content.inner.into_inner().read(&mut [0]).unwrap_or(0) > 0;
    if content.got != entry.size || more || Digest::from_hash(&content.hasher.finalize()) != entry.digest {
        return Err(changed().into());
    }
    Ok(())
}

fn header(kind: EntryType, mode: u32, modified: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(modified);
    header.set_size(0);
    header
}

/// Hashes what is read through it; keeps the error of a read apart from those of the writing side.
struct Hashed<'a> {
    inner: io::Take<fs::File>,
    hasher: Sha256,
    got: u64,
    sent: &'a AtomicU64,
    failed: Option<io::Error>,
}

impl Read for &mut Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buffer) {
            Ok(got) => {
                self.hasher.update(&buffer[..got]);
                self.got += got as u64;
                self.sent.fetch_add(got as u64, Ordering::Relaxed);
                Ok(got)
            }
            Err(error) => {
                let kind = error.kind();
                self.failed = Some(error);
                Err(kind.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::spec::Build;

    fn context(root: &std::path::Path) -> Context {
        let build = Build {
            context: root.to_owned(),
            dockerfile: "Dockerfile".into(),
            args: Default::default(),
            target: None,
            secrets: Default::default(),
            cache_from: Vec::new(),
            labels: Default::default(),
            pull: false,
            no_cache: false,
        };
        Context::read(&build).unwrap()
    }

    #[test]
    fn what_arrives_is_what_was_listed() {
        let root = tempfile::tempdir().unwrap();
        let long = format!("{}/{}", "d".repeat(120), "f".repeat(120));
        fs::create_dir(root.path().join("d".repeat(120))).unwrap();
        fs::write(root.path().join(&long), "long").unwrap();
        fs::write(root.path().join("Dockerfile"), "FROM scratch").unwrap();
        fs::write(root.path().join("run"), "x").unwrap();
        fs::set_permissions(root.path().join("run"), fs::Permissions::from_mode(0o700)).unwrap();
        symlink("run", root.path().join("link")).unwrap();
        let mut bytes = Vec::new();
        let sent = AtomicU64::new(0);
        write(&context(root.path()), &mut bytes, &sent).unwrap();
        assert_eq!(sent.into_inner(), 12 + 1 + 4);

        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut seen = BTreeMap::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            let header = entry.header();
            assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
            let path = entry.path().unwrap().to_str().unwrap().to_owned();
            seen.insert(path, (header.mode().unwrap(), content));
        }
        let text = |mode, content: &str| Some(&(mode, content.to_owned())).cloned();
        assert_eq!(seen.get("./").cloned(), text(0o755, ""));
        assert_eq!(seen.get("Dockerfile").cloned(), text(0o644, "FROM scratch"));
        assert_eq!(seen.get("run").cloned(), text(0o755, "x"));
        assert_eq!(seen.get(long.as_str()).cloned(), text(0o644, "long"));
        assert_eq!(seen.get("link").cloned(), text(0o777, ""));
        assert_eq!(seen.len(), 6);
    }

    #[test]
    fn a_file_that_changed_is_named() {
        for after in ["", "longer than before", "other", "gone"] {
            let root = tempfile::tempdir().unwrap();
            fs::write(root.path().join("Dockerfile"), "FROM scratch").unwrap();
            fs::write(root.path().join("data"), "first").unwrap();
            let context = context(root.path());
            match after {
                "gone" => fs::remove_file(root.path().join("data")).unwrap(),
                after => fs::write(root.path().join("data"), after).unwrap(),
            }
            let error = write(&context, io::sink(), &AtomicU64::new(0)).unwrap_err();
            assert!(
                matches!(error, ArchiveError::Context(ContextError::Changed { .. })),
                "{after}: {error:?}"
            );
            assert!(error.to_string().contains("/data changed"), "{error}");
        }
    }
}
