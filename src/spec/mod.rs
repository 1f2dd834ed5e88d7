//! Text → validated [`Spec`]. Takes strings, reads no file, asks nobody.

mod model;

pub use model::*;
