//! The end of an apply: records are finished, leases given back, addresses named.

use super::Work;
use super::address::addresses_with;
use super::failure::FailureKind;
use super::runner::Summary;
use crate::explain::Explain as _;
use crate::id::Slot;
use crate::observe::{Need, live_instances};
use crate::record::ReleaseStatus;

/// Finishes every machine that was worked on.
pub(crate) async fn settle(work: &Work<'_>, summary: &mut Summary) {
    let complete = summary.is_success() && !work.job.stop.is_requested();
    for site in work.sites.all() {
        site.note(|record| {
            let status = if complete { ReleaseStatus::Complete } else { ReleaseStatus::Failed };
            record.finish(site.release, status);
        });
        let lost = summary.worst == Some(FailureKind::Locked);
        if !lost
            && !work.job.plan.destroy
            && let Err(failure) = site.save().await
        {
            let why = failure.cause.message;
            work.notice(format!("{}: the record could not be written: {why}", site.slot));
            summary.worst = summary.worst.max(Some(FailureKind::Failed));
        }
        if let Err(failure) = site.release_lease().await {
            work.notice(format!("{}: the lease ends by itself: {}", site.slot, failure.cause.message));
        }
    }
    // Images alone answer nowhere.
    let deploys = work.job.world.need == Need::Everything;
    if summary.is_success() && !work.job.plan.destroy && deploys {
        summary.addresses = addresses(work).await;
    }
}

async fn addresses(work: &Work<'_>) -> Vec<crate::event::ServiceAddress> {
    let seen = live_instances(&work.job.observed.clouds);
    let mut public = std::collections::BTreeMap::new();
    for (slot, _) in work.job.spec.slots() {
        let launched = work.sites.instance(&slot);
        let known = seen.get(&slot);
        let id = launched.as_ref().or(known.map(|one| &one.id));
        let (Some(id), Some(Ok(cloud))) = (id, work.job.world.clouds.get(&slot.group)) else { continue };
        // A stopped instance comes back with another address, so the observed one may be of yesterday.
        let Some(running) = work.job.stop.cut(cloud.wait_running(id, &|_| {})).await else { break };
        match running {
            Ok(one) => drop(public.insert(slot, one.public_ip.or(one.private_ip))),
            Err(error) => work.notice(error.cause().message),
        }
    }
    addresses_with(work.job.spec, work.job.world, |slot: &Slot| public.get(slot).cloned().flatten())
}
