//! `a3 version --json`: the program, and the formats that it reads and writes.

use schemars::JsonSchema;
use serde::Serialize;

use super::{doctor, everywhere, history, plan_json, saved_plan, status, validation};
use crate::event::STREAM_VERSION;

/// The version of the document's shape.
pub const FORMAT_VERSION: u32 = 1;

/// This program.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Version {
    #[schemars(extend("const" = FORMAT_VERSION))]
    format_version: u32,
    /// Of a3.
    version: &'static str,
    /// The commit it was built from, where whoever built it said so.
    commit: Option<&'static str>,
    /// What it was built for.
    platform: BuiltFor,
    /// What a3 writes where it works: an older a3 refuses what is newer than this.
    formats: Formats,
    /// The `format_version` of what it prints.
    json: Documents,
    /// The version of the engine's API that it speaks.
    docker_api: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct BuiltFor {
    os: &'static str,
    arch: &'static str,
}

/// What a3 writes where it works.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Formats {
    /// The hash over a container's settings.
    pub container_config: u32,
    /// The digest of a build's source.
    pub image_source: u32,
    /// The record on a machine.
    pub host_record: u32,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Documents {
    plan: u32,
    saved_plan: u32,
    events: u32,
    status: u32,
    status_all_regions: u32,
    history: u32,
    doctor: u32,
    validate: u32,
}

impl Version {
    /// This program, with what other parts know of it.
    pub fn of(commit: Option<&'static str>, formats: Formats, docker_api: String) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            version: env!("CARGO_PKG_VERSION"),
            commit,
            platform: BuiltFor { os: std::env::consts::OS, arch: std::env::consts::ARCH },
            formats,
            json: Documents {
                plan: plan_json::FORMAT_VERSION,
                saved_plan: saved_plan::SAVED_VERSION,
                events: STREAM_VERSION,
                status: status::FORMAT_VERSION,
                status_all_regions: everywhere::FORMAT_VERSION,
                history: history::FORMAT_VERSION,
                doctor: doctor::FORMAT_VERSION,
                validate: validation::FORMAT_VERSION,
            },
            docker_api,
        }
    }

    /// As one JSON document. Ends with a newline.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}
