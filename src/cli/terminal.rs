//! What a3 asks and where it writes: stdout is data, stderr is talk.

use std::io::{IsTerminal as _, Write as _};

use super::args::Color;
use crate::report::Look;

/// Columns after which prose is wrapped, however wide the terminal is.
const WIDEST: u16 = 120;

/// How text to stderr is to look.
pub(crate) fn look(color: Color) -> Look {
    let terminal = std::io::stderr().is_terminal();
    Look { colour: wants_colour(color, terminal), width: terminal.then(width) }
}

/// How text to stdout is to look.
pub(crate) fn data_look(color: Color) -> Look {
    let terminal = std::io::stdout().is_terminal();
    Look { colour: wants_colour(color, terminal), width: terminal.then(width) }
}

fn wants_colour(color: Color, terminal: bool) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        // https://no-color.org: present and not empty.
        Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    }
}

fn width() -> usize {
    let (_, columns) = console::Term::stderr().size();
    usize::from(columns.clamp(40, WIDEST))
}

/// Whether someone reads what is said.
pub(crate) fn is_shown() -> bool {
    std::io::stderr().is_terminal()
}

/// Whether someone can be asked.
pub(crate) fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks; only `yes` or `y` counts. End of input is a no.
pub(crate) fn ask(question: &str) -> bool {
    talk(&format!("\n{question} [y/N] "));
    let mut answer = String::new();
    if std::io::stdin().read_line(&mut answer).is_err() {
        return false;
    }
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

/// Asks for a line; end of input is an empty one.
pub(crate) fn ask_text(question: &str) -> String {
    talk(&format!("\n{question} "));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).ok();
    answer.trim().to_owned()
}

/// Writes to stderr. A reader that went away is not an error.
pub(crate) fn talk(text: &str) {
    let mut err = std::io::stderr().lock();
    err.write_all(text.as_bytes()).and_then(|()| err.flush()).ok();
}

/// Writes to stdout. A reader that went away is not an error.
pub(crate) fn data(text: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok();
}
