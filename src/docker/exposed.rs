//! What a Dockerfile says of its image from the outside: the ports of `EXPOSE` and the folders of
//! `VOLUME`, of the last stage and those that it is made from.

use std::collections::BTreeMap;

use super::dockerfile::instructions;
use crate::spec::Protocol;

/// What an image offers and keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exposed {
    /// Each once, in the order of the file.
    pub ports: Vec<(u16, Protocol)>,
    /// Folders in the container whose content is meant to outlive it.
    pub volumes: Vec<String>,
    /// Ports that make no sense without what a build is given.
    pub unclear: Vec<String>,
}

/// A stage: what it offers, and the variables that its lines may use.
#[derive(Clone, Debug, Default)]
struct Stage {
    exposed: Exposed,
    variables: BTreeMap<String, String>,
}

/// Reads what the image of a Dockerfile exposes. `ARG` counts with its default.
pub fn exposed(dockerfile: &str) -> Exposed {
    let mut global = BTreeMap::new();
    let mut stages: Vec<(String, Stage)> = Vec::new();
    for (_, text) in instructions(dockerfile) {
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((&text, ""));
        match (word.to_ascii_uppercase().as_str(), stages.last_mut()) {
            ("FROM", _) => {
                let stage = from(rest, &global, &stages);
                stages.push(stage);
            }
            ("ARG", None) => {
                for (name, value) in assignments(rest) {
                    let value = filled(&value.unwrap_or_default(), &global);
                    global.insert(name, value);
                }
            }
            ("ARG" | "ENV", Some((_, stage))) => declare(stage, rest, &global),
            ("EXPOSE", Some((_, stage))) => expose(stage, rest),
            ("VOLUME", Some((_, stage))) => {
                let folders = words(rest).into_iter().map(|folder| filled(&folder, &stage.variables));
                let folders = folders.filter(|folder| folder.starts_with('/') && !folder.contains('$'));
                stage.exposed.volumes.extend(folders);
            }
            _ => {}
        }
    }
    let mut exposed = stages.pop().map(|(_, stage)| stage.exposed).unwrap_or_default();
    keep_first(&mut exposed.ports);
    keep_first(&mut exposed.volumes);
    keep_first(&mut exposed.unclear);
    exposed
}

/// `FROM [--platform=…] IMAGE [AS NAME]`; an image that is an earlier stage hands on what it has.
fn from(rest: &str, global: &BTreeMap<String, String>, stages: &[(String, Stage)]) -> (String, Stage) {
    let words: Vec<String> =
        rest.split_whitespace().filter(|word| !word.starts_with("--")).map(str::to_lowercase).collect();
    let image = words.first().map(|image| filled(image, global)).unwrap_or_default();
    let base = stages.iter().rev().find(|(name, _)| *name == image && !name.is_empty());
    let name = match words.get(1).map(String::as_str) {
        Some("as") => words.get(2).cloned().unwrap_or_default(),
        _ => String::new(),
    };
    (name, base.map(|(_, stage)| stage.clone()).unwrap_or_default())
}

fn declare(stage: &mut Stage, rest: &str, global: &BTreeMap<String, String>) {
    for (name, value) in assignments(rest) {
        // An ARG without a value takes that of the one before the first FROM.
        let value = match value {
            Some(value) => Some(filled(&value, &stage.variables)),
            None => global.get(&name).cloned(),
        };
        if let Some(value) = value {
            stage.variables.insert(name, value);
        }
    }
}

fn expose(stage: &mut Stage, rest: &str) {
    for word in rest.split_whitespace() {
        for word in filled(word, &stage.variables).split_whitespace() {
            match ports(word) {
                Some(ports) => stage.exposed.ports.extend(ports),
                None => stage.exposed.unclear.push(word.to_owned()),
            }
        }
    }
}

/// `80`, `443/tcp`, `8000-8002/udp`.
fn ports(word: &str) -> Option<Vec<(u16, Protocol)>> {
    let (numbers, protocol) = match word.split_once('/') {
        Some((numbers, protocol)) => (numbers, protocol),
        None => (word, "tcp"),
    };
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return None,
    };
    let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    // A wider range is no list of services.
    let sensible = first > 0 && first <= last && last - first < 20;
    sensible.then(|| (first..=last).map(|port| (port, protocol)).collect())
}

