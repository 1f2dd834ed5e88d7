//! The words: reasons, costs, values, times and sizes. The only place that has them, so that text
//! and JSON say the same.

use std::time::Duration;

use crate::id::Digest;
use crate::plan::reason::{Forces, Reason, Shown};
use crate::plan::step::{Action, Change, Cost, Step};
use crate::plan::summary::Costs;

/// A reason as a plan's line says it: `because …`, or for what the world did,
/// `changed outside a3: …`.
pub fn reason_line(reason: &Reason) -> String {
    let text = reason_text(reason);
    match reason {
        // Who ended it is not known: a person, its ttl, an earlier destroy, EC2 itself; or `a3 rm`.
        Reason::InstanceGone { .. } | Reason::ContainerGone => text,
        Reason::StoppedByPerson { .. } => format!("because {text}"),
        _ if reason.is_drift() => format!("changed outside a3: {text}"),
        _ => format!("because {text}"),
    }
}

/// A reason as a clause, without a full stop.
pub fn reason_text(reason: &Reason) -> String {
    match reason {
        Reason::NoImageOfSource { source } => {
            format!("no image of source {} exists, here or in the registry", source.short())
        }
        Reason::RebuildAsked => "a rebuild was asked for".into(),
        Reason::SourceChanged { before, after } => source_changed(before.as_ref(), after),
        Reason::NotTagged => "the image does not have this name yet".into(),
        Reason::TagElsewhere { found, .. } => {
            format!("the name points at another image, sha256:{}", found.short())
        }
        Reason::NotInRegistry => "the registry does not have it".into(),
        Reason::NotVisible => "the registry does not say whether it has it".into(),
        Reason::NoInstance => "nothing is launched there".into(),
        Reason::InstanceGone { id, why: Some(why) } if why.contains("InstanceInitiatedShutdown") => {
            format!("{id} is terminated (shut down from within, as by its ttl)")
        }
        Reason::InstanceGone { id, why: Some(why) } => format!("{id} is terminated (EC2 says: {why})"),
        Reason::InstanceGone { id, why: None } => {
            format!("{id} is terminated (by hand, by its ttl or by an earlier destroy)")
        }
        Reason::InstanceStopped => "the instance is stopped".into(),
        Reason::ReplaceAsked => "a replacement was asked for".into(),
        Reason::FieldsChanged => "the spec changed".into(),
        Reason::FieldsDiffer => "it is not as the spec says".into(),
        Reason::FieldDrifted { field, asked, found } => {
            field_drifted(field, asked.as_deref(), found.as_deref())
        }
        Reason::LeftSpec => "it left the spec".into(),
        Reason::OwnGroups => "`vpc_security_group_ids` names others instead".into(),
        Reason::Destroy => "a destroy was asked for".into(),
        Reason::Missing => "it does not exist".into(),
        Reason::RuleMissing { rule, .. } => format!("the rule `{rule}` is missing"),
        Reason::RuleUnwanted { rule, added: false } => format!("the rule `{rule}` is not wanted"),
        Reason::RuleUnwanted { rule, added: true } => {
            format!("the rule `{rule}` is there, which a3 had not opened")
        }
        Reason::Gone => "it is gone, and a3 had made it".into(),
        Reason::DockerMissing => "Docker is not installed there".into(),
        Reason::DockerStopped => "Docker is installed there and does not run".into(),
        Reason::DockerUnknown => "the machine may come without Docker".into(),
        Reason::KeysDiffer => "the keys there are not those of the spec".into(),
        Reason::FileMissing { .. }
        | Reason::FileEdited { .. }
        | Reason::FileDrifted { .. }
        | Reason::FileNotOurs { .. }
        | Reason::ModeDiffers { .. } => file_text(reason),
        Reason::NoContainer => "it does not run there yet".into(),
        Reason::ContainerGone => "its container is gone (by hand, or by a3 rm)".into(),
        Reason::ContainerStopped { state } => format!("the container does not run ({state})"),
        Reason::StoppedByPerson { by } => format!("{by} stopped it (a3 stop)"),
        Reason::Asked { command } => format!("a3 {command} asks for it"),
        Reason::Unhealthy => "the container is unhealthy".into(),
        Reason::ImageChanged { .. } => "the image changed".into(),
        Reason::ConfigChanged => "its settings changed".into(),
        Reason::OffNetwork { network } => format!("it was taken off the network {network}"),
        Reason::SwapInterrupted => "an earlier swap of this container was interrupted".into(),
        Reason::DataChanged { target } => format!("{target}, which it mounts, changes"),
        Reason::ToPull => "the image is not on the machine".into(),
        Reason::PastKeep { keep } => format!("{} (keep_releases)", kept_releases(*keep)),
        Reason::NotNeeded => "no release that stays needs them".into(),
        Reason::NewMachine => "the machine is new".into(),
        Reason::NotSeen => "the machine cannot be asked yet".into(),
        Reason::StopsWithMachine { comes_back: true } => {
            "it stops with the machine; the engine there may start it by itself".into()
        }
        Reason::StopsWithMachine { comes_back: false } => {
            "it stops with the machine, and its `restart` leaves it so".into()
        }
    }
}

