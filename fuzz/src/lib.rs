//! The parsers under test, file by file as the program has them.

#![allow(dead_code, unreachable_pub, unused_imports, reason = "the program uses the rest")]

#[path = "../../src/docker/dockerignore.rs"]
pub mod dockerignore;
#[path = "../../src/explain.rs"]
pub mod explain;
#[path = "../../src/id.rs"]
pub mod id;
#[path = "../../src/ssh/known_hosts.rs"]
pub mod known_hosts;
#[path = "../../src/spec/lower/reference.rs"]
pub mod reference;
#[path = "../../src/spec/mod.rs"]
pub mod spec;

use std::collections::{BTreeMap, BTreeSet};

/// Reads `text` as a deploy.yaml over an overlay, and renders all that is wrong with it.
pub fn read_spec(text: &[u8]) {
    // A form feed begins an overlay.
    let sources = text.split(|byte| *byte == b'\x0c').enumerate().map(|(index, part)| {
        spec::Source { path: format!("{index}.yaml").into(), bytes: part.to_vec() }
    });
    let sources: Vec<_> = sources.take(3).collect();
    let env = BTreeMap::from([("REGID".to_owned(), "me".to_owned()), ("EMPTY".to_owned(), String::new())]);
    let (profiles, files) = (BTreeSet::from(["*".to_owned()]), BTreeMap::new());
    let inputs = spec::Inputs { sources: &sources, env: &env, profiles: &profiles, service: None, files: &files };
    let named = spec::files_named(&inputs);
    let files = named.into_iter().map(|(path, _)| (path, Ok("TEXT=of the file".to_owned()))).collect();
    let inputs = spec::Inputs { files: &files, ..inputs };
    match spec::parse(&inputs) {
        Ok(parsed) => {
            let again = spec::parse(&inputs).map(|again| again.spec);
            assert_eq!(again.ok(), Some(parsed.spec), "read twice, it is two things");
            drop(spec::config(&inputs));
        }
        Err(diagnostics) => {
            assert!(!diagnostics.render(false, 80).is_empty(), "an error without a word");
            drop(diagnostics.render(true, 40));
        }
    }
}

/// Reads a `.dockerignore`; its last line is a path.
pub fn read_dockerignore(text: &str) {
    let (patterns, path) = text.rsplit_once('\n').unwrap_or((text, "src/main.rs"));
    if let Ok(matcher) = dockerignore::Matcher::parse(patterns) {
        let (excluded, folder) = matcher.excludes(path, None);
        let (inner, _) = matcher.excludes(&format!("{path}/x"), Some(&folder));
        // What is skipped with its folder is excluded itself: else it would be missing in the image.
        if excluded && matcher.skips_all_of(path) {
            assert!(inner, "`{path}/x` is wanted, and its folder is skipped");
        }
    }
}

/// Reads an image reference; what it is normalised to is its own normal form.
pub fn read_reference(text: &str) {
    if let Ok(read) = reference::parse(text) {
        let again = reference::parse(&read.text);
        assert_eq!(again.ok().map(|again| again.text), Some(read.text), "from `{text}`");
    }
}

/// Reads a `.env`.
pub fn read_dotenv(text: &str) {
    drop(spec::dotenv::parse(text, &BTreeMap::from([("KNOWN".to_owned(), "value".to_owned())])));
}

/// Reads a known_hosts file; its last line is the machine's name.
pub fn read_known_hosts(text: &str) {
    let (lines, name) = text.rsplit_once('\n').unwrap_or((text, "host"));
    let mut known = known_hosts::Known::default();
    known.add(lines, name, "known_hosts".as_ref());
}
