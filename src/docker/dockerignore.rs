//! `.dockerignore` as `docker build` reads it today: lines as moby's `ignorefile` takes them, patterns
//! as `moby/patternmatcher` matches them, and the walk as BuildKit's `fsutil` prunes it.
//!
//! It is not gitignore: a pattern is anchored at the context's root, the last match wins, a pattern
//! that matches a folder covers what is below, and `!` takes back even what is under an excluded
//! folder.

use regex::Regex;

/// A pattern that Docker refuses too.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a pattern")]
pub struct BadPattern(pub String);

/// The patterns of one `.dockerignore`, in order.
#[derive(Debug, Default)]
pub(crate) struct Matcher {
    patterns: Vec<Pattern>,
    exceptions: bool,
    /// Every `!` pattern names a plain path (a trailing `/*` or `/**` aside), so a folder that is not
    /// on the way to one can be skipped whole.
    plain_exceptions: bool,
}

/// Which patterns matched a folder: what is below it starts from there.
#[derive(Clone, Debug)]
pub(crate) struct Matched(Vec<bool>);

#[derive(Debug)]
struct Pattern {
    text: String,
    exception: bool,
    test: Test,
}

#[derive(Debug)]
enum Test {
    Exact,
    Prefix(String),
    Suffix(String),
    Regex(Regex),
}

impl Matcher {
    /// Reads the file's text.
    pub(crate) fn parse(text: &str) -> Result<Self, BadPattern> {
        let mut patterns = Vec::new();
        for line in lines(text) {
            patterns.push(Pattern::new(&line)?);
        }
        let exceptions = patterns.iter().any(|pattern| pattern.exception);
        let plain =
            |pattern: &Pattern| !pattern.without_trailing_glob().contains(['*', '[', ']', '?', '^', '\\']);
        let plain_exceptions = patterns.iter().filter(|pattern| pattern.exception).all(plain);
        Ok(Self { patterns, exceptions, plain_exceptions })
    }

    /// Whether `path` (slashes, relative to the context) is left out, given what matched its folder;
    /// `None` for what lies in the context's root.
    pub(crate) fn excludes(&self, path: &str, folder: Option<&Matched>) -> (bool, Matched) {
        let mut excluded = false;
        let mut matched = Vec::with_capacity(self.patterns.len());
        for (index, pattern) in self.patterns.iter().enumerate() {
            let inherited = folder.is_some_and(|folder| folder.0.get(index) == Some(&true));
            // A pattern that could not change the verdict is not tried, and counts as no match below.
            let hit = inherited || (pattern.exception == excluded && pattern.matches(path));
            if hit {
                excluded = !pattern.exception;
            }
            matched.push(hit);
        }
        (excluded, Matched(matched))
    }

    /// Whether nothing below the excluded folder `path` can come back.
    pub(crate) fn skips_all_of(&self, path: &str) -> bool {
        if !self.exceptions {
            return true;
        }
        let folder = format!("{path}/");
        let leads_there =
            |pattern: &Pattern| format!("{}/", pattern.without_trailing_glob()).starts_with(&folder);
        let mut exceptions = self.patterns.iter().filter(|pattern| pattern.exception);
        self.plain_exceptions && !exceptions.any(leads_there)
    }
}

/// The lines that are patterns, trimmed and cleaned, `!` in front where it was.
fn lines(text: &str) -> Vec<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // A comment is known by the line's very first character, before anything is trimmed.
    let patterns = text.lines().filter(|line| !line.starts_with('#')).map(str::trim);
    let cleaned = patterns.filter(|line| !line.is_empty()).map(|line| match line.strip_prefix('!') {
        Some(path) => format!("!{}", relative(path.trim())),
        None => relative(line),
    });
    cleaned.collect()
}

fn relative(path: &str) -> String {
    if path.is_empty() {
        return String::new();
    }
    let cleaned = clean(path);
    match cleaned.strip_prefix('/') {
        Some(rest) if !rest.is_empty() => rest.to_owned(),
        _ => cleaned,
    }
}

/// Go's `path.Clean`: single slashes, no `.`, no inner `..`, no trailing slash.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&last) if last != ".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(".."),
            },
            name => parts.push(name),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

impl Pattern {
    fn new(line: &str) -> Result<Self, BadPattern> {
        let bad = || BadPattern(line.to_owned());
        let (text, exception) = match line.strip_prefix('!') {
            Some(text) => (text, true),
            None => (line, false),
        };
        if text.is_empty() || !is_glob(text) {
            return Err(bad());
        }
        let test = Test::of(text).ok_or_else(bad)?;
        Ok(Self { text: text.to_owned(), exception, test })
    }

    fn matches(&self, path: &str) -> bool {
        match &self.test {
            Test::Exact => path == self.text,
            Test::Prefix(prefix) => path.starts_with(prefix),
            // `**/foo` matches `foo` too.
            Test::Suffix(suffix) => {
                path.ends_with(suffix) || suffix.strip_prefix('/').is_some_and(|name| path == name)
            }
            Test::Regex(regex) => regex.is_match(path),
        }
    }

