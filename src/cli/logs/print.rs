//! Lines on standard output, each with the name of where it comes from.

use std::io::{self, BufWriter, Stdout, Write as _};

use console::{Color, Style, measure_text_width};

use crate::docker::LogLine;
use crate::report::Look;

/// Told apart on dark and on light terminals; red is for errors.
const COLOURS: [(Color, bool); 10] = [
    (Color::Cyan, false),
    (Color::Yellow, false),
    (Color::Green, false),
    (Color::Magenta, false),
    (Color::Blue, false),
    (Color::Cyan, true),
    (Color::Yellow, true),
    (Color::Green, true),
    (Color::Magenta, true),
    (Color::Blue, true),
];

/// Writes lines.
#[derive(Debug)]
pub(super) struct Printer {
    out: BufWriter<Stdout>,
    /// By source; none where lines go out as they are.
    prefixes: Vec<String>,
    timestamps: bool,
}

impl Printer {
    pub(super) fn new(prefixes: Vec<String>, timestamps: bool) -> Self {
        Self { out: BufWriter::with_capacity(64 << 10, io::stdout()), prefixes, timestamps }
    }

    /// # Errors
    /// Nobody reads any more.
    pub(super) fn print(&mut self, source: usize, line: &LogLine) -> io::Result<()> {
        if let Some(prefix) = self.prefixes.get(source) {
            self.out.write_all(prefix.as_bytes())?;
        }
        if let Some(time) = line.time.as_ref().filter(|_| self.timestamps) {
            self.out.write_all(time.as_bytes())?;
            self.out.write_all(b" ")?;
        }
        self.out.write_all(&line.content)?;
        self.out.write_all(b"\n")
    }

    /// # Errors
    /// Nobody reads any more.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// `web/0/s2  | `, all of one width. `names` come with their number among all sources of the
/// deployment, so that one has the same colour whichever others are shown.
pub(super) fn prefixes(look: &Look, names: &[(usize, String)]) -> Vec<String> {
    let width = names.iter().map(|(_, name)| measure_text_width(name)).max().unwrap_or(0);
    let prefix = |(number, name): &(usize, String)| {
        let text = format!("{name}{} |", " ".repeat(width - measure_text_width(name)));
        format!("{} ", if look.colour { painted(*number, &text) } else { text })
    };
    names.iter().map(prefix).collect()
}

fn painted(number: usize, text: &str) -> String {
    let (colour, bright) = COLOURS[number % COLOURS.len()];
    let style = Style::new().fg(colour);
    let style = if bright { style.bright() } else { style };
    style.force_styling(true).apply_to(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_have_one_width_and_each_its_colour() {
        let names = [(0, "s2".to_owned()), (3, "web/1/front".to_owned())];
        assert_eq!(prefixes(&Look::plain(), &names), ["s2          | ", "web/1/front | "]);
        let look = Look { colour: true, width: None };
        let alone = prefixes(&look, &names[1..]);
        assert_eq!(prefixes(&look, &names)[1], alone[0]);
        assert_eq!(alone[0], "\u{1b}[35mweb/1/front |\u{1b}[0m ");
    }
}
