//! What several test files share.

mod parts;
pub(crate) mod simulate;
pub(crate) mod world;
