//! A container that stays: what `docker update` changes of it, whether it runs, and whether anybody has seen
//! it work.

use super::{Runs, ServiceContext};
use crate::observed::{ContainerSeen, ContainerState, Health, HostFacts};
use crate::plan::draft::{Draft, NewStep};
use crate::plan::host::Copied;
use crate::plan::names::label;
use crate::plan::reason::{self, Reason};
use crate::plan::settings::Settings;
use crate::plan::step::{Action, Change, Cost, Run, StepId};
use crate::plan::{in_place, released};
use crate::record::Record;
use crate::spec::{Restart, Service};

/// Why a container that should run does not; `None` when all is well.
pub(crate) fn why_stopped(
    service: &Service,
    record: Option<&Record>,
    seen: &ContainerSeen,
) -> Option<Reason> {
    let may_end = matches!(service.restart, Restart::No | Restart::OnFailure(_));
    let by_person = record.and_then(|record| record.stopped.get(&service.name));
    let state = match (seen.state, by_person.filter(|stopped| stopped.is_of(seen))) {
        (ContainerState::Running | ContainerState::Restarting, _) => return None,
        // However it ended: it would run if nobody had stopped it.
        (ContainerState::Exited(_), Some(stopped)) => {
            return Some(Reason::StoppedByPerson { by: stopped.by.clone() });
        }
        (ContainerState::Exited(0), None) if may_end => return None,
        (ContainerState::Exited(code), None) => format!("exited with {code}"),
        (ContainerState::Created, _) => "created and never started".into(),
        (ContainerState::Paused, _) => "paused".into(),
        (ContainerState::Gone, _) => "dead".into(),
    };
    Some(Reason::ContainerStopped { state })
}

impl ServiceContext<'_> {
    pub(super) fn update_in_place(
        &self,
        facts: &HostFacts,
        current: &ContainerSeen,
        draft: &mut Draft,
    ) -> Option<StepId> {
        let recorded = facts.record.as_ref().and_then(|record| record.in_place.get(&self.service.name));
        let settings = in_place::wanted(self.service);
        let fields = in_place::compare(&settings, recorded, current.in_place.as_ref());
        if fields.is_empty() {
            return None;
        }
        let action = Action::UpdateContainer {
            slot: self.host.slot.clone(),
            service: self.service.name.clone(),
            container: current.name.clone(),
            settings,
        };
        let step = NewStep::new(self.address(), Change::Update, action);
        Some(draft.add(step.reasons(reason::of_fields(&fields)).fields(fields).after(self.host.reach)))
    }

    pub(super) fn keep_running(
        &self,
        current: &ContainerSeen,
        runs: &Runs,
        draft: &mut Draft,
    ) -> Option<StepId> {
        let slot = self.host.slot.clone();
        let (service, container) = (self.service.name.clone(), current.name.clone());
        if let Some(reason) = self.stopped(current) {
            let check = self.service.check.clone();
            let action = Action::StartContainer { slot, service, container, check };
            let step = NewStep::new(self.address(), Change::Update, action).because(reason);
            let step = step.after(self.copies_mounted().map(|copied| copied.step));
            let step = step.after(self.started_before(runs)).after(self.freed_by(draft));
            return Some(draft.add(step.after(self.host.reach)));
        }
        if current.state == ContainerState::Restarting {
            let name = &self.service.name;
            draft.notices.push(format!("{}: it keeps restarting (a3 logs {name})", self.address()));
        }
        let mut reasons: Vec<Reason> = Vec::new();
        if current.health == Some(Health::Unhealthy) {
            reasons.push(Reason::Unhealthy);
        }
        let changed = self.copies_seen();
        let data = changed.iter().map(|copied| Reason::DataChanged { target: copied.target.clone() });
        reasons.extend(data);
        if reasons.is_empty() {
            return self.start_again(current, runs, draft);
        }
        let grace = self.service.stop_grace_period.as_secs();
        let action = Action::Restart { slot, service, container, grace };
        let step = NewStep::new(self.address(), Change::Update, action).reasons(reasons);
        let step = step.cost(Cost::Restart { grace }).after(changed.iter().map(|copied| copied.step));
        Some(draft.add(step.after(self.started_before(runs)).after(self.host.reach)))
    }

    /// What runs on a machine that stops has to run when it is back. Its engine may see to that.
    fn start_again(&self, current: &ContainerSeen, runs: &Runs, draft: &mut Draft) -> Option<StepId> {
        let up = matches!(current.state, ContainerState::Running | ContainerState::Restarting);
        if !self.host.restarts || !up {
            return None;
        }
        let comes_back = matches!(self.service.restart, Restart::Always | Restart::UnlessStopped);
        let action = Action::StartContainer {
            slot: self.host.slot.clone(),
            service: self.service.name.clone(),
            container: current.name.clone(),
            check: self.service.check.clone(),
        };
        let step = NewStep::new(self.address(), Change::Update, action)
            .because(Reason::StopsWithMachine { comes_back })
            .after(self.copies_mounted().map(|copied| copied.step))
            .after(self.started_before(runs))
            .after(self.host.reach);
        Some(draft.add(step))
    }

    /// Proves what no release names: the apply that had put it there was cut off before that was known, or
    /// before it was written down. `runs` and `steps` are what has to come first.
    pub(super) fn prove(
        &self,
        facts: &HostFacts,
        current: &ContainerSeen,
        (runs, steps): (&Runs, &[Option<StepId>]),
        draft: &mut Draft,
    ) -> Option<StepId> {
        if released::is_written(facts.record.as_ref(), &self.service.name, current) {
            return None;
        }
        let run = Run {
            slot: self.host.slot.clone(),
            service: self.service.name.clone(),
            image: self.wanted.image.clone(),
            pull: false,
            config: current.labels.get(label::CONFIG).cloned(),
            settings: Settings::of(&self.host.spec.name, self.service),
            check: self.service.check.clone(),
            formerly: Vec::new(),
        };
        let step = NewStep::new(self.address(), Change::Update, Action::Prove(Box::new(run)))
            .because(Reason::SwapInterrupted)
            .after(self.host.reach)
            .after(steps.iter().flatten().copied())
            .after(self.started_before(runs))
            .provisional(self.host.late);
        Some(draft.add(step))
    }

    /// Files about to change that this service sees and wants to be restarted for.
    fn copies_seen(&self) -> Vec<&Copied> {
        self.copies_mounted().filter(|copied| copied.restarts).collect()
    }

    fn stopped(&self, seen: &ContainerSeen) -> Option<Reason> {
        why_stopped(self.service, self.host.facts.and_then(|facts| facts.record.as_ref()), seen)
    }
}
