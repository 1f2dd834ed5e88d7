//! What the tests stand on: a tiny image, an engine whose calls can be cut off, and a place that
//! cleans up after itself.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::task::{Context, Poll};

use a3::docker::{ByteStream, Dial, Engine, Former, NewContainer, UnixSocket};
use a3::event::Activity;
use a3::id::Slot;
use a3::plan::names::{self, label};
use a3::plan::settings::Settings;
use a3::record::InPlace;
use a3::spec::{Port, Protocol};
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A static busybox and nothing else.
pub(crate) const IMAGE: &str = "a3test-containers-busybox:1";

/// The engine that the `docker` command talks to.
fn socket() -> UnixSocket {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    UnixSocket(host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock").into())
}

/// Runs `docker`, and says what failed.
pub(crate) fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).stdin(Stdio::null()).output();
    let output = output.expect("these tests need a Docker engine and its command");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {}: {text}", arguments.join(" "));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Runs `docker` where it may fail.
pub(crate) fn try_docker(arguments: &[&str]) {
    let quiet = Command::new("docker").args(arguments).stdin(Stdio::null()).output();
    drop(quiet);
}

fn make_image() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Kept for the next run: importing it again would leave the earlier one without a name.
        if !docker(&["images", "-q", IMAGE]).is_empty() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::fs::create_dir(folder.path().join("tmp")).unwrap();
        std::fs::copy("/bin/busybox", bin.join("busybox")).expect("these tests need busybox-static");
        for name in ["sh", "sleep", "echo", "cat", "httpd", "wget", "seq", "true"] {
            std::os::unix::fs::symlink("busybox", bin.join(name)).unwrap();
        }
        let tar = folder.path().join("image.tar");
        pack(&tar, folder.path());
        docker(&["import", &tar.display().to_string(), IMAGE]);
    });
}

fn pack(tar: &Path, root: &Path) {
    let mut builder = tar::Builder::new(std::fs::File::create(tar).unwrap());
    builder.follow_symlinks(false);
    for folder in ["bin", "tmp"] {
        builder.append_dir_all(folder, root.join(folder)).unwrap();
    }
    builder.finish().unwrap();
}

/// A deployment of its own with one service; removes everything when it is dropped.
pub(crate) struct Stage {
    pub(crate) deployment: String,
    pub(crate) engine: Engine,
    pub(crate) lines: Mutex<Vec<String>>,
}

impl Stage {
    pub(crate) fn new(test: &str) -> Self {
        make_image();
        let deployment = format!("a3test-containers-{test}-{}", std::process::id());
        let stage = Self { deployment, engine: Engine::over(Arc::new(socket())), lines: Mutex::default() };
        stage.sweep();
        stage
    }

    pub(crate) fn name(&self) -> String {
        format!("{}-web-1", self.deployment)
    }

    pub(crate) fn old_name(&self) -> String {
        names::old_container(&self.name())
    }

    /// Version `release` of the service: says so on every line and answers so on its port.
    pub(crate) fn version(&self, release: u64) -> NewContainer {
        self.with(release, |_| {})
    }

    /// The same service under another name, and where its container may still be.
    pub(crate) fn renamed(&self, release: u64) -> (NewContainer, [Former; 2]) {
        let formers =
            [self.name(), self.old_name()].map(|name| Former { name, mark: self.mark(&self.name()) });
        let mut new = self.with(release, |settings| settings.name = self.other_name());
        new.labels.insert(label::OWN.into(), self.mark(&self.other_name()));
        (new, formers)
    }

    pub(crate) fn other_name(&self) -> String {
        format!("{}-songs", self.deployment)
    }

    fn mark(&self, name: &str) -> String {
        names::own_mark(&self.deployment, &Slot::new("local", 0), "web", name)
    }

