//! The loop: begins what is ready, waits for what is at work, skips what hangs on a failure.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Mutex;
use std::time::Instant;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::failure::{Done, Failure, FailureKind, StepResult};
use super::graph::{Graph, State};
use super::{Work, perform, reach, settle};
use crate::event::{Activity, EventKind, Outcome, ServiceAddress};
use crate::id::Slot;
use crate::observed::Cause;
use crate::plan::step::{Action, Step, StepId};

/// How an apply went.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Steps that were done.
    pub done: usize,
    /// Steps that failed.
    pub failed: usize,
    /// Steps that were not begun.
    pub skipped: usize,
    /// The gravest failure.
    pub worst: Option<FailureKind>,
    /// Why nothing was begun, where nothing was.
    pub refused: Option<Cause>,
    /// Where the services answer.
    pub addresses: Vec<ServiceAddress>,
}

impl Summary {
    /// Whether every step was done.
    pub fn is_success(&self) -> bool {
        self.worst.is_none()
    }

    fn failed_as(&mut self, kind: FailureKind) {
        self.worst = self.worst.max(Some(kind));
    }
}

/// How many lines of a failed step's output are replayed.
const REPLAYED: usize = 20;

/// A step that ended, and the machines that were planned again after it.
struct Ended {
    step: Step,
    result: StepResult,
    output: Vec<String>,
    began: Instant,
    planned: Vec<(Slot, Vec<Step>)>,
}

pub(crate) async fn run(work: &Work<'_>) -> Summary {
    let mut summary = Summary::default();
    let plan = work.job.plan;
    work.emit(EventKind::Started { deployment: plan.deployment.clone(), steps: plan.steps.len() });
    let mut graph = Graph::of(plan);
    if let Err(failure) = work.sites.begin(work).await {
        summary.failed_as(failure.kind);
        summary.refused = Some(failure.cause);
        summary.skipped = plan.steps.len();
        work.emit(EventKind::Finished { success: false, addresses: Vec::new() });
        return summary;
    }
    let forced = work_through(work, &mut graph, &mut summary).await;
    if !forced {
        for step in graph.waiting() {
            summary.skipped += 1;
            let why = if work.job.stop.is_requested() { "interrupted" } else { "not reached" };
            // What was planned and not done is no success, whatever kept it.
            summary.failed_as(FailureKind::Failed);
            finished(work, &step, Outcome::Skipped { why: why.into() }, Instant::now());
        }
        settle::settle(work, &mut summary).await;
    }
    if work.job.stop.is_requested() {
        summary.failed_as(FailureKind::Interrupted);
    }
    let addresses = summary.addresses.clone();
    work.emit(EventKind::Finished { success: summary.is_success(), addresses });
    summary
}

type Running<'a> = FuturesUnordered<Pin<Box<dyn Future<Output = Ended> + 'a>>>;

/// True when a second Ctrl-C cut it off.
async fn work_through(work: &Work<'_>, graph: &mut Graph, summary: &mut Summary) -> bool {
    let mut running: Running<'_> = FuturesUnordered::new();
    loop {
        if !work.job.stop.is_requested() {
            for step in graph.ready() {
                graph.set(step.id, State::Running);
                work.emit(EventKind::StepStarted {
                    id: step.id,
                    address: step.address.clone(),
                    title: step.title(),
                });
                let reaches = graph.reached_by(step.id);
                let first = graph.next_id();
                running.push(Box::pin(begin(work, step, reaches, first)));
            }
        }
        let ended = tokio::select! {
            ended = running.next() => ended,
            () = work.job.stop.forced() => return true,
        };
        let Some(ended) = ended else { return false };
        end(work, graph, summary, ended);
    }
}

