//! Asks for the passphrase of a key, on the terminal and without showing it.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::SecretString;

use super::exit::Exit;
use super::terminal;

/// What a terminal sends for Ctrl-C, Ctrl-D and backspace where it does not act on them itself.
const INTERRUPT: u8 = 3;
const END: u8 = 4;
const BACKSPACES: [u8; 2] = [8, 127];

enum Typed {
    Line(SecretString),
    Nothing,
    Interrupted,
}

/// Asks; `None` where nobody can be asked or nothing was typed.
pub(crate) fn ask(key: &Path, again: bool) -> Option<SecretString> {
    if !terminal::can_ask() {
        return None;
    }
    // As `ssh` does: what is piped in or out is not the person.
    let tty = OpenOptions::new().read(true).write(true).open("/dev/tty").ok()?;
    let typed = {
        let _quiet = Quiet::new(&tty)?;
        let wrong = if again { "That was not it. " } else { "" };
        write!(&tty, "{wrong}Passphrase for {}: ", key.display()).ok()?;
        let typed = read(&tty);
        // The Enter was not shown either.
        writeln!(&tty).ok()?;
        typed
    };
    match typed {
        Typed::Line(line) => Some(line),
        Typed::Nothing => None,
        Typed::Interrupted => give_up(),
    }
}

/// Nothing is under way while somebody is asked, so nothing has to be brought to an end.
#[expect(clippy::exit, reason = "what waits for the answer knows of no interruption")]
fn give_up() -> ! {
    std::process::exit(Exit::Interrupted.code().into())
}

fn read(mut tty: &File) -> Typed {
    let mut line = Vec::new();
    let mut letter = [0];
    loop {
        match tty.read(&mut letter) {
            Ok(1) => {}
            Ok(_) | Err(_) => return Typed::Nothing,
        }
        match letter[0] {
            b'\r' | b'\n' => break,
            INTERRUPT => return Typed::Interrupted,
            END if line.is_empty() => return Typed::Nothing,
            letter if BACKSPACES.contains(&letter) => {
                // A letter may be several bytes; the later ones begin with the bits 10.
                while line.pop().is_some_and(|byte: u8| byte & 0xc0 == 0x80) {}
            }
            letter => line.push(letter),
        }
    }
    match String::from_utf8(line) {
        Ok(line) if !line.is_empty() => Typed::Line(SecretString::from(line)),
        _ => Typed::Nothing,
    }
}

/// A terminal that shows nothing of what is typed, until this is dropped. Ctrl-C comes as a letter:
/// ended by the signal, we would leave the terminal silent.
struct Quiet<'a> {
    tty: &'a File,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn new(tty: &'a File) -> Option<Self> {
        let before = tcgetattr(tty).ok()?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG | LocalModes::ICANON);
        tcsetattr(tty, OptionalActions::Drain, &quiet).ok()?;
        Some(Self { tty, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        // Whatever keeps it from being set back, nothing better can be done.
        let _ = tcsetattr(self.tty, OptionalActions::Drain, &self.before);
    }
}
