//! This machine: a3's own folder, what it remembers, and who works on the deployment.

use std::path::Path;

use crate::explain::Explain as _;
use crate::record::hint::Hints;
use crate::record::lock::{file_holder, state_folder};
use crate::report::doctor::{Finding, Health};
use crate::spec::Spec;

/// This machine.
pub(super) fn check(spec: Option<&Spec>) -> Vec<Finding> {
    let folder = match state_folder() {
        Ok(folder) => folder,
        Err(error) => return vec![Finding::of("a3's folder", Health::Failed, &error.cause())],
    };
    let mut findings = vec![writable(&folder)];
    let Some(spec) = spec else { return findings };
    findings.push(remembered(&folder, spec));
    findings.push(match file_holder(&folder, &spec.name) {
        Ok(None) => Finding::ok("lock", "nobody works on it on this machine"),
        Ok(Some(holder)) => {
            let message = format!("{holder} works on it on this machine");
            Finding::warning("lock", message, "wait for it to end; a3 unlock says more")
        }
        Err(error) => Finding::of("lock", Health::Failed, &error.cause()),
    });
    findings
}

fn writable(folder: &Path) -> Finding {
    let made = std::fs::create_dir_all(folder).and_then(|()| tempfile::NamedTempFile::new_in(folder));
    match made {
        Ok(_) => Finding::ok("a3's folder", format!("{} can be written", folder.display())),
        Err(error) => Finding {
            health: Health::Failed,
            help: Some(format!("make {} writable, or set XDG_STATE_HOME", folder.display())),
            ..Finding::ok("a3's folder", format!("{} cannot be written: {error}", folder.display()))
        },
    }
}

fn remembered(folder: &Path, spec: &Spec) -> Finding {
    let places = Hints::read(folder).places(&spec.name);
    let known: Vec<String> = places.regions.iter().chain(&places.hosts).cloned().collect();
    let message = match known.as_slice() {
        [] => "no deployment of this name is remembered here".to_owned(),
        known => format!("it has run in {}, which is searched too", known.join(", ")),
    };
    Finding::ok("memory", message)
}
