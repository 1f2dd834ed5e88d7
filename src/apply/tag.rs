//! The step `tag`.

use super::Work;
use super::failure::{Done, Failure, StepResult};
use crate::plan::step::{Tag, TagFrom};

/// Gives an image its further names, in the engine or inside the registry.
///
/// - Assumes: the image is there under its source's name.
/// - Guarantees: every new name points at it. In the engine it yields the image's id, in the
///   registry its digest.
/// - Repeat after a crash: anywhere; a tag that is there is set to the same image again.
/// - Errors: the image went away; the registry denies writing; the engine or registry went away.
pub(crate) async fn tag(work: &Work<'_>, planned: &Tag) -> StepResult {
    match &planned.from {
        TagFrom::Engine { name } => {
            let engine = super::image::local_engine(work)?;
            for to in &planned.to {
                engine.tag_image(name, to).await?;
            }
            let Some(image) = engine.image(name).await? else {
                let help = Some("a3 apply again: it builds it anew".to_owned());
                return Err(Failure::new(format!("image {name} went away while it was tagged"), help));
            };
            Ok(Done { note: planned.to.first().cloned(), image: Some(image.id), unchanged: false })
        }
        TagFrom::Registry { reference, digest } => {
            let client = super::image::client(work, reference)?;
            for to in &planned.to {
                client.copy_tag(reference, digest, to).await?;
            }
            Ok(Done { note: planned.to.first().cloned(), image: Some(digest.clone()), unchanged: false })
        }
    }
}
