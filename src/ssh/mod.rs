//! The ssh adapter: one connection a machine, with commands, files, and forwarded sockets and ports
//! on it; configuration, jump hosts, keys and host keys as OpenSSH's user expects them.

mod checkup;
pub mod command;
mod config;
mod dial;
mod error;
mod exec;
mod host_key;
mod key;
mod known_hosts;
mod login;
mod passphrase;
mod places;
mod route;
mod script;
mod session;
mod sftp;
mod shell;

pub use config::Config;
pub use dial::Jumps;
pub use checkup::{KeyFile, agent_keys, examine};
pub use error::{Source, SshError};
pub use exec::{Exit, Output, Piece, Running, Tunnel};
pub use host_key::{HostKeys, Pin};
pub use key::{Keyring, public_key, ready};
pub use passphrase::{Asker, Passphrases};
pub use route::{Route, Target, Via, own_name};
pub use session::Session;
pub use sftp::{RemoteFile, Sftp};
pub use shell::{Remote, Terminal};
