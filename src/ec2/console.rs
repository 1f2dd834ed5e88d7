//! Host keys out of the console output, which only the instance's own system writes.

use base64::Engine as _;

use super::{Cloud, CloudError};

/// cloud-init's marks around the public host keys (`ssh_authkey_fingerprints`, `keys-to-console`).
const BEGIN: &str = "-----BEGIN SSH HOST KEY KEYS-----";
const END: &str = "-----END SSH HOST KEY KEYS-----";

impl Cloud {
    /// The public host keys that the instance printed at boot, as lines `ssh-ed25519 AAAA…`; empty
    /// until the console has them, which can take minutes. The newest output is asked for first; only
    /// instances on Nitro have it.
    ///
    /// # Errors
    /// EC2 unreachable or refusing `ec2:GetConsoleOutput`.
    pub async fn console_host_keys(&self, id: &str) -> Result<Vec<String>, CloudError> {
        let newest = self.console(id, true).await;
        match newest {
            Ok(keys) if !keys.is_empty() => Ok(keys),
            Ok(_) => self.console(id, false).await,
            Err(error) if error.code() == Some("UnsupportedOperation") => self.console(id, false).await,
            Err(error) if error.code() == Some("InvalidInstanceID.NotFound") => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn console(&self, id: &str, latest: bool) -> Result<Vec<String>, CloudError> {
        let call = self.client.get_console_output().instance_id(id).set_latest(latest.then_some(true));
        let answer = call.send().await.map_err(self.failed("GetConsoleOutput"))?;
        let encoded: String = answer.output().unwrap_or_default().split_whitespace().collect();
        let output = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap_or_default();
        Ok(host_keys(&String::from_utf8_lossy(&output)))
    }
}

/// The keys of the last whole block.
fn host_keys(console: &str) -> Vec<String> {
    let Some((before_end, _)) = console.rsplit_once(END) else { return Vec::new() };
    let Some((_, block)) = before_end.rsplit_once(BEGIN) else { return Vec::new() };
    block.lines().filter_map(host_key).collect()
}

/// A line may begin with the kernel's time or the unit's name, and ends with a comment.
fn host_key(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    let kind = words.find(|word| word.starts_with("ssh-") || word.starts_with("ecdsa-sha2-"))?;
    // Every key blob begins with the length of its kind's name, so with zeros.
    let blob = words.next().filter(|blob| blob.starts_with("AAAA"))?;
    Some(format!("{kind} {blob}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_the_last_whole_block_are_read() {
        let console = "\
            cloud-init[9]: -----BEGIN SSH HOST KEY KEYS-----\r\n\
            ssh-ed25519 AAAAold root@ip\r\n\
            -----END SSH HOST KEY KEYS-----\r\n\
            [   12.3] cloud-init[9]: -----BEGIN SSH HOST KEY KEYS-----\r\n\
            [   12.3] cloud-init[9]: ecdsa-sha2-nistp256 AAAAE2 root@ip\r\n\
            ssh-ed25519 AAAAC3 root@ip\r\n\
            ssh-rsa\r\n\
            -----END SSH HOST KEY KEYS-----\r\n\
            login: -----BEGIN SSH HOST KEY KEYS-----\r\nssh-ed25519 AAAAcut";
        assert_eq!(host_keys(console), ["ecdsa-sha2-nistp256 AAAAE2", "ssh-ed25519 AAAAC3"]);
    }

    #[test]
    fn a_console_without_a_whole_block_has_none() {
        assert!(host_keys("").is_empty());
        assert!(host_keys("-----BEGIN SSH HOST KEY KEYS-----\nssh-ed25519 AAAA x").is_empty());
        assert!(host_keys("-----END SSH HOST KEY KEYS-----").is_empty());
    }
}
