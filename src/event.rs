//! What happens while a3 works, as plain data: the engine emits these, `report/` shows them,
//! and neither knows the other.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::plan::step::{Plan, Step, StepId};

/// The version of the JSON stream; raised when a field changes its meaning or goes away.
pub const STREAM_VERSION: u32 = 1;

/// One thing that happened during an apply or destroy.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Event {
    /// Since the apply began.
    #[serde(serialize_with = "seconds")]
    #[schemars(with = "f64")]
    pub elapsed: Duration,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// What a3 makes of the spec and of what there is: always the first of a stream, whatever comes of it.
    Planned {
        /// All of it. In a stream, the plan's document.
        #[schemars(with = "serde_json::Value")]
        plan: Box<Plan>,
    },
    /// Work begins.
    Started {
        /// The deployment.
        deployment: String,
        /// Steps of the plan.
        steps: usize,
    },
    /// A step begins.
    StepStarted {
        /// Which.
        id: StepId,
        /// What it is about, and what it does, in words: `web/0/s2`, `run s2`.
        address: String,
        /// `build s2`.
        title: String,
    },
    /// A step reports.
    StepActivity {
        /// Which.
        id: StepId,
        /// What it reports.
        activity: Activity,
    },
    /// A step ended.
    StepFinished {
        /// Which.
        id: StepId,
        /// What it is about.
        address: String,
        /// `build s2`.
        title: String,
        /// How.
        outcome: Outcome,
        /// How long it took.
        #[serde(serialize_with = "seconds")]
        #[schemars(with = "f64")]
        took: Duration,
    },
    /// A machine could be asked at last, and its steps were planned again.
    HostPlanned {
        /// The slot, `web/0`.
        slot: String,
        /// What is done there now. In a stream, as in a plan's document.
        #[schemars(with = "Vec<serde_json::Value>")]
        steps: Vec<Step>,
    },
    /// Something that a person should know.
    Notice {
        /// In words.
        message: String,
    },
    /// Work ended.
    Finished {
        /// Whether every step was done.
        success: bool,
        /// Where the services answer, `s2  http://A.B.C.D:30001`.
        addresses: Vec<ServiceAddress>,
    },
}

/// Where a service answers.
#[derive(Clone, Debug, Serialize, PartialEq, Eq, JsonSchema)]
pub struct ServiceAddress {
    /// The service.
    pub service: String,
    /// The slot.
    pub slot: String,
    /// `http://A.B.C.D:30001`, or `A.B.C.D:30001/udp`.
    pub url: String,
}

/// How a step ended.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It changed the world as planned.
    Done {
        /// A word about the result: an id, a digest, an address.
        note: Option<String>,
    },
    /// Somebody had done it in the meantime.
    Unchanged,
    /// A step that it needs failed, or nothing new starts any more.
    Skipped {
        /// Why.
        why: String,
    },
    /// It was cut off.
    Interrupted,
    /// It failed.
    Failed {
        /// The chain of errors.
        error: String,
        /// What to do.
        help: Option<String>,
        /// The last lines of its output.
        output: Vec<String>,
    },
}

/// Something that a step or an adapter reports while it works.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Activity {
    /// A line of output of the thing at work (a build's RUN, a remote command). The last 20 are
    /// replayed when the step fails.
    Output {
        /// One line, without its newline; never a secret.
        line: String,
    },
    /// How far one part is: a layer, a file, a build vertex.
    Progress {
        /// What this is about: a layer id, a file name, a vertex name.
        part: String,
        /// A word or two: `pushing`, `exists`, `cached`, `done`.
        status: String,
        /// Bytes so far.
        done: u64,
        /// Bytes in all, where known; never less than `done`.
        total: Option<u64>,
    },
    /// A wait goes on; repeated while it does.
    Waiting {
        /// The condition, as in "still waiting for …".
        on: String,
        /// How long so far.
        #[serde(serialize_with = "seconds")]
        #[schemars(with = "f64")]
        elapsed: Duration,
    },
    /// Something that the person should know although the step goes on.
    Warning {
        /// What is wrong.
        message: String,
    },
}

/// Where adapters send what they see. A plain function, so that a test can collect into a vector.
pub type Sink<'a> = &'a (dyn Fn(Activity) + Send + Sync);

fn seconds<S: serde::Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(value.as_secs_f64())
}
