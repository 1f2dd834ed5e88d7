//! a3, a declarative deployment engine.
