//! What several test files share.

pub(crate) mod simulate;
pub(crate) mod world;
