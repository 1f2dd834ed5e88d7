//! What several test files share.

pub(crate) mod containers;
pub(crate) mod on_ec2;
mod on_host;
mod parts;
pub(crate) mod simulate;
pub(crate) mod world;
