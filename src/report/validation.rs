//! `a3 validate --json`: what is wrong with a spec, as one document.

use schemars::JsonSchema;
use serde::Serialize;

use crate::spec::DiagnosticData;

/// The version of the document's shape.
pub const FORMAT_VERSION: u32 = 1;

/// Whether a spec is valid, and what is wrong with it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Validation {
    #[schemars(extend("const" = FORMAT_VERSION))]
    format_version: u32,
    /// Whether there is no problem.
    valid: bool,
    /// In the order of the files.
    problems: Vec<DiagnosticData>,
}

impl Validation {
    /// What was found; nothing is valid.
    pub fn of(problems: Vec<DiagnosticData>) -> Self {
        Self { format_version: FORMAT_VERSION, valid: problems.is_empty(), problems }
    }

    /// As one JSON document. Ends with a newline.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}