/// Works on one step, and then on the machines that it opens.
async fn begin(work: &Work<'_>, step: Step, reaches: Vec<Slot>, first: u32) -> Ended {
    let began = Instant::now();
    let output = Mutex::new(VecDeque::new());
    let sink = |activity: Activity| {
        if let Activity::Output { line } = &activity
            && let Ok(mut kept) = output.lock()
        {
            if kept.len() == REPLAYED {
                kept.pop_front();
            }
            kept.push_back(line.clone());
        }
        work.activity(step.id, activity);
    };
    let mut planned = Vec::new();
    let mut result = perform::perform(work, &step, &sink).await;
    if result.is_ok() {
        // Several machines behind one firewall rule are few; one after the other keeps ids apart.
        let mut next = first;
        for slot in reaches {
            let planning = async {
                match &step.action {
                    // It has been reached before.
                    Action::Install(_) => reach::again(work, &slot, next).await,
                    _ => reach::reach(work, &slot, next, &sink).await,
                }
            };
            match planning.await {
                Ok(steps) => {
                    next = steps.iter().map(|step| step.id.0 + 1).max().unwrap_or(next);
                    planned.push((slot, steps));
                }
                Err(failure) => result = Err(failure),
            }
        }
    }
    let output = output.into_inner().unwrap_or_default().into();
    Ended { step, result, output, began, planned }
}

fn end(work: &Work<'_>, graph: &mut Graph, summary: &mut Summary, ended: Ended) {
    let Ended { step, result, output, began, planned } = ended;
    for (slot, steps) in planned {
        let steps = renumber(steps, graph.next_id());
        work.emit(EventKind::HostPlanned { slot: slot.to_string(), steps: steps.clone() });
        for skipped in graph.replace_provisional(&slot, steps) {
            summary.skipped += 1;
            let why = "what it waits for failed".to_owned();
            finished(work, &skipped, Outcome::Skipped { why }, Instant::now());
        }
    }
    match result {
        Ok(done) => {
            summary.done += 1;
            graph.set(step.id, State::Done);
            finished(work, &step, outcome_of(done, work, step.id), began);
        }
        Err(failure) => {
            summary.failed += 1;
            summary.failed_as(failure.kind);
            graph.set(step.id, State::Failed);
            if failure.kind == FailureKind::Locked {
                work.job.stop.wind_down();
            }
            finished(work, &step, outcome_of_failure(&failure, output), began);
            for skipped in graph.fail_behind(step.id) {
                summary.skipped += 1;
                let ended =
                    if failure.kind == FailureKind::Interrupted { "was interrupted" } else { "failed" };
                let why = format!("`{}` {ended}", step.title());
                finished(work, &skipped, Outcome::Skipped { why }, Instant::now());
            }
        }
    }
}

/// Two machines that answer at the same time were planned from the same first number.
fn renumber(mut steps: Vec<Step>, first: u32) -> Vec<Step> {
    let Some(old) = steps.iter().map(|step| step.id.0).min() else { return steps };
    if old >= first {
        return steps;
    }
    let moved: Vec<StepId> = steps.iter().map(|step| step.id).collect();
    let new = |id: StepId| if moved.contains(&id) { StepId(id.0 - old + first) } else { id };
    for step in &mut steps {
        step.id = new(step.id);
        step.after = step.after.iter().map(|id| new(*id)).collect();
    }
    steps
}

fn outcome_of(done: Done, work: &Work<'_>, id: StepId) -> Outcome {
    if let Some(image) = done.image {
        work.sites.yields(id, image);
    }
    if done.unchanged { Outcome::Unchanged } else { Outcome::Done { note: done.note } }
}

fn outcome_of_failure(failure: &Failure, output: Vec<String>) -> Outcome {
    match failure.kind {
        FailureKind::Interrupted => Outcome::Interrupted,
        FailureKind::Failed | FailureKind::Refused | FailureKind::Locked => {
            Outcome::Failed { error: failure.cause.message.clone(), help: failure.cause.help.clone(), output }
        }
    }
}

fn finished(work: &Work<'_>, step: &Step, outcome: Outcome, began: Instant) {
    work.emit(EventKind::StepFinished {
        id: step.id,
        address: step.address.clone(),
        title: step.title(),
        outcome,
        took: began.elapsed(),
    });
}
