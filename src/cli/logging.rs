//! `--verbose` and `--log-file`: what the libraries and a3 trace. Never a secret: those redact by type.

use std::fs::OpenOptions;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;

use super::args::Global;

/// What is traced unless `RUST_LOG` says otherwise. The libraries' own debug lines hold headers and
/// bodies, and these hold credentials, so they stay at `info` and the Docker client's are off.
const FILTER: &str = "a3=debug,bollard=off,info";

pub(crate) fn start(global: &Global) -> Result<(), String> {
    if !global.verbose && global.log_file.is_none() {
        return Ok(());
    }
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(FILTER));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
    let started = match &global.log_file {
        None => lines.with_writer(std::io::stderr).try_init(),
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            let file =
                file.map_err(|error| format!("cannot write the log file {}: {error}", path.display()))?;
            lines.with_writer(Mutex::new(file)).try_init()
        }
    };
    started.map_err(|error| error.to_string())
}
