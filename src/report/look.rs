//! How text is to look: colour or not, and how wide a line may get.

use console::{Style, measure_text_width};

/// How text is to look. The caller decides: `NO_COLOR`, a pipe and a test give [`Look::plain`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Whether ANSI colours are written.
    pub colour: bool,
    /// Columns after which prose is wrapped; `None` never wraps. Values are never cut.
    pub width: Option<usize>,
}

/// What a piece of text is, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Something new, something done.
    Good,
    /// Something that changes, a warning.
    Change,
    /// Something that ends, an error.
    Bad,
    /// A title.
    Strong,
    /// Beside the point.
    Quiet,
    /// A help, a note.
    Hint,
}

impl Look {
    /// No colour, no wrapping.
    pub fn plain() -> Self {
        Self::default()
    }

    /// The text in the colour of its tone, or as it is.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let style = match tone {
            Tone::Good => Style::new().green(),
            Tone::Change => Style::new().yellow(),
            Tone::Bad => Style::new().red().bold(),
            Tone::Strong => Style::new().bold(),
            Tone::Quiet => Style::new().dim(),
            Tone::Hint => Style::new().cyan(),
        };
        style.force_styling(true).apply_to(text).to_string()
    }

    /// `text` in lines: the first begins with `first`, the others with as many blanks. A word that
    /// is longer than a line stays whole, since people copy it.
    pub fn wrap(&self, first: &str, text: &str) -> Vec<String> {
        self.wrap_under(first, &" ".repeat(measure_text_width(first)), text)
    }

    /// As [`Look::wrap`], with `next` before the further lines.
    pub fn wrap_under(&self, first: &str, next: &str, text: &str) -> Vec<String> {
        let (mut indent, next_indent) = (measure_text_width(first), measure_text_width(next));
        let Some(width) = self.width else { return vec![format!("{first}{text}")] };
        let mut lines = Vec::new();
        let mut line = first.to_owned();
        let mut used = indent;
        for word in text.split(' ') {
            let length = measure_text_width(word);
            if used > indent && used + 1 + length > width {
                lines.push(std::mem::replace(&mut line, next.to_owned()));
                indent = next_indent;
                used = indent;
            }
            if used > indent {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += length;
        }
        lines.push(line);
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_lines_hang_under_the_text_and_long_words_stay_whole() {
        let look = Look { colour: false, width: Some(16) };
        let lines = look.wrap("  # ", "one two three sha256:0123456789abcdef four");
        assert_eq!(lines, ["  # one two", "    three", "    sha256:0123456789abcdef", "    four"]);
        assert_eq!(Look::plain().wrap("- ", "a b"), ["- a b"]);
    }

    #[test]
    fn colour_is_only_written_when_asked_for() {
        assert_eq!(Look::plain().paint(Tone::Bad, "x"), "x");
        let colour = Look { colour: true, width: None };
        assert_eq!(colour.paint(Tone::Good, "x"), "\u{1b}[32mx\u{1b}[0m");
    }
}
