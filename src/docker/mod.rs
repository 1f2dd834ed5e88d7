//! The Docker engine adapter: this machine's engine, and an instance's through ssh. Nothing of
//! bollard or hyper leaves this folder.

mod call;
pub mod container;
pub mod create;
pub mod endpoint;
pub mod engine;
mod inspect;
pub mod network;
pub mod transport;

pub use engine::{Engine, EngineError, EngineVersion};
pub use transport::{ByteStream, Dial, Stream, UnixSocket};
