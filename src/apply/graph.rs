//! The steps of an apply and how far each has come. Knows the order, does nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::Slot;
use crate::plan::step::{Action, Change, Plan, Step, StepId};

/// How far a step has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not begun.
    Waiting,
    /// At work.
    Running,
    /// Ended well.
    Done,
    /// Ended badly, or never begun because of one that did.
    Failed,
}

/// The steps and their states.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    steps: BTreeMap<StepId, (Step, State)>,
    /// Machines that are looked at when they answer, with no step to stand for what is found.
    unseen: BTreeSet<Slot>,
}

impl Graph {
    /// Nothing has begun.
    pub fn of(plan: &Plan) -> Self {
        Self { unseen: plan.unseen.clone(), ..Self::new(&plan.steps) }
    }

    fn new(steps: &[Step]) -> Self {
        let steps = steps.iter().map(|step| (step.id, (step.clone(), State::Waiting)));
        let mut graph = Self { steps: steps.collect(), unseen: BTreeSet::new() };
        graph.await_booting();
        graph
    }

    /// A machine that boots by itself is opened by no step: one that waits for it is added.
    fn await_booting(&mut self) {
        let provisional = self.steps.values().filter(|(step, _)| step.provisional);
        let slots: BTreeSet<Slot> =
            provisional.filter_map(|(step, _)| slot_of(&step.action).cloned()).collect();
        for slot in slots {
            let steps = self.provisional(&slot);
            if steps.iter().any(|step| step.after.iter().any(|id| self.opens(*id, &slot))) {
                continue;
            }
            let (id, address) = (StepId(self.next_id()), slot.to_string());
            let wait = Step::new(id, address, Change::Update, Action::Await { slot });
            for step in steps {
                if let Some((step, _)) = self.steps.get_mut(&step.id) {
                    step.after.push(wait.id);
                }
            }
            self.steps.insert(wait.id, (wait, State::Waiting));
        }
    }

    /// Steps that may begin now: everything before them is done, and their machine was asked.
    pub fn ready(&self) -> Vec<Step> {
        let done = |id: &StepId| self.steps.get(id).is_none_or(|(_, state)| *state == State::Done);
        let waiting = self.steps.values().filter(|(_, state)| *state == State::Waiting);
        let ready = waiting.filter(|(step, _)| !step.provisional && step.after.iter().all(done));
        ready.map(|(step, _)| step.clone()).collect()
    }

    /// Notes how far a step has come.
    pub fn set(&mut self, id: StepId, state: State) {
        if let Some(entry) = self.steps.get_mut(&id) {
            entry.1 = state;
        }
    }

    /// Marks everything that hangs on a failed step as failed, and returns it.
    pub fn fail_behind(&mut self, id: StepId) -> Vec<Step> {
        let mut failed = BTreeSet::from([id]);
        let mut skipped = Vec::new();
        // Ids grow along the dependencies, except for steps that were planned again on the way.
        loop {
            let hit = self.steps.values().find(|(step, state)| {
                *state == State::Waiting && step.after.iter().any(|before| failed.contains(before))
            });
            let Some((step, _)) = hit else { return skipped };
            let step = step.clone();
            failed.insert(step.id);
            self.set(step.id, State::Failed);
            skipped.push(step);
        }
    }

    /// Steps that have not begun.
    pub fn waiting(&self) -> Vec<Step> {
        let waiting = self.steps.values().filter(|(_, state)| *state == State::Waiting);
        waiting.map(|(step, _)| step.clone()).collect()
    }

    /// The number for the first step that is added.
    pub fn next_id(&self) -> u32 {
        self.steps.keys().next_back().map_or(0, |last| last.0.saturating_add(1))
    }

