//! The steps that take something from a machine: files, containers, everything of a3.

use std::time::Duration;

use super::Work;
use super::failure::{Done, Failure, StepResult};
use super::site::Site;
use crate::id::Slot;
use crate::plan::names;
use crate::record::store;

/// Removes data files that a3 had copied.
///
/// - Assumes: the targets are in the record: nothing else is ever removed.
/// - Guarantees: they are gone, there and from the record; folders stay.
/// - Repeat after a crash: anywhere; what is gone is gone.
/// - Errors: no permission.
pub(crate) async fn files(site: &Site, targets: &[String]) -> StepResult {
    let record = site.record();
    let known = |target: &&String| record.files.contains_key(*target);
    let (sudo, plain): (Vec<&String>, Vec<&String>) =
        targets.iter().filter(known).partition(|target| record.files[*target].sudo);
    for (targets, sudo) in [(plain, false), (sudo, true)] {
        if !targets.is_empty() {
            let targets: Vec<String> = targets.into_iter().cloned().collect();
            site.host.remove_files(&targets, sudo).await?;
        }
    }
    site.note(|record| record.files.retain(|target, _| !targets.contains(target)));
    site.save().await?;
    Ok(Done::noted(format!("{} files", targets.len())))
}

/// Stops and removes one container of ours.
///
/// - Assumes: the plan saw our full mark on it.
/// - Guarantees: it is gone; named volumes stay.
/// - Repeat after a crash: anywhere; what is gone is gone.
/// - Errors: the engine's.
pub(crate) async fn container(site: &Site, name: &str, grace: u64) -> StepResult {
    site.engine.remove_container(name, Duration::from_secs(grace)).await?;
    Ok(Done::noted(name))
}

/// Takes a3 off a machine: the network, the kept images' tags, a3's folder with its record and lease.
///
/// - Assumes: the containers are gone.
/// - Guarantees: nothing of the deployment is left there but named volumes and untagged images.
/// - Repeat after a crash: anywhere.
/// - Errors: a foreign container is in the network.
pub(crate) async fn clean(work: &Work<'_>, slot: &Slot) -> StepResult {
    let site = work.sites.get(slot)?;
    let deployment = &work.job.spec.name;
    site.engine.remove_network(&names::network(deployment), deployment).await?;
    for release in &site.record().releases {
        for service in release.services.keys() {
            let kept = names::kept_image(deployment, service, release.number);
            site.engine.remove_image(&kept).await?;
        }
    }
    site.release_lease().await?;
    store::remove(&site.host, &site.folder).await?;
    work.sites.close(slot).ok_or_else(|| Failure::new(format!("{slot} was closed already"), None))?;
    Ok(Done::noted(site.folder.clone()))
}
