//! The tag `a3:ssh-host-key`: which host key an instance showed, and who said so. It makes every
//! teammate strict from the start.

use std::fmt;
use std::str::FromStr;

/// EC2 takes at most so many characters in a tag's value
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html>).
const LONGEST: usize = 255;

/// Where a host key is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// The instance wrote it to its console.
    Console,
    /// It was accepted once.
    FirstContact,
}

/// A pinned host key: `console ssh-ed25519 AAAA…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostKeyTag {
    /// Who said so.
    pub source: KeySource,
    /// An OpenSSH public key without its comment, or `SHA256:…`.
    pub key: String,
}

impl HostKeyTag {
    /// The best of the keys that a console showed: ed25519, else the first that fits in a tag.
    pub fn from_console(lines: &[String]) -> Option<Self> {
        let keys = || lines.iter().map(|line| without_comment(line));
        let is_short = |key: &String| key.len() + "console ".len() <= LONGEST;
        let best = keys().find(|key| key.starts_with("ssh-ed25519 ")).or_else(|| keys().find(is_short))?;
        Some(Self { source: KeySource::Console, key: best })
    }

    /// The key that a machine showed at first contact.
    pub fn from_contact(line: &str) -> Self {
        Self { source: KeySource::FirstContact, key: without_comment(line) }
    }
}

/// `type base64`.
fn without_comment(line: &str) -> String {
    line.split_ascii_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

impl fmt::Display for HostKeyTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match self.source {
            KeySource::Console => "console",
            KeySource::FirstContact => "first-contact",
        };
        write!(f, "{source} {}", self.key)
    }
}

/// A tag that does not begin with `console` or `first-contact`.
#[derive(Debug, thiserror::Error)]
#[error("the tag a3:ssh-host-key is `{0}`, which a3 does not understand")]
pub struct NotAHostKeyTag(String);

impl FromStr for HostKeyTag {
    type Err = NotAHostKeyTag;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (source, key) = text.split_once(' ').ok_or_else(|| NotAHostKeyTag(text.to_owned()))?;
        let source = match source {
            "console" => KeySource::Console,
            "first-contact" => KeySource::FirstContact,
            _ => return Err(NotAHostKeyTag(text.to_owned())),
        };
        Ok(Self { source, key: key.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_console_s_ed25519_key_is_preferred_and_survives_the_tag() {
        let lines = ["ssh-rsa AAAAB3 root@x".to_owned(), "ssh-ed25519 AAAAC3 root@x".to_owned()];
        let tag = HostKeyTag::from_console(&lines).unwrap();
        assert_eq!(tag.to_string(), "console ssh-ed25519 AAAAC3");
        assert_eq!(tag.to_string().parse::<HostKeyTag>().unwrap(), tag);
        assert_eq!(HostKeyTag::from_console(&[]), None);
        assert!("elsewhere ssh-ed25519 A".parse::<HostKeyTag>().is_err());
    }
}
