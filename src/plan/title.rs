//! What a step does, in a few words: `build s2`, `launch web/0 (furious_varahamihira)`.

use super::step::{Action, Change, Firewall, Install, Installer, Rule, Step};
use crate::id::Slot;

impl Step {
    /// What it does, in a few words; the same in plans, events and errors.
    pub fn title(&self) -> String {
        match &self.action {
            Action::Build(build) => format!("build {}", build.service),
            Action::Tag(tag) => format!("tag {}", tag.service),
            Action::Push(push) => format!("push {}", push.service),
            Action::ImportKey { name, .. } => format!("import key {name}"),
            Action::Firewall(firewall) if firewall.id.is_none() => {
                format!("create security group {}", firewall.name)
            }
            Action::Firewall(firewall) => rules(firewall),
            Action::Launch(launch) => {
                let verb = if self.change == Change::Replace { "replace" } else { "launch" };
                format!("{verb} {} ({})", launch.slot, launch.name)
            }
            Action::Await { slot } => format!("wait for {slot}"),
            Action::Start { slot, .. } => format!("start {slot}"),
            Action::Modify(modify) => format!("change {}", modify.slot),
            Action::Terminate { slot, name, .. } => format!("terminate {slot} ({name})"),
            Action::DeleteFirewall { id, .. } => format!("delete security group {id}"),
            Action::DeleteKey { name, .. } => format!("delete key {name}"),
            Action::Install(Install { slot, with }) => match with {
                Some(Installer::Apt | Installer::Dnf) => format!("install docker on {slot}"),
                Some(Installer::Start) => format!("start docker on {slot}"),
                None => format!("install docker on {slot}, if it is missing"),
            },
            Action::Admit { slot, keys } if keys.is_empty() => format!("remove a3's keys from {slot}"),
            Action::Admit { slot, keys } => format!("admit {} to {slot}", counted(keys.len(), "key")),
            Action::Copy { slot, service, files } => {
                format!("copy {} for {service} to {slot}", counted(files.len(), "file"))
            }
            Action::RemoveFiles { slot, targets } => {
                format!("remove {} from {slot}", counted(targets.len(), "file"))
            }
            Action::Login { slot, server, .. } => format!("login to {server} on {slot}"),
            Action::Run(run) => format!("run {} on {}", run.service, run.slot),
            Action::Prove(run) => format!("prove {} on {}", run.service, run.slot),
            Action::Restart { slot, service, .. } => format!("restart {service} on {slot}"),
            Action::StopContainer { slot, service, .. } => format!("stop {service} on {slot}"),
            Action::StartContainer { slot, service, .. } => format!("start {service} on {slot}"),
            Action::UpdateContainer { slot, service, .. } => format!("update {service} on {slot}"),
            Action::RemoveContainer { slot, container, .. } => {
                format!("remove container {container} on {slot}")
            }
            Action::Prune { slot, releases, tags } => prune(slot, releases, tags),
            Action::RemoveImages { slot, tags } => {
                let place = slot.as_ref().map_or_else(|| "the engine here".to_owned(), Slot::to_string);
                format!("remove {} on {place}", counted(tags.len(), "image tag"))
            }
            Action::RemoveVolumes { slot, volumes } => {
                format!("remove {} on {slot}", counted(volumes.len(), "volume"))
            }
            Action::CleanHost { slot } => format!("remove the network and a3's folder on {slot}"),
        }
    }
}

fn prune(slot: &Slot, releases: &[u64], tags: &[String]) -> String {
    let numbers = releases.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let plural = if releases.len() == 1 { "" } else { "s" };
    match (releases, tags) {
        ([], _) => format!("prune images on {slot}"),
        (_, []) => format!("forget release{plural} {numbers} on {slot}"),
        _ => format!("prune images of release{plural} {numbers} on {slot}"),
    }
}

/// A way in for whoever plans is said as that; the rest is a change of rules.
fn rules(firewall: &Firewall) -> String {
    let is_ssh = |rule: &&Rule| rule.description.starts_with("ssh ");
    let from: Vec<&str> = firewall.open.iter().filter(is_ssh).map(|rule| rule.cidr.as_str()).collect();
    let mut others = firewall.open.iter().chain(firewall.close.iter().map(|(_, rule)| rule));
    let others = others.any(|rule| !is_ssh(&rule));
    match from.join(", ") {
        from if from.is_empty() => format!("change security group {}", firewall.name),
        from if others => format!("allow ssh from {from}, and change security group {}", firewall.name),
        from => format!("allow ssh from {from}"),
    }
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

impl Action {
    /// Every [`Action::kind`].
    pub const KINDS: [&str; 28] = [
        "build",
        "tag",
        "push",
        "import_key",
        "firewall",
        "launch",
        "await",
        "start",
        "modify",
        "terminate",
        "delete_firewall",
        "delete_key",
        "install",
        "admit",
        "copy",
        "remove_files",
        "login",
        "run",
        "prove",
        "restart",
        "stop_container",
        "start_container",
        "update_container",
        "remove_container",
        "prune",
        "remove_images",
        "remove_volumes",
        "clean_host",
    ];

    /// The kind as JSON names it, `import_key`; equal to serde's tag.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Build(_) => "build",
            Self::Tag(_) => "tag",
            Self::Push(_) => "push",
            Self::ImportKey { .. } => "import_key",
            Self::Firewall(_) => "firewall",
            Self::Launch(_) => "launch",
            Self::Await { .. } => "await",
            Self::Start { .. } => "start",
            Self::Modify(_) => "modify",
            Self::Terminate { .. } => "terminate",
            Self::DeleteFirewall { .. } => "delete_firewall",
            Self::DeleteKey { .. } => "delete_key",
            Self::Install(_) => "install",
            Self::Admit { .. } => "admit",
            Self::Copy { .. } => "copy",
            Self::RemoveFiles { .. } => "remove_files",
            Self::Login { .. } => "login",
            Self::Run(_) => "run",
            Self::Prove(_) => "prove",
            Self::Restart { .. } => "restart",
            Self::StopContainer { .. } => "stop_container",
            Self::StartContainer { .. } => "start_container",
            Self::UpdateContainer { .. } => "update_container",
            Self::RemoveContainer { .. } => "remove_container",
            Self::Prune { .. } => "prune",
            Self::RemoveImages { .. } => "remove_images",
            Self::RemoveVolumes { .. } => "remove_volumes",
            Self::CleanHost { .. } => "clean_host",
        }
    }
}
