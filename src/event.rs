//! What happens while a3 works, as plain data: the engine emits these, `report/` shows them,
//! and neither knows the other.

use std::time::Duration;

use serde::Serialize;

/// Something that a step or an adapter reports while it works.
#[derive(Clone, Debug, Serialize)]
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
