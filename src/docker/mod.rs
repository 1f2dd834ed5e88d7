//! The Docker engine adapter: this machine's engine, and an instance's through ssh. Nothing of
//! bollard or hyper leaves this folder.

mod archive;
pub mod build;
pub mod build_error;
mod call;
pub mod container;
pub mod context;
pub mod create;
mod dockerfile;
pub mod dockerignore;
pub mod endpoint;
pub mod engine;
mod image;
mod inspect;
mod json_lines;
pub mod network;
mod progress;
mod pull;
mod push;
mod query;
mod redact;
mod services;
mod session;
pub mod transfer;
pub mod transport;
mod walk;

pub use build::BuildRequest;
pub use build_error::BuildError;
pub use container::ContainerDetail;
pub use context::{Context, ContextError, Entry, Kind};
pub use create::{NewContainer, absolute_binds};
pub use engine::{Engine, EngineError, EngineVersion};
pub use transfer::{TransferError, Why};
pub use transport::{ByteStream, Dial, Stream, UnixSocket};
