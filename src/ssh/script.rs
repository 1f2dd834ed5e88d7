//! Commands whose output is read by a program, under a login shell that may say something of its own
//! first: sshd runs everything through it, and its start-up files are the person's.

use super::command::Script;
use super::error::SshError;
use super::exec::{Output, Tunnel};
use super::session::Session;

/// The line after which the output is the command's own.
const BEGINS: &str = "a3-begins";

/// What a start-up file may say.
const MAX_NOISE: usize = 64 << 10;

impl Session {
    /// Runs a script with this command line ([`super::command::READ`] or `WRITE`).
    ///
    /// # Errors
    /// As [`Session::exec`].
    pub async fn run(&self, command: &str, script: &Script) -> Result<Output, SshError> {
        let text = format!("echo {BEGINS}\n{}", script.text());
        let mut output = self.exec(command, text.as_bytes()).await?;
        if let Some(begin) = after_noise(&output.stdout) {
            output.stdout.drain(..begin);
        }
        Ok(output)
    }

    /// A command's input and output as one stream; what it says on standard error is dropped. The
    /// command is words without quotes.
    ///
    /// # Errors
    /// As [`Session::start`]; [`SshError::ChannelRefused`] where a shell says too much.
    pub async fn exec_stream(&self, command: &str) -> Result<Tunnel, SshError> {
        use tokio::io::AsyncReadExt as _;
        // Single quotes mean the same to every shell that is not a POSIX one.
        let command = format!("sh -c 'echo {BEGINS}; exec {command}'");
        let mut tunnel = self.raw_stream(&command).await?;
        let mut said = Vec::new();
        let mut piece = [0; 4096];
        loop {
            let read = tunnel.read(&mut piece).await.map_err(|_| self.lost())?;
            said.extend_from_slice(&piece[..read]);
            if let Some(begin) = after_noise(&said) {
                tunnel.put_back(&said[begin..]);
                return Ok(tunnel);
            }
            if read == 0 || said.len() > MAX_NOISE {
                let reason = format!("its shell said {} bytes, and not that it begins", said.len());
                let what = "to run a command".to_owned();
                return Err(SshError::ChannelRefused { host: self.host().to_owned(), what, reason });
            }
        }
    }
}

/// Where the command's own output begins.
fn after_noise(said: &[u8]) -> Option<usize> {
    let mark = format!("{BEGINS}\n");
    // A prompt or a line without an end may stand before it.
    let at = said.windows(mark.len()).position(|window| window == mark.as_bytes())?;
    Some(at + mark.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_says_first_is_not_the_commands() {
        assert_eq!(after_noise(b"a3-begins\nout"), Some(10));
        assert_eq!(after_noise(b"Welcome!\n$ a3-begins\nout\na3-begins\n"), Some(21));
        assert_eq!(after_noise(b"a3-begi"), None);
        assert_eq!(after_noise(b"a3-begins"), None);
    }
}
