//! The EC2 adapter.
