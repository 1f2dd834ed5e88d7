//! The ssh and host adapters and what a3 writes down on a machine, against a real sshd.

mod host_keys;
mod keys;
mod session;
mod sshd;
