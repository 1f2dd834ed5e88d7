//! The Docker engine adapter: this machine's engine, and an instance's through ssh. Nothing of
//! bollard or hyper leaves this folder.

mod archive;
pub mod build;
pub mod build_error;
mod call;
pub mod check;
pub mod container;
pub mod context;
pub mod create;
mod dockerfile;
pub mod dockerignore;
pub mod endpoint;
pub mod engine;
mod exchange;
mod image;
mod inspect;
mod json_lines;
pub mod logs;
pub mod network;
mod places;
mod progress;
mod pull;
mod push;
mod query;
mod redact;
pub mod retain;
mod services;
mod session;
pub mod swap;
pub mod transfer;
pub mod transport;
mod walk;
mod watch;

pub use build::BuildRequest;
pub use build_error::BuildError;
pub use check::{Cut, Probe, Proof, Unproven};
pub use container::ContainerDetail;
pub use context::{Context, ContextError, Entry, Kind};
pub use create::{NewContainer, absolute_binds};
pub use engine::{Engine, EngineError, EngineVersion};
pub use logs::{Channel, LogLine, LogOptions, LogStream};
pub use swap::{Back, Swap, SwapError, Swapped};
pub use transfer::{TransferError, Why};
pub use transport::{ByteStream, Dial, Stream, UnixSocket};
