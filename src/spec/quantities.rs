//! Numbers, durations, sizes, permission bits.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

use super::diagnostic::Problem;
use super::node::{Class, Node};
use super::read::{Cx, Read};
use super::scalars::{inline_schema, or_variable, scalar};

/// A whole number within limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Int<const MIN: i64, const MAX: i64>(pub(crate) i64);

impl<const MIN: i64, const MAX: i64> Int<MIN, MAX> {
    /// As the unsigned number that the limits make it.
    pub(crate) fn unsigned(self) -> u32 {
        u32::try_from(self.0).unwrap_or_default()
    }
}

impl<const MIN: i64, const MAX: i64> Read for Int<MIN, MAX> {
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        let scalar = scalar(node, cx, "a whole number")?;
        let number = match scalar.class() {
            Class::Int(number) => Some(number),
            Class::Text if scalar.template.is_some() => scalar.text.parse().ok(),
            _ => None,
        };
        let Some(number) = number else {
            cx.expected(node, "a whole number");
            if let (Some(problem), true) = (cx.problems.last_mut(), scalar.text.parse::<i64>().is_ok()) {
                problem.help = Some(format!("write {} without quotes", scalar.text));
            }
            return None;
        };
        let digits = scalar.text.trim_start_matches(['-', '+']);
        if digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()) {
            let problem = Problem::new(node.at, "a number with a leading zero is ambiguous");
            let problem = problem.label("octal in YAML 1.1, decimal in 1.2");
            cx.report(problem.help(format!("write {number}")));
            return None;
        }
        if !(MIN..=MAX).contains(&number) {
            let shown = scalar.shown();
            let problem = Problem::new(node.at, format!("`{shown}` is out of range"));
            let help = format!("write a number from {MIN} to {MAX}");
            cx.report(problem.label(format!("must be {MIN} to {MAX}")).help(help));
            return None;
        }
        Some(Self(number))
    }
}

impl<const MIN: i64, const MAX: i64> JsonSchema for Int<MIN, MAX> {
    fn schema_name() -> Cow<'static, str> {
        "Int".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let schema = or_variable(json!({ "type": "integer", "minimum": MIN, "maximum": MAX }));
        Schema::try_from(schema).unwrap_or_else(|_| json_schema!(true))
    }
}

/// A port of a container or a machine.
pub(crate) type PortNumber = Int<1, 65535>;

/// A duration as Go and Compose write it: `1m30s`, `500ms`, `8h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

const SPAN_PATTERN: &str = r"^([0-9]+(\.[0-9]+)?(us|ms|s|m|h))+$";

impl Read for Span {
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        let scalar = scalar(node, cx, "a duration")?;
        let span = duration(&scalar.text).filter(|_| scalar.class() == Class::Text);
        if span.is_none() {
            cx.expected(node, "a duration");
            if let Some(problem) = cx.problems.last_mut() {
                let seconds = scalar.text.parse::<u64>().ok().map(|seconds| format!("write {seconds}s"));
                let help = seconds.unwrap_or_else(|| "write it as 30s, 1m30s or 8h".into());
                problem.help = Some(help);
            }
        }
        span.map(Self)
    }
}
inline_schema!(Span, or_variable(json!({ "type": "string", "pattern": SPAN_PATTERN })));

/// Parses `1h2m3.5s`; days and weeks are not in Compose's form.
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let unit = after.find(|c: char| c.is_ascii_digit()).map_or(after, |end| &after[..end]);
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            _ => return None,
        };
        let whole =
            number.parse::<f64>().ok().filter(|_| number.starts_with(|c: char| c.is_ascii_digit()))?;
        total = total.checked_add(Duration::try_from_secs_f64(whole * seconds).ok()?)?;
        rest = &after[unit.len()..];
    }
    Some(total)
}

/// A number of bytes as Docker writes it: `512m`, `1gb`, `1073741824`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) u64);

impl Read for Bytes {
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        let scalar = scalar(node, cx, "a size in bytes")?;
        let size = bytes(&scalar.text);
        if size.is_none() {
            cx.expected_like(node, "a size in bytes", "write it as 512m, 1g or a number of bytes");
        }
        size.map(Self)
    }
}
inline_schema!(
    Bytes,
    or_variable(json!({ "anyOf": [
        { "type": "integer", "minimum": 0 },
        { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?\\s*([bB]|[kKmMgGtT]([iI]?[bB])?)?$" },
    ] }))
);

/// Powers of 1024, as Docker's `RAMInBytes`.
fn bytes(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let power = match unit.trim().to_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        _ => return None,
    };
    if !number.starts_with(|c: char| c.is_ascii_digit()) || number.ends_with('.') {
        return None;
    }
    let factor = 1024_u64.pow(power);
    match number.parse::<u64>() {
        Ok(number) => number.checked_mul(factor),
        Err(_) => {
            let value = number.parse::<f64>().ok()? * factor as f64;
            (value < 2_f64.powi(63)).then_some(value as u64)
        }
    }
}

/// A number of processors, in billionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cpus(pub(crate) i64);

impl Read for Cpus {
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        let scalar = scalar(node, cx, "a number of processors")?;
        let plain = scalar.text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let cpus = scalar.text.parse::<f64>().ok().filter(|cpus| plain && *cpus > 0.0 && *cpus <= 4096.0);
        if cpus.is_none() {
            cx.expected_like(node, "a number of processors", "write it as 0.5 or 2");
        }
        cpus.map(|cpus| Self((cpus * 1e9).round() as i64))
    }
}
inline_schema!(
    Cpus,
    or_variable(json!({ "anyOf": [
        { "type": "number", "exclusiveMinimum": 0, "maximum": 4096 },
        { "type": "string", "pattern": "^[0-9]*\\.?[0-9]+$" },
    ] }))
);

/// Permission bits as everybody writes them: `0644` or `"644"`, octal either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mode(pub(crate) u32);

impl Read for Mode {
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        let text = &scalar(node, cx, "permission bits")?.text;
        let mode = mode(text);
        if mode.is_none() {
            cx.expected_like(node, "permission bits", "write them in octal: \"0644\"");
        }
        mode.map(Self)
    }
}
inline_schema!(
    Mode,
    or_variable(json!({ "anyOf": [
        { "type": "integer", "minimum": 0, "maximum": 7777 },
        { "type": "string", "pattern": "^(0o)?[0-7]{3,4}$" },
    ] }))
);

/// Three or four octal digits.
pub(crate) fn mode(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let right_length = (3..=4).contains(&digits.len());
    u32::from_str_radix(digits, 8).ok().filter(|_| right_length && !digits.starts_with(['+', '-']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_go_writes_them() {
        assert_eq!(duration("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(duration("1.5h"), Some(Duration::from_secs(5400)));
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        for wrong in ["", "10", "s", "1d", "1h-2m", "22:22", ".s", "1e300h"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!(bytes("512m"), Some(512 << 20));
        assert_eq!(bytes("1.5GB"), Some(3 << 29));
        assert_eq!(bytes("10"), Some(10));
        for wrong in ["", "m", "-1", "1x", "1.", "99999999999999999999t"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(mode("0644"), Some(0o644));
        assert_eq!(mode("755"), Some(0o755));
        for wrong in ["8", "0888", "64", "07777777", "+644"] {
            assert_eq!(mode(wrong), None, "{wrong}");
        }
    }
}