/// A difference in a word or two, for a column.
pub fn drift_text(reason: &Reason) -> String {
    match reason {
        Reason::LeftSpec => "left the spec".into(),
        Reason::OffNetwork { .. } => "off its network".into(),
        Reason::SwapInterrupted => "swap interrupted".into(),
        Reason::ImageChanged { .. } => "image".into(),
        Reason::ConfigChanged => "settings".into(),
        Reason::FieldsChanged | Reason::FieldsDiffer => "in place".into(),
        Reason::FieldDrifted { .. } => "changed outside a3".into(),
        Reason::ContainerGone => "gone".into(),
        Reason::NoContainer => "never ran".into(),
        Reason::ContainerStopped { .. } => "stopped".into(),
        Reason::StoppedByPerson { by } => format!("stopped by {by}"),
        Reason::Unhealthy => "unhealthy".into(),
        other => reason_text(other),
    }
}

fn field_drifted(field: &str, asked: Option<&str>, found: Option<&str>) -> String {
    match (asked, found) {
        (Some(asked), Some(found)) => format!("{field} is `{found}`, not `{asked}` as a3 had set it"),
        (None, Some(found)) => format!("{field} is `{found}`, not what a3 had set"),
        (Some(asked), None) => format!("{field} is gone, which a3 had set to `{asked}`"),
        (None, None) => format!("{field} is gone, which a3 had set"),
    }
}

fn kept_releases(keep: u32) -> String {
    match keep {
        1 => "only the newest complete release stays".into(),
        keep => format!("only the newest {keep} complete releases stay"),
    }
}

fn source_changed(before: Option<&Digest>, after: &Digest) -> String {
    match before {
        Some(before) => format!("the source changed from {} to {}", before.short(), after.short()),
        None => format!("the source changed to {}", after.short()),
    }
}

fn file_text(reason: &Reason) -> String {
    match reason {
        Reason::FileMissing { target } => format!("{target} is not there"),
        Reason::FileEdited { target } => format!("{target} was edited here"),
        Reason::FileDrifted { target } => format!("{target} was edited on the machine"),
        Reason::FileNotOurs { target } => {
            format!("{target} differs; a3 did not put it there and overwrites it")
        }
        Reason::ModeDiffers { target, before, after, .. } => {
            format!("{target} has mode {before:04o}, not {after:04o}")
        }
        _ => String::new(),
    }
}

/// What a step costs those who use the service; `None` when they notice nothing.
pub fn cost_text(cost: Cost) -> Option<String> {
    match cost {
        Cost::None => None,
        Cost::Restart { grace } => {
            Some(format!("away about 1 s, up to {grace} s more if it does not stop by itself"))
        }
        Cost::StopStart => {
            Some("the machine stops and starts: away for about a minute, its address may change".into())
        }
        Cost::ReplaceMachine => {
            Some("the machine ends with its disk; a new one has a new address and takes minutes".into())
        }
        Cost::DataAtRisk => Some("its disk ends with it: what is only there is lost".into()),
        Cost::DataLost => Some("data at risk: what is in them is lost".into()),
    }
}

