//! Signals to processes of containers: an engine can signal a container, but not a command that was
//! started in one.

use super::{Host, HostError};
use crate::ssh::command::{Script, WRITE};

impl Host {
    /// Sends a signal (`INT`) to a process by its number on this machine, with `sudo -n` where that is
    /// needed and allowed. Whether it got there.
    ///
    /// # Errors
    /// The machine cannot be reached.
    pub async fn signal(&self, pid: u32, signal: &'static str) -> Result<bool, HostError> {
        let script = Script::new(include_str!("scripts/signal.sh"))
            .set("PID", &pid.to_string())?
            .set("SIGNAL", signal)?
            .set("SUDO", self.sudo_word())?;
        Ok(self.run(WRITE, &script).await?.status == 0)
    }
}
