//! `a3 version`.

use serde_json::json;

use super::args::VersionArgs;
use super::exit::Exit;
use super::fault::Ended;
use super::{spec, terminal};
use crate::docker::{context, engine};
use crate::plan::names;
use crate::report::{doctor, plan_json, status};
use crate::{event, record};

/// The version of `version --json`.
const FORMAT_VERSION: u32 = 1;

/// The commit it was built from, where whoever built it said so.
const COMMIT: Option<&str> = option_env!("A3_COMMIT");

/// `a3 version`
pub(crate) fn version(args: &VersionArgs) -> Ended {
    let version = env!("CARGO_PKG_VERSION");
    if !args.json {
        let commit = COMMIT.map(|commit| format!(" ({commit})")).unwrap_or_default();
        terminal::data(&format!("a3 {version}{commit}\n"));
        return Ok(Exit::Done);
    }
    let document = json!({
        "format_version": FORMAT_VERSION,
        "version": version,
        "commit": COMMIT,
        "platform": { "os": std::env::consts::OS, "arch": std::env::consts::ARCH },
        // What a3 writes where it works: an older a3 refuses what is newer than this.
        "formats": {
            "container_config": names::CONFIG_VERSION,
            "image_source": context::SOURCE_VERSION,
            "host_record": record::VERSION,
        },
        // The `format_version` of what it prints.
        "json": {
            "plan": plan_json::FORMAT_VERSION,
            "events": event::STREAM_VERSION,
            "status": status::FORMAT_VERSION,
            "doctor": doctor::FORMAT_VERSION,
            "validate": spec::FORMAT_VERSION,
        },
        "docker_api": engine::api_version(),
    });
    terminal::data(&format!("{document:#}\n"));
    Ok(Exit::Done)
}
