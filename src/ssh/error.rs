//! What can go wrong on the way to a machine.

use std::io;
use std::path::PathBuf;

use crate::explain::Explain;

/// The library's own error, kept as a link of the chain.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a machine could not be reached or did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// The name has no address.
    #[error("`{host}` has no address")]
    Unresolvable {
        /// As the spec names it.
        host: String,
        /// The resolver's word.
        #[source]
        source: Option<io::Error>,
    },
    /// Nothing listens there.
    #[error("{host}:{port} refuses connections")]
    Refused {
        /// Which machine.
        host: String,
        /// Which port.
        port: u16,
    },
    /// No answer in time.
    #[error("{host}:{port} did not answer within {seconds} s")]
    TimedOut {
        /// Which machine.
        host: String,
        /// Which port.
        port: u16,
        /// How long.
        seconds: u64,
    },
    /// The network has no way there.
    #[error("{host} cannot be reached")]
    Unroutable {
        /// Which machine.
        host: String,
        /// The system's word.
        #[source]
        source: io::Error,
    },
    /// The other side hung up before the login was done.
    #[error("{host} ended the connection {during}")]
    Closed {
        /// Which machine.
        host: String,
        /// `while keys were exchanged`.
        during: &'static str,
        /// The library's word.
        #[source]
        source: Source,
    },
    /// Another key than the known one.
    #[error("{host} shows the host key {seen}, expected {}", .expected.join(" or "))]
    HostKeyMismatch {
        /// Which machine.
        host: String,
        /// Type and SHA256 fingerprint of those that would do.
        expected: Vec<String>,
        /// Type and SHA256 fingerprint of the one shown.
        seen: String,
        /// The file that knows another key; `None` for a pinned key.
        known_in: Option<PathBuf>,
        /// The name under which a known_hosts file has it.
        name: String,
    },
    /// No key is known for it.
    #[error("the host key of {host} is not known, it shows {seen}")]
    HostKeyUnknown {
        /// Which machine.
        host: String,
        /// Type and SHA256 fingerprint of the one shown.
        seen: String,
        /// What `ssh` would be called with to ask and remember.
        login: String,
    },
    /// `@revoked` in a known_hosts file.
    #[error("{host} shows the host key {seen}, which is marked as revoked in {}", file.display())]
    HostKeyRevoked {
        /// Which machine.
        host: String,
        /// Type and SHA256 fingerprint of the one shown.
        seen: String,
        /// The file that says so.
        file: PathBuf,
    },
    /// A text that is not a host key.
    #[error("`{0}` is not a host key line or a SHA256 fingerprint")]
    NotAHostKey(String),
    /// It lets nobody in with these keys.
    #[error("{host} refuses to log in `{user}`; tried {}", any_of(.tried))]
    AuthRefused {
        /// Which machine.
        host: String,
        /// Which user.
        user: String,
        /// Each key, by type, fingerprint and where it comes from.
        tried: Vec<String>,
        /// What it would take, as it says itself.
        accepts: Vec<String>,
    },
    /// There was nothing to log in with.
    #[error("there is no key to log in to {host} with{}", passed_over(.notes))]
    NoKey {
        /// Which machine.
        host: String,
        /// Keys that were passed over, and why.
        notes: Vec<String>,
    },
    /// The private key cannot be read.
    #[error("cannot read the key {}", path.display())]
    KeyUnreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file holds no key of a known form.
    #[error("{} is not a private key that a3 understands", path.display())]
    KeyUnusable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Source,
    },
    /// The key has a passphrase and no agent holds it.
    #[error("the key {} has a passphrase", path.display())]
    KeyEncrypted {
        /// The file.
        path: PathBuf,
    },
    /// The two sides do not understand each other.
    #[error("ssh with {host} failed")]
    Protocol {
        /// Which machine.
        host: String,
        /// The library's word.
        #[source]
        source: Source,
    },
    /// The connection broke after the login.
    #[error("the connection to {host} was lost")]
    Lost {
        /// Which machine.
        host: String,
    },
    /// It refuses a channel: a command, a forwarded socket or port.
    #[error("{host} refuses {what} ({reason})")]
    ChannelRefused {
        /// Which machine.
        host: String,
        /// What was asked for.
        what: String,
        /// Its reason.
        reason: String,
    },
    /// A command says more than a3 keeps in memory.
    #[error("a command on {host} wrote more than {limit} bytes")]
    TooMuchOutput {
        /// Which machine.
        host: String,
        /// The limit.
        limit: usize,
    },
    /// A file transfer failed.
    #[error("cannot {what} on {host}")]
    Sftp {
        /// Which machine.
        host: String,
        /// `write /home/u/music.csv`.
        what: String,
        /// The library's word.
        #[source]
        source: Source,
    },
}

