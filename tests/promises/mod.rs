//! What a plan promises, whatever the spec and the world: asked of random ones by the properties, and of
//! a case that they found by the golden that it becomes.

pub(crate) mod accident;
pub(crate) mod essence;
pub(crate) mod promise;
pub(crate) mod serving;
pub(crate) mod stage;
pub(crate) mod walk;
