//! Which settings of a container differ, by their keys in `deploy.yaml`: of maps and lists only the
//! entries that do.

use serde_json::Value;

use super::reason::{FieldChange, Forces, Shown};
use super::settings::{Env, Settings};
use super::value::{self, Element};
use crate::record::InPlace;
use crate::spec::Restart;

/// Docker's own `stop_grace_period`: seconds.
const USUAL_GRACE: u64 = 10;

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
    for key in keys(recorded, &after).into_iter().filter(|key| key != "in_place") {
        differing(&key, (&recorded[&key], &after[&key]), &mut fields);
    }
    fields
}

/// What a new container is given beside its image and name: everything that is not as it always is.
pub(super) fn given(wanted: &Settings) -> Vec<FieldChange> {
    let after = serde_json::to_value(wanted).unwrap_or_default();
    let mut fields = Vec::new();
    // Those follow from names.
    let own = |key: &String| !["in_place", "name", "network", "alias"].contains(&key.as_str());
    for key in keys(&Value::Null, &after).into_iter().filter(own) {
        let usual = after[&key] == false || (key == "stop_grace_period" && after[&key] == USUAL_GRACE);
        if !usual {
            differing(&key, (&Value::Null, &after[&key]), &mut fields);
        }
    }
    fields.extend(
        in_place(&InPlace::default(), &wanted.in_place)
            .into_iter()
            .map(|field| FieldChange { before: Shown::Nothing, ..field }),
    );
    fields
}

/// Takes values out of sight that a variable took part in, by their keys.
pub(super) fn hide<'a>(fields: &mut [FieldChange], keys: impl Iterator<Item = &'a String> + Clone) {
    for field in fields {
        let is_of = |key: &String| {
            field
                .field
                .strip_prefix(key.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        if keys.clone().any(is_of) {
            for value in [&mut field.before, &mut field.after] {
                if matches!(value, Shown::Text(_) | Shown::List(_)) {
                    *value = Shown::Sensitive;
                }
            }
        }
    }
}

/// One key of the settings, before and after.
fn differing(key: &str, (before, after): (&Value, &Value), fields: &mut Vec<FieldChange>) {
    if before == after {
        return;
    }
    match key {
        "environment" => entries(key, (before, after), secretive, fields),
        "labels" => entries(key, (before, after), value::shown, fields),
        "healthcheck" | "logging" | "ulimits" => leaves(key, (before, after), fields),
        "ports" | "volumes" | "cap_add" | "cap_drop" | "tmpfs" | "extra_hosts" => {
            elements(key, (&value::elements(key, before), &value::elements(key, after)), fields);
        }
        _ => {
            let name = if key == "name" { "container_name" } else { key };
            let (before, after) = (value::setting(key, before), value::setting(key, after));
            fields.push(FieldChange::changed(name, before, after));
        }
    }
}

/// A map from names to values.
fn entries(
    key: &str,
    (before, after): (&Value, &Value),
    shown: fn(&Value) -> Shown,
    fields: &mut Vec<FieldChange>,
) {
    for name in keys(before, after).into_iter().filter(|name| before[name] != after[name]) {
        let (before, after) = (shown(&before[&name]), shown(&after[&name]));
        fields.push(FieldChange::changed(format!("{key}.{name}"), before, after));
    }
}

/// Maps in maps, by their paths.
fn leaves(path: &str, (before, after): (&Value, &Value), fields: &mut Vec<FieldChange>) {
    if before == after {
        return;
    }
    if value::is_leaf(before) && value::is_leaf(after) {
        return fields.push(FieldChange::changed(path, value::shown(before), value::shown(after)));
    }
    for key in keys(before, after) {
        leaves(&format!("{path}.{key}"), (&before[&key], &after[&key]), fields);
    }
}

/// A list whose order means nothing to a reader, element by element: those for the same port or path are
/// one that changed.
fn elements(key: &str, (before, after): (&[Element], &[Element]), fields: &mut Vec<FieldChange>) {
    let gone: Vec<&Element> = before.iter().filter(|one| !after.contains(one)).collect();
    let mut new: Vec<&Element> = after.iter().filter(|one| !before.contains(one)).collect();
    if before == after {
        return;
    }
    if gone.is_empty() && new.is_empty() {
        // In another order, or one of them twice: that makes another container, too.
        let all = |list: &[Element]| Shown::List(list.iter().map(|one| one.text.clone()).collect());
        return fields.push(FieldChange::changed(key, all(before), all(after)));
    }
    for old in gone {
        let other = new.iter().position(|one| one.is_for == old.is_for && old.is_for.is_some());
        let other = other.map_or(Shown::Nothing, |index| Shown::text(&new.remove(index).text));
        fields.push(FieldChange::changed(key, Shown::text(&old.text), other));
    }
    fields.extend(new.into_iter().map(|one| FieldChange::new(key, Shown::text(&one.text))));
}

/// A value of the environment: secrets are references there, and not shown.
fn secretive(value: &Value) -> Shown {
    match (value, value.get("plain")) {
        (_, Some(Value::String(text))) => Shown::Text(text.clone()),
        (Value::Null, _) => Shown::Nothing,
        _ => Shown::Sensitive,
    }
}

/// What the engine changes in place.
pub(super) fn in_place(before: &InPlace, after: &InPlace) -> Vec<FieldChange> {
    let rows = in_place_rows(before).into_iter().zip(in_place_rows(after));
    let differs = rows.filter(|((_, before), (_, after))| before != after);
    differs.map(|((key, before), (_, after))| FieldChange::changed(key, before, after)).collect()
}

/// The same by key.
pub(super) fn in_place_rows(settings: &InPlace) -> [(&'static str, Shown); 3] {
    [
        ("restart", Shown::Text(restart_text(settings.restart))),
        ("mem_limit", Shown::maybe(settings.mem_limit.map(value::bytes))),
        ("cpus", Shown::maybe(settings.nano_cpus.map(cpus_text))),
    ]
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
