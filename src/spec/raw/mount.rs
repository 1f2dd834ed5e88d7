//! Volumes in Compose's short and long form, and data files.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

use crate::spec::diagnostic::Problem;
use crate::spec::model::{DataFile, OnChange, Volume, VolumeSource};
use crate::spec::node::Node;
use crate::spec::quantities::{Mode, mode};
use crate::spec::read::{Cx, Read, raw};
use crate::spec::scalars::{Flag, LocalPath, Text, scalar, words};

/// One item of `volumes`.
#[derive(Clone, Debug)]
pub(crate) enum VolumeEntry {
    Mount(Volume),
    /// A mount point, with options.
    Tmpfs(String),
}

raw! {
    /// A mount.
    RawVolume = "a volume" {
        /// `bind`, `volume` or `tmpfs`.
        r#type: VolumeWord,
        /// A path of the machine (`bind`), or the volume's name.
        source: Text,
        /// The absolute path in the container.
        target: Text,
        /// Mount it read-only (false).
        read_only: Flag,
    }
}

words! {
    /// Kinds of mount.
    VolumeWord = "`bind`, `volume` or `tmpfs`" {
        Bind = "bind",
        Volume = "volume",
        Tmpfs = "tmpfs",
    }
}

impl Read for VolumeEntry {
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        if node.map().is_some() {
            return long_volume(node, cx);
        }
        let scalar = scalar(node, cx, "a volume")?;
        match short_volume(&scalar.text) {
            Ok(volume) => Some(Self::Mount(volume)),
            Err((label, help)) => {
                let message = format!("bad volume `{}`", scalar.shown());
                cx.report(Problem::new(node.at, message).label(label).help(help));
                None
            }
        }
    }
}

fn short_volume(text: &str) -> Result<Volume, (&'static str, &'static str)> {
    const FORM: &str = "write SOURCE:TARGET, as in \"./music:/data\"";
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts.as_slice() {
        [target] => (None, *target, ""),
        [source, target] => (Some(*source), *target, ""),
        [source, target, options] => (Some(*source), *target, *options),
        _ => return Err(("too many colons", FORM)),
    };
    if !target.starts_with('/') {
        return Err(("the path in the container is absolute", FORM));
    }
    let read_only = match options {
        "" | "rw" => false,
        "ro" => true,
        _ => return Err(("the only options are `ro` and `rw`", "write \"./music:/data:ro\"")),
    };
    let source = match source {
        None => VolumeSource::Anonymous,
        Some("") => return Err(("the source is empty", FORM)),
        Some(path) if path.starts_with(['.', '/', '~']) => VolumeSource::Bind(path.to_owned()),
        Some(path) if path.contains('/') => {
            return Err(("a path begins with `./`, `/` or `~`", "write \"./FOLDER:/data\""));
        }
        Some(name) if is_volume_name(name) => VolumeSource::Named(name.to_owned()),
        Some(_) => return Err(("neither a path nor a volume's name", FORM)),
    };
    Ok(Volume { source, target: target.to_owned(), read_only })
}

/// The engine's rule for names (`RestrictedNamePattern`).
fn is_volume_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

fn long_volume(node: &Node, cx: &mut Cx<'_>) -> Option<VolumeEntry> {
    let before = cx.problems.len();
    let raw = RawVolume::read(node, cx)?;
    let source = raw.source.get().map(|Text(source)| source.clone());
    let kind = raw.r#type.get().copied();
    let target = raw.target.get().map(|Text(target)| target.clone());
    let problem = match (&kind, &source, &target) {
        _ if cx.problems.len() > before => return None,
        (None, ..) => Some(("a volume needs `type`", "add `type: bind`, `type: volume` or `type: tmpfs`")),
        (_, _, None) => Some(("a volume needs `target`", "add the path in the container: `target: /data`")),
        (_, _, Some(target)) if !target.starts_with('/') => {
            Some(("the path in the container is absolute", "write `target: /data`"))
        }
        (Some(VolumeWord::Bind), None, _) => {
            Some(("a bind mount needs `source`", "add a path of the machine: `source: ./music`"))
        }
        (Some(VolumeWord::Tmpfs), Some(_), _) => Some(("a tmpfs has no `source`", "take `source` out")),
        (Some(VolumeWord::Volume), Some(name), _) if !is_volume_name(name) => {
            Some(("not the name of a volume", "write `type: bind` for a path"))
        }
        _ => None,
    };
    if let Some((message, help)) = problem {
        cx.report(Problem::new(node.at, message).label("here").help(help));
        return None;
    }
    let read_only = raw.read_only.get().is_some_and(|flag| flag.0);
    let source = match (kind?, source) {
        (VolumeWord::Tmpfs, _) => {
            let options = if read_only { ":ro" } else { "" };
            return Some(VolumeEntry::Tmpfs(format!("{}{options}", target?)));
        }
        (VolumeWord::Bind, source) => VolumeSource::Bind(source?),
        (VolumeWord::Volume, Some(name)) => VolumeSource::Named(name),
        (VolumeWord::Volume, None) => VolumeSource::Anonymous,
    };
    Some(VolumeEntry::Mount(Volume { source, target: target?, read_only }))
}

