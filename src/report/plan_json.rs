//! A plan as one JSON document. Its shape is promised: fields are added, and a change of meaning
//! raises [`FORMAT_VERSION`].

use schemars::JsonSchema;
use serde::Serialize;

use super::words;
use crate::observed::Scope;
use crate::plan::reason::{FieldChange, Forces, Origin, Reason, Shown};
use crate::plan::step::{Action, Blocked, Change, Cost, Plan, Step, StepId};
use crate::plan::summary::{Ending, Summary};

/// The version of the document's shape.
pub const FORMAT_VERSION: u32 = 1;

/// The document. Serialised it holds no secret: settings of containers and launches are not in it,
/// only fields, and a secret field is `{"sensitive": true}`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PlanDocument<'a> {
    #[schemars(extend("const" = FORMAT_VERSION))]
    format_version: u32,
    deployment: &'a str,
    destroy: bool,
    scope: &'a Scope,
    steps: Vec<StepDocument<'a>>,
    blocked: &'a [Blocked],
    notices: &'a [String],
    unchanged: &'a [String],
    kept: &'a [String],
    summary: Summary,
    ending: Ending,
}

impl<'a> PlanDocument<'a> {
    /// The document of a plan.
    pub fn of(plan: &'a Plan) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            deployment: &plan.deployment,
            destroy: plan.destroy,
            scope: &plan.scope,
            steps: plan.steps.iter().map(StepDocument::of).collect(),
            blocked: &plan.blocked,
            notices: &plan.notices,
            unchanged: &plan.unchanged,
            kept: &plan.kept,
            summary: Summary::of(plan),
            ending: Ending::of(plan),
        }
    }

    /// The document as text, indented; ends with a newline.
    pub fn to_text(&self) -> String {
        // Only a map with keys that are no strings could fail, and there is none.
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        text + "\n"
    }
}

/// One step.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StepDocument<'a> {
    id: StepId,
    address: &'a str,
    change: Change,
    /// Whether someone or something changed it outside a3, rather than a person the spec.
    drift: bool,
    #[schemars(extend("enum" = Action::KINDS))]
    kind: &'static str,
    title: String,
    reasons: Vec<ReasonDocument<'a>>,
    fields: Vec<FieldDocument<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<CostDocument>,
    after: &'a [StepId],
    provisional: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ReasonDocument<'a> {
    #[serde(flatten)]
    reason: &'a Reason,
    drift: bool,
    text: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct CostDocument {
    kind: Cost,
    text: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct FieldDocument<'a> {
    field: &'a str,
    before: ShownDocument<'a>,
    after: ShownDocument<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forces: Option<Forces>,
    /// Who made it differ, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<OriginDocument>,
}

/// Who made a field differ.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum OriginDocument {
    /// A person edited the spec.
    Spec,
    /// It was changed outside a3.
    Outside,
    /// Both.
    Both,
}

/// `"text"`, `["a", "list"]`, `null`, `{"sensitive": true}`, `{"known_after": "push"}` or
/// `{"known": false}`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum ShownDocument<'a> {
    Text(&'a str),
    List(&'a [String]),
    Nothing,
    Sensitive {
        #[schemars(extend("const" = true))]
        sensitive: bool,
    },
    KnownAfter {
        known_after: &'a str,
    },
    NotKnown {
        #[schemars(extend("const" = false))]
        known: bool,
    },
}

impl<'a> StepDocument<'a> {
    /// The document of a step.
    pub fn of(step: &'a Step) -> Self {
        let reason = |reason: &'a Reason| ReasonDocument {
            reason,
            drift: reason.is_drift(),
            text: words::reason_text(reason),
        };
        Self {
            id: step.id,
            address: &step.address,
            change: step.change,
            drift: step.is_drift(),
            kind: step.action.kind(),
            title: step.title(),
            reasons: step.reasons.iter().map(reason).collect(),
            fields: step.fields.iter().map(field).collect(),
            cost: words::cost_text(step.cost).map(|text| CostDocument { kind: step.cost, text }),
            after: &step.after,
            provisional: step.provisional,
        }
    }
}

fn field(field: &FieldChange) -> FieldDocument<'_> {
    FieldDocument {
        field: &field.field,
        before: shown(&field.before),
        after: shown(&field.after),
        forces: field.forces,
        origin: match field.origin {
            Origin::NotKnown => None,
            Origin::Spec => Some(OriginDocument::Spec),
            Origin::World => Some(OriginDocument::Outside),
            Origin::Both { .. } => Some(OriginDocument::Both),
        },
    }
}

fn shown(value: &Shown) -> ShownDocument<'_> {
    match value {
        Shown::Text(text) => ShownDocument::Text(text),
        Shown::List(list) => ShownDocument::List(list),
        Shown::Nothing => ShownDocument::Nothing,
        Shown::Sensitive => ShownDocument::Sensitive { sensitive: true },
        Shown::KnownAfter(step) => ShownDocument::KnownAfter { known_after: step },
        Shown::NotKnown => ShownDocument::NotKnown { known: false },
    }
}
