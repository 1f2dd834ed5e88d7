//! What there is to log in with: the agent, and the keys that the spec names.

use std::collections::BTreeSet;
use std::path::Path;

use crate::explain::Explain as _;
use crate::report::doctor::{Finding, Health};
use crate::report::words::counted;
use crate::spec::{Machine, Spec};
use crate::ssh::{Keyring, agent_keys, examine};

/// The files that are tried where a spec names none.
const USUAL: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// Agent and keys. Without machines behind ssh, none is needed.
pub(super) async fn check(spec: Option<&Spec>) -> Vec<Finding> {
    let ring = Keyring::of_user();
    let groups =
        spec.map(|spec| spec.groups.values().filter(|group| !matches!(group.machine, Machine::Local)));
    let groups: Option<Vec<_>> = groups.map(Iterator::collect);
    if groups.as_ref().is_some_and(Vec::is_empty) {
        return Vec::new();
    }
    let agent = agent_keys(&ring).await;
    let held = agent.clone().and_then(Result::ok).unwrap_or_default();
    let mut findings = vec![match agent {
        None => Finding::ok("ssh agent", "none; keys are read from files"),
        Some(Ok(keys)) => Finding::ok("ssh agent", format!("answers, with {}", counted(keys.len(), "key"))),
        Some(Err(why)) => Finding::warning(
            "ssh agent",
            format!("SSH_AUTH_SOCK names one that does not answer: {why}"),
            "start one: eval \"$(ssh-agent)\"; or: unset SSH_AUTH_SOCK",
        ),
    }];
    let named: BTreeSet<&Path> =
        groups.iter().flatten().filter_map(|group| group.ssh.identity_file.as_deref()).collect();
    findings.extend(named.iter().map(|path| of_file(path, &held)));
    let unnamed = groups.is_none_or(|groups| groups.iter().any(|group| group.ssh.identity_file.is_none()));
    if unnamed {
        findings.extend(usual(&ring, &held));
    }
    findings
}

fn usual(ring: &Keyring, held: &[String]) -> Vec<Finding> {
    let folder = ring.folder.clone().unwrap_or_default();
    let files = USUAL.map(|name| folder.join(name)).into_iter().filter(|path| path.exists());
    let mut findings: Vec<Finding> = files.map(|path| of_file(&path, held)).collect();
    if findings.is_empty() && held.is_empty() {
        let message = format!("there is none in {}, and none in an agent", folder.display());
        findings.push(Finding::warning("ssh key", message, "ssh-keygen -t ed25519"));
    }
    findings
}

fn of_file(path: &Path, held: &[String]) -> Finding {
    let subject = format!("ssh key {}", path.display());
    let key = match examine(path) {
        Ok(key) => key,
        Err(error) => return Finding::of(subject, Health::Failed, &error.cause()),
    };
    if let Some(mode) = key.open {
        let message = format!("others than you have rights on it (mode {mode:o}), so ssh refuses it");
        return Finding::warning(subject, message, format!("chmod 600 {}", path.display()));
    }
    match (key.locked, held.contains(&key.public)) {
        (true, false) => {
            let message = format!("{}, with a passphrase, and not in an agent", key.kind);
            Finding::warning(subject, message, format!("ssh-add {}", path.display()))
        }
        (_, true) => Finding::ok(subject, format!("{}, in the agent", key.kind)),
        (false, false) => Finding::ok(subject, key.kind),
    }
}
