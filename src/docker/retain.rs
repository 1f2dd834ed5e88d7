//! Tags that keep the images of past releases from being pruned: one that was pulled by digest has no
//! other.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::call::{Call, if_there};
use super::engine::{Engine, EngineError};
use crate::plan::names::kept_image;

#[derive(Debug, Deserialize)]
struct Image {
    #[serde(rename = "RepoTags")]
    tags: Option<Vec<String>>,
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

    /// Lets go of every release of a deployment that is not in `keep` (releases by service). An image
    /// that nothing else names is deleted.
    ///
    /// Safe to repeat. One that a container uses loses its tag only.
    ///
    /// # Errors
    /// Unreachable, broken, refused.
    pub async fn release_images(
        &self,
        deployment: &str,
        keep: &BTreeMap<String, BTreeSet<u64>>,
    ) -> Result<(), EngineError> {
        let images: Vec<Image> = self.ask("list images", Call::get("/images/json")).await?;
        let tags: Vec<String> = images.into_iter().flat_map(|image| image.tags.unwrap_or_default()).collect();
        for tag in tags.iter().filter(|tag| is_forgotten(tag, deployment, keep)) {
            let call = Call::delete(format!("/images/{tag}"));
            if_there(self.order(&format!("untag {tag}"), call).await)?;
        }
        Ok(())
    }
}

fn is_forgotten(tag: &str, deployment: &str, keep: &BTreeMap<String, BTreeSet<u64>>) -> bool {
    let rest = tag.strip_prefix("a3/").and_then(|rest| rest.strip_prefix(deployment)?.strip_prefix('/'));
    let Some((service, release)) = rest.and_then(|rest| rest.split_once(':')) else { return false };
    let Ok(release) = release.parse() else { return false };
    !keep.get(service).is_some_and(|kept| kept.contains(&release))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_tags_of_releases_that_are_not_kept_go() {
        let keep = [("s2".to_owned(), BTreeSet::from([3, 4]))].into();
        let forgotten = |tag: &str| is_forgotten(tag, "music", &keep);
        assert!(forgotten("a3/music/s2:2"));
        assert!(forgotten("a3/music/gone:4"));
        assert!(!forgotten("a3/music/s2:4"));
        assert!(!forgotten("a3/music2/s2:2"));
        assert!(!forgotten("a3/music/s2:latest"));
        assert!(!forgotten("ghcr.io/me/s2:2"));
    }
}
