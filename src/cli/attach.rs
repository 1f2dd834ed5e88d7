//! Between this process and one somewhere else: who gets a terminal, and what its end means here.

use std::io::IsTerminal as _;

use super::args::AttachArgs;
use super::exit::Exit;
use super::fault::Fault;
use crate::tty::{self, End, Far, Signal, Wiring};

/// Where the connection broke and nobody knows how the command ended, as ssh says it.
pub(crate) const LOST: Exit = Exit::Child(255);

/// What the far side gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attach {
    pub(crate) tty: bool,
    pub(crate) stdin: bool,
}

/// What is asked for. Without a word about it, a person at a terminal gets one, and a script keeps its
/// standard input for itself.
///
/// # Errors
/// 64: a terminal is asked for, and there is none.
pub(crate) fn wanted(args: AttachArgs) -> Result<Attach, Fault> {
    let AttachArgs { interactive, tty, no_tty } = args;
    if tty {
        needs_terminal("-t", "leave out -t: `-i` alone passes a pipe on")?;
    }
    let both = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    Ok(match (interactive, tty, no_tty) {
        (_, true, _) => Attach { tty: true, stdin: true },
        (true, ..) | (_, _, true) => Attach { tty: false, stdin: true },
        (false, false, false) => Attach { tty: both, stdin: both },
    })
}

/// # Errors
/// 64: there is no terminal to pass on.
pub(crate) fn needs_terminal(flag: &str, help: &str) -> Result<(), Fault> {
    if std::io::stdin().is_terminal() {
        return Ok(());
    }
    let message = format!("{flag} wants a terminal, and standard input is none");
    Err(Fault::new(Exit::Usage, message, Some(help)))
}

/// How the far side was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// It ended; how, has to be asked.
    Ended,
    /// We went first, and this is our exit code.
    Running(Exit),
}

/// Connects the two until one ends.
///
/// # Errors
/// 255 where the connection broke.
pub(crate) async fn connect(far: &mut dyn Far, wiring: Wiring) -> Result<Left, Fault> {
    let end = tty::relay(far, wiring).await;
    match end.map_err(|error| Fault::new(Exit::Failed, format!("the terminal: {error}"), None))? {
        End::Closed => Ok(Left::Ended),
        End::BrokenPipe => Ok(Left::Running(Exit::Child(Signal::Pipe.exit_code()))),
        End::GaveUp(signal) => Ok(Left::Running(Exit::Child(signal.exit_code()))),
        End::Lost(cause) => Err(Fault::cause(LOST, cause)),
    }
}

/// A child's exit code as ours.
pub(crate) fn exit_of(code: i64) -> Exit {
    match u8::try_from(code) {
        Ok(0) => Exit::Done,
        Ok(code) => Exit::Child(code),
        Err(_) => LOST,
    }
}

/// `NAME=value` of `-e`; a name alone takes its value from our environment, or is left out.
pub(crate) fn variables(given: &[String]) -> Vec<(String, String)> {
    let pairs = given.iter().filter_map(|text| match text.split_once('=') {
        Some((name, value)) => Some((name.to_owned(), value.to_owned())),
        None => Some((text.clone(), std::env::var(text).ok()?)),
    });
    pairs.collect()
}

/// What the engine's words mean where a program could not be started: 127 where it is not there, 126
/// where it may not run, as a shell has it.
pub(crate) fn not_started(program: &str, place: &str, said: &str) -> Fault {
    let absent = ["executable file not found", "no such file or directory"];
    let absent = absent.iter().any(|words| said.contains(words));
    if !absent && !said.contains("permission denied") && !said.contains("exec format error") {
        let message = format!("cannot run `{program}` in {place}: {said}");
        return Fault::new(Exit::Child(126), message, None);
    }
    if !absent {
        let message = format!("`{program}` in {place} may not be run: {said}");
        return Fault::new(Exit::Child(126), message, Some("is it executable, and for this machine?"));
    }
    let help = match program.rsplit('/').next() {
        Some("bash" | "zsh" | "ash" | "fish") => "try `sh`, which more images have",
        Some("sh") => {
            "it is an image without a shell: name a program that it has, or look from the machine: a3 ssh"
        }
        _ => "name a program that the image has, with its path if it is in no folder of PATH",
    };
    Fault::new(Exit::Child(127), format!("there is no `{program}` in {place}"), Some(help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_passed_on() {
        assert_eq!([0, 3, 137].map(|code| exit_of(code).code()), [0, 3, 137]);
        assert_eq!(exit_of(-1).code(), 255);
    }

    #[test]
    fn a_program_that_is_not_there_is_told_from_one_that_may_not_run() {
        let code = |said: &str| not_started("bash", "s2", said).exit.code();
        assert_eq!(code("exec: \"bash\": executable file not found in $PATH: unknown"), 127);
        assert_eq!(code("exec: \"/x\": permission denied: unknown"), 126);
        assert_eq!(code("something else"), 126);
    }

    #[test]
    fn variables_have_their_own_value_or_ours() {
        let given = ["A=1=2".to_owned(), "A3_NOT_SET_ANYWHERE".to_owned(), "B=".to_owned()];
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(variables(&given), [pair("A", "1=2"), pair("B", "")]);
    }
}
