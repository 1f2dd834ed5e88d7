//! Compose's interpolation: `$VAR`, `${VAR}`, `${VAR:-default}`, `${VAR-default}`, `${VAR:?message}`,
//! `${VAR?message}`, `${VAR:+other}`, `${VAR+other}`, nested, `$$` for a dollar sign
//! (<https://docs.docker.com/reference/compose-file/interpolation/>).

use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::Problem;
use super::node::{Kind, Node, Scalar};
use super::source::Texts;

/// Text after interpolation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expanded {
    pub(crate) text: String,
    /// Whether a variable took part, even by its default.
    pub(crate) used_variable: bool,
    /// Variables that are not set and have no default: they became empty.
    pub(crate) unset: BTreeSet<String>,
}

/// Why a text could not be interpolated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// `${VAR:?message}`; the expression, the variable, the message.
    Required { expression: String, variable: String, message: String },
    /// Not of any known form; the rest of the text from the dollar sign on.
    Form { expression: String },
}

/// Replaces the variables of a text.
pub(crate) fn expand(template: &str, env: &BTreeMap<String, String>) -> Result<Expanded, Failure> {
    let mut expanded = Expanded::default();
    expand_into(template, env, &mut expanded, 0)?;
    Ok(expanded)
}

/// Defaults in defaults; deeper is nobody's intention.
const MAX_DEPTH: usize = 16;

fn expand_into(
    template: &str,
    env: &BTreeMap<String, String>,
    expanded: &mut Expanded,
    depth: usize,
) -> Result<(), Failure> {
    let mut rest = template;
    while let Some(dollar) = rest.find('$') {
        expanded.text.push_str(&rest[..dollar]);
        let from = &rest[dollar..];
        let after = &from[1..];
        if let Some(after) = after.strip_prefix('$') {
            expanded.text.push('$');
            rest = after;
        } else if let Some(body) = after.strip_prefix('{') {
            let end = closing(body).filter(|_| depth < MAX_DEPTH).ok_or_else(|| form(from))?;
            braced(&body[..end], env, expanded, depth)?;
            rest = &body[end + 1..];
        } else {
            let name = leading_name(after);
            if name.is_empty() {
                return Err(form(from));
            }
            value_or_empty(name, env, expanded);
            rest = &after[name.len()..];
        }
    }
    expanded.text.push_str(rest);
    Ok(())
}

fn form(from: &str) -> Failure {
    let expression = from.split_whitespace().next().unwrap_or(from);
    Failure::Form { expression: expression.to_owned() }
}

/// The length of the name at the beginning.
fn leading_name(text: &str) -> &str {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    if !text.starts_with(first) {
        return "";
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// Where the brace that belongs to the opening one is.
fn closing(body: &str) -> Option<usize> {
    let mut open = 0_usize;
    let bytes = body.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'$' if bytes.get(at + 1) == Some(&b'{') => {
                open += 1;
                at += 1;
            }
            b'}' if open == 0 => return Some(at),
            b'}' => open -= 1,
            _ => {}
        }
        at += 1;
    }
    None
}

fn value_or_empty(name: &str, env: &BTreeMap<String, String>, expanded: &mut Expanded) {
    expanded.used_variable = true;
    match env.get(name) {
        Some(value) => expanded.text.push_str(value),
        None => drop(expanded.unset.insert(name.to_owned())),
    }
}

fn braced(
    body: &str,
    env: &BTreeMap<String, String>,
    expanded: &mut Expanded,
    depth: usize,
) -> Result<(), Failure> {
    let expression = || format!("${{{body}}}");
    let name = leading_name(body);
    let operation = &body[name.len()..];
    if name.is_empty() {
        return Err(Failure::Form { expression: expression() });
    }
    expanded.used_variable = true;
    let value = env.get(name);
    // With a colon, an empty value counts as not set.
    let (colon, operation) = match operation.strip_prefix(':') {
        Some(operation) => (true, operation),
        None => (false, operation),
    };
    let usable = value.filter(|value| !colon || !value.is_empty());
    let mut operation = operation.chars();
    let kind = operation.next();
    let argument = operation.as_str();
    match kind {
        None if !colon => value_or_empty(name, env, expanded),
        Some('-') => match usable {
            Some(value) => expanded.text.push_str(value),
            None => expand_into(argument, env, expanded, depth + 1)?,
        },
        Some('+') => {
            if usable.is_some() {
                expand_into(argument, env, expanded, depth + 1)?;
            }
        }
        Some('?') => {
            let value = usable.ok_or_else(|| Failure::Required {
                expression: expression(),
                variable: name.to_owned(),
                message: argument.to_owned(),
            })?;
            expanded.text.push_str(value);
        }
        _ => return Err(Failure::Form { expression: expression() }),
    }
    Ok(())
}

