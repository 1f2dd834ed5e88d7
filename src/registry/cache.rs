//! What images say about themselves, kept on this machine: a digest always has the same content, so
//! the second look at an image is one HEAD. One small file a digest and platform, written beside and
//! renamed: concurrent writers write the same thing. Losing it loses nothing.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;

use crate::id::{Digest, Platform};
use crate::observed::RemoteImage;

/// So many entries (of about 400 bytes) are kept; beyond it, the older half goes.
const KEPT: usize = 2000;

/// Known images; the default knows and keeps none.
#[derive(Clone, Debug, Default)]
pub struct ImageCache {
    folder: Option<PathBuf>,
}

impl ImageCache {
    /// `a3/images` in the user's cache folder (`$XDG_CACHE_HOME`, `~/.cache`).
    pub fn standard() -> Self {
        let base = etcetera::choose_base_strategy().ok();
        Self { folder: base.map(|base| base.cache_dir().join("a3/images")) }
    }

    /// In `folder`, which is made when it is needed.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()) }
    }

    pub(super) fn get(&self, digest: &Digest, platform: Platform) -> Option<RemoteImage> {
        let text = fs::read(self.file(digest, platform)?).ok()?;
        let image: RemoteImage = serde_json::from_slice(&text).ok()?;
        (image.digest == *digest).then_some(image)
    }

    /// Keeps `image`. Failing to is no failure of anything else, so it is only logged.
    pub(super) fn put(&self, image: &RemoteImage, platform: Platform) {
        let Some(file) = self.file(&image.digest, platform) else { return };
        if let Err(error) = write(&file, image) {
            tracing::debug!(file = %file.display(), %error, "the image cache was not written");
        }
    }

    fn file(&self, digest: &Digest, platform: Platform) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("{}-{}.json", digest.hex(), platform.0)))
    }
}

fn write(file: &Path, image: &RemoteImage) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    thin_out(folder)?;
    let mut beside = tempfile::NamedTempFile::new_in(folder)?;
    beside.write_all(&serde_json::to_vec(image)?)?;
    beside.persist(file)?;
    Ok(())
}

fn thin_out(folder: &Path) -> std::io::Result<()> {
    let files: Vec<PathBuf> = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    if files.len() < KEPT {
        return Ok(());
    }
    let age = |path: &PathBuf| fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let mut aged: Vec<_> = files.into_iter().map(|path| (age(&path), path)).collect();
    aged.sort();
    for (_, path) in aged.into_iter().take(KEPT / 2) {
        // Another process may have been faster.
        let _ = fs::remove_file(path);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Arch;

    const AMD: Platform = Platform(Arch::Amd64);

    fn image(text: &str) -> RemoteImage {
        let digest = Digest::of(text.as_bytes());
        let config_digest = Digest::of(b"config");
        RemoteImage {
            manifest_digest: digest.clone(),
            digest,
            config_digest: config_digest.clone(),
            source: Some(config_digest),
            size: 7,
        }
    }

    #[test]
    fn what_was_kept_is_found_for_its_platform_only() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ImageCache::at(folder.path().join("new"));
        let image = image("a");
        assert_eq!(cache.get(&image.digest, AMD), None);
        cache.put(&image, AMD);
        assert_eq!(cache.get(&image.digest, AMD), Some(image.clone()));
        assert_eq!(cache.get(&image.digest, Platform(Arch::Arm64)), None);
    }

    #[test]
    fn a_damaged_entry_is_no_entry() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ImageCache::at(folder.path());
        let image = image("a");
        cache.put(&image, AMD);
        fs::write(cache.file(&image.digest, AMD).unwrap(), "{").unwrap();
        assert_eq!(cache.get(&image.digest, AMD), None);
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..KEPT {
            fs::write(folder.path().join(n.to_string()), "").unwrap();
        }
        ImageCache::at(folder.path()).put(&image("new"), AMD);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), KEPT / 2 + 1);
    }

    #[test]
    fn a_folder_that_cannot_be_written_costs_nothing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let cache = ImageCache::at(file.path().join("below-a-file"));
        cache.put(&image("a"), AMD);
        assert_eq!(cache.get(&image("a").digest, AMD), None);
    }
}
