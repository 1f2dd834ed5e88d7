//! Errors as people read them.

use super::look::{Look, Tone};

/// `error: …` and, after it, `help: …`. Ends with a newline.
///
/// `message` is the whole chain in one line ([`crate::explain::chain`]); further lines of it (an
/// underlined place in a file) are kept as they are.
pub fn error_text(look: &Look, message: &str, help: Option<&str>) -> String {
    labelled(look, Tone::Bad, "error", message) + &help_text(look, help)
}

/// `warning: …`. Ends with a newline.
pub fn warning_text(look: &Look, message: &str) -> String {
    labelled(look, Tone::Change, "warning", message)
}

/// `note: …`. Ends with a newline.
pub fn note_text(look: &Look, message: &str) -> String {
    labelled(look, Tone::Hint, "note", message)
}

/// `help: …`, or nothing. Ends with a newline.
pub fn help_text(look: &Look, help: Option<&str>) -> String {
    help.map_or_else(String::new, |help| labelled(look, Tone::Hint, "help", help))
}

fn labelled(look: &Look, tone: Tone, label: &str, message: &str) -> String {
    let label = format!("{}: ", look.paint(tone, label));
    let mut text = String::new();
    for (number, line) in message.lines().enumerate() {
        let first = if number == 0 { label.as_str() } else { "" };
        for line in look.wrap(first, line) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_and_its_help() {
        let text = error_text(&Look::plain(), "cannot read `x`: no such file", Some("touch x"));
        assert_eq!(text, "error: cannot read `x`: no such file\nhelp: touch x\n");
        assert_eq!(error_text(&Look::plain(), "a\n  b", None), "error: a\n  b\n");
    }
}
