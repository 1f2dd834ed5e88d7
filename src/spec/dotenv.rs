//! Compose's `.env` and `env_file` format
//! (<https://docs.docker.com/compose/how-tos/environment-variables/variable-interpolation/#env-file-syntax>).

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::interpolate::{self, Failure};

/// A line that is not `NAME=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct DotenvError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it; never holds a value.
    pub what: String,
}

/// The variables of a file, in its order; a later line wins. Unquoted and double-quoted values are
/// interpolated from `env` first and the lines above.
///
/// # Errors
///
/// The first line that does not read as `NAME=VALUE`.
pub fn parse(text: &str, env: &BTreeMap<String, String>) -> Result<IndexMap<String, String>, DotenvError> {
    let mut variables: IndexMap<String, String> = IndexMap::new();
    let mut known = env.clone();
    let mut lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let error = |what: &str| DotenvError { line: number + 1, what: what.to_owned() };
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let end = line.find(['=', ':']).unwrap_or(line.len());
        let name = line[..end].trim();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(error("expected NAME=VALUE"));
        }
        let Some(value) = line.get(end + 1..) else {
            // A bare name passes the variable on where it is set.
            if let Some(value) = env.get(name) {
                variables.insert(name.to_owned(), value.clone());
            }
            continue;
        };
        let value = match value.trim_start() {
            quoted if quoted.starts_with(['"', '\'']) => {
                let mut whole = quoted.to_owned();
                while quoted_end(&whole).is_none() {
                    let (_, more) = lines.next().ok_or_else(|| error("the quote is never closed"))?;
                    whole.push('\n');
                    whole.push_str(more);
                }
                quoted_value(&whole)
            }
            plain => Value { text: plain_value(plain), literal: false },
        };
        let value = if value.literal {
            value.text
        } else {
            expanded(&value.text, &known).map_err(error_at(number))?
        };
        known.entry(name.to_owned()).or_insert_with(|| value.clone());
        variables.insert(name.to_owned(), value);
    }
    Ok(variables)
}

/// The lines of an `env_file` with `format: raw`: nothing is unquoted or interpolated.
pub(crate) fn parse_raw(text: &str) -> IndexMap<String, String> {
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    lines.filter_map(|line| line.split_once('=')).map(|(name, value)| (name.into(), value.into())).collect()
}

struct Value {
    text: String,
    /// In single quotes: taken as it is.
    literal: bool,
}

fn error_at(number: usize) -> impl Fn(Failure) -> DotenvError {
    move |failure| {
        let what = match failure {
            Failure::Required { variable, .. } => format!("`{variable}` is not set"),
            Failure::Form { .. } => "a dollar sign that begins no variable; write `$$`".to_owned(),
        };
        DotenvError { line: number + 1, what }
    }
}

fn expanded(text: &str, env: &BTreeMap<String, String>) -> Result<String, Failure> {
    interpolate::expand(text, env).map(|expanded| expanded.text)
}

/// An unquoted value ends at a ` #`.
fn plain_value(text: &str) -> String {
    let end = if text.starts_with('#') { Some(0) } else { text.find(" #") };
    text[..end.unwrap_or(text.len())].trim_end().to_owned()
}

/// The byte of the closing quote.
fn quoted_end(text: &str) -> Option<usize> {
    let quote = text.chars().next()?;
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            c if c == quote => return Some(at),
            _ => {}
        }
    }
    None
}

fn quoted_value(text: &str) -> Value {
    let end = quoted_end(text).unwrap_or(text.len());
    let inner = text.get(1..end).unwrap_or_default();
    if text.starts_with('\'') {
        return Value { text: inner.to_owned(), literal: true };
    }
    let mut value = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => value.push('\n'),
                Some('r') => value.push('\r'),
                Some('t') => value.push('\t'),
                Some('$') => value.push_str("$$"),
                Some(other) => value.push(other),
                None => value.push('\\'),
            },
            c => value.push(c),
        }
    }
    Value { text: value, literal: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_quotes_comments_and_variables() {
        let text =
            "# c\nA=1\nexport B = two # c\nC=\"x\\n$A\" # c\nD='$A \"q\"'\nE=\nF=a#b\nG=\"1\n2\"\nH: y\n";
        let env = BTreeMap::from([("Z".to_owned(), "z".to_owned())]);
        let parsed = parse(text, &env).unwrap();
        let pairs: Vec<(&str, &str)> = parsed.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let expected = [
            ("A", "1"),
            ("B", "two"),
            ("C", "x\n1"),
            ("D", "$A \"q\""),
            ("E", ""),
            ("F", "a#b"),
            ("G", "1\n2"),
            ("H", "y"),
        ];
        assert_eq!(pairs, expected);
    }

    #[test]
    fn the_environment_wins_over_lines_above_and_errors_name_the_line() {
        let env = BTreeMap::from([("A".to_owned(), "env".to_owned())]);
        assert_eq!(parse("A=file\nB=$A\nA2", &env).unwrap()["B"], "env");
        assert_eq!(parse("A=1\nno value here\n", &env).unwrap_err().line, 2);
        assert_eq!(parse("A='open\n", &env).unwrap_err().line, 1);
    }
}
