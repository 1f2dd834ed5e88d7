//! The one place where text becomes part of a shell's input.
//!
//! A script is fixed text, compiled in; what varies is assigned to shell variables or positional
//! parameters before it, each value quoted. Nothing is ever spliced into a command.

use std::fmt::Write as _;
use std::time::Duration;

use crate::explain::Explain;

/// The command line of everything that only looks. Fixed, so that it can be told from a write.
pub const READ: &str = "sh -s a3-read";

/// The command line of everything that changes something.
pub const WRITE: &str = "sh -s a3-write";

/// A value that no shell can take.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CommandError {
    /// A zero byte ends a word for the system, whatever the quoting.
    #[error("`{0}` contains a zero byte")]
    ZeroByte(String),
}

impl Explain for CommandError {
    fn help(&self) -> Option<String> {
        Some("take the zero byte out of the path or name".to_owned())
    }
}

/// One word for a POSIX shell, whatever characters it has.
///
/// # Errors
/// [`CommandError::ZeroByte`].
pub fn quote(word: &str) -> Result<String, CommandError> {
    if word.contains('\0') {
        return Err(CommandError::ZeroByte(word.replace('\0', "\\0")));
    }
    // Between single quotes a POSIX shell takes everything as it is, so only the quote needs care.
    Ok(format!("'{}'", word.replace('\'', r"'\''")))
}

/// A script for `sh -s`, sent through its input: POSIX, for dash, bash and busybox alike.
#[derive(Clone, Debug)]
pub struct Script {
    values: String,
    body: &'static str,
    within: Duration,
}

impl Script {
    /// A script of fixed text that may take a minute.
    pub fn new(body: &'static str) -> Self {
        Self { values: String::new(), body, within: Duration::from_secs(60) }
    }

    /// Gives the script a shell variable.
    ///
    /// # Errors
    /// [`CommandError::ZeroByte`].
    pub fn set(mut self, name: &'static str, value: &str) -> Result<Self, CommandError> {
        // Writing to a String does not fail.
        let _ = writeln!(self.values, "{name}={}", quote(value)?);
        Ok(self)
    }

    /// Gives the script its positional parameters.
    ///
    /// # Errors
    /// [`CommandError::ZeroByte`].
    pub fn args<'a>(mut self, values: impl IntoIterator<Item = &'a str>) -> Result<Self, CommandError> {
        self.values.push_str("set --");
        for value in values {
            self.values.push(' ');
            self.values.push_str(&quote(value)?);
        }
        self.values.push('\n');
        Ok(self)
    }

    /// Changes how long it may take.
    pub fn within(mut self, limit: Duration) -> Self {
        self.within = limit;
        self
    }

    /// How long it may take.
    pub fn limit(&self) -> Duration {
        self.within
    }

    /// What goes through the shell's input. The whole text is read before any of it runs, and its
    /// commands find an empty input instead of the rest of the script.
    pub fn text(&self) -> String {
        format!("main() {{\n{}{}\n}}\nmain </dev/null\n", self.values, self.body)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use proptest::prelude::*;

    use super::*;

    fn run(shell: &[&str], script: &Script) -> String {
        let mut child = Command::new(shell[0])
            .args(&shell[1..])
            .args(["-s", "a3-read"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(script.text().as_bytes()).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    }

    const ECHO: &str = r#"printf '%s|' "$V" "$@""#;

    #[test]
    fn nasty_words_arrive_as_they_were() {
        let nasty = [
            "",
            " ",
            "'",
            "''",
            "\"",
            "$HOME",
            "`id`",
            "$(id)",
            "a\nb",
            "\n",
            "\\",
            "\\'",
            "-n",
            "--",
            "*",
            "~",
            "!!",
            "#",
            "é\u{1F600}",
            "\u{7f}\u{1b}[31m",
            "a;b&c|d>e<f(g)h",
            "%s",
            "\t",
        ];
        let script = Script::new(ECHO).set("V", "it's \"$x\"").unwrap().args(nasty).unwrap();
        let expected = format!("it's \"$x\"|{}|", nasty.join("|"));
        assert_eq!(run(&["sh"], &script), expected);
        assert_eq!(run(&["bash", "--posix"], &script), expected);
    }

    #[test]
    fn commands_do_not_eat_the_script() {
        let script = Script::new("cat; echo after");
        assert_eq!(run(&["sh"], &script), "after\n");
    }

    #[test]
    fn a_zero_byte_is_refused() {
        let error = quote("a\0b").unwrap_err();
        assert_eq!(error.to_string(), "`a\\0b` contains a zero byte");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        #[test]
        fn any_words_arrive_as_they_were(words in prop::collection::vec("[^\0|]{0,12}", 0..6), value in "[^\0|]*") {
            let script = Script::new(ECHO).set("V", &value).unwrap();
            let script = script.args(words.iter().map(String::as_str)).unwrap();
            let expected: String = std::iter::once(&value).chain(&words).map(|word| format!("{word}|")).collect();
            prop_assert_eq!(run(&["sh"], &script), expected);
        }
    }
}
