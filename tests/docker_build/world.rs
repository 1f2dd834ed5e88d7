//! The engine, a folder to build, and what happened.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use a3::docker::{BuildError, BuildRequest, Context, Engine};
use a3::event::Activity;
use a3::id::{Digest, Platform};
use a3::registry::Credential;
use a3::spec::Build;
use indexmap::IndexMap;
use secrecy::SecretString;

/// The base image of the tests: any with a shell.
pub(crate) fn base() -> String {
    std::env::var("A3_TEST_BASE").unwrap_or_else(|_| "debian:bookworm-slim".into())
}

/// This machine's engine.
pub(crate) async fn engine() -> Engine {
    let engine = Engine::local().expect("the local engine is known");
    let version = engine.version().await;
    version.expect("these tests need a running Docker engine: apt-get install docker.io, then dockerd");
    let image = engine.image(&base()).await.expect("the engine answers");
    assert!(image.is_some(), "these tests need the image {}, or A3_TEST_BASE=another", base());
    engine
}

/// Different in every run.
pub(crate) fn nonce() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    format!("{}-{}", std::process::id(), now.as_nanos())
}

/// A folder to build, the image's name, and everything that is removed at the end.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) build: Build,
    pub(crate) tag: String,
    pub(crate) secrets: BTreeMap<String, SecretString>,
    pub(crate) credentials: Vec<Credential>,
    /// Images to remove at the end.
    pub(crate) made: Vec<String>,
    /// Ids of built images: one that was built again has lost its name.
    built: Mutex<Vec<Digest>>,
    pub(crate) seen: Mutex<Vec<Activity>>,
}

impl World {
    pub(crate) async fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let engine = engine().await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (path, content) in files {
            write(folder.path(), path, content);
        }
        let build = Build {
            context: folder.path().to_owned(),
            dockerfile: "Dockerfile".into(),
            args: IndexMap::from([("BASE".to_owned(), base())]),
            target: None,
            secrets: IndexMap::new(),
            cache_from: Vec::new(),
            labels: IndexMap::new(),
            pull: false,
            no_cache: true,
        };
        let tag = format!("a3-build-test-{name}:{}", nonce());
        let (secrets, credentials, seen) = (BTreeMap::new(), Vec::new(), Mutex::default());
        let made = vec![tag.clone()];
        let built = Mutex::default();
        Self { engine, folder, build, tag, secrets, credentials, made, built, seen }
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        write(self.folder.path(), path, content);
    }

    pub(crate) async fn platform(&self) -> Platform {
        Platform(self.engine.version().await.expect("the engine answers").arch)
    }

    pub(crate) async fn build(&self) -> Result<Digest, BuildError> {
        let context = Context::read(&self.build)?;
        self.build_from(&context).await
    }

    pub(crate) async fn build_from(&self, context: &Context) -> Result<Digest, BuildError> {
        self.seen.lock().expect("no panic").clear();
        let sink = |activity| self.seen.lock().expect("no panic").push(activity);
        let request = BuildRequest {
            build: &self.build,
            context,
            platform: self.platform().await,
            tags: vec![self.tag.clone()],
            labels: BTreeMap::from([("dev.a3.test".to_owned(), "yes".to_owned())]),
            secrets: self.secrets.clone(),
            credentials: self.credentials.clone(),
        };
        let id = self.engine.build(request, &sink).await?;
        self.built.lock().expect("no panic").push(id.clone());
        Ok(id)
    }

    /// The lines of output so far.
    pub(crate) fn output(&self) -> Vec<String> {
        let line = |activity: &Activity| match activity {
            Activity::Output { line } => Some(line.clone()),
            _ => None,
        };
        self.seen.lock().expect("no panic").iter().filter_map(line).collect()
    }

    /// The statuses of the parts whose name contains `part`, in order.
    pub(crate) fn statuses(&self, part: &str) -> Vec<String> {
        let status = |activity: &Activity| match activity {
            Activity::Progress { part: name, status, .. } if name.contains(part) => Some(status.clone()),
            _ => None,
        };
        let mut statuses: Vec<_> = self.seen.lock().expect("no panic").iter().filter_map(status).collect();
        statuses.dedup();
        statuses
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let (engine, mut made) = (self.engine.clone(), std::mem::take(&mut self.made));
        made.extend(self.built.lock().expect("no panic").iter().map(ToString::to_string));
        // A runtime of its own: the test's is in the middle of something.
        let removing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let mut left = Vec::new();
                for image in made {
                    left.extend(engine.remove_image(&image).await.err());
                }
                left
            })
        });
        let left = removing.join().expect("no panic");
        // A test that failed already says enough.
        assert!(std::thread::panicking() || left.is_empty(), "left behind: {left:?}");
    }
}

fn write(folder: &Path, path: &str, content: &str) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().expect("it has a folder")).expect("the folder can be made");
    fs::write(path, content).expect("the file can be written");
}
