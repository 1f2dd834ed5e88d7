//! The registry adapter: what a reference points at, whether it may be pushed to, and moving a tag
//! inside one repository. Layers travel through the engine (`docker/push.rs`, `docker/pull.rs`).
//!
//! It speaks the distribution API
//! (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md>) over reqwest, with
//! `oci_client`'s reference grammar. `oci_client`'s own requests are not used: they swallow what a token
//! server says, cannot cancel an upload and never try again, and each of those is a message that a
//! person needs.
//!
//! **TLS**: verified by the system's roots, `SSL_CERT_FILE` and `SSL_CERT_DIR`, and for `HOST:PORT` also by
//! `/etc/docker/certs.d/HOST:PORT/*.crt`, as Docker does it. Without TLS only 127.0.0.0/8, `::1` and
//! `localhost` are spoken to, and only if they do not speak TLS.

mod admission;
mod auth;
mod cache;
mod client;
mod credential;
mod error;
mod manifest;
mod package;
mod target;
mod tls;
mod wire;
mod write;

pub use cache::ImageCache;
pub use client::Client;
pub use credential::{Credential, CredentialError, credential_for, credential_from_docker_config, origin};
pub use error::RegistryError;
pub use package::package_page;
pub use write::PushRight;