    fn without_trailing_glob(&self) -> &str {
        let text = self.text.strip_suffix("/**").unwrap_or(&self.text);
        text.strip_suffix("/*").unwrap_or(text)
    }
}

impl Test {
    /// moby's compilation of a pattern, special cases included; `None` where the expression that
    /// comes out is none.
    fn of(pattern: &str) -> Option<Self> {
        #[derive(PartialEq)]
        enum Form {
            Exact,
            Prefix,
            Suffix,
            Regex,
        }
        let mut form = Form::Exact;
        let mut regex = String::from("^");
        let mut chars = pattern.chars().peekable();
        let mut first = true;
        while let Some(ch) = chars.next() {
            match ch {
                '*' if chars.next_if_eq(&'*').is_some() => {
                    chars.next_if_eq(&'/');
                    if chars.peek().is_some() {
                        regex.push_str("(.*/)?");
                        form = Form::Regex;
                    } else if form == Form::Exact {
                        form = Form::Prefix;
                    } else {
                        regex.push_str(".*");
                        form = Form::Regex;
                    }
                    if first {
                        form = Form::Suffix;
                    }
                }
                '*' => {
                    regex.push_str("[^/]*");
                    form = Form::Regex;
                }
                '?' => {
                    regex.push_str("[^/]");
                    form = Form::Regex;
                }
                '.' | '+' | '(' | ')' | '|' | '{' | '}' | '$' => regex.extend(['\\', ch]),
                '\\' => {
                    // `is_glob` refused a trailing one.
                    regex.push('\\');
                    regex.extend(chars.next());
                    form = Form::Regex;
                }
                '[' | ']' => {
                    regex.push(ch);
                    form = Form::Regex;
                }
                _ => regex.push(ch),
            }
            first = false;
        }
        Some(match form {
            Form::Exact => Self::Exact,
            Form::Prefix => Self::Prefix(pattern[..pattern.len() - 2].to_owned()),
            Form::Suffix => Self::Suffix(pattern[2..].to_owned()),
            Form::Regex => Self::Regex(Regex::new(&as_rust_regex(&regex)).ok()?),
        })
    }
}

/// Rewrites an expression of Go's syntax for the `regex` crate, which reads `[`, `&&`, `--` and `~~`
/// inside a class as set operations where Go reads characters, and ends it.
fn as_rust_regex(go: &str) -> String {
    let mut rust = String::new();
    let mut in_class = false;
    let mut chars = go.chars();
    while let Some(ch) = chars.next() {
        match ch {
            '\\' => {
                rust.push(ch);
                rust.extend(chars.next());
            }
            '[' if !in_class => {
                in_class = true;
                rust.push(ch);
            }
            ']' if in_class => {
                in_class = false;
                rust.push(ch);
            }
            '[' | '&' | '~' if in_class => rust.extend(['\\', ch]),
            _ => rust.push(ch),
        }
    }
    rust.push('$');
    rust
}

/// Whether Go's `filepath.Match` takes the pattern: classes end, are not empty, hold ranges of two,
/// and nothing ends in a lone backslash.
fn is_glob(pattern: &str) -> bool {
    let mut rest = pattern.chars();
    while let Some(ch) = rest.next() {
        let fine = match ch {
            '\\' => rest.next().is_some(),
            '[' => skip_class(&mut rest),
            _ => true,
        };
        if !fine {
            return false;
        }
    }
    true
}

fn skip_class(rest: &mut std::str::Chars<'_>) -> bool {
    if rest.as_str().starts_with('^') {
        rest.next();
    }
    let mut ranges = 0;
    loop {
        if ranges > 0 && rest.as_str().starts_with(']') {
            rest.next();
            return true;
        }
        if !class_member(rest) {
            return false;
        }
        if rest.as_str().starts_with('-') {
            rest.next();
            if !class_member(rest) {
                return false;
            }
        }
        ranges += 1;
    }
}

