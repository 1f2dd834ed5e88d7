//! The terminal in front of us: raw while something far away has it, and as it was afterwards.

use std::io;

use rustix::stdio;
use rustix::termios::{self, InputModes, OptionalActions, SpecialCodeIndex, Termios};

/// Rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

/// The terminal's size; `None` where neither end of ours is a terminal, or it does not know.
pub fn size() -> Option<Size> {
    let asked = [stdio::stdout(), stdio::stdin()].map(termios::tcgetwinsize);
    let known = asked.into_iter().flatten().find(|size| size.ws_row > 0 && size.ws_col > 0)?;
    Some(Size { rows: known.ws_row, columns: known.ws_col })
}

/// What the far terminal should know of this one: its erase character, and whether it is UTF-8.
/// Without them a backspace over a wide character goes wrong there.
pub fn modes() -> (Option<u8>, bool) {
    let Ok(now) = termios::tcgetattr(stdio::stdin()) else { return (None, false) };
    (Some(now.special_codes[SpecialCodeIndex::VERASE]), now.input_modes.contains(InputModes::IUTF8))
}

/// Standard input's terminal in raw mode: every key is a byte for the far side, Ctrl-C and Ctrl-Z
/// too. Dropping it, in a panic as well, brings back the modes of before.
#[derive(Debug)]
pub struct Raw {
    before: Termios,
}

impl Raw {
    /// Makes it raw.
    ///
    /// # Errors
    /// Standard input is no terminal, or is gone.
    pub fn enter() -> io::Result<Self> {
        let before = termios::tcgetattr(stdio::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        termios::tcsetattr(stdio::stdin(), OptionalActions::Drain, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone needs no modes. Not `Drain`: nobody may be left who reads it empty.
        let _ = termios::tcsetattr(stdio::stdin(), OptionalActions::Now, &self.before);
    }
}