/// Interpolates every value of a tree; keys stay, and so does what is under `x-…`. Failures stay
/// and unset variables stay with their value, since an overlay may take it away.
pub(crate) fn tree(node: &mut Node, env: &BTreeMap<String, String>, texts: &Texts) {
    let at = node.at;
    match &mut node.kind {
        Kind::Seq(items) => items.iter_mut().for_each(|item| tree(item, env, texts)),
        Kind::Map(map) => {
            let values = map.iter_mut().filter(|(key, _)| !key.starts_with("x-"));
            values.for_each(|(_, entry)| tree(&mut entry.node, env, texts));
        }
        Kind::Scalar(scalar) if scalar.text.contains('$') => match expand(&scalar.text, env) {
            Ok(expanded) => {
                let template = std::mem::take(&mut scalar.text);
                let template = expanded.used_variable.then_some(template);
                let quoted = scalar.quoted || template.is_none();
                *scalar = Scalar { text: expanded.text, quoted, template, unset: expanded.unset };
            }
            Err(failure) => node.trouble = Some(Box::new(problem(&failure, at, texts))),
        },
        Kind::Scalar(_) => {}
    }
}

fn problem(failure: &Failure, at: super::source::Origin, texts: &Texts) -> Problem {
    match failure {
        Failure::Required { expression, variable, message } => {
            let why = if message.is_empty() { "it is required".to_owned() } else { message.clone() };
            Problem::new(texts.inside(at, expression), format!("`{variable}` is not set: {why}"))
                .label("needed here")
                .help(format!("export {variable}=…, or put {variable}=… into the file .env"))
        }
        Failure::Form { expression } => Problem::new(texts.inside(at, expression), "this is not a variable")
            .label("after this dollar sign")
            .help("write `${NAME}` or `${NAME:-default}`; a dollar sign itself is `$$`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(template: &str) -> Result<String, Failure> {
        let env = [("A", "1"), ("EMPTY", ""), ("B_2", "two")];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        expand(template, &env).map(|expanded| expanded.text)
    }

    #[test]
    fn every_form_of_compose() {
        let cases = [
            ("plain", "plain"),
            ("$A-$B_2.x", "1-two.x"),
            ("${A}${B_2}", "1two"),
            ("$$A $${A}", "$A ${A}"),
            ("${EMPTY:-d} ${EMPTY-d} ${NO:-d} ${NO-d}", "d  d d"),
            ("${A:+x} ${EMPTY:+x}|${EMPTY+x} ${NO+x}|", "x |x |"),
            ("${A:?m} ${EMPTY?m}", "1 "),
            ("${NO:-${EMPTY:-${A}}}", "1"),
            ("${NO:-a}b}", "ab}"),
            ("${NO:-$$}", "$"),
            ("$NO|", "|"),
            ("${NO:-:-}", ":-"),
        ];
        for (template, expected) in cases {
            assert_eq!(text(template).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn what_is_required_and_what_is_no_variable() {
        let required = |template: &str| matches!(text(template), Err(Failure::Required { .. }));
        assert!(required("${EMPTY:?say it}") && required("${NO?}"));
        let form = |template: &str| matches!(text(template), Err(Failure::Form { .. }));
        for template in ["$", "a $ b", "${", "${}", "${1}", "${A", "${A:}", "${A!x}", "$1"] {
            assert!(form(template), "{template}");
        }
    }

    #[test]
    fn what_came_from_a_variable_is_known() {
        let env = BTreeMap::new();
        assert!(expand("${NO:-d}", &env).is_ok_and(|expanded| expanded.used_variable));
        assert!(expand("$$", &env).is_ok_and(|expanded| !expanded.used_variable));
        assert_eq!(expand("$NO", &env).map(|expanded| expanded.unset.len()), Ok(1));
    }
}
