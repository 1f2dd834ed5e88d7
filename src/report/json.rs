//! An apply or destroy as a stream: one JSON object a line, versioned and numbered, so that a
//! reader can tell a gap.

use std::io::Write;

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use super::plan_json::{PlanDocument, StepDocument};
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
        // As in a plan's document: without the settings, which only apply needs.
        match &event.kind {
            EventKind::Planned { plan } => {
                body["plan"] = serde_json::to_value(PlanDocument::of(plan)).unwrap_or_default();
            }
            EventKind::HostPlanned { steps, .. } => {
                let steps: Vec<StepDocument<'_>> = steps.iter().map(StepDocument::of).collect();
                body["steps"] = serde_json::to_value(steps).unwrap_or_default();
            }
            _ => {}
        }
        if let (Value::Object(line), Value::Object(body)) = (&mut line, body) {
            line.extend(body);
        }
        self.next += 1;
        writeln!(self.out, "{line}").and_then(|()| self.out.flush()).ok();
    }
}

/// The schema of one line.
pub(super) fn line_schema(generator: &mut SchemaGenerator) -> Value {
    let mut line = Event::json_schema(generator).to_value();
    line["properties"]["version"] = json!({ "type": "integer", "const": STREAM_VERSION });
    line["properties"]["seq"] = json!({
        "description": "Counts the lines of a stream from 0, without a gap.",
        "type": "integer",
        "minimum": 0,
    });
    if let Some(required) = line["required"].as_array_mut() {
        required.extend([json!("version"), json!("seq")]);
    }
    let steps = generator.subschema_for::<StepDocument<'_>>();
    let plan = generator.subschema_for::<PlanDocument<'_>>();
    for kind in line["oneOf"].as_array_mut().into_iter().flatten() {
        match kind["properties"]["event"]["const"].as_str() {
            Some("host_planned") => kind["properties"]["steps"]["items"] = steps.clone().to_value(),
            Some("planned") => kind["properties"]["plan"] = plan.clone().to_value(),
            _ => {}
        }
    }
    line
}