/// What a whole plan costs, the worst first; `None` when nobody notices.
pub fn costs_text(costs: &Costs) -> Option<String> {
    let mut parts = Vec::new();
    let mut say = |count: usize, what: &dyn Fn(String) -> String, thing: &str| {
        if count > 0 {
            parts.push(what(counted(count, thing)));
        }
    };
    say(costs.lost_volumes, &|volumes| format!("{volumes} with all data lost"), "volume");
    say(costs.ended_machines, &|ended| format!("{ended} ended, with all data on the disk"), "machine");
    say(
        costs.replaced_machines,
        &|replaced| format!("{replaced} replaced: away for minutes, all data on the disk lost"),
        "machine",
    );
    say(
        costs.stop_starts,
        &|stopped| format!("{stopped} stopped and started: away for about a minute"),
        "machine",
    );
    let each = if costs.restarts > 1 { " each" } else { "" };
    let grace = costs.longest_grace.unwrap_or_default();
    say(
        costs.restarts,
        &|restarted| format!("{restarted} restarted: away for about 1 s{each}, up to {grace} s more"),
        "container",
    );
    say(
        costs.launched_machines,
        &|launched| {
            let end = if costs.launched_machines == 1 { "it ends" } else { "they end" };
            format!("{launched} launched, billed by AWS until {end}")
        },
        "machine",
    );
    (!parts.is_empty()).then(|| format!("{}.", parts.join("; ")))
}

/// Why steps are not the last word, and what they rest on meanwhile.
pub fn provisional_text(steps: &[&Step]) -> &'static str {
    let has = |reason: &Reason| steps.iter().any(|step| step.reasons.contains(reason));
    if has(&Reason::NotSeen) {
        "if it is missing or differs there; looked at again when the machine answers"
    } else if has(&Reason::NewMachine) || has(&Reason::DockerUnknown) {
        "as on a fresh machine; planned again when it answers"
    } else {
        "as the machine is now; planned again on the way"
    }
}

/// What a changed field forces, as the end of its line.
pub fn forces_text(forces: Forces) -> &'static str {
    match forces {
        Forces::Replacement => "forces replacement",
        Forces::StopStart => "forces stop and start",
        Forces::Recreate => "forces a new container",
    }
}

/// A value as a plan shows it.
pub fn shown_text(value: &Shown) -> String {
    match value {
        Shown::Text(text) if is_plain(text) => text.clone(),
        Shown::Text(text) => quoted(text),
        Shown::List(list) => {
            let items: Vec<String> = list.iter().map(|item| quoted(item)).collect();
            format!("[{}]", items.join(", "))
        }
        Shown::Sensitive => "(sensitive)".into(),
        Shown::KnownAfter(step) => format!("(known after {step})"),
        Shown::NotKnown => "(earlier value not known)".into(),
        Shown::Nothing => "(none)".into(),
    }
}

/// Whether a value can stand in a line as it is: it is seen whole, and is not taken for our own words.
fn is_plain(text: &str) -> bool {
    let edge = |text: &str| text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace);
    let ours = ["(sensitive)", "(none)", "(known after", "(earlier value"];
    !text.is_empty()
        && !edge(text)
        && !text.contains(char::is_control)
        && !text.contains(" → ")
        && !ours.iter().any(|word| text.starts_with(word))
}

/// In quotes, with escapes, as in YAML and JSON.
fn quoted(text: &str) -> String {
    let text = serde_json::Value::from(text).to_string();
    let escaped = |letter: char| match letter.is_control() {
        true => format!("\\u{:04x}", u32::from(letter)),
        false => letter.to_string(),
    };
    text.chars().map(escaped).collect()
}

