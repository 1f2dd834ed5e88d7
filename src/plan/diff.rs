//! Which settings of a container differ, by their keys in `deploy.yaml`.

use serde_json::Value;

use super::reason::{FieldChange, Forces, Shown};
use super::settings::{Env, Settings};
use crate::record::InPlace;
use crate::spec::Restart;

/// What only a new container can change, against what was recorded. Never empty: the hash differs,
/// so where nothing can be seen to, it is a secret's value, or there is no record.
pub(super) fn settings(recorded: Option<&Value>, wanted: &Settings) -> Vec<FieldChange> {
    let Some(recorded) = recorded else {
        let change = FieldChange::changed("settings", Shown::NotKnown, Shown::Text("changed".into()));
        return vec![change.forcing(Forces::Recreate)];
    };
    let mut fields = visible(recorded, wanted);
    if fields.is_empty() {
        let secret = |(_, value): &(&String, &Env)| !matches!(value, Env::Plain(_) | Env::Unset);
        let names: Vec<&str> =
            wanted.environment.iter().filter(secret).map(|(name, _)| name.as_str()).collect();
        let field = match names.as_slice() {
            // Which of several changed is not known: the hash is one.
            [one] => format!("environment.{one}"),
            _ => "environment".to_owned(),
        };
        fields.push(FieldChange::changed(field, Shown::Sensitive, Shown::Sensitive));
    }
    fields.into_iter().map(|field| field.forcing(Forces::Recreate)).collect()
}

/// The same without the values of secrets, which are not written down; empty where all else agrees.
pub(super) fn visible(recorded: &Value, wanted: &Settings) -> Vec<FieldChange> {
    let after = serde_json::to_value(wanted).unwrap_or_default();
    let mut fields = Vec::new();
    for key in keys(recorded, &after) {
        let (before, after) = (&recorded[&key], &after[&key]);
        if before == after || key == "in_place" {
            continue;
        }
        if key == "environment" || key == "labels" {
            for name in keys(before, after).into_iter().filter(|name| before[name] != after[name]) {
                let (before, after) = (entry(&before[&name]), entry(&after[&name]));
                fields.push(FieldChange::changed(format!("{key}.{name}"), before, after));
            }
        } else {
            let (before, after) = (shown(before), shown(after));
            let key = if key == "name" { "container_name".to_owned() } else { key };
            fields.push(FieldChange::changed(key, before, after));
        }
    }
    fields
}

/// What the engine changes in place.
pub(super) fn in_place(before: &InPlace, after: &InPlace) -> Vec<FieldChange> {
    let memory = |bytes: Option<u64>| Shown::maybe(bytes.map(bytes_text));
    let cpus = |nano: Option<i64>| Shown::maybe(nano.map(cpus_text));
    let rows = [
        ("restart", Shown::Text(restart_text(before.restart)), Shown::Text(restart_text(after.restart))),
        ("mem_limit", memory(before.mem_limit), memory(after.mem_limit)),
        ("cpus", cpus(before.nano_cpus), cpus(after.nano_cpus)),
    ];
    let differs = rows.into_iter().filter(|(_, before, after)| before != after);
    differs.map(|(key, before, after)| FieldChange::changed(key, before, after)).collect()
}

/// As Compose spells it.
fn restart_text(restart: Restart) -> String {
    match restart {
        Restart::No => "no".into(),
        Restart::Always => "always".into(),
        Restart::UnlessStopped => "unless-stopped".into(),
        Restart::OnFailure(0) => "on-failure".into(),
        Restart::OnFailure(times) => format!("on-failure:{times}"),
    }
}

/// As Compose spells it: `256m` of 268 435 456.
fn bytes_text(bytes: u64) -> String {
    let units = [(30, "g"), (20, "m"), (10, "k")];
    let unit = units.into_iter().find(|(shift, _)| bytes != 0 && bytes.is_multiple_of(1 << shift));
    unit.map_or_else(|| format!("{bytes}b"), |(shift, unit)| format!("{}{unit}", bytes >> shift))
}

/// `1.5` of 1 500 000 000.
fn cpus_text(nano: i64) -> String {
    let text = format!("{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The keys of both, each once.
fn keys(before: &Value, after: &Value) -> Vec<String> {
    let of = |value: &Value| -> Vec<String> {
        value.as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default()
    };
    let mut keys = of(after);
    let gone = of(before).into_iter().filter(|key| after.get(key).is_none());
    keys.extend(gone.collect::<Vec<_>>());
    keys
}

/// A value of the environment or a label; secrets are references there, and not shown.
fn entry(value: &Value) -> Shown {
    match (value, value.get("plain")) {
        (_, Some(Value::String(text))) => Shown::Text(text.clone()),
        (Value::String(text), _) if text != "resolved" => Shown::Text(text.clone()),
        (Value::Null, _) => Shown::Nothing,
        _ => Shown::Sensitive,
    }
}

/// Any other value: words without quotes, lists with commas, ports and volumes as Compose has them.
fn shown(value: &Value) -> Shown {
    match value {
        Value::Null => Shown::Nothing,
        Value::Array(list) if list.is_empty() => Shown::Nothing,
        value => Shown::Text(text(value)),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(text).collect::<Vec<_>>().join(", "),
        Value::Object(map) if map.contains_key("published") => port_text(value),
        Value::Object(map) if map.contains_key("source") && map.contains_key("read_only") => {
            volume_text(value)
        }
        other => other.to_string(),
    }
}

fn port_text(port: &Value) -> String {
    let ip = port["host_ip"].as_str().map_or_else(String::new, |ip| format!("{ip}:"));
    let published = port["published"].as_u64().map_or("auto".to_owned(), |number| number.to_string());
    let protocol = if port["protocol"] == "udp" { "/udp" } else { "" };
    format!("{ip}{published}:{}{protocol}", port["target"])
}

fn volume_text(volume: &Value) -> String {
    let source = &volume["source"];
    let source = source.get("bind").or_else(|| source.get("named")).and_then(Value::as_str);
    let target = volume["target"].as_str().unwrap_or_default();
    let read_only = if volume["read_only"] == true { ":ro" } else { "" };
    source.map_or(target.to_owned(), |source| format!("{source}:{target}{read_only}"))
}
