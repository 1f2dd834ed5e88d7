//! What every error of a3 can do beyond `Display`: say what to do about it.

use serde::{Deserialize, Serialize};

/// Why something could not be seen or done, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The whole chain of errors in one line.
    pub message: String,
    /// Something that can be typed or checked.
    pub help: Option<String>,
}

/// An error that knows what a person can do.
pub trait Explain: std::error::Error {
    /// Something that can be typed or checked; `None` where there is nothing better than the message.
    fn help(&self) -> Option<String>;

    /// The error as plain data: the chain of its sources in one line, and the help.
    fn cause(&self) -> Cause
    where
        Self: Sized,
    {
        Cause { message: chain(self), help: self.help() }
    }
}

/// An error and its sources in one line, `a: b: c`. A link that only repeats the one before is left
/// out.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(link) = next {
        let link_text = link.to_string();
        if !text.ends_with(&link_text) {
            text.push_str(": ");
            text.push_str(&link_text);
        }
        next = link.source();
    }
    text
}
