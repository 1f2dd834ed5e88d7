//! `a3 ssh`: a shell or a command on a machine, over the connection that a3 has, host key and all.

use std::io::IsTerminal as _;
use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;

use super::args::SshArgs;
use super::attach::{self, LOST, Left};
use super::exit::Exit;
use super::fault::{Ended, Fault};
use super::work::{self, Wish};
use super::{Session, pick};
use crate::observe::secrets::Consent;
use crate::plan::Destroy;
use crate::ssh::command::quote;
use crate::ssh::{SshError, Terminal};
use crate::tty::{self, Wiring};

/// Where `TERM` is not set.
const PLAINEST: &str = "dumb";

/// `a3 ssh`
pub(crate) async fn ssh(session: &Session, args: &SshArgs) -> Ended {
    if args.tty {
        attach::needs_terminal("-t", "leave out -t")?;
    }
    let command = command_line(&args.command)?;
    let spec = session.load(None)?;
    let looked = work::look(&spec, &Wish::Destroy(Destroy::default()), Consent { commands: false }).await?;
    let (slot, host) = pick::login(&spec, &looked, args.name.as_deref())?;
    let Some(there) = host.session() else {
        let message = format!("{slot} is this machine, there is nothing to log in to");
        return Err(Fault::new(Exit::Usage, message, Some("a3 exec SERVICE -- sh goes into a container")));
    };
    let person = std::io::stdin().is_terminal() && command.is_none();
    let tty = (args.tty || person) && !args.no_tty;
    let terminal = tty.then(terminal);
    let of_ssh = |error: SshError| Fault::of(LOST, &error);
    let mut running = there.shell(command.as_deref(), terminal.as_ref()).await.map_err(of_ssh)?;
    let mut input = running.input();
    if args.no_input {
        // Gone already is as good.
        let _ = input.shutdown().await;
    }
    let input = (!args.no_input).then_some(input);
    let wiring = Wiring { tty, input, control: Arc::new(running.remote()) };
    match attach::connect(&mut running, wiring).await? {
        Left::Running(exit) => Ok(exit),
        Left::Ended => Ok(attach::exit_of(running.exit().map_err(of_ssh)?.code().into())),
    }
}

/// One word is a line for the shell there, as ssh has it; several are a program and its arguments, as
/// they were typed here.
fn command_line(words: &[String]) -> Result<Option<String>, Fault> {
    match words {
        [] => Ok(None),
        [line] => Ok(Some(line.clone())),
        words => {
            let quoted: Result<Vec<String>, _> = words.iter().map(|word| quote(word)).collect();
            Ok(Some(quoted.map_err(|error| Fault::of(Exit::Usage, &error))?.join(" ")))
        }
    }
}

fn terminal() -> Terminal {
    let kind = std::env::var("TERM").ok().filter(|kind| !kind.is_empty());
    let (erase, utf8) = tty::modes();
    Terminal { kind: kind.unwrap_or_else(|| PLAINEST.to_owned()), size: tty::size(), erase, utf8 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_is_a_line_and_several_are_words() {
        let line = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            command_line(&words).unwrap()
        };
        assert_eq!(line(&[]), None);
        assert_eq!(line(&["ls | wc -l"]).as_deref(), Some("ls | wc -l"));
        assert_eq!(line(&["echo", "a b", "$HOME"]).as_deref(), Some("'echo' 'a b' '$HOME'"));
    }
}
