//! The steps that take images, releases and volumes from a machine.

use super::Work;
use super::failure::{Done, Failure, StepResult};
use super::site::Site;
use crate::docker::Engine;
use crate::event::{Activity, Sink};
use crate::explain::chain;
use crate::id::Slot;
use crate::plan::names::kept_by;
use crate::report::words::counted;

/// Forgets releases, and lets go of the images that only they needed.
///
/// - Assumes: the release that pushed them out works; no kept release needs the images.
/// - Guarantees: the record does not have them any more, nor the engine our tags; an image that has no
///   other name and no container is gone.
/// - Repeat after a crash: anywhere; the record is written last, so the next plan finds the rest.
/// - Errors: those of the lease only. What the engine refuses is a warning: the deployment works, and
///   the next apply tries again.
pub(crate) async fn prune(
    work: &Work<'_>,
    site: &Site,
    (releases, tags): (&[u64], &[String]),
    sink: Sink<'_>,
) -> StepResult {
    let deployment = &work.job.spec.name;
    // Never what this release has just been given.
    let record = site.record();
    let now = record.releases.iter().find(|release| release.number == site.release);
    let given = |service: &str| now.is_some_and(|release| release.services.contains_key(service));
    let of_now = |tag: &String| {
        kept_by(deployment, tag).is_some_and(|(service, number)| number == site.release && given(service))
    };
    let tags: Vec<String> = tags.iter().filter(|tag| !of_now(tag)).cloned().collect();
    if let Err(error) = site.engine.let_go(deployment, &tags).await {
        let message = format!(
            "{}: images could not be pruned, the next apply tries again: {}",
            site.slot,
            chain(&error)
        );
        sink(Activity::Warning { message });
        return Ok(Done::noted("not pruned"));
    }
    site.note(|record| record.releases.retain(|release| !releases.contains(&release.number)));
    site.save().await?;
    Ok(Done::noted(counted(tags.len(), "tag")))
}

/// Removes images of a deployment, on a machine or here, where they were built.
///
/// - Assumes: the containers are gone; a person asked for it.
/// - Guarantees: the tags are gone, and the images that have no other name.
/// - Repeat after a crash: anywhere.
/// - Errors: the engine's; an image that a container still uses keeps its tag.
pub(crate) async fn remove_images(
    work: &Work<'_>,
    slot: Option<&Slot>,
    tags: &[String],
    sink: Sink<'_>,
) -> StepResult {
    let deployment = &work.job.spec.name;
    let in_use = match slot {
        Some(slot) => work.sites.get(slot)?.engine.let_go(deployment, tags).await?,
        None => engine(work)?.let_go(deployment, tags).await?,
    };
    for tag in in_use {
        sink(Activity::Warning { message: format!("{tag} stays: a container uses it") });
    }
    Ok(Done::noted(counted(tags.len(), "tag")))
}

fn engine<'a>(work: &Work<'a>) -> Result<&'a Engine, Failure> {
    let engine = work.job.world.engine.as_ref();
    engine.map_err(|cause| Failure::new(cause.message.clone(), cause.help.clone()))
}

/// Removes named volumes with their data.
///
/// - Assumes: the containers are gone; a person said yes to the names.
/// - Guarantees: they are gone, but those that somebody else's container mounts.
/// - Repeat after a crash: anywhere.
/// - Errors: the engine's.
pub(crate) async fn remove_volumes(site: &Site, volumes: &[String]) -> StepResult {
    for volume in volumes {
        site.engine.remove_volume(volume).await?;
    }
    Ok(Done::noted(counted(volumes.len(), "volume")))
}
