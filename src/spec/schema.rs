//! The JSON Schema of `deploy.yaml` (draft-07, which editors' YAML support understands), from the
//! same types that read it.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema as _, Schema};
use serde_json::{Value, json};

use super::raw::RawSpec;

/// The schema as JSON; `a3 schema` prints it, `schemas/deploy.schema.json` holds it.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft07().into_generator();
    let mut schema = generator.into_root_schema_for::<RawSpec>();
    RecursiveTransform(finish).transform(&mut schema);
    schema.insert("title".into(), json!("a3 deploy.yaml"));
    schema.insert("$id".into(), json!("deploy.schema.json"));
    debug_assert_eq!(RawSpec::schema_name(), "RawSpec");
    schema.to_value()
}

/// What holds for every mapping: `x-…` keys are free, and nothing is required but what a list's item
/// cannot do without, since an overlay may hold any part of the rest.
fn finish(schema: &mut Schema) {
    schema.remove("required");
    if let Some(required) = schema.remove("x-required") {
        schema.insert("required".into(), required);
    }
    if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
        schema.insert("patternProperties".into(), json!({ "^x-": true }));
    }
}
