//! Values of settings as a plan shows them: as Compose spells them.

use serde_json::Value;

use super::reason::Shown;

/// An element of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Element {
    /// What there can be one of, the port or path in the container; `None`: it is all there is to it.
    pub(super) is_for: Option<String>,
    /// As Compose spells it.
    pub(super) text: String,
}

/// The elements of a list of settings.
pub(super) fn elements(key: &str, list: &Value) -> Vec<Element> {
    list.as_array().map_or(&[][..], Vec::as_slice).iter().map(|one| element(key, one)).collect()
}

fn element(key: &str, value: &Value) -> Element {
    let words = value.as_str().unwrap_or_default();
    match key {
        "ports" => {
            Element { is_for: Some(format!("{}/{}", value["target"], value["protocol"])), text: port(value) }
        }
        "volumes" => Element { is_for: value["target"].as_str().map(str::to_owned), text: volume(value) },
        "tmpfs" | "extra_hosts" => {
            Element { is_for: words.split([':', '=']).next().map(str::to_owned), text: words.to_owned() }
        }
        _ => Element { is_for: None, text: words.to_owned() },
    }
}

/// `127.0.0.1:30001:8080/udp`.
fn port(port: &Value) -> String {
    let ip = match port["host_ip"].as_str() {
        Some(ip) if ip.contains(':') => format!("[{ip}]:"),
        Some(ip) => format!("{ip}:"),
        None => String::new(),
    };
    let published = port["published"].as_u64().map_or("auto".to_owned(), |number| number.to_string());
    let protocol = if port["protocol"] == "udp" { "/udp" } else { "" };
    format!("{ip}{published}:{}{protocol}", port["target"])
}

/// `./music:/data:ro`.
fn volume(volume: &Value) -> String {
    let source = &volume["source"];
    let source = source.get("bind").or_else(|| source.get("named")).and_then(Value::as_str);
    let target = volume["target"].as_str().unwrap_or_default();
    let read_only = if volume["read_only"] == true { ":ro" } else { "" };
    source.map_or(format!("{target}{read_only}"), |source| format!("{source}:{target}{read_only}"))
}

/// A setting that is no map and no list of things.
pub(super) fn setting(key: &str, value: &Value) -> Shown {
    match (key, value.as_u64()) {
        ("stop_grace_period", Some(seconds)) => Shown::Text(format!("{seconds}s")),
        ("shm_size", Some(count)) => Shown::Text(bytes(count)),
        _ => shown(value),
    }
}

/// Whether a value is shown as one.
pub(super) fn is_leaf(value: &Value) -> bool {
    value.as_object().is_none_or(|map| map.contains_key("secs") || map.contains_key("soft"))
}

/// Any value: words as they are, a list whose order counts as a list, a time and a limit as Compose has them.
pub(super) fn shown(value: &Value) -> Shown {
    match value {
        Value::Null => Shown::Nothing,
        Value::String(text) => Shown::Text(text.clone()),
        Value::Array(list) if list.is_empty() => Shown::Nothing,
        Value::Array(list) => Shown::List(list.iter().map(word).collect()),
        Value::Object(map) if map.contains_key("secs") => Shown::Text(time(value)),
        Value::Object(map) if map.contains_key("soft") => match (&value["soft"], &value["hard"]) {
            (soft, hard) if soft == hard => Shown::text(soft),
            (soft, hard) => Shown::Text(format!("soft {soft}, hard {hard}")),
        },
        other => Shown::text(other),
    }
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `1m30s`, `500ms`.
fn time(value: &Value) -> String {
    let seconds = value["secs"].as_u64().unwrap_or_default();
    let nanos = value["nanos"].as_u64().unwrap_or_default();
    let units = [
        (seconds / 3600, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
        (nanos / 1_000_000, "ms"),
        (nanos / 1000 % 1000, "us"),
        (nanos % 1000, "ns"),
    ];
    let parts = units.iter().filter(|(count, _)| *count > 0);
    let text: String = parts.map(|(count, unit)| format!("{count}{unit}")).collect();
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// `256m` of 268 435 456.
pub(super) fn bytes(count: u64) -> String {
    let units = [(30, "g"), (20, "m"), (10, "k")];
    let unit = units.into_iter().find(|(shift, _)| count != 0 && count.is_multiple_of(1 << shift));
    unit.map_or_else(|| format!("{count}b"), |(shift, unit)| format!("{}{unit}", count >> shift))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn as_compose_spells_them() {
        assert_eq!(time(&json!({ "secs": 90, "nanos": 500_000_000 })), "1m30s500ms");
        assert_eq!(time(&json!({ "secs": 0, "nanos": 0 })), "0s");
        assert_eq!([bytes(1 << 28), bytes(1000), bytes(0)], ["256m", "1000b", "0b"]);
        let full = json!({ "host_ip": "::1", "published": 53, "target": 53, "protocol": "udp" });
        assert_eq!(port(&full), "[::1]:53:53/udp");
        let anonymous = json!({ "source": "anonymous", "target": "/data", "read_only": true });
        assert_eq!(volume(&anonymous), "/data:ro");
        assert_eq!(shown(&json!({ "soft": 1, "hard": 1 })), Shown::text(1));
        assert_eq!(shown(&json!({ "soft": 1, "hard": 2 })), Shown::text("soft 1, hard 2"));
    }
}
