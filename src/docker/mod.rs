//! The Docker engine adapter: this machine's engine, and an instance's through ssh. Nothing of
//! bollard or hyper leaves this folder.

mod call;
pub mod check;
pub mod container;
pub mod create;
pub mod endpoint;
pub mod engine;
mod exchange;
mod inspect;
pub mod logs;
pub mod network;
mod places;
pub mod retain;
pub mod swap;
pub mod transport;
mod watch;

pub use check::{Probe, Proof, Unproven};
pub use container::ContainerDetail;
pub use create::NewContainer;
pub use engine::{Engine, EngineError, EngineVersion};
pub use logs::{LogLine, LogOptions, LogStream};
pub use swap::{Back, Swap, SwapError, Swapped};
pub use transport::{ByteStream, Dial, Stream, UnixSocket};