    /// The machines that can be reached once `step` is done and have to be asked again then.
    pub fn reached_by(&self, step: StepId) -> Vec<Slot> {
        let mut last: BTreeMap<&Slot, StepId> = BTreeMap::new();
        for (provisional, _) in self.steps.values().filter(|(step, _)| step.provisional) {
            let Some(slot) = slot_of(&provisional.action) else { continue };
            let reach = provisional.after.iter().filter(|id| self.opens(**id, slot)).max();
            if let Some(reach) = reach {
                let known = last.entry(slot).or_insert(*reach);
                *known = (*known).max(*reach);
            }
        }
        for slot in &self.unseen {
            let reach = self.steps.keys().rev().find(|id| self.opens(**id, slot));
            last.extend(reach.map(|id| (slot, *id)));
        }
        last.into_iter().filter(|(_, reach)| *reach == step).map(|(slot, _)| slot.clone()).collect()
    }

    /// Whether a machine can be asked after a step. What another machine waits for may have become one of
    /// this one's orders, and opens nothing here.
    fn opens(&self, id: StepId, slot: &Slot) -> bool {
        // What is itself planned again later opens nothing yet.
        let Some((step, _)) = self.steps.get(&id).filter(|(step, _)| !step.provisional) else { return false };
        match &step.action {
            Action::Launch(launch) => launch.slot == *slot,
            Action::Modify(modify) => modify.slot == *slot,
            Action::Install(install) => install.slot == *slot,
            Action::Start { slot: of, .. } | Action::Await { slot: of } => of == slot,
            Action::Firewall(firewall) => firewall.group == slot.group,
            _ => false,
        }
    }

    /// The provisional steps of a machine.
    pub fn provisional(&self, slot: &Slot) -> Vec<Step> {
        let of_slot = self.steps.values().map(|(step, _)| step);
        of_slot.filter(|step| step.provisional && slot_of(&step.action) == Some(slot)).cloned().collect()
    }

    /// Puts what was planned on the way in the place of a machine's provisional steps. Orders
    /// between machines (`update_config.parallelism`) carry over to the step of the same address and
    /// kind, and past a machine where nothing is left to do. Returns those that are given up at once,
    /// since they wait for one that was given up before the machine answered.
    pub fn replace_provisional(&mut self, slot: &Slot, planned: Vec<Step>) -> Vec<Step> {
        self.unseen.remove(slot);
        let old = self.provisional(slot);
        let removed: BTreeSet<StepId> = old.iter().map(|step| step.id).collect();
        let states: BTreeMap<StepId, State> =
            removed.iter().filter_map(|id| Some((*id, self.steps.get(id)?.1))).collect();
        for id in &removed {
            self.steps.remove(id);
        }
        let mut successor = BTreeMap::new();
        let makes_room: BTreeSet<StepId> =
            planned.iter().filter(|step| removes(step)).map(|step| step.id).collect();
        let mut as_late: Vec<(StepId, Vec<StepId>)> = Vec::new();
        for mut step in planned {
            let mut state = State::Waiting;
            let same = old.iter().find(|before| is_same_work(before, &step));
            let before = same.or_else(|| old.iter().find(|before| starts_the_same(before, &step)));
            if let Some(before) = before {
                successor.insert(before.id, step.id);
                // What hung on a failure before the machine answered still does.
                state = states.get(&before.id).copied().unwrap_or(state);
                let elsewhere = before.after.iter().filter(|id| !removed.contains(id)).copied();
                let elsewhere: Vec<StepId> = elsewhere.collect();
                let room = step.after.iter().filter(|id| makes_room.contains(id));
                as_late.extend(room.map(|id| (*id, elsewhere.clone())));
                step.after.extend(elsewhere);
                step.after.sort_unstable();
                step.after.dedup();
            }
            self.steps.insert(step.id, (step, state));
        }
        // What stands in the place of a step goes no earlier than that may begin.
        for (id, orders) in as_late {
            if let Some((step, _)) = self.steps.get_mut(&id) {
                step.after.extend(orders);
            }
        }
        for (step, _) in self.steps.values_mut() {
            step.after = step.after.iter().flat_map(|id| heirs(*id, &old, &successor)).collect();
            step.after.sort_unstable();
            step.after.dedup();
        }
        let failed = self.steps.iter().filter(|(_, (_, state))| *state == State::Failed).map(|(id, _)| *id);
        let failed: Vec<StepId> = failed.collect();
        failed.into_iter().flat_map(|id| self.fail_behind(id)).collect()
    }
}