impl JsonSchema for VolumeEntry {
    fn schema_name() -> Cow<'static, str> {
        "Volume".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut long = RawVolume::json_schema(generator);
        long.insert("x-required".into(), json!(["type", "target"]));
        json_schema!({ "anyOf": [{ "type": "string", "pattern": "^([^:]+:)?/|\\$" }, long] })
    }
}

/// One item of `files`.
#[derive(Clone, Debug)]
pub(crate) struct FileEntry(pub(crate) DataFile);

raw! {
    /// A data file or folder that is copied to the machine.
    RawFile = "a file" {
        /// The file or folder here, relative to this file's folder.
        source: LocalPath,
        /// Where it goes: relative to the ssh user's home; a trailing slash keeps the source's name.
        target: Text,
        /// Permission bits in octal, `0644`; without it the source's.
        mode: Mode,
        /// Write it with `sudo` (false).
        sudo: Flag,
        /// What a change does to the services that see it (restart).
        on_change: OnChangeWord,
    }
}

words! {
    /// What a change does.
    OnChangeWord = "`restart` or `none`" {
        Restart = "restart",
        None = "none",
    }
}

impl Read for FileEntry {
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        if node.map().is_some() {
            return long_file(node, cx).map(Self);
        }
        let scalar = scalar(node, cx, "a file")?;
        let parts: Vec<&str> = scalar.text.split(':').collect();
        let wrong = match parts.as_slice() {
            [source, target] if !source.is_empty() && !target.is_empty() => {
                return Some(Self(file(node, cx, source, target, None)));
            }
            [source, target, bits] if !source.is_empty() && !target.is_empty() => match mode(bits) {
                Some(mode) => return Some(Self(file(node, cx, source, target, Some(mode)))),
                None => "the mode is three or four octal digits",
            },
            [_] => "the target is missing",
            _ => "not local:remote[:mode]",
        };
        let problem = Problem::new(node.at, format!("bad file `{}`", scalar.shown())).label(wrong);
        cx.report(problem.help("write \"./music.csv:music/\" or \"./music.csv:music/:0644\""));
        None
    }
}

fn file(node: &Node, cx: &Cx<'_>, source: &str, target: &str, mode: Option<u32>) -> DataFile {
    DataFile {
        source: cx.local_path(node.at, source),
        target: target.to_owned(),
        mode,
        sudo: false,
        on_change: OnChange::Restart,
    }
}

fn long_file(node: &Node, cx: &mut Cx<'_>) -> Option<DataFile> {
    let raw = RawFile::read(node, cx)?;
    let missing = |absent: bool, key: &str| {
        absent.then(|| {
            Problem::new(node.at, format!("a file needs `{key}`"))
                .label("here")
                .help(format!("add `{key}: PATH`"))
        })
    };
    cx.problems.extend(missing(raw.source.is_absent(), "source"));
    cx.problems.extend(missing(raw.target.is_absent(), "target"));
    let on_change = match raw.on_change.get() {
        Some(OnChangeWord::None) => OnChange::None,
        Some(OnChangeWord::Restart) | None => OnChange::Restart,
    };
    Some(DataFile {
        source: raw.source.get()?.0.clone(),
        target: raw.target.get()?.0.clone(),
        mode: raw.mode.get().map(|mode| mode.0),
        sudo: raw.sudo.get().is_some_and(|flag| flag.0),
        on_change,
    })
}

impl JsonSchema for FileEntry {
    fn schema_name() -> Cow<'static, str> {
        "File".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut long = RawFile::json_schema(generator);
        long.insert("x-required".into(), json!(["source", "target"]));
        json_schema!({ "anyOf": [
            { "type": "string", "pattern": "^[^:]+:[^:]+(:(0o)?[0-7]{3,4})?$|\\$" },
            long,
        ] })
    }
}

/// A path in a container as the engine knows it: it takes `/data/` and `/data` for two mounts of one place.
pub(crate) fn cleaned(target: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    if target.starts_with('/') { format!("/{}", parts.join("/")) } else { parts.join("/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_paths_or_names() {
        let source = |text: &str| short_volume(text).map(|volume| (volume.source, volume.read_only));
        assert_eq!(source("./m:/data"), Ok((VolumeSource::Bind("./m".into()), false)));
        assert_eq!(source("~/m:/data:ro"), Ok((VolumeSource::Bind("~/m".into()), true)));
        assert_eq!(source("db:/data:rw"), Ok((VolumeSource::Named("db".into()), false)));
        assert_eq!(source("/data"), Ok((VolumeSource::Anonymous, false)));
        for wrong in ["", "x", "m:data", "a/b:/data", "a:/b:z", "a:/b:ro:x", ":/b", "ü:/b"] {
            assert!(short_volume(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_target_has_one_spelling() {
        for (written, known) in [
            ("/data", "/data"),
            ("/data/", "/data"),
            ("//data/./more//", "/data/more"),
            ("/data/../store", "/store"),
            ("/", "/"),
            ("data/", "data"),
        ] {
            assert_eq!(cleaned(written), known);
        }
    }
}
