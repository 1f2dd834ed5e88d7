//! Debian's `docker-registry` on a loopback port of its own, without TLS: engines take 127.0.0.0/8 as
//! insecure.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use a3::registry::Credential;

pub(crate) const USER: &str = "me";

/// In the standard alphabet its base64 has a `/` and a `+`, which an engine reads wrongly.
pub(crate) const PASSWORD: &str = "pass?>~word";

/// `htpasswd -Bbn me 'pass?>~word'`.
const HTPASSWD: &str = "me:$2y$05$UlFrgiVp3Fid.6Qnwa9e4OarE.1/ihOWqGZdxXIOyPj2r/jCFU7cq";

/// A running registry; ends with its drop.
pub(crate) struct Registry {
    child: Child,
    _folder: tempfile::TempDir,
    /// `127.44.0.1:PORT`.
    pub(crate) server: String,
}

impl Registry {
    pub(crate) fn start(password: bool) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let free = TcpListener::bind("127.44.0.1:0").expect("a free port");
        let server = free.local_addr().expect("it has one").to_string();
        drop(free);
        let path = |name: &str| folder.path().join(name).display().to_string();
        let mut config = format!(
            "version: 0.1\nlog: {{ level: warn }}\nstorage: {{ filesystem: {{ rootdirectory: '{}' }} }}\n\
             http: {{ addr: '{server}' }}\n",
            path("data")
        );
        if password {
            fs::write(path("htpasswd"), HTPASSWD).expect("it can be written");
            config += &format!("auth: {{ htpasswd: {{ realm: test, path: '{}' }} }}\n", path("htpasswd"));
        }
        fs::write(path("config.yml"), config).expect("it can be written");
        let child = Command::new("docker-registry")
            .args(["serve", &path("config.yml")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("these tests need docker-registry: apt-get install docker-registry");
        let registry = Self { child, _folder: folder, server };
        let began = Instant::now();
        while TcpStream::connect(&registry.server).is_err() {
            assert!(began.elapsed() < Duration::from_secs(10), "docker-registry does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        registry
    }

    pub(crate) fn credential(&self, password: &str) -> Credential {
        Credential { server: self.server.clone(), username: USER.into(), password: password.into() }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