/// What is waited for in the place of a step: itself, its successor, or, where nothing is left to do
/// for it, what it waited for. Else whoever came after it in a chain would overtake those before it.
fn heirs(id: StepId, old: &[Step], successor: &BTreeMap<StepId, StepId>) -> Vec<StepId> {
    match (old.iter().find(|step| step.id == id), successor.get(&id)) {
        (None, _) => vec![id],
        (Some(_), Some(next)) => vec![*next],
        (Some(gone), None) => gone.after.iter().flat_map(|id| heirs(*id, old, successor)).collect(),
    }
}

fn is_same_work(a: &Step, b: &Step) -> bool {
    if let (Action::Login { server: one, .. }, Action::Login { server: other, .. }) = (&a.action, &b.action)
        && one != other
    {
        // A machine logs in to each registry by itself, and one that fails is no other's failure.
        return false;
    }
    a.address == b.address && std::mem::discriminant(&a.action) == std::mem::discriminant(&b.action)
}

fn removes(step: &Step) -> bool {
    matches!(step.action, Action::RemoveContainer { .. })
}

/// A container that was taken for a new one may only have to be started or restarted.
fn starts_the_same(assumed: &Step, found: &Step) -> bool {
    let starts = |step: &Step| {
        matches!(
            step.action,
            Action::Run(_)
                | Action::Prove(_)
                | Action::Restart { .. }
                | Action::StartContainer { .. }
                | Action::UpdateContainer { .. }
        )
    };
    assumed.address == found.address && starts(assumed) && starts(found)
}

