//! A real sshd of a test's own: its own address, host keys and users' keys, in a temporary folder.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use a3::ssh::{HostKeys, Keyring, Target};
use tempfile::TempDir;

/// Where the servers of these tests listen.
pub(crate) const ADDRESS: &str = "127.0.61.22";

pub(crate) struct Sshd {
    pub(crate) dir: TempDir,
    pub(crate) port: u16,
    child: Child,
}

impl Sshd {
    /// Starts one that lets root in by the key `login`.
    pub(crate) fn start() -> Self {
        Self::with("", &["ed25519"])
    }

    /// With further lines of configuration, in which `{dir}` is its folder, and host keys of these
    /// types.
    pub(crate) fn with(config: &str, host_keys: &[&str]) -> Self {
        let dir = tempfile::Builder::new().prefix("a3-ssh-").tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let port = TcpListener::bind((ADDRESS, 0)).unwrap().local_addr().unwrap().port();
        let mut text = format!(
            "ListenAddress {ADDRESS}\nPort {port}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n\
             Subsystem sftp internal-sftp\nMaxStartups 100\n{config}\n",
            path("authorized_keys")
        )
        .replace("{dir}", &dir.path().display().to_string());
        for kind in host_keys {
            let bits: &[&str] = if *kind == "rsa" { &["-b", "2048"] } else { &[] };
            keygen(&dir.path().join(format!("host_{kind}")), kind, bits);
            text.push_str(&format!("HostKey {}\n", path(&format!("host_{kind}"))));
        }
        keygen(&dir.path().join("login"), "ed25519", &[]);
        fs::copy(dir.path().join("login.pub"), dir.path().join("authorized_keys")).unwrap();
        fs::write(dir.path().join("sshd_config"), text).unwrap();
        fs::create_dir_all("/run/sshd").unwrap();
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f", &path("sshd_config")])
            .stdin(Stdio::null())
            .stderr(fs::File::create(dir.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let sshd = Self { dir, port, child };
        sshd.wait();
        sshd
    }

    fn wait(&self) {
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect((ADDRESS, self.port)).is_err() {
            assert!(Instant::now() < end, "sshd does not listen: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Reads its configuration, keys and certificates again.
    pub(crate) fn reload(&self) {
        let before = self.log().matches("Server listening").count();
        let sent = Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        let end = Instant::now() + Duration::from_secs(20);
        while self.log().matches("Server listening").count() == before {
            assert!(Instant::now() < end, "sshd does not come back: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Lets another key in.
    pub(crate) fn admit(&self, public: &Path) {
        let mut keys = fs::read_to_string(self.path("authorized_keys")).unwrap();
        keys.push_str(&fs::read_to_string(public).unwrap());
        fs::write(self.path("authorized_keys"), keys).unwrap();
    }

    /// `ssh-ed25519 AAAA…` of one of its host keys.
    pub(crate) fn host_key(&self, kind: &str) -> String {
        let line = fs::read_to_string(self.path(&format!("host_{kind}.pub"))).unwrap();
        line.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    /// As root by the key `login`, with a keyring that has nothing else.
    pub(crate) fn target(&self, host_keys: HostKeys) -> Target {
        let keyring = Keyring { known_hosts: vec![self.path("known_hosts")], ..Keyring::default() };
        Target {
            port: self.port,
            identity_file: Some(self.path("login")),
            keyring,
            ..Target::new(ADDRESS, "root", host_keys)
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes a key pair; `kind` is ed25519, ecdsa or rsa.
pub(crate) fn keygen(path: &Path, kind: &str, more: &[&str]) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", kind, "-C", "", "-f"]).arg(path).args(more);
    if !more.contains(&"-N") {
        command.args(["-N", ""]);
    }
    assert!(command.status().unwrap().success());
}

/// An ssh-agent of a test's own.
pub(crate) struct Agent {
    pub(crate) socket: PathBuf,
    child: Child,
}

impl Agent {
    pub(crate) fn start(dir: &Path) -> Self {
        let socket = dir.join("agent.sock");
        let mut child =
            Command::new("ssh-agent").args(["-D", "-a"]).arg(&socket).stdout(Stdio::piped()).spawn().unwrap();
        // It prints where it listens once it does.
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { socket, child }
    }

    pub(crate) fn add(&self, key: &Path) {
        let status = Command::new("ssh-add").arg("-q").arg(key).env("SSH_AUTH_SOCK", &self.socket).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
