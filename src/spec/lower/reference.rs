//! Image references: normalised as the engine does it, refused with the rule that they break
//! (<https://github.com/distribution/reference/blob/main/reference.go>).

/// A normalised reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// The whole, `docker.io/library/…` and `:latest` filled in.
    pub(crate) text: String,
    /// The registry's server.
    pub(crate) server: String,
    /// Whether it is pinned by digest.
    pub(crate) pinned: bool,
}

/// Why a text is no reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// What is said under it.
    pub(crate) label: String,
    /// What would be right.
    pub(crate) help: String,
}

const FORM: &str = "write SERVER/OWNER/NAME:TAG, as in ghcr.io/me/music:v1";

fn wrong<T>(label: &str, help: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong { label: label.to_owned(), help: help.into() })
}

/// Parses and normalises a reference.
pub(crate) fn parse(text: &str) -> Result<Reference, Wrong> {
    if let Some((_, rest)) = text.split_once("://") {
        return wrong("a reference has no scheme", format!("write {rest}"));
    }
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (text, None),
    };
    let (repository, tag) = match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (name, None),
    };
    let (server, path) = split_server(repository);
    if path.is_empty() {
        return wrong("the name is missing", FORM);
    }
    if path.chars().any(|c| c.is_ascii_uppercase()) {
        let lower = text.replacen(path, &path.to_lowercase(), 1);
        return wrong("the name must be lower case", format!("write {lower}"));
    }
    if !path.split('/').all(is_component) {
        return wrong("names are letters, digits and single `.`, `_`, `-` between them", FORM);
    }
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return wrong("a tag is at most 128 letters, digits, `_`, `.` and `-`", FORM);
    }
    if digest.is_some_and(|digest| digest.parse::<crate::id::Digest>().is_err()) {
        return wrong(
            "the digest is not sha256: and 64 hex digits",
            "write NAME:TAG, or copy the whole digest",
        );
    }
    let name = full_name(server, path);
    if name.len() > LONGEST_NAME {
        return wrong("the name is longer than 255 characters, server included", FORM);
    }
    let mut text = name;
    match (tag, digest) {
        (tag, Some(digest)) => {
            text.extend(tag.into_iter().flat_map(|tag| [":", tag]));
            text.extend(["@", digest]);
        }
        (tag, None) => text.extend([":", tag.unwrap_or("latest")]),
    }
    let server = server_name(server.unwrap_or("docker.io")).to_owned();
    Ok(Reference { text, server, pinned: digest.is_some() })
}

/// Engines refuse longer ones
/// (<https://pkg.go.dev/github.com/distribution/reference#pkg-constants>).
const LONGEST_NAME: usize = 255;

/// Server and path, as Docker reads a short name.
fn full_name(server: Option<&str>, path: &str) -> String {
    let server = server_name(server.unwrap_or("docker.io"));
    let library = if server == "docker.io" && !path.contains('/') { "library/" } else { "" };
    format!("{server}/{library}{path}")
}

/// Docker Hub's other names are one server.
pub(crate) fn server_name(server: &str) -> &str {
    match server {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        server => server,
    }
}

/// The engine takes the first part for a server when it has a dot or a colon, or is `localhost`.
fn split_server(repository: &str) -> (Option<&str>, &str) {
    match repository.split_once('/') {
        Some((first, rest)) if looks_like_server(first) => (Some(first), rest),
        _ => (None, repository),
    }
}

/// Whether the engine would take the first part of a reference for a server.
pub(crate) fn looks_like_server(text: &str) -> bool {
    text.contains(['.', ':']) || text == "localhost"
}

/// `[a-z0-9]+` joined by `.`, `_`, `__` or any number of `-`.
pub(crate) fn is_component(text: &str) -> bool {
    let mut separator = String::from("x");
    for c in text.chars() {
        match c {
            'a'..='z' | '0'..='9' => {
                let known = matches!(separator.as_str(), "" | "." | "_" | "__" | "-");
                if !(known || separator.chars().all(|c| c == '-')) && separator != "x" {
                    return false;
                }
                separator.clear();
            }
            '.' | '_' | '-' if separator != "x" => separator.push(c),
            _ => return false,
        }
    }
    separator.is_empty()
}

fn is_tag(tag: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    tag.len() <= 128 && tag.starts_with(word) && tag.chars().all(|c| word(c) || c == '.' || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_filled_in() {
        let text = |text: &str| parse(text).map(|reference| reference.text).unwrap();
        assert_eq!(text("redis"), "docker.io/library/redis:latest");
        assert_eq!(text("me/s2:v1"), "docker.io/me/s2:v1");
        assert_eq!(text("index.docker.io/me/s2"), "docker.io/me/s2:latest");
        assert_eq!(text("ghcr.io/me/s2:v0.75"), "ghcr.io/me/s2:v0.75");
        assert_eq!(text("localhost:5000/a__b/c--d"), "localhost:5000/a__b/c--d:latest");
        let digest = format!("sha256:{}", "0".repeat(64));
        assert_eq!(text(&format!("r.test/a@{digest}")), format!("r.test/a@{digest}"));
        assert_eq!(parse("R.test/a").unwrap().server, "R.test");
    }

    #[test]
    fn wrong_ones_name_their_rule() {
        let label = |text: &str| parse(text).unwrap_err().label;
        assert_eq!(parse("ghcr.io/Me/S2:v1").unwrap_err().help, "write ghcr.io/me/s2:v1");
        assert!(label("https://ghcr.io/me/a").contains("scheme"));
        assert!(label("a@sha256:00").contains("digest"));
        assert!(label("a:bad tag").contains("tag"));
        for text in ["", "a..b", "-a", "a-", "a/", "/a", "a_-b", "ghcr.io/me//a", "a b", "ü"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
