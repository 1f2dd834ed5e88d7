//! A person's terminal, or pipe, and a process somewhere else: what is typed goes there, what that
//! says comes back, byte by byte. Who is at the far side (a shell behind ssh, a process in a
//! container) is the adapters' business: see [`Far`] and [`Control`].

mod input;
mod raw;
mod relay;
mod signals;

pub use raw::{Raw, Size, modes, size};
pub use relay::{Control, End, Far, Input, Piece, Refused, Wiring, relay};
pub use signals::Signal;