impl SshError {
    /// Whether a machine that still boots answers like this: not yet an error in that window.
    pub fn is_boot_noise(&self) -> bool {
        matches!(
            self,
            Self::Refused { .. }
                | Self::TimedOut { .. }
                | Self::Unroutable { .. }
                | Self::Closed { .. }
                | Self::AuthRefused { .. }
                | Self::Lost { .. }
        )
    }

    /// Whether it lets nobody in with these keys.
    pub fn is_login(&self) -> bool {
        matches!(self, Self::AuthRefused { .. })
    }

    /// Whether another machine may be answering: refused for safety.
    pub fn is_host_key(&self) -> bool {
        matches!(
            self,
            Self::HostKeyMismatch { .. } | Self::HostKeyUnknown { .. } | Self::HostKeyRevoked { .. }
        )
    }
}

impl Explain for SshError {
    fn help(&self) -> Option<String> {
        let help = match self {
            Self::Unresolvable { host, .. } => format!("check the name: getent hosts {host}"),
            Self::Refused { host, port } => {
                format!("is sshd running there, on that port? Try: ssh -p {port} {host}")
            }
            Self::TimedOut { .. } | Self::Unroutable { .. } => {
                "check the address, the security group or firewall, and this machine's network".to_owned()
            }
            Self::Closed { .. } | Self::Lost { .. } => {
                "try again; a machine that has just started may take a minute".to_owned()
            }
            Self::HostKeyMismatch { known_in: Some(_), name, .. } => format!(
                "someone else may be answering. Only if you know that the key was changed: ssh-keygen -R '{name}'"
            ),
            Self::HostKeyMismatch { known_in: None, .. } | Self::HostKeyRevoked { .. } => {
                "someone else may be answering: compare the fingerprint with the machine's own before going on"
                    .to_owned()
            }
            Self::HostKeyUnknown { login, .. } => {
                format!("compare the fingerprint and remember it, by logging in once: {login}")
            }
            Self::NotAHostKey(_) => "a key line looks like `ssh-ed25519 AAAA…`".to_owned(),
            Self::AuthRefused { user, .. } => format!(
                "set `ssh.user` (now `{user}`) and `ssh.identity_file` to what the machine knows"
            ),
            Self::NoKey { .. } => "set `ssh.identity_file`, or load a key: ssh-add".to_owned(),
            Self::KeyUnreadable { path, .. } => {
                format!("set `ssh.identity_file` to an existing key, or make one: ssh-keygen -t ed25519 -f {}", path.display())
            }
            Self::KeyUnusable { .. } => {
                "`ssh.identity_file` takes a private key in OpenSSH, PEM or PuTTY form".to_owned()
            }
            Self::KeyEncrypted { path } => format!("load it into the agent: ssh-add {}", path.display()),
            Self::ChannelRefused { .. } => "see AllowStreamLocalForwarding and AllowTcpForwarding in its sshd_config".to_owned(),
            Self::Protocol { .. } | Self::TooMuchOutput { .. } | Self::Sftp { .. } => return None,
        };
        Some(help)
    }
}

fn any_of(tried: &[String]) -> String {
    if tried.is_empty() { "nothing".to_owned() } else { tried.join(", ") }
}

fn passed_over(notes: &[String]) -> String {
    if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) }
}
