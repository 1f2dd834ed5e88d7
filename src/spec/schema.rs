//! The JSON Schema of `deploy.yaml` (draft-07, which editors' YAML support understands), from the
//! same types that read it.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use serde_json::{Value, json};

use super::raw::RawSpec;

/// The schema as JSON; `a3 schema` prints it, `schemas/deploy.schema.json` holds it.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft07().into_generator();
    let mut schema = generator.into_root_schema_for::<RawSpec>();
    RecursiveTransform(finish).transform(&mut schema);
    schema.insert("title".into(), json!("a3 deploy.yaml"));
    schema.insert("$id".into(), json!("deploy.schema.json"));
    let mut schema = schema.to_value();
    rename(&mut schema);
    schema
}

/// The types are called `Raw…` here, which says nothing to an editor's reader.
fn rename(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get_mut("$ref") {
                *reference = reference.replace("/Raw", "/");
            }
            if let Some(Value::Object(definitions)) = map.get_mut("definitions") {
                let renamed = std::mem::take(definitions).into_iter();
                *definitions = renamed
                    .map(|(name, schema)| (name.trim_start_matches("Raw").to_owned(), schema))
                    .collect();
            }
            map.values_mut().for_each(rename);
        }
        Value::Array(items) => items.iter_mut().for_each(rename),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
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
