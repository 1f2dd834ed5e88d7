//! The ssh adapter: one connection a machine, with commands, files, and forwarded sockets and ports
//! on it; host keys and keys as OpenSSH's user expects them.

mod checkup;
pub mod command;
mod error;
mod exec;
mod host_key;
mod key;
mod known_hosts;
mod session;
mod sftp;

pub use checkup::{KeyFile, agent_keys, examine};
pub use error::{Source, SshError};
pub use exec::{Exit, Output, Piece, Running, Tunnel};
pub use host_key::{HostKeys, Pin};
pub use key::{Keyring, public_key};
pub use session::{Session, Target};
pub use sftp::{RemoteFile, Sftp};
