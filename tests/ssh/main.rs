//! The ssh and host adapters and what a3 writes down on a machine, against a real sshd. Runs as root.

#![allow(clippy::unwrap_used, reason = "a test ends where something it needs is missing")]

mod config;
mod engine;
mod facts;
mod host_keys;
mod jump;
mod keys;
mod lease;
mod limits;
mod session;
mod sshd;
mod upload;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use a3::docker::{Engine, UnixSocket};
use a3::host::Host;
use a3::ssh::{HostKeys, Session};
use sshd::Sshd;

/// The engine of the machine that runs the tests.
fn socket() -> UnixSocket {
    UnixSocket("/var/run/docker.sock".into())
}

fn local(base: &Path) -> Host {
    Host::local(Engine::over(Arc::new(socket())), base, true)
}

async fn remote(sshd: &Sshd) -> Host {
    let session = Session::connect(&sshd.target(HostKeys::FirstContact)).await.unwrap();
    Host::ssh(session, true)
}

/// A deployment that no other test has; its folder is taken away with it.
struct Deployment {
    name: String,
}

impl Deployment {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { name: format!("a3-ssh-test-{}-{number}", std::process::id()) }
    }

    fn folder(&self) -> String {
        format!("/var/lib/a3/{}", self.name)
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.folder());
        let _ = std::fs::remove_dir("/var/lib/a3");
    }
}
