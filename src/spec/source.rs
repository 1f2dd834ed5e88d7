//! The files that a spec is read from, and places in them.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One file of a spec, read by the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// As the person named it; relative paths in the file start at its folder.
    pub path: PathBuf,
    /// Its bytes. That they are UTF-8 is checked here, so that one message covers it.
    pub bytes: Vec<u8>,
}

impl Source {
    /// A source from text.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { path: path.into(), bytes: text.into().into_bytes() }
    }
}

/// A place in one of the sources: the value that a rule is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    /// Index into the sources.
    pub(crate) file: usize,
    /// First byte.
    pub(crate) start: usize,
    /// One past the last byte.
    pub(crate) end: usize,
}

/// The texts of all sources, shared by the diagnostics that quote them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts(Arc<Vec<(PathBuf, Arc<str>)>>);

impl Texts {
    /// Decodes the sources; what is not UTF-8 becomes the replacement character.
    pub(crate) fn of(sources: &[Source]) -> Self {
        let decode = |source: &Source| {
            let text = String::from_utf8_lossy(&source.bytes);
            (source.path.clone(), Arc::from(text.as_ref()))
        };
        Self(Arc::new(sources.iter().map(decode).collect()))
    }

    /// The same, with these places covered by asterisks; all other places stay where they are.
    pub(crate) fn covering(&self, hidden: &[Origin]) -> Self {
        let covered = self.0.iter().enumerate().map(|(file, (path, text))| {
            let mut text = text.to_string();
            for at in hidden.iter().filter(|at| at.file == file) {
                let Some(secret) = text.get(at.start..at.end) else { continue };
                let stars: String = secret.bytes().map(|b| if b == b'\n' { '\n' } else { '*' }).collect();
                text.replace_range(at.start..at.end, &stars);
            }
            (path.clone(), Arc::from(text))
        });
        Self(Arc::new(covered.collect()))
    }

    /// The text of a file, to be shared.
    pub(crate) fn shared(&self, file: usize) -> Arc<str> {
        self.0.get(file).map_or_else(|| Arc::from(""), |(_, text)| Arc::clone(text))
    }

    pub(crate) fn path(&self, file: usize) -> &Path {
        self.0.get(file).map_or(Path::new(""), |(path, _)| path)
    }

    pub(crate) fn text(&self, file: usize) -> &str {
        self.0.get(file).map_or("", |(_, text)| text)
    }

    /// The text at a place.
    pub(crate) fn slice(&self, at: Origin) -> &str {
        self.text(at.file).get(at.start..at.end).unwrap_or_default()
    }

    /// Line and column of a place's first character, both counted from 1.
    pub(crate) fn position(&self, at: Origin) -> (usize, usize) {
        let text = self.text(at.file);
        let before = text.get(..at.start.min(text.len())).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }

    /// A place narrowed to the first line of it, without the blanks at its end: what is underlined.
    pub(crate) fn first_line(&self, at: Origin) -> Range<usize> {
        let slice = self.slice(at);
        let line = slice.lines().next().unwrap_or_default().trim_end();
        at.start..at.start + line.len()
    }

    /// The place of `part` inside the place `at`, or all of `at`.
    pub(crate) fn inside(&self, at: Origin, part: &str) -> Origin {
        match self.slice(at).find(part) {
            Some(offset) if !part.is_empty() => {
                Origin { start: at.start + offset, end: at.start + offset + part.len(), ..at }
            }
            _ => at,
        }
    }
}