fn class_member(rest: &mut std::str::Chars<'_>) -> bool {
    match rest.next() {
        None | Some('-' | ']') => false,
        Some('\\') => rest.next().is_some(),
        Some(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a walk asks: folder by folder.
    fn excluded(patterns: &str, path: &str) -> bool {
        let matcher = Matcher::parse(patterns).unwrap();
        let mut folder = None;
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        let mut verdict = false;
        for end in ends {
            let (excluded, matched) = matcher.excludes(&path[..end], folder.as_ref());
            (verdict, folder) = (excluded, Some(matched));
        }
        verdict
    }

    #[test]
    fn one_pattern() {
        let table: &[(&str, &[&str], &[&str])] = &[
            ("notes", &["notes", "notes/a", "notes/a/b"], &["note", "notes2", "src/notes"]),
            ("src/gen", &["src/gen", "src/gen/x.rs"], &["src", "src/general", "gen"]),
            ("*", &["a", ".env", "a/b"], &[]),
            ("*.log", &["a.log", ".log", "a.log/inner"], &["a.logs", "logs/a.log"]),
            ("*/*.log", &["logs/a.log"], &["a.log", "x/logs/a.log"]),
            ("data?", &["data1", "dataé"], &["data", "data12", "data/"]),
            ("**", &["a", "a/b", "a/b/c"], &[]),
            ("**/", &["a", "a/b"], &[]),
            ("**/tmp", &["tmp", "a/tmp", "a/b/tmp", "a/tmp/x"], &["tmp2", "a/xtmp"]),
            ("**tmp", &["tmp", "xtmp", "a/xtmp"], &["tmp2"]),
            ("**/*.pyc", &["a.pyc", "x/a.pyc", "x/y/a.pyc"], &["a.py", "x/a.pycs"]),
            ("**/x/**", &["x/a", "p/x/a/b"], &["x", "xa"]),
            ("node/**", &["node/a", "node/a/b"], &["node", "nodes"]),
            ("a**/*.c", &["a/x.c", "a/b/x.c", "ab/c/x.c"], &["x.c", "b/x.c"]),
            ("**/**/*.c", &["x.c", "a/x.c", "a/b/x.c"], &["x.cc"]),
            ("doc/*.md**", &["doc/a.md", "doc/a.mdx"], &["doc/b/a.md"]),
            ("v[0-3]", &["v0", "v3"], &["v4", "v", "v00"]),
            ("v[^0-3]", &["v4", "vx"], &["v0", "v"]),
            ("[a-ζ]*", &["α", "beta"], &["A", "ω"]),
            (r"[\-x]y", &["-y", "xy"], &["ay", "y"]),
            (r"[\]a]", &["]", "a"], &["b"]),
            ("a[&&b]c", &["a&c", "abc"], &["ac"]),
            (r"a\*b", &["a*b"], &["ab", "axb"]),
            (r"a\\", &[r"a\"], &["a", r"a\\"]),
            ("p.q", &["p.q"], &["pxq", "pq"]),
            ("a(b)+{c}|$d", &["a(b)+{c}|$d"], &["abbc"]),
            ("pkg-1.0+g08.whl", &["pkg-1.0+g08.whl"], &["pkg-1.00g08.whl"]),
        ];
        for (pattern, hits, misses) in table {
            for path in *hits {
                assert!(excluded(pattern, path), "`{pattern}` should match `{path}`");
            }
            for path in misses.iter().filter(|path| !path.ends_with('/')) {
                assert!(!excluded(pattern, path), "`{pattern}` should not match `{path}`");
            }
        }
    }

    #[test]
    fn the_last_match_wins() {
        let table: &[(&str, &str, bool)] = &[
            ("*.md\n!README.md", "README.md", false),
            ("!README.md\n*.md", "README.md", true),
            ("docs\n!docs/keep.md", "docs/keep.md", false),
            ("docs\n!docs/keep.md", "docs/other.md", true),
            ("docs/*\n!docs/keep.md", "docs/keep.md", false),
            ("**\n!src", "src/a/b.rs", false),
            ("**\n!src\nsrc/a", "src/a/b.rs", true),
            ("**\n!src\nsrc/a\n!src/a/b.rs", "src/a/b.rs", false),
            ("*\n!dist/*.whl", "dist/a-1.0+g1.whl", false),
            ("*\n!**/*.rs", "deep/er/main.rs", false),
            ("*\n!**/*.rs", "deep/er/main.py", true),
        ];
        for (patterns, path, expected) in table {
            assert_eq!(excluded(patterns, path), *expected, "{patterns:?} on {path}");
        }
    }

    #[test]
    fn lines_as_docker_takes_them() {
        let text = "\u{feff}# comment\n/rooted\n  spaced  \n\n # no comment\nback/..//slash/\n! /kept/ \r\n../up\n/\n";
        let expected = ["rooted", "spaced", "# no comment", "slash", "!kept", "../up", "/"];
        assert_eq!(lines(text), expected);
    }

    #[test]
    fn clean_is_gos() {
        let table = [
            ("a/./b//c/", "a/b/c"),
            ("a/../..", ".."),
            ("/../a", "/a"),
            ("a/..", "."),
            ("//", "/"),
            ("../../a", "../../a"),
        ];
        for (given, expected) in table {
            assert_eq!(clean(given), expected);
        }
    }

    #[test]
    fn what_docker_refuses() {
        for pattern in ["!", "! ", "[", "[^", "[^ab", "a[", "[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "a\\"] {
            assert!(Matcher::parse(pattern).is_err(), "`{pattern}` should be refused");
        }
    }

    #[test]
    fn a_folder_is_skipped_only_when_nothing_can_come_back() {
        let skips = |patterns: &str, folder: &str| Matcher::parse(patterns).unwrap().skips_all_of(folder);
        assert!(skips("target", "target"));
        assert!(skips("target\n!src/keep", "target"));
        assert!(!skips("target\n!target/keep", "target"));
        assert!(!skips("target\n!target/keep/**", "target"));
        assert!(skips("target\n!target2", "target"));
        assert!(!skips("target\n!**/*.rs", "target"));
    }
}
