//! The steps that take something from a machine: files, containers, everything of a3.

use std::time::Duration;

use super::Work;
use super::failure::{Done, Failure, StepResult};
use super::site::Site;
use crate::docker::EngineError;
use crate::host::Removal;
use crate::id::Slot;
use crate::observed::{HostSeen, Seen};
use crate::plan::names;
use crate::report::words::counted;

/// Removes data files that a3 had copied.
///
/// - Assumes: the targets are in the record: nothing else is ever removed.
/// - Guarantees: they are gone, there and from the record, with the folders that became empty.
/// - Repeat after a crash: anywhere; what is gone is gone.
/// - Errors: no permission.
pub(crate) async fn files(site: &Site, targets: &[String]) -> StepResult {
    let record = site.record();
    let known = targets.iter().filter_map(|target| {
        let copied = record.files.get(target)?;
        Some(Removal { target: target.clone(), sudo: copied.sudo })
    });
    let removals: Vec<Removal> = known.collect();
    site.host.remove_files(&removals).await?;
    site.host.remove_empty_folders(&removals).await?;
    site.note(|record| record.files.retain(|target, _| !targets.contains(target)));
    site.save().await?;
    Ok(Done::noted(counted(targets.len(), "file")))
}

/// Stops and removes one container of ours.
///
/// - Assumes: the plan saw our full mark on it; what takes its place was pulled.
/// - Guarantees: it is gone, and from the release that is written down; named volumes stay.
/// - Repeat after a crash: anywhere; what is gone is gone.
/// - Errors: the engine's.
pub(crate) async fn container(site: &Site, (service, name): (&str, &str), grace: u64) -> StepResult {
    site.engine.remove_container(name, Duration::from_secs(grace)).await?;
    site.note(|record| {
        let mut releases = record.releases.iter_mut();
        if let Some(release) = releases.find(|release| release.number == site.release) {
            release.services.remove(service);
        }
    });
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
    // Docker may never have got there, or be gone again.
    let seen = work.job.observed.hosts.get(slot).and_then(HostSeen::facts);
    if seen.is_none_or(|facts| facts.engine != Seen::Absent) {
        match site.engine.remove_network(&names::network(deployment), deployment).await {
            // Somebody else's of that name stays, and keeps nothing of ours from going.
            Ok(()) | Err(EngineError::Foreign { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        site.engine.release_images(deployment).await?;
    }
    site.remove_folder().await?;
    work.sites.close(slot).ok_or_else(|| Failure::new(format!("{slot} was closed already"), None))?;
    Ok(Done::noted(site.folder.clone()))
}
