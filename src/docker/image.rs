//! Images in an engine: look, tag, remove.

use std::collections::{BTreeMap, BTreeSet};

use bollard::query_parameters::{ListImagesOptions, RemoveImageOptions, TagImageOptions};

use super::engine::{Engine, EngineError};
use crate::observed::LocalImage;
use crate::plan::names::label;

impl Engine {
    /// The image that `reference` (a name, an id, `REPO@sha256:…`) stands for; `None` if there is none.
    ///
    /// # Errors
    /// The engine cannot be reached, or answers without an id.
    pub async fn image(&self, reference: &str) -> Result<Option<LocalImage>, EngineError> {
        let doing = format!("look at image {reference}");
        let image = match self.api.inspect_image(reference).await.map_err(|error| self.failed(&doing, error))
        {
            Ok(image) => image,
            Err(error) if error.is_absent() => return Ok(None),
            Err(error) => return Err(error),
        };
        let id = image.id.unwrap_or_default().parse();
        let labels = image.config.and_then(|config| config.labels).unwrap_or_default();
        Ok(Some(LocalImage {
            id: id.map_err(|error| EngineError::Answer { doing, source: Box::new(error) })?,
            repo_digests: image.repo_digests.unwrap_or_default(),
            source: labels.get(label::SOURCE).and_then(|source| source.parse().ok()),
            arch: image.architecture.and_then(|arch| arch.parse().ok()),
        }))
    }

    /// `REPO@sha256:…` of every image: what the engine has from registries.
    ///
    /// # Errors
    /// The engine cannot be reached.
    pub async fn repo_digests(&self) -> Result<BTreeSet<String>, EngineError> {
        let images = self.api.list_images(None::<ListImagesOptions>).await;
        let images = images.map_err(|error| self.failed("list its images", error))?;
        let digests = images.into_iter().flat_map(|image| image.repo_digests);
        // Old engines list an image without one as `<none>@<none>`.
        Ok(digests.filter(|digest| !digest.contains('<')).collect())
    }

    /// Bytes of every image, unpacked, by its id.
    ///
    /// # Errors
    /// The engine cannot be reached.
    pub async fn image_sizes(&self) -> Result<BTreeMap<String, u64>, EngineError> {
        let images = self.api.list_images(None::<ListImagesOptions>).await;
        let images = images.map_err(|error| self.failed("list its images", error))?;
        Ok(images.into_iter().filter_map(|image| Some((image.id, u64::try_from(image.size).ok()?))).collect())
    }

    /// Gives the image `from` the name `to` (`REPO:TAG`); takes it from another image that had it.
    ///
    /// # Errors
    /// [`EngineError::Refused`] if there is no such image or `to` is no name; the engine cannot be reached.
    pub async fn tag_image(&self, from: &str, to: &str) -> Result<(), EngineError> {
        let (repo, tag) = super::push::repository_and_tag(to);
        let options = TagImageOptions { repo: Some(repo.to_owned()), tag: Some(tag.to_owned()) };
        let tagged = self.api.tag_image(from, Some(options)).await;
        tagged.map_err(|error| self.failed(&format!("tag {from} as {to}"), error))
    }

    /// Takes the name `reference` away, and with its last name the image. That it is not there is fine.
    ///
    /// # Errors
    /// [`EngineError::Refused`] while a container uses it; the engine cannot be reached.
    pub async fn remove_image(&self, reference: &str) -> Result<(), EngineError> {
        let removed = self.api.remove_image(reference, None::<RemoveImageOptions>, None).await;
        match removed.map_err(|error| self.failed(&format!("remove image {reference}"), error)) {
            Ok(_) => Ok(()),
            Err(error) if error.is_absent() => Ok(()),
            Err(error) => Err(error),
        }
    }
}