/// The machine that a step works on through its engine or shell; `None` for steps of the cloud and
/// of images.
pub fn slot_of(action: &Action) -> Option<&Slot> {
    match action {
        Action::Admit { slot, .. }
        | Action::Copy { slot, .. }
        | Action::RemoveFiles { slot, .. }
        | Action::Login { slot, .. }
        | Action::Restart { slot, .. }
        | Action::StopContainer { slot, .. }
        | Action::StartContainer { slot, .. }
        | Action::UpdateContainer { slot, .. }
        | Action::RemoveContainer { slot, .. }
        | Action::Prune { slot, .. }
        | Action::RemoveImages { slot: Some(slot), .. }
        | Action::RemoveVolumes { slot, .. }
        | Action::CleanHost { slot } => Some(slot),
        Action::Run(run) | Action::Prove(run) => Some(&run.slot),
        Action::Install(install) => Some(&install.slot),
        Action::Build(_)
        | Action::Tag(_)
        | Action::Push(_)
        | Action::RemoveImages { slot: None, .. }
        | Action::ImportKey { .. }
        | Action::Firewall(_)
        | Action::Launch(_)
        | Action::Await { .. }
        | Action::Start { .. }
        | Action::Modify(_)
        | Action::Terminate { .. }
        | Action::DeleteFirewall { .. }
        | Action::DeleteKey { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(id: u32, address: &str, action: Action, after: &[u32]) -> Step {
        let after = after.iter().map(|id| StepId(*id)).collect();
        Step { after, ..Step::new(StepId(id), address, Change::Create, action) }
    }

    fn start(slot: &Slot) -> Action {
        Action::Start { slot: slot.clone(), id: "i-1".into() }
    }

    fn clean(slot: &Slot) -> Action {
        Action::CleanHost { slot: slot.clone() }
    }

    fn ids(steps: &[Step]) -> Vec<u32> {
        steps.iter().map(|step| step.id.0).collect()
    }

    #[test]
    fn a_failed_branch_skips_what_hangs_on_it_and_nothing_else() {
        let slot = Slot::new("web", 0);
        let steps = [
            step(0, "a", clean(&slot), &[]),
            step(1, "b", clean(&slot), &[0]),
            step(2, "c", clean(&slot), &[1]),
            step(3, "d", clean(&slot), &[]),
        ];
        let mut graph = Graph::new(&steps);
        assert_eq!(ids(&graph.ready()), [0, 3]);
        graph.set(StepId(0), State::Failed);
        assert_eq!(ids(&graph.fail_behind(StepId(0))), [1, 2]);
        assert_eq!(ids(&graph.ready()), [3]);
    }

    #[test]
    fn what_was_given_up_is_not_revived_when_its_machine_answers() {
        let slot = Slot::new("web", 0);
        let provisional =
            |id, after: &[u32]| Step { provisional: true, ..step(id, "web/0/s", clean(&slot), after) };
        let steps =
            [step(0, "web/0", start(&slot), &[]), step(1, "s", clean(&slot), &[]), provisional(2, &[0, 1])];
        let mut graph = Graph::new(&steps);
        graph.set(StepId(1), State::Failed);
        assert_eq!(ids(&graph.fail_behind(StepId(1))), [2]);
        graph.set(StepId(0), State::Done);
        graph.replace_provisional(&slot, vec![step(3, "web/0/s", clean(&slot), &[1])]);
        assert!(graph.ready().is_empty() && graph.waiting().is_empty());
    }

    #[test]
    fn one_registry_s_failure_is_not_the_other_s() {
        let slot = Slot::new("web", 0);
        let login = |id, server: &str, after: &[u32], provisional| {
            let image = crate::plan::step::Image::From { step: StepId(1), repository: None };
            let server = server.to_owned();
            let action = Action::Login { slot: slot.clone(), server, image, persist: false };
            Step { provisional, ..step(id, "web/0.login", action, after) }
        };
        let steps = [
            step(0, "web/0", start(&slot), &[]),
            step(1, "s", clean(&slot), &[]),
            login(2, "one.test", &[0, 1], true),
            login(3, "two.test", &[0], true),
        ];
        let mut graph = Graph::new(&steps);
        graph.set(StepId(1), State::Failed);
        assert_eq!(ids(&graph.fail_behind(StepId(1))), [2]);
        graph.set(StepId(0), State::Done);
        let planned = vec![login(4, "one.test", &[1], false), login(5, "two.test", &[], false)];
        assert_eq!(graph.replace_provisional(&slot, planned), []);
        assert_eq!(ids(&graph.ready()), [5]);
    }

    #[test]
    fn what_turns_out_to_wait_for_something_given_up_is_given_up() {
        let slot = Slot::new("web", 0);
        let provisional = Step { provisional: true, ..step(2, "web/0/s", clean(&slot), &[0, 1]) };
        let steps = [step(0, "web/0", start(&slot), &[]), step(1, "s", clean(&slot), &[]), provisional];
        let mut graph = Graph::new(&steps);
        graph.set(StepId(1), State::Failed);
        assert_eq!(ids(&graph.fail_behind(StepId(1))), [2]);
        graph.set(StepId(0), State::Done);
        let planned = vec![
            step(3, "web/0/s", clean(&slot), &[1]),
            step(4, "web/0.releases", clean(&slot), &[3]),
            step(5, "web/0/t", clean(&slot), &[]),
        ];
        assert_eq!(ids(&graph.replace_provisional(&slot, planned)), [4]);
        assert_eq!(ids(&graph.waiting()), [5]);
    }

    /// Machine by machine, too: the first one's failure leaves what the second one has.
    #[test]
    fn what_has_to_go_on_the_way_waits_as_what_comes_in_its_place() {
        let (first, second) = (Slot::new("web", 0), Slot::new("web", 1));
        let run = |slot: &Slot| Action::StartContainer {
            slot: slot.clone(),
            service: "s".into(),
            container: "s".into(),
            check: None,
        };
        let gone = Action::RemoveContainer {
            slot: second.clone(),
            service: "old".into(),
            container: "s".into(),
            grace: 10,
            replaced_by: None,
        };
        let assumed = Step { provisional: true, ..step(2, "web/1/s", run(&second), &[0, 1]) };
        let steps = [step(0, "web/0/s", run(&first), &[]), step(1, "web/1", start(&second), &[]), assumed];
        let mut graph = Graph::new(&steps);
        graph.set(StepId(1), State::Done);
        let planned = vec![step(3, "web/1/old", gone, &[]), step(4, "web/1/s", run(&second), &[3])];
        graph.replace_provisional(&second, planned);
        assert_eq!(ids(&graph.ready()), [0]);
        graph.set(StepId(0), State::Failed);
        assert_eq!(ids(&graph.fail_behind(StepId(0))), [3, 4]);
    }

    /// One whose Docker starts turns out to need nothing: what came after it there is not opened by that.
    #[test]
    fn a_machine_is_opened_by_steps_of_its_own() {
        let (first, second) = (Slot::new("web", 0), Slot::new("web", 1));
        let install = Action::Install(crate::plan::step::Install { slot: first.clone(), with: None });
        let assumed = |id, slot: &Slot, after: &[u32]| Step {
            provisional: true,
            ..step(id, &format!("{slot}/s"), clean(slot), after)
        };
        let steps = [
            step(0, "web/1", start(&second), &[]),
            step(1, "web/0.docker", install, &[]),
            assumed(2, &first, &[1]),
            assumed(3, &second, &[0, 2]),
        ];
        let mut graph = Graph::new(&steps);
        graph.set(StepId(1), State::Done);
        assert_eq!(graph.reached_by(StepId(1)), vec![first.clone()]);
        graph.replace_provisional(&first, Vec::new());
        assert_eq!(graph.reached_by(StepId(0)), vec![second]);
    }

    #[test]
    fn what_is_planned_on_the_way_takes_the_place_and_the_order_of_what_was_assumed() {
        let (first, second) = (Slot::new("web", 0), Slot::new("web", 1));
        let provisional = |id, slot: &Slot, after: &[u32]| Step {
            provisional: true,
            ..step(id, &format!("{slot}/s"), clean(slot), after)
        };
        let steps = [
            step(0, "web/0", start(&first), &[]),
            step(1, "web/1", start(&second), &[]),
            provisional(2, &first, &[0]),
            provisional(3, &second, &[1, 2]),
        ];
        let mut graph = Graph::new(&steps);
        assert_eq!(graph.reached_by(StepId(0)), vec![first.clone()]);
        graph.set(StepId(0), State::Done);
        graph.set(StepId(1), State::Done);
        assert!(graph.ready().is_empty(), "provisional steps wait to be planned again");

        graph.replace_provisional(&second, vec![step(4, "web/1/s", clean(&second), &[])]);
        assert!(graph.ready().is_empty(), "the second machine still waits for the first");
        graph.replace_provisional(&first, vec![step(5, "web/0/s", clean(&first), &[])]);
        assert_eq!(ids(&graph.ready()), [5]);
        graph.set(StepId(5), State::Done);
        assert_eq!(ids(&graph.ready()), [4]);
    }

    #[test]
    fn a_machine_that_boots_by_itself_is_waited_for() {
        let slot = Slot::new("web", 0);
        let provisional = Step { provisional: true, ..step(0, "web/0/s", clean(&slot), &[]) };
        let mut graph = Graph::new(&[provisional]);
        let ready = graph.ready();
        assert_eq!(ready[0].title(), "wait for web/0");
        assert_eq!(graph.reached_by(ready[0].id), vec![slot.clone()]);
        graph.set(ready[0].id, State::Done);
        graph.replace_provisional(&slot, vec![step(7, "web/0/s", clean(&slot), &[])]);
        assert_eq!(ids(&graph.ready()), [7]);
    }

    #[test]
    fn a_machine_that_gets_docker_is_planned_again_after_that() {
        let slot = Slot::new("web", 0);
        let install = |id, after: &[u32]| {
            let action = crate::plan::step::Install { slot: slot.clone(), with: None };
            step(id, "web/0.docker", Action::Install(action), after)
        };
        let run = |id, after: &[u32]| Step { provisional: true, ..step(id, "web/0/s", clean(&slot), after) };
        let in_case = Step { provisional: true, ..install(1, &[0]) };
        let mut graph = Graph::new(&[step(0, "web/0", start(&slot), &[]), in_case, run(2, &[1])]);
        assert_eq!(graph.reached_by(StepId(0)), vec![slot.clone()], "it answers before it has Docker");
        graph.set(StepId(0), State::Done);
        graph.replace_provisional(&slot, vec![install(3, &[]), run(4, &[3])]);
        assert_eq!(ids(&graph.ready()), [3]);
        assert_eq!(graph.reached_by(StepId(3)), vec![slot.clone()]);
        graph.set(StepId(3), State::Done);
        graph.replace_provisional(&slot, vec![step(5, "web/0/s", clean(&slot), &[])]);
        assert_eq!(ids(&graph.ready()), [5]);
    }

    #[test]
    fn nothing_left_to_do_on_a_machine_lets_nobody_overtake_those_before_it() {
        let slots = [0, 1, 2].map(|index| Slot::new("web", index));
        let run = |id, slot: &Slot, after: &[u32], provisional| Step {
            provisional,
            ..step(id, &format!("{slot}/s"), clean(slot), after)
        };
        // One at a time: 0, then 1, then 2.
        let steps = [
            step(0, "web/1", start(&slots[1]), &[]),
            run(1, &slots[0], &[], false),
            run(2, &slots[1], &[0, 1], true),
            run(3, &slots[2], &[2], false),
        ];
        let mut graph = Graph::new(&steps);
        graph.set(StepId(0), State::Done);
        graph.replace_provisional(&slots[1], Vec::new());
        assert_eq!(ids(&graph.ready()), [1], "the third still waits for the first");
        graph.set(StepId(1), State::Failed);
        assert_eq!(ids(&graph.fail_behind(StepId(1))), [3]);
    }

    #[test]
    fn a_container_that_only_has_to_be_started_keeps_the_place_of_the_one_that_was_assumed() {
        let (first, second) = (Slot::new("web", 0), Slot::new("web", 1));
        let (service, container) = ("s".to_owned(), "s".to_owned());
        let restart = Action::Restart {
            slot: first.clone(),
            service: service.clone(),
            container: container.clone(),
            grace: 10,
        };
        let begin = Action::StartContainer { slot: first.clone(), service, container, check: None };
        let assumed = Step { provisional: true, ..step(1, "web/0/s", restart, &[0]) };
        let steps = [step(0, "web/0", start(&first), &[]), assumed, step(2, "web/1/s", clean(&second), &[1])];
        let mut graph = Graph::new(&steps);
        graph.set(StepId(0), State::Done);
        graph.replace_provisional(&first, vec![step(3, "web/0/s", begin, &[])]);
        assert_eq!(ids(&graph.ready()), [3]);
        graph.set(StepId(3), State::Done);
        assert_eq!(ids(&graph.ready()), [2]);
    }

    #[test]
    fn nothing_left_to_do_on_a_machine_frees_those_that_wait_for_it() {
        let (first, second) = (Slot::new("web", 0), Slot::new("web", 1));
        let provisional = |id, slot: &Slot, after: &[u32]| Step {
            provisional: true,
            ..step(id, &format!("{slot}/s"), clean(slot), after)
        };
        let steps = [step(0, "web/0", start(&first), &[]), provisional(1, &first, &[0])];
        let mut graph = Graph::new(&steps);
        graph.steps.insert(StepId(2), (step(2, "x", clean(&second), &[1]), State::Waiting));
        graph.set(StepId(0), State::Done);
        graph.replace_provisional(&first, Vec::new());
        assert_eq!(ids(&graph.ready()), [2]);
    }
}
