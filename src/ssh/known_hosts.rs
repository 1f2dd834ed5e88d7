//! Which host keys a person already trusts, as OpenSSH writes them down
//! (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT").

use std::path::{Path, PathBuf};

use hmac::{Hmac, Mac as _};
use russh::keys::PublicKey;
use sha1::Sha1;

/// What the files say about one machine.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Keys that it may show, with the file that has each.
    pub(crate) keys: Vec<(PublicKey, PathBuf)>,
    /// Keys that vouch for it, by certificates.
    pub(crate) authorities: Vec<(PublicKey, PathBuf)>,
    /// Keys that nobody may show.
    pub(crate) revoked: Vec<(PublicKey, PathBuf)>,
}

impl Known {
    /// Asks several files; one that is missing or cannot be read knows nothing.
    pub(crate) fn read(files: &[PathBuf], name: &str) -> Self {
        let mut known = Self::default();
        for file in files {
            if let Ok(text) = std::fs::read_to_string(file) {
                known.add(&text, name, file);
            }
        }
        known
    }

    /// Takes in what the text of one file says.
    pub(crate) fn add(&mut self, text: &str, name: &str, file: &Path) {
        for line in text.lines() {
            let Some((marker, hosts, key)) = parse(line) else { continue };
            if !matches_any(hosts, name) {
                continue;
            }
            match marker {
                None => self.keys.push((key, file.to_owned())),
                Some("@revoked") => self.revoked.push((key, file.to_owned())),
                Some("@cert-authority") => self.authorities.push((key, file.to_owned())),
                // OpenSSH passes over markers that it does not know.
                Some(_) => {}
            }
        }
    }
}

/// `host`, or `[host]:port` where the port is not 22: how the files name a machine.
pub(crate) fn name(host: &str, port: u16) -> String {
    let host = host.to_lowercase();
    if port == 22 { host } else { format!("[{host}]:{port}") }
}

/// Writes down a key that was accepted, as OpenSSH does: in the first file, which is made if need be.
pub(crate) fn learn(files: &[PathBuf], name: &str, key: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    let Some(file) = files.first() else { return Ok(()) };
    if let Some(folder) = file.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut file = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(file)?;
    // In one write: several machines may be learned at once.
    file.write_all(format!("{name} {key}\n").as_bytes())
}

/// Marker, host patterns and key of one line; `None` for comments and keys of unknown types.
fn parse(line: &str) -> Option<(Option<&str>, &str, PublicKey)> {
    let mut fields = line.split_ascii_whitespace().peekable();
    let marker = fields.next_if(|field| field.starts_with('@'));
    let hosts = fields.next().filter(|hosts| !hosts.starts_with('#'))?;
    let (kind, key) = (fields.next()?, fields.next()?);
    let key = PublicKey::from_openssh(&format!("{kind} {key}")).ok()?;
    Some((marker, hosts, key))
}

fn matches_any(hosts: &str, name: &str) -> bool {
    if let Some(hashed) = hosts.strip_prefix("|1|") {
        return matches_hash(hashed, name).unwrap_or(false);
    }
    let mut found = false;
    for pattern in hosts.to_lowercase().split(',') {
        match pattern.strip_prefix('!') {
            // One negated pattern that matches takes the whole line away.
            Some(pattern) if glob(pattern.as_bytes(), name.as_bytes()) => return false,
            Some(_) => {}
            None => found |= glob(pattern.as_bytes(), name.as_bytes()),
        }
    }
    found
}

/// `salt|hash`, both base64: HMAC-SHA1 of the name under the salt.
fn matches_hash(hashed: &str, name: &str) -> Option<bool> {
    let (salt, hash) = hashed.split_once('|')?;
    let salt = data_encoding::BASE64.decode(salt.as_bytes()).ok()?;
    let hash = data_encoding::BASE64.decode(hash.as_bytes()).ok()?;
    let mac = Hmac::<Sha1>::new_from_slice(&salt).ok()?.chain_update(name);
    Some(mac.verify_slice(&hash).is_ok())
}

/// `*` is any text, `?` one character; everything else, brackets too, stands for itself.
pub(crate) fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if p < pattern.len() && (pattern[p] == b'?' || pattern[p] == name[n]) && pattern[p] != b'*' {
            (p, n) = (p + 1, n + 1);
        } else if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, n));
            p += 1;
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            (p, n) = (at + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";

    fn read(line: &str, name: &str) -> Known {
        let mut known = Known::default();
        known.add(line, name, Path::new("known_hosts"));
        known
    }

    fn known(line: &str, name: &str) -> (usize, usize) {
        let known = read(line, name);
        (known.keys.len(), known.revoked.len())
    }

    #[test]
    fn plain_names_and_ports() {
        assert_eq!(known(&format!("a.example,192.0.2.7 {KEY} me@home"), "192.0.2.7"), (1, 0));
        assert_eq!(known(&format!("A.Example {KEY}"), &name("a.EXAMPLE", 22)), (1, 0));
        assert_eq!(known(&format!("[a.example]:2222\t{KEY}"), &name("a.example", 2222)), (1, 0));
        assert_eq!(known(&format!("a.example {KEY}"), &name("a.example", 2222)), (0, 0));
        assert_eq!(known(&format!("# a.example {KEY}"), "a.example"), (0, 0));
        assert_eq!(known("a.example ssh-ed25519 not-a-key", "a.example"), (0, 0));
    }

    #[test]
    fn wildcards_and_negation() {
        assert_eq!(known(&format!("*.example,!b.example {KEY}"), "a.example"), (1, 0));
        assert_eq!(known(&format!("*.example,!b.example {KEY}"), "b.example"), (0, 0));
        assert_eq!(known(&format!("192.0.2.? {KEY}"), "192.0.2.7"), (1, 0));
        assert_eq!(known(&format!("192.0.2.? {KEY}"), "192.0.2.77"), (0, 0));
        assert_eq!(known(&format!("* {KEY}"), "[x]:1"), (1, 0));
        assert_eq!(known(&format!("a*b*c {KEY}"), "aXbYbZc"), (1, 0));
        assert_eq!(known(&format!("a*b*c {KEY}"), "aXbYbZ"), (0, 0));
    }

    #[test]
    fn hashed_names() {
        let salt = b"01234567890123456789";
        let mac = Hmac::<Sha1>::new_from_slice(salt).unwrap().chain_update("a.example").finalize();
        let encode = |bytes: &[u8]| data_encoding::BASE64.encode(bytes);
        let line = format!("|1|{}|{} {KEY}", encode(salt), encode(&mac.into_bytes()));
        assert_eq!(known(&line, "a.example"), (1, 0));
        assert_eq!(known(&line, "b.example"), (0, 0));
    }

    #[test]
    fn markers() {
        assert_eq!(known(&format!("@revoked * {KEY}"), "a.example"), (0, 1));
        let authority = format!("@cert-authority *.example {KEY}");
        assert_eq!(known(&authority, "a.example"), (0, 0));
        assert_eq!(read(&authority, "a.example").authorities.len(), 1);
        assert_eq!(read(&authority, "a.elsewhere").authorities.len(), 0);
    }
}
