//! What can go wrong on the way to a machine.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

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
    #[error("{at} refuses connections")]
    Refused {
        /// Which machine and port.
        at: String,
        /// What `ssh` would be called with.
        login: String,
    },
    /// No answer in time.
    #[error("{at} did not answer within {seconds} s")]
    TimedOut {
        /// Which machine and port.
        at: String,
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
    /// The way leads through another machine, and ends there.
    #[error("cannot get to {host} through the jump host {hop}")]
    Jump {
        /// Which machine.
        host: String,
        /// The jump host.
        hop: String,
        /// Why; shared by all the machines behind it.
        #[source]
        source: Arc<Self>,
    },
    /// The jump host was reached, and from there the machine is not.
    #[error("{at} cannot be reached from the jump host {hop} ({reason})")]
    Beyond {
        /// Which machine and port.
        at: String,
        /// The jump host.
        hop: String,
        /// Its reason.
        reason: String,
    },
    /// The jump hosts of a machine make no sense.
    #[error("{host} is behind `{jumps}`: {why}")]
    Hops {
        /// Which machine.
        host: String,
        /// As they are written.
        jumps: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The command that should lead there cannot be run.
    #[error("cannot run the ProxyCommand of {host}: {command}")]
    ProxyCommand {
        /// Which machine.
        host: String,
        /// The command.
        command: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `ssh` does not understand its configuration.
    #[error("the ssh configuration for {host} cannot be read: {said}")]
    Config {
        /// Which machine.
        host: String,
        /// What `ssh` says.
        said: String,
    },
    /// There is a configuration and nothing that can read it.
    #[error("{} says how machines are reached, and there is no `ssh` command to read it with", file.display())]
    ConfigUnread {
        /// The file.
        file: PathBuf,
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
    /// A public half names a key that the agent should hold.
    #[error("the agent does not hold the key of {}", path.display())]
    NotInAgent {
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

/// How a machine says that it does not forward connections.
const PROHIBITED: &str = "AdministrativelyProhibited";

impl SshError {
    /// Whether a machine that still boots answers like this: not yet an error in that window.
    pub fn is_boot_noise(&self) -> bool {
        if let Self::Beyond { reason, .. } = self {
            return reason != PROHIBITED;
        }
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
        if let Self::Jump { source, .. } = self {
            return source.is_host_key();
        }
        matches!(
            self,
            Self::HostKeyMismatch { .. } | Self::HostKeyUnknown { .. } | Self::HostKeyRevoked { .. }
        )
    }
}

/// OpenSSH's sshd hangs up after six keys (`MaxAuthTries`).
const ENOUGH: usize = 6;

impl Explain for SshError {
    fn help(&self) -> Option<String> {
        let help = match self {
            Self::Unresolvable { host, .. } => format!("check the name: getent hosts {host}"),
            Self::Refused { login, .. } => format!("is sshd running there, on that port? Try: {login}"),
            Self::Jump { source, .. } => return source.help(),
            Self::Beyond { hop, reason, .. } if reason == PROHIBITED => {
                format!("set `AllowTcpForwarding yes` in the sshd_config of {hop}")
            }
            Self::Beyond { hop, .. } => {
                format!("is the address right as {hop} sees it, and does the machine let {hop} in (security group, firewall)?")
            }
            Self::Hops { host, .. } => {
                format!("correct ProxyJump in ~/.ssh/config or `ssh.proxy_jump`; ssh -G {host} shows what is meant")
            }
            Self::ProxyCommand { host, .. } | Self::Config { host, .. } => {
                format!("mend ~/.ssh/config until this works: ssh -G {host}")
            }
            Self::ConfigUnread { .. } => {
                "install OpenSSH's client (Debian: apt-get install openssh-client)".to_owned()
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
            Self::AuthRefused { tried, .. } if tried.len() > ENOUGH => {
                "set `ssh.identity_file` to the one that it knows: after six keys sshd hangs up".to_owned()
            }
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
            Self::NotInAgent { path } => {
                format!("load it: ssh-add {}", path.with_extension("").display())
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
