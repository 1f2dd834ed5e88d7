//! Who may log in beside the owner: a part of the ssh user's `authorized_keys` that is a3's.

use super::Host;
use super::error::HostError;
use crate::plan::names::{keys_begin, keys_end};
use crate::ssh::command::Script;

impl Host {
    /// Puts exactly these public keys into the deployment's part of the ssh user's `authorized_keys`;
    /// without any the part goes. Foreign lines stay. Safe to repeat.
    ///
    /// # Errors
    /// [`HostError::Failed`]: the file, or its folder, is not the user's to write.
    pub async fn admit(&self, mark: &str, keys: &[String]) -> Result<(), HostError> {
        let script = Script::new(include_str!("scripts/admit.sh"))
            .set("BEGIN", &keys_begin(mark))?
            .set("END", &keys_end(mark))?
            .set("KEYS", &keys.join("\n"))?;
        self.write(&script).await.map(drop)
    }
}