    pub(crate) fn with(&self, release: u64, change: impl FnOnce(&mut Settings)) -> NewContainer {
        let script = format!(
            "trap 'exit 0' TERM; mkdir /tmp/w; echo v{release} > /tmp/w/index.html; \
             httpd -p 8080 -h /tmp/w; echo v{release} is up; while :; do sleep 1 & wait; done"
        );
        let script = script.replace("mkdir", "busybox mkdir");
        let mut settings = Settings {
            name: self.name(),
            network: names::network(&self.deployment),
            alias: "web".into(),
            command: Some(vec!["/bin/sh".into(), "-c".into(), script]),
            entrypoint: None,
            environment: [("PATH".to_owned(), a3::plan::settings::Env::Plain("/bin".into()))].into(),
            user: None,
            working_dir: None,
            labels: BTreeMap::new(),
            hostname: None,
            healthcheck: None,
            stop_grace_period: 5,
            read_only: false,
            cap_add: Vec::new(),
            cap_drop: Vec::new(),
            logging: None,
            ulimits: BTreeMap::new(),
            tmpfs: Vec::new(),
            shm_size: None,
            init: None,
            extra_hosts: Vec::new(),
            auto_remove: false,
            ports: Vec::new(),
            volumes: Vec::new(),
            in_place: InPlace::default(),
        };
        change(&mut settings);
        let own = self.mark(&self.name());
        let config = format!("1:{release}");
        let labels = [
            (label::DEPLOYMENT, self.deployment.as_str()),
            (label::SERVICE, "web"),
            (label::REPLICA, "0"),
            (label::OWN, &own),
            (label::CONFIG, &config),
            (label::IMAGE, IMAGE),
            (label::RELEASE, &release.to_string()),
        ];
        NewContainer {
            deployment: self.deployment.clone(),
            settings,
            environment: BTreeMap::new(),
            image: IMAGE.into(),
            platform: None,
            labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        }
    }

    /// Collects the lines that a failure reports.
    pub(crate) fn sink(&self) -> impl Fn(Activity) + Send + Sync + '_ {
        |activity| {
            if let Activity::Output { line } = activity {
                self.lines.lock().unwrap().push(line);
            }
        }
    }

    pub(crate) fn said(&self, text: &str) -> bool {
        self.lines.lock().unwrap().iter().any(|line| line.contains(text))
    }

    /// Name, release and whether it runs, of every container of this deployment.
    pub(crate) async fn state(&self) -> Vec<(String, u64, bool)> {
        let details = self.engine.container_details().await.unwrap();
        let ours = details.into_iter().filter(|detail| detail.seen.name.starts_with(&self.deployment));
        ours.map(|detail| (detail.seen.name.clone(), detail.release(), detail.is_up())).collect()
    }

    pub(crate) fn running(&self, release: u64) -> Vec<(String, u64, bool)> {
        vec![(self.name(), release, true)]
    }

    fn sweep(&self) {
        let ours = ["ps", "-aq", "--filter"];
        let filter = format!("name={}", self.deployment);
        let ids = docker(&[&ours[..], &[&filter]].concat());
        for id in ids.lines() {
            try_docker(&["rm", "-fv", id]);
        }
        try_docker(&["network", "rm", &names::network(&self.deployment)]);
        let volumes = docker(&["volume", "ls", "-q", "--filter", &filter]);
        for volume in volumes.lines() {
            try_docker(&["volume", "rm", volume]);
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.sweep();
    }
}

/// A published port on an address of these tests' own.
pub(crate) fn port(published: u16) -> Port {
    Port {
        host_ip: Some("127.0.77.1".into()),
        published: Some(published),
        target: 8080,
        protocol: Protocol::Tcp,
    }
}

/// When a [`Cut`] strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// The request never gets out.
    Before,
    /// The engine did it, and the answer is lost.
    After,
}

/// An engine that this process loses after some requests, as a crash would.
#[derive(Debug)]
pub(crate) struct Cut {
    left: AtomicUsize,
    when: When,
}

impl Cut {
    pub(crate) fn after(requests: usize, when: When) -> Engine {
        Engine::over(Arc::new(Self { left: AtomicUsize::new(requests), when }))
    }
}

impl Dial for Cut {
    fn dial(&self) -> BoxFuture<'_, io::Result<ByteStream>> {
        Box::pin(async {
            let take = |left: usize| left.checked_sub(1);
            let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take);
            let whole = socket();
            match (left, self.when) {
                (Err(_), _) | (Ok(1), When::Before) => Err(io::ErrorKind::ConnectionRefused.into()),
                (Ok(1), When::After) => Ok(Box::new(Deaf(whole.dial().await?)) as ByteStream),
                (Ok(_), _) => whole.dial().await,
            }
        })
    }

    fn name(&self) -> String {
        "an engine that goes away".into()
    }
}

/// Waits for the answer and drops it.
struct Deaf(ByteStream);

impl AsyncRead for Deaf {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut space = [0; 1024];
        let mut buffer = ReadBuf::new(&mut space);
        match Pin::new(&mut self.0).poll_read(cx, &mut buffer) {
            Poll::Ready(_) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncWrite for Deaf {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
