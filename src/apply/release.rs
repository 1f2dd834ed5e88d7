//! What a release says before its first step: what runs already.

use super::Work;
use super::site::Site;
use crate::id::Slot;
use crate::observe::now;
use crate::observed::{ContainerSeen, HostSeen, Observed};
use crate::plan::owned_service;
use crate::plan::released::all_as_they_run;
use crate::plan::step::{Action, Step};
use crate::record::lock::person;
use crate::record::{Release, ReleaseStatus};
use crate::spec::Spec;

impl Site {
    /// A release is begun where containers change. It starts from what the last one left running, so
    /// that it names every service of the machine; the first after a lost record, from what runs as it is
    /// wanted. `observed` is what the steps were planned from.
    pub(crate) fn begin_release(&self, work: &Work<'_>, observed: &Observed, steps: &[&Step]) {
        if !steps.iter().any(|step| step.begins_release_on(&self.slot)) {
            return;
        }
        let (number, rollback) = (self.release, work.job.spec.rollback.clone());
        let (status, by, at) = (ReleaseStatus::Started, person(), now());
        self.note(|record| {
            let last = record.releases.last().map(|last| last.services.clone());
            let mut services =
                last.unwrap_or_else(|| all_as_they_run(work.job.spec, observed, &self.slot).collect());
            services.retain(|service, _| {
                is_there(work, &self.slot, service)
                    && !is_run_anew(steps, observed, work.job.spec, (&self.slot, service))
            });
            record.start(Release { number, status, by, at, services, rollback });
        });
    }
}

/// Whether a service that an earlier release ran may still be on a machine: one that left the spec while
/// its container was gone, or with the machine that had it, is not, and no step says so.
fn is_there(work: &Work<'_>, slot: &Slot, service: &str) -> bool {
    let (spec, observed) = (work.job.spec, work.job.observed);
    if spec.services_on(&slot.group).any(|wanted| wanted.name == service) {
        return true;
    }
    let is_of = |seen: &ContainerSeen| owned_service(spec, slot, seen) == Some(service);
    match observed.hosts.get(slot).and_then(HostSeen::facts) {
        _ if is_replaced(&work.job.plan.steps, slot) => false,
        Some(facts) => facts.containers.iter().any(is_of),
        None => true,
    }
}

/// Whether a service is run where no container of it is left: what was written down of the one before says
/// nothing about this one, until it is proven.
fn is_run_anew(steps: &[&Step], observed: &Observed, spec: &Spec, (slot, service): (&Slot, &str)) -> bool {
    let runs = |step: &&Step| matches!(&step.action, Action::Run(run) if run.slot == *slot && run.service == service);
    let facts = observed.hosts.get(slot).and_then(HostSeen::facts);
    let mut seen = facts.into_iter().flat_map(|facts| &facts.containers);
    steps.iter().any(runs) && !seen.any(|seen| owned_service(spec, slot, seen) == Some(service))
}

pub(super) fn is_replaced(steps: &[Step], slot: &Slot) -> bool {
    steps.iter().any(|step| {
        matches!(&step.action, Action::Launch(launch) if launch.slot == *slot && launch.replaces.is_some())
    })
}
