//! The JSON Schemas (draft 2020-12) of everything that a3 prints for machines, from the types that
//! print it. `a3 schema KIND` prints them, and `schemas/` holds them.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{doctor, everywhere, history, json, plan_json, saved_plan, status, validation, version};

/// Something that a3 prints for machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    /// `a3 plan --json`.
    Plan,
    /// `a3 plan --out`.
    SavedPlan,
    /// A line of `a3 apply --json`, of `destroy` and of the others that work.
    Events,
    /// `a3 status --json`.
    Status,
    /// `a3 status --all-regions --json`.
    StatusAllRegions,
    /// `a3 validate --json`.
    Validate,
    /// `a3 history --json`.
    History,
    /// `a3 doctor --json`.
    Doctor,
    /// `a3 version --json`.
    Version,
}

impl Document {
    /// Everything.
    pub const ALL: [Self; 9] = [
        Self::Plan,
        Self::SavedPlan,
        Self::Events,
        Self::Status,
        Self::StatusAllRegions,
        Self::Validate,
        Self::History,
        Self::Doctor,
        Self::Version,
    ];

    /// As in `schemas/NAME.schema.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::SavedPlan => "saved_plan",
            Self::Events => "events",
            Self::Status => "status",
            Self::StatusAllRegions => "status_all_regions",
            Self::Validate => "validate",
            Self::History => "history",
            Self::Doctor => "doctor",
            Self::Version => "version",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Plan => "a3 plan --json",
            Self::SavedPlan => "a3 plan --out",
            Self::Events => "one line of a3 apply --json and a3 destroy --json",
            Self::Status => "a3 status --json",
            Self::StatusAllRegions => "a3 status --all-regions --json",
            Self::Validate => "a3 validate --json",
            Self::History => "a3 history --json",
            Self::Doctor => "a3 doctor --json",
            Self::Version => "a3 version --json",
        }
    }

    /// The schema.
    pub fn schema(self) -> Value {
        let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
        let root = match self {
            Self::Plan => root_of::<plan_json::PlanDocument<'_>>(&mut generator),
            Self::SavedPlan => root_of::<saved_plan::SavedPlan>(&mut generator),
            Self::Events => json::line_schema(&mut generator),
            Self::Status => root_of::<status::Document<'_>>(&mut generator),
            Self::StatusAllRegions => root_of::<everywhere::Document<'_>>(&mut generator),
            Self::Validate => root_of::<validation::Validation>(&mut generator),
            Self::History => root_of::<history::History>(&mut generator),
            Self::Doctor => root_of::<doctor::Document<'_>>(&mut generator),
            Self::Version => root_of::<version::Version>(&mut generator),
        };
        let mut schema = Map::new();
        schema.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
        schema.insert("$id".into(), json!(format!("{}.schema.json", self.name())));
        schema.insert("title".into(), json!(self.title()));
        if let Value::Object(mut root) = root {
            root.remove("title");
            schema.extend(root);
        }
        let definitions = generator.take_definitions(true);
        if !definitions.is_empty() {
            schema.insert("$defs".into(), Value::Object(definitions));
        }
        let mut schema = Value::Object(schema);
        close(&mut schema, false);
        schema
    }
}

/// The schema of a type itself, not a reference to it.
fn root_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    T::json_schema(generator).to_value()
}

/// Says of every object that has nothing but what is written down: a field that nobody described is a
/// mistake of a3's. Where alternatives add fields to an object, it is the whole that is closed.
fn close(value: &mut Value, part: bool) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| close(item, part)),
        Value::Object(map) => close_object(map, part),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn close_object(map: &mut Map<String, Value>, part: bool) {
    let combines = ["oneOf", "anyOf", "allOf"].iter().any(|key| map.contains_key(*key));
    let has_fields = map.get("properties").is_some_and(Value::is_object);
    let whole = has_fields && !part;
    for (key, inner) in map.iter_mut() {
        match (key.as_str(), inner) {
            ("oneOf" | "anyOf" | "allOf", inner) => close(inner, part || has_fields),
            ("properties" | "$defs", Value::Object(each)) => {
                each.values_mut().for_each(|one| close(one, false));
            }
            ("items", inner) => close(inner, false),
            ("additionalProperties", inner) => close(inner, false),
            _ => {}
        }
    }
    if whole {
        let key = if combines || map.contains_key("$ref") {
            "unevaluatedProperties"
        } else {
            "additionalProperties"
        };
        map.entry(key).or_insert(Value::Bool(false));
    }
}
