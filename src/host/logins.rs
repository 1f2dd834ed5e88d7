//! Docker logins that somebody has left on a machine.

use super::{Host, HostError};
use crate::ssh::command::Script;

/// A login in a Docker configuration there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The registry, as the configuration names it.
    pub server: String,
    /// Whether it is root's, and not the ssh user's.
    pub of_root: bool,
}

impl Host {
    /// Which of these servers a login lies there for. The credentials themselves are not read out.
    ///
    /// # Errors
    /// [`HostError`].
    pub async fn logins(&self, servers: &[&str]) -> Result<Vec<Login>, HostError> {
        let script = Script::new(include_str!("scripts/logins.sh")).set("SUDO", self.sudo_word())?;
        let answer = self.read(&script.args(servers.iter().copied())?).await?;
        Ok(answer
            .lines()
            .filter_map(|line| {
                let (whose, server) = line.split_once(' ')?;
                Some(Login { server: server.to_owned(), of_root: whose == "root" })
            })
            .collect())
    }
}
