//! Does what a plan says: follows the dependencies, works on independent steps side by side, and
//! says what happens as events.
//!
//! One file a kind of step; its doc states what it assumes, what it guarantees, where it may be
//! repeated after a crash, and its errors.

mod address;
mod admit;
mod build;
mod copy;
mod failure;
pub mod graph;
mod halt;
mod image;
mod install;
mod instance;
mod login;
mod perform;
mod prove;
mod prune;
mod push;
mod reach;
mod release;
mod remove;
mod run;
mod runner;
mod settle;
mod site;
mod stop;
mod tag;

use std::time::{Duration, Instant};

use crate::event::{Activity, Event, EventKind};
use crate::id::Slot;
use crate::observe::World;
use crate::observed::Observed;
use crate::plan::step::{Plan, Step, StepId};
use crate::spec::Spec;

pub use address::addresses;
pub use failure::FailureKind;
pub use runner::Summary;
pub use stop::Stop;

use site::Sites;

/// What an apply works with.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// What is wanted.
    pub spec: &'a Spec,
    /// What the plan was made from.
    pub observed: &'a Observed,
    /// What is done.
    pub plan: &'a Plan,
    /// The connections.
    pub world: &'a World,
    /// Whether somebody wants it to stop.
    pub stop: &'a Stop,
    /// Where events go.
    pub events: &'a (dyn Fn(Event) + Send + Sync),
    /// Asks about steps that came out stronger than planned, once a machine could be asked.
    pub confirm: &'a (dyn Fn(&Slot, &[Step]) -> bool + Send + Sync),
}

impl std::fmt::Debug for Job<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("plan", self.plan).finish_non_exhaustive()
    }
}

/// Does it. Returns when nothing is at work any more, whatever happened: the summary says how it
/// went.
pub async fn apply(job: Job<'_>) -> Summary {
    let work = Work { job, began: Instant::now(), sites: Sites::new(&job) };
    runner::run(&work).await
}

/// A job at work.
pub(crate) struct Work<'a> {
    job: Job<'a>,
    began: Instant,
    sites: Sites,
}

impl Work<'_> {
    fn emit(&self, kind: EventKind) {
        (self.job.events)(Event { elapsed: self.elapsed(), kind });
    }

    fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    fn activity(&self, id: StepId, activity: Activity) {
        self.emit(EventKind::StepActivity { id, activity });
    }

    fn notice(&self, message: impl Into<String>) {
        self.emit(EventKind::Notice { message: message.into() });
    }
}
