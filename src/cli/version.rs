//! `a3 version`.

use super::args::VersionArgs;
use super::exit::Exit;
use super::fault::Ended;
use super::terminal;
use crate::docker::{context, engine};
use crate::plan::names;
use crate::record;
use crate::report::version::{Formats, Version};

/// The commit it was built from, where whoever built it said so.
const COMMIT: Option<&str> = option_env!("A3_COMMIT");

/// `a3 version`
pub(crate) fn version(args: &VersionArgs) -> Ended {
    if !args.json {
        let commit = COMMIT.map(|commit| format!(" ({commit})")).unwrap_or_default();
        terminal::data(&format!("a3 {}{commit}\n", env!("CARGO_PKG_VERSION")));
        return Ok(Exit::Done);
    }
    let formats = Formats {
        container_config: names::CONFIG_VERSION,
        image_source: context::SOURCE_VERSION,
        host_record: record::VERSION,
    };
    terminal::data(&Version::of(COMMIT, formats, engine::api_version()).to_json());
    Ok(Exit::Done)
}
