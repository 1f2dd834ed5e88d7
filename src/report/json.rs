//! An apply or destroy as a stream: one JSON object a line, versioned and numbered, so that a
//! reader can tell a gap.

use std::io::Write;

use serde_json::{Value, json};

use super::plan_json::StepDocument;
use crate::event::{Event, EventKind, STREAM_VERSION};

/// Writes events as lines of JSON.
pub struct JsonLines {
    out: Box<dyn Write + Send>,
    next: u64,
}

impl std::fmt::Debug for JsonLines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JsonLines").field("next", &self.next).finish_non_exhaustive()
    }
}

impl JsonLines {
    /// A stream into `out`.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out, next: 0 }
    }

    /// Writes one event. A reader that went away is not an error: the work goes on.
    pub fn report(&mut self, event: &Event) {
        let mut line = json!({ "version": STREAM_VERSION, "seq": self.next });
        let mut body = serde_json::to_value(event).unwrap_or_default();
        if let EventKind::HostPlanned { steps, .. } = &event.kind {
            // As in a plan's document: without the settings, which only apply needs.
            let steps: Vec<StepDocument<'_>> = steps.iter().map(StepDocument::of).collect();
            body["steps"] = serde_json::to_value(steps).unwrap_or_default();
        }
        if let (Value::Object(line), Value::Object(body)) = (&mut line, body) {
            line.extend(body);
        }
        self.next += 1;
        writeln!(self.out, "{line}").and_then(|()| self.out.flush()).ok();
    }
}
