//! How a command fails: a message, a help, an exit code.

use super::exit::Exit;
use crate::explain::Explain;
use crate::observed::Cause;
use crate::report::{Look, error_text};

/// A failed command.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) exit: Exit,
    text: Text,
}

#[derive(Debug)]
enum Text {
    /// To be shown as `error: …` and `help: …`.
    Cause(Cause),
    /// Rendered already: errors of the spec with their underlined lines.
    Rendered(String),
    /// Everything was said already.
    Said,
}

impl Fault {
    pub(crate) fn new(exit: Exit, message: impl Into<String>, help: Option<&str>) -> Self {
        let cause = Cause { message: message.into(), help: help.map(str::to_owned) };
        Self { exit, text: Text::Cause(cause) }
    }

    pub(crate) fn of(exit: Exit, error: &impl Explain) -> Self {
        Self { exit, text: Text::Cause(Explain::cause(error)) }
    }

    pub(crate) fn cause(exit: Exit, cause: Cause) -> Self {
        Self { exit, text: Text::Cause(cause) }
    }

    pub(crate) fn rendered(exit: Exit, text: String) -> Self {
        Self { exit, text: Text::Rendered(text) }
    }

    pub(crate) fn said(exit: Exit) -> Self {
        Self { exit, text: Text::Said }
    }

    /// What goes to stderr.
    pub(crate) fn to_text(&self, look: &Look) -> String {
        match &self.text {
            Text::Cause(cause) => error_text(look, &cause.message, cause.help.as_deref()),
            Text::Rendered(text) => text.clone(),
            Text::Said => String::new(),
        }
    }
}

/// How a command ends.
pub(crate) type Ended = Result<Exit, Fault>;
