//! The registry adapter.