/// `NAME=VALUE …`, `NAME`, or the old `ENV NAME VALUE`.
fn assignments(rest: &str) -> Vec<(String, Option<String>)> {
    let words = words(rest);
    match words.as_slice() {
        [name, value @ ..] if !name.contains('=') && !value.is_empty() && !value[0].contains('=') => {
            vec![(name.clone(), Some(value.join(" ")))]
        }
        _ => words
            .iter()
            .map(|word| match word.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (word.clone(), None),
            })
            .collect(),
    }
}

/// A JSON list, or words as a shell takes them apart.
fn words(text: &str) -> Vec<String> {
    let list = serde_json::from_str::<Vec<String>>(text.trim()).ok();
    list.or_else(|| shlex::split(text)).unwrap_or_default()
}

/// `$NAME`, `${NAME}`, `${NAME:-DEFAULT}`; what is not known stays as it is.
fn filled(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let (whole, name, default) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((inner, _)) => {
                let (name, default) = match inner.split_once(":-") {
                    Some((name, default)) => (name, Some(default)),
                    None => (inner, None),
                };
                (inner.len() + 2, name, default)
            }
            None => {
                let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                (end, &after[..end], None)
            }
        };
        let value = variables.get(name).map(String::as_str).filter(|value| !value.is_empty()).or(default);
        match value {
            Some(value) => out.push_str(value),
            None => {
                out.push('$');
                out.push_str(&after[..whole]);
            }
        }
        rest = &after[whole..];
    }
    out.push_str(rest);
    out
}

fn keep_first<T: PartialEq>(items: &mut Vec<T>) {
    let mut kept: Vec<T> = Vec::new();
    for item in items.drain(..) {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    *items = kept;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(dockerfile: &str) -> String {
        let found = exposed(dockerfile);
        let ports = found.ports.iter().map(|(port, protocol)| format!("{port}/{protocol:?}").to_lowercase());
        let all = ports.chain(found.volumes).chain(found.unclear.iter().map(|word| format!("? {word}")));
        all.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn ports_and_volumes_are_read() {
        let table = [
            ("FROM a\nEXPOSE 80/tcp 443\n", "80/tcp, 443/tcp"),
            ("FROM a\nexpose 53/UDP \\\n  # dns\n  53\n", "53/udp, 53/tcp"),
            ("FROM a\nEXPOSE 8000-8002\nEXPOSE 8001\n", "8000/tcp, 8001/tcp, 8002/tcp"),
            ("FROM a\nEXPOSE 0 70000 1-9999 80/sctp\n", "? 0, ? 70000, ? 1-9999, ? 80/sctp"),
            ("FROM a\nARG PORT=8080\nEXPOSE $PORT ${PORT}/udp\n", "8080/tcp, 8080/udp"),
            ("ARG PORT=81\nFROM a\nARG PORT\nEXPOSE ${PORT}\n", "81/tcp"),
            ("ARG PORT=81\nFROM a\nEXPOSE ${PORT} ${OTHER:-82}\n", "82/tcp, ? ${PORT}"),
            ("FROM a\nENV A=1 PORT=5000\nENV OLD 5001\nEXPOSE $PORT $OLD\n", "5000/tcp, 5001/tcp"),
            ("FROM a\nENV PORTS=\"1000 2000\"\nEXPOSE $PORTS\n", "1000/tcp, 2000/tcp"),
            ("FROM a\nVOLUME /data\nVOLUME [\"/a b\", \"/c\"]\n", "/data, /a b, /c"),
            ("# EXPOSE 80\nFROM a\nRUN echo EXPOSE 81\n", ""),
            ("", ""),
        ];
        for (dockerfile, want) in table {
            assert_eq!(shown(dockerfile), want, "{dockerfile}");
        }
    }

    #[test]
    fn only_the_last_stage_and_its_bases_count() {
        let two = "FROM --platform=linux/amd64 node AS build\nEXPOSE 9229\nFROM nginx\nEXPOSE 80\n";
        assert_eq!(shown(two), "80/tcp");
        let based =
            "FROM python AS Base\nENV P=30001\nEXPOSE $P\nFROM x AS other\nEXPOSE 1\nFROM base\nEXPOSE 2\n";
        assert_eq!(shown(based), "30001/tcp, 2/tcp");
    }
}
