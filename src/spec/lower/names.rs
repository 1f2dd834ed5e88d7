//! Rules on names, and the version of a3 that a spec asks for.

use super::reference::is_component;
use crate::spec::diagnostic::Problem;
use crate::spec::read::{At, Cx};
use crate::spec::scalars::Text;
use crate::spec::source::Origin;

/// The longest name: it is part of others that end at 63 (DNS) and 255 (EC2).
const MAX_NAME: usize = 63;

/// The deployment's name.
pub(crate) fn deployment(at: &At<Text>, cx: &mut Cx<'_>) -> String {
    let name = &at.value.0;
    let problem = Problem::new(at.at, format!("`{name}` cannot name a deployment"));
    check(name, problem, cx);
    name.clone()
}

/// A group's or service's name.
pub(crate) fn key(name: &str, at: Origin, what: &str, cx: &mut Cx<'_>) {
    check(name, Problem::new(at, format!("`{name}` cannot name a {what}")), cx);
}

/// It becomes part of image references, so their rule holds; no dots, which separate steps.
fn check(name: &str, problem: Problem, cx: &mut Cx<'_>) {
    if name.len() > MAX_NAME {
        cx.report(problem.label(format!("longer than {MAX_NAME} characters")).help("write a shorter name"));
    } else if !is_component(name) || name.contains('.') {
        let better = suggestion(name);
        let problem = problem.label("lower-case letters, digits, and single `-` or `_` between them");
        cx.report(if better.is_empty() { problem } else { problem.help(format!("write {better}")) });
    }
}

/// The nearest valid name; empty where nothing is left of it.
pub(crate) fn suggestion(name: &str) -> String {
    let mut better = String::new();
    for c in name.to_lowercase().chars() {
        match c {
            'a'..='z' | '0'..='9' => better.push(c),
            _ if better.ends_with('-') || better.is_empty() => {}
            _ => better.push('-'),
        }
    }
    better.trim_end_matches('-').to_owned()
}

/// The engine's rule for container names.
pub(crate) fn is_container_name(name: &str) -> bool {
    name.len() > 1
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

/// `required_version`: comparisons joined by commas.
pub(crate) fn required_version(at: &At<Text>, cx: &mut Cx<'_>) {
    let own = env!("CARGO_PKG_VERSION");
    let Some(own_parts) = version(own) else { return };
    for part in at.value.0.split(',').map(str::trim) {
        let end = part.find(|c: char| c.is_ascii_digit()).unwrap_or(part.len());
        let (operator, wanted) = part.split_at(end);
        let Some(wanted) = version(wanted) else {
            let problem = Problem::new(at.at, format!("`{part}` compares with no version")).label("here");
            cx.report(problem.help("write \">= 0.1, < 1\""));
            return;
        };
        let holds = match operator.trim() {
            ">=" => own_parts >= wanted,
            ">" => own_parts > wanted,
            "<=" => own_parts <= wanted,
            "<" => own_parts < wanted,
            "=" | "==" | "" => own_parts == wanted,
            _ => {
                let problem = Problem::new(at.at, format!("`{}` is no comparison", operator.trim()));
                cx.report(problem.label("here").help("known are `>=`, `>`, `<=`, `<` and `=`"));
                return;
            }
        };
        if !holds {
            let message = format!("this is a3 {own}, and the spec asks for {part}");
            let problem = Problem::new(at.at, message).label("asked for here");
            cx.report(problem.help("use a version of a3 that fits, or change `required_version`"));
        }
    }
}

fn version(text: &str) -> Option<[u64; 3]> {
    let mut parts = [0; 3];
    let mut numbers = text.trim().split('.');
    for part in &mut parts {
        match numbers.next() {
            Some(number) => *part = number.parse().ok()?,
            None => break,
        }
    }
    numbers.next().is_none().then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(version("0.1"), Some([0, 1, 0]));
        assert!(version("1.10.0") > version("1.9"));
        assert_eq!(version("1.2.3.4"), None);
        assert_eq!(version(""), None);
    }

    #[test]
    fn suggestions_are_valid() {
        for name in ["Music Service", "UPPER", "a..b", "--x--", "ü"] {
            let better = suggestion(name);
            assert!(better.is_empty() || is_component(&better), "{better}");
        }
        assert_eq!(suggestion("Music_Service 2"), "music-service-2");
    }
}
