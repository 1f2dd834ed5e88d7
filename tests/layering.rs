//! What ARCHITECTURE.md promises about the source: phases that do no I/O name no client, files stay
//! readable, and nothing unwraps outside tests.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// Files and folders that may not know how anything is reached.
const PURE: [&str; 6] = ["src/spec", "src/plan", "src/report", "src/event.rs", "src/observed", "src/id.rs"];

/// Crates that reach things.
const CLIENTS: [&str; 7] = ["tokio", "bollard", "aws_config", "aws_sdk", "aws_smithy", "russh", "reqwest"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(under: &str) -> Vec<PathBuf> {
    let path = root().join(under);
    let walk = walkdir::WalkDir::new(path).sort_by_file_name().into_iter().map(Result::unwrap);
    let files =
        walk.map(walkdir::DirEntry::into_path).filter(|path| path.extension().is_some_and(|end| end == "rs"));
    let files: Vec<PathBuf> = files.collect();
    assert!(!files.is_empty(), "{under} has no Rust file");
    files
}

/// The part of a file that is shipped, without comments: lines before its tests.
fn shipped(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).unwrap();
    let numbered = text.lines().enumerate().map(|(number, line)| (number + 1, line));
    let code = numbered.take_while(|(_, line)| !line.starts_with("#[cfg(test)]"));
    let code = code.filter(|(_, line)| !line.trim_start().starts_with("//"));
    code.map(|(number, line)| (number, line.to_owned())).collect()
}

/// Test modules that are files of their own are not shipped.
fn is_test(path: &Path) -> bool {
    path.file_stem().is_some_and(|name| name == "tests")
        || path.components().any(|part| part.as_os_str() == "tests")
}

fn find(files: impl IntoIterator<Item = PathBuf>, wrong: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for path in files.into_iter().filter(|path| !is_test(path.strip_prefix(root()).unwrap())) {
        for (number, line) in shipped(&path).into_iter().filter(|(_, line)| wrong(line)) {
            found.push(format!("{}:{number}: {}", path.strip_prefix(root()).unwrap().display(), line.trim()));
        }
    }
    found
}

fn names_a_client(line: &str) -> bool {
    let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.into_iter().any(|word| CLIENTS.iter().any(|client| word.starts_with(client)))
}

#[test]
fn pure_phases_name_no_client() {
    assert!(
        names_a_client("use tokio::time;")
            && names_a_client("aws_sdk_ec2::Client")
            && !names_a_client("let awsome")
    );
    let found = find(PURE.into_iter().flat_map(rust_files), names_a_client);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_phase_does_not_look_back() {
    let no = |under: &str, names: &[&str]| {
        let named = |line: &str| {
            let ends =
                ["::", ";", " "].map(|end| names.iter().map(move |name| format!("crate::{name}{end}")));
            ends.into_iter().flatten().any(|path| line.contains(&path))
        };
        let found = find(rust_files(under), named);
        assert!(found.is_empty(), "{}", found.join("\n"));
    };
    let adapters = ["docker", "ec2", "registry", "ssh", "host", "observe", "apply", "cli"];
    no("src/spec", &[&adapters[..], &["plan", "report", "event"]].concat());
    no("src/plan", &[&adapters[..], &["report", "event"]].concat());
    no("src/report", &adapters);
}

#[test]
fn no_file_is_over_600_lines() {
    let files = ["src", "tests"].into_iter().flat_map(rust_files);
    let long = files.filter(|path| fs::read_to_string(path).unwrap().lines().count() > 600);
    let long: Vec<PathBuf> = long.collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn nothing_unwraps_outside_tests() {
    let found = find(rust_files("src"), |line| line.contains(".unwrap()"));
    assert!(found.is_empty(), "{}", found.join("\n"));
}