/// What will have happened to a step's address: `built`, `launched`.
pub fn participle(step: &Step) -> &'static str {
    match (&step.action, step.change) {
        (Action::Build(_), _) => "built",
        (Action::Tag(_), _) => "tagged",
        (Action::Push(_), _) => "pushed",
        (Action::ImportKey { .. }, Change::Replace) => "replaced",
        (Action::ImportKey { .. }, _) => "imported",
        (Action::Firewall(_), Change::Create) => "created",
        (Action::Launch(_), Change::Replace) => "replaced",
        (Action::Launch(_), _) => "launched",
        (Action::Await { .. }, _) => "waited for",
        (Action::Start { .. } | Action::StartContainer { .. }, _) => "started",
        (Action::Firewall(_) | Action::Modify(_) | Action::UpdateContainer { .. }, _) => "changed in place",
        (Action::Terminate { .. }, _) => "terminated",
        (Action::DeleteFirewall { .. } | Action::DeleteKey { .. }, _) => "deleted",
        (Action::Install(_), Change::Update) => "started",
        (Action::Install(_), _) => "installed",
        (Action::Admit { .. }, Change::Delete) => "removed",
        (Action::Admit { .. }, _) => "written",
        (Action::Copy { .. }, _) => "copied",
        (Action::Login { .. }, _) => "checked",
        (Action::Run(_), Change::Create) => "run",
        (Action::Prove(_), _) => "proven",
        (Action::Run(_), _) => "replaced",
        (Action::Restart { .. }, _) => "restarted",
        (Action::StopContainer { .. }, _) => "stopped",
        (Action::Prune { .. }, _) => "pruned",
        (
            Action::RemoveFiles { .. }
            | Action::RemoveContainer { .. }
            | Action::RemoveImages { .. }
            | Action::RemoveVolumes { .. }
            | Action::CleanHost { .. },
            _,
        ) => "removed",
    }
}

/// `1 file`, `2 files`.
pub fn counted(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

/// `built, tagged and pushed`.
pub fn list(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// `8.1s`, `2m 05s`, `3h 07m`, `2d 4h`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{:.1}s", (time.as_secs_f64() * 10.0).floor() / 10.0),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86400, seconds / 3600 % 24),
    }
}

/// `512 B`, `3.4 kB`, `12.0 MB`, as Docker counts (powers of 1000).
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if count < 1000 {
        return format!("{count} B");
    }
    // Exact below 2^53, which is 9 PB.
    #[expect(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
    let mut value = count as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes() {
        assert_eq!(duration(Duration::from_millis(8_190)), "8.1s");
        assert_eq!(duration(Duration::from_millis(59_990)), "59.9s");
        assert_eq!(duration(Duration::from_secs(125)), "2m 05s");
        assert_eq!(duration(Duration::from_secs(3 * 3600 + 7 * 60)), "3h 07m");
        assert_eq!(duration(Duration::from_secs(100 * 3600)), "4d 4h");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(3_440), "3.4 kB");
        assert_eq!(bytes(999_999), "1.0 MB");
    }

    #[test]
    fn values_that_would_be_misread_are_quoted() {
        let shown = |text: &str| shown_text(&Shown::text(text));
        assert_eq!([shown("debug"), shown("a b: c")], ["debug", "a b: c"]);
        assert_eq!([shown(""), shown(" a"), shown("(none)")], ["\"\"", "\" a\"", "\"(none)\""]);
        assert_eq!(shown("two\nlines\u{1b}[31m"), "\"two\\nlines\\u001b[31m\"");
        let list = Shown::List(vec!["sh".into(), "-c".into(), "a, b".into()]);
        assert_eq!(shown_text(&list), "[\"sh\", \"-c\", \"a, b\"]");
    }

    #[test]
    fn lists() {
        assert_eq!(list(&["built"]), "built");
        assert_eq!(list(&["built", "tagged", "pushed"]), "built, tagged and pushed");
    }
}
