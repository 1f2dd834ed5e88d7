//! This machine's Docker engine: that it answers, that it builds, that it has room.

use std::process::Stdio;

use tokio::process::Command;

use super::is_local;
use crate::docker::{Engine, EngineError};
use crate::explain::Explain as _;
use crate::report::doctor::{Finding, Health};
use crate::report::words::bytes;
use crate::spec::Spec;

/// Less than this, and a build or a pull may not fit.
pub(super) const LITTLE: u64 = 2 << 30;

/// The engine. Where nothing is built or run here, it is not needed.
pub(super) async fn check(spec: Option<&Spec>) -> Vec<Finding> {
    let needed = spec.is_some_and(|spec| {
        spec.services.values().any(|service| service.build.is_some() || is_local(spec, &service.on))
    });
    let engine = match Engine::local() {
        Ok(engine) => engine,
        Err(error) => return vec![failed(&error, needed)],
    };
    let version = match engine.version().await {
        Ok(version) => version,
        Err(error) => return vec![failed(&error, needed)],
    };
    let message =
        format!("Docker {} for {} answers at {}", version.version, version.arch.as_str(), engine.name());
    let mut findings = vec![Finding::ok("engine", message)];
    findings.push(match engine.can_build().await {
        Ok(()) => Finding::ok("BuildKit", "usable"),
        Err(error) => Finding {
            help: error.help().or_else(|| Some("a newer Docker has it: 20.10 is the oldest".to_owned())),
            ..Finding::of("BuildKit", worst(needed, &error), &error.cause())
        },
    });
    findings.extend(disk(&engine).await);
    findings
}

fn failed(error: &EngineError, needed: bool) -> Finding {
    let mut finding = Finding::of("engine", worst(needed, error), &error.cause());
    if !needed {
        finding.message.push_str("; it is needed to build images, and to run services here");
    }
    finding
}

fn worst(needed: bool, error: &EngineError) -> Health {
    match needed {
        false => Health::Warning,
        true if error.is_unreachable() => Health::Unreachable,
        true => Health::Failed,
    }
}

/// Only where the engine's folder is this machine's: one in a virtual machine says nothing here.
async fn disk(engine: &Engine) -> Option<Finding> {
    let root = engine.place().await.ok()?.folder;
    let mut command = Command::new("df");
    command.args(["-Pk", "--", &root]).env("LC_ALL", "C").stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.ok().filter(|output| output.status.success())?;
    let free = free(&String::from_utf8_lossy(&output.stdout))?;
    Some(room("disk", &format!("{root} here"), free, "docker system df; docker image prune"))
}

/// The fourth column of the second line.
fn free(df: &str) -> Option<u64> {
    df.lines().nth(1)?.split_whitespace().nth(3)?.parse::<u64>().ok().map(|blocks| blocks * 1024)
}

/// Whether there is room.
pub(super) fn room(subject: &str, place: &str, free: u64, help: &str) -> Finding {
    let message = format!("{} free at {place}", bytes(free));
    if free < LITTLE { Finding::warning(subject, message, help) } else { Finding::ok(subject, message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_blocks_are_read() {
        let df = "Filesystem 1024-blocks Used Available Capacity Mounted on\noverlay 100 40 60 40% /\n";
        assert_eq!(free(df), Some(60 * 1024));
        assert_eq!(free("df: no"), None);
        assert_eq!(room("disk", "x", 1 << 20, "prune").health, Health::Warning);
        assert_eq!(room("disk", "x", 3 << 30, "prune").health, Health::Ok);
    }
}
