//! Tags that keep the images of past releases from being pruned: one that was pulled by digest has no
//! other.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::call::{Call, if_there};
use super::engine::{Engine, EngineError};
use crate::observed::KeptImage;
use crate::plan::names::{kept_by, kept_image, repository};

#[derive(Debug, Deserialize)]
struct Image {
    #[serde(rename = "Id")]
    id: String,
    #[serde(rename = "RepoTags")]
    tags: Option<Vec<String>>,
    #[serde(rename = "RepoDigests")]
    digests: Option<Vec<String>>,
}

impl Engine {
    /// Keeps an image for a release as `a3/NAME/SERVICE:<release>`.
    ///
    /// Assumes that `image` (`repo@sha256:…` or an id) is in the engine. Safe to repeat.
    ///
    /// # Errors
    /// Unreachable, broken, refused.
    pub async fn retain(
        &self,
        deployment: &str,
        service: &str,
        release: u64,
        image: &str,
    ) -> Result<(), EngineError> {
        let name = kept_image(deployment, service, release);
        let Some((repository, tag)) = name.rsplit_once(':') else { return Ok(()) };
        let path = format!("/images/{image}/tag?repo={repository}&tag={tag}");
        self.order(&format!("tag {image} as {name}"), Call::post(path)).await
    }

    /// Every image with all its names.
    ///
    /// # Errors
    /// Unreachable, broken, refused.
    pub async fn images(&self) -> Result<Vec<KeptImage>, EngineError> {
        let images: Vec<Image> = self.ask("list images", Call::get("/images/json")).await?;
        // Old engines list what has no name as `<none>:<none>`; the containerd store lists digests among
        // the tags too.
        let named = |names: Option<Vec<String>>| {
            let names = names.unwrap_or_default().into_iter();
            names.filter(|name| !name.contains('<')).collect::<Vec<String>>()
        };
        let images = images.into_iter().map(|image| KeptImage {
            id: image.id,
            tags: named(image.tags).into_iter().filter(|name| !name.contains('@')).collect(),
            digests: named(image.digests),
        });
        Ok(images.collect())
    }

    /// Takes tags of ours away, and the images that have no other name then. Gives the tags of those
    /// that a container still uses, which stay.
    ///
    /// Assumes that every tag was given by a3. Guarantees that an image which somebody else has named
    /// is left. Safe to repeat.
    ///
    /// # Errors
    /// Unreachable, broken, refused.
    pub async fn let_go(&self, deployment: &str, tags: &[String]) -> Result<Vec<String>, EngineError> {
        let before = self.images().await?;
        let mut in_use = Vec::new();
        for tag in tags {
            let call = Call::delete(format!("/images/{tag}"));
            match if_there(self.order(&format!("untag {tag}"), call).await) {
                Err(error) if error.status() == Some(409) => in_use.push(tag.clone()),
                other => drop(other?),
            }
        }
        let goes = |tag: &String| tags.contains(tag) && !in_use.contains(tag);
        let had = |image: &KeptImage| image.tags.iter().any(goes) && image.tags.iter().all(goes);
        for image in before.iter().filter(|image| had(image) && has_one_source(image, deployment)) {
            for digest in &image.digests {
                let call = Call::delete(format!("/images/{digest}"));
                match if_there(self.order(&format!("remove the image {digest}"), call).await) {
                    // A container uses it.
                    Err(error) if error.status() == Some(409) => {}
                    other => drop(other?),
                }
            }
        }
        Ok(in_use)
    }

    /// Takes all tags that keep releases of a deployment away; the images stay where they have another
    /// name.
    ///
    /// Safe to repeat.
    ///
    /// # Errors
    /// Unreachable, broken, refused.
    pub async fn release_images(&self, deployment: &str) -> Result<(), EngineError> {
        let tags = self.images().await?.into_iter().flat_map(|image| image.tags);
        for tag in tags.filter(|tag| kept_by(deployment, tag).is_some()) {
            let call = Call::delete(format!("/images/{tag}"));
            if_there(self.order(&format!("untag {tag}"), call).await)?;
        }
        Ok(())
    }
}

/// Whether it was pulled from one repository at most: from another, somebody else has.
fn has_one_source(image: &KeptImage, deployment: &str) -> bool {
    let ours = format!("a3/{deployment}/");
    let digests = image.digests.iter().filter(|digest| !digest.starts_with(&ours));
    let repositories: BTreeSet<String> = digests.map(|digest| repository(digest)).collect();
    repositories.len() <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_from_elsewhere_too_stays() {
        let image = |digests: &[&str]| KeptImage {
            digests: digests.iter().map(|digest| (*digest).to_owned()).collect(),
            ..KeptImage::default()
        };
        let goes = |image: KeptImage| has_one_source(&image, "music");
        assert!(goes(image(&["ghcr.io/me/s2@sha256:aa", "a3/music/s2@sha256:aa"])));
        assert!(goes(image(&[])));
        assert!(!goes(image(&["ghcr.io/me/s2@sha256:aa", "mirror.test/s2@sha256:aa"])));
    }

    #[test]
    fn our_tags_are_known_by_deployment_service_and_release() {
        assert_eq!(kept_by("music", "a3/music/s2:2"), Some(("s2", 2)));
        assert_eq!(kept_by("music", "a3/music2/s2:2"), None);
        assert_eq!(kept_by("music", "a3/music/s2:latest"), None);
        assert_eq!(kept_by("music", "ghcr.io/me/s2:2"), None);
    }
}
