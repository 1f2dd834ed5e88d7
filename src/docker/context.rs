//! The build context: which files a build sees, hashed once, and the digest that stands for the whole
//! source.

use std::io::Read as _;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, io, thread};

use indexmap::IndexMap;
use sha2::{Digest as _, Sha256};

use super::dockerignore::{BadPattern, Matcher};
use super::walk;
use crate::explain::Explain;
use crate::id::{Digest, Platform};
use crate::spec::Build;

/// The version of [`Context::source_digest`]; what label `dev.a3.hash` says.
pub const SOURCE_VERSION: u32 = 1;

/// What a build is made from, as it was when it was read. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Context(Arc<Source>);

#[derive(Debug)]
struct Source {
    entries: Vec<Entry>,
    dockerfile: Dockerfile,
    args: IndexMap<String, String>,
    target: Option<String>,
}

/// The Dockerfile of a context.
#[derive(Debug)]
pub(crate) struct Dockerfile {
    /// Its path in what is sent.
    pub(crate) name: String,
    /// As the person knows it: what the spec says.
    pub(crate) shown: String,
    /// Its text.
    pub(crate) text: String,
}

/// One thing in a context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// In the context, with slashes.
    pub path: String,
    /// Bytes of a file, else 0.
    pub size: u64,
    /// Whether its owner may execute it; only files.
    pub executable: bool,
    /// What it is.
    pub kind: Kind,
    /// Of a file's content, of the text of a link's target, of nothing for a folder.
    pub digest: Digest,
    pub(crate) source: PathBuf,
    pub(crate) modified: u64,
    /// A link's target.
    pub(crate) target: Option<PathBuf>,
}

/// What a context holds; sockets, pipes and devices are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A symbolic link, never followed.
    Symlink,
    /// A folder.
    Dir,
}

/// Why a context cannot be read or sent.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// `build.context` is missing or not a folder.
    #[error("the build context {} is not a folder", path.display())]
    NoFolder {
        /// Which.
        path: PathBuf,
    },
    /// There is no Dockerfile.
    #[error("there is no Dockerfile at {}", path.display())]
    NoDockerfile {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A line that Docker refuses too.
    #[error("{} cannot be read as an ignore file", file.display())]
    Ignore {
        /// The ignore file.
        file: PathBuf,
        /// Which line.
        #[source]
        source: BadPattern,
    },
    /// A file or folder cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A name that is not UTF-8: its tar entry would not mean the same everywhere.
    #[error("the name of {} is not UTF-8", path.display())]
    Name {
        /// Which.
        path: PathBuf,
    },
    /// A file is not what it was when the context was read.
    #[error("{} changed while the build was reading it", path.display())]
    Changed {
        /// Which.
        path: PathBuf,
    },
}

impl Explain for ContextError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::NoFolder { .. } => {
                "`build.context` is a folder, relative to the file that names it; see a3 config".to_owned()
            }
            Self::NoDockerfile { .. } => {
                "name it with `build.dockerfile`, a path inside the context".to_owned()
            }
            Self::Ignore { .. } => {
                "mend the pattern: https://docs.docker.com/build/concepts/context/#dockerignore-files"
                    .to_owned()
            }
            Self::Read { path, .. } => {
                format!("make it readable, or leave it out: echo '{}' >> .dockerignore", file_name(path))
            }
            Self::Name { path } => {
                format!("rename it, or leave its folder out in .dockerignore: {}", path.display())
            }
            Self::Changed { .. } => {
                "repeat it when nothing writes there; what is written all the time belongs in .dockerignore"
                    .to_owned()
            }
        })
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

impl Context {
    /// Reads folder, ignore file and Dockerfile of `build`, and hashes every file, a few at a time.
    /// Blocks; nothing is held in memory but the list. The Dockerfile and `.dockerignore` are always
    /// part of it. A Dockerfile outside the folder is sent as `.dockerfile.<12 hex of its digest>`.
    pub fn read(build: &Build) -> Result<Self, ContextError> {
        let root = &build.context;
        if !root.is_dir() {
            return Err(ContextError::NoFolder { path: root.clone() });
        }
        let (dockerfile, outside) = find_dockerfile(root, &build.dockerfile)?;
        let matcher = ignore_file(root, &build.dockerfile)?;
        let always = [".dockerignore", dockerfile.name.as_str()];
        let mut entries = walk::entries(root, &matcher, &always)?;
        entries.extend(outside);
        hash(&mut entries)?;
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self(Arc::new(Source {
            entries,
            dockerfile,
            args: build.args.clone(),
            target: build.target.clone(),
        })))
    }

    /// Everything that is sent, sorted by path, byte by byte; a folder before what is in it.
    pub fn entries(&self) -> &[Entry] {
        &self.0.entries
    }

    /// How many files and links; folders are none.
    pub fn files(&self) -> usize {
        self.0.entries.iter().filter(|entry| entry.kind != Kind::Dir).count()
    }

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.0.entries.iter().map(|entry| entry.size).sum()
    }

    pub(crate) fn dockerfile(&self) -> &Dockerfile {
        &self.0.dockerfile
    }

    /// The digest of the source, version [`SOURCE_VERSION`]: SHA-256 over fields, each preceded by its
    /// length as 8 bytes, big-endian:
    ///
    /// `a3-source`, `1`, the platform, the target stage (empty: the last), the Dockerfile's path in the
    /// context; the number of build arguments, and for each, sorted by name, name and value; the number
    /// of files and links, and for each, sorted by path, `f` (file), `x` (executable file) or `l`
    /// (link), the path, and the content's digest or the link's target.
    ///
    /// Folders do not count: a clone has no empty ones, and what is ignored must not leave a trace by
    /// the folder around it. Owner, times and other mode bits do not count either.
    pub fn source_digest(&self, platform: Platform) -> Digest {
        let source = &*self.0;
        let mut fields = Fields(Sha256::new());
        fields.text("a3-source");
        fields.text(&SOURCE_VERSION.to_string());
        fields.text(&platform.to_string());
        fields.text(source.target.as_deref().unwrap_or_default());
        fields.text(&source.dockerfile.name);
        let mut args: Vec<_> = source.args.iter().collect();
        args.sort();
        fields.text(&args.len().to_string());
        for (name, value) in args {
            fields.text(name);
            fields.text(value);
        }
        let counted: Vec<_> = source.entries.iter().filter(|entry| entry.kind != Kind::Dir).collect();
        fields.text(&counted.len().to_string());
        for entry in counted {
            fields.text(match (entry.kind, entry.executable) {
                (Kind::Symlink, _) => "l",
                (_, true) => "x",
                (_, false) => "f",
            });
            fields.text(&entry.path);
            match &entry.target {
                Some(target) => fields.bytes(target.as_os_str().as_encoded_bytes()),
                None => fields.text(entry.digest.as_str()),
            }
        }
        Digest::from_hash(&fields.0.finalize())
    }
}

struct Fields(Sha256);

impl Fields {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }
}

/// Finds the Dockerfile by its real path, so that a link to it or `..` in its name do not matter;
/// with an entry of its own where it lies outside the context.
fn find_dockerfile(root: &Path, name: &str) -> Result<(Dockerfile, Option<Entry>), ContextError> {
    let path = root.join(name);
    let missing = || ContextError::NoDockerfile { path: path.clone() };
    let real = path.canonicalize().map_err(|_| missing())?;
    if !real.is_file() {
        return Err(missing());
    }
    let read = |source| ContextError::Read { path: path.clone(), source };
    let bytes = fs::read(&real).map_err(read)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let shown = name.to_owned();
    let real_root = root.canonicalize().map_err(read)?;
    if let Ok(inside) = real.strip_prefix(&real_root) {
        let inside = inside.to_str().ok_or_else(|| ContextError::Name { path: path.clone() })?;
        return Ok((Dockerfile { name: inside.to_owned(), shown, text }, None));
    }
    let sent_as = format!(".dockerfile.{}", Digest::of(&bytes).short());
    let entry = walk::file(&real, sent_as.clone())?;
    Ok((Dockerfile { name: sent_as, shown, text }, entry))
}

/// `<Dockerfile>.dockerignore` if it is there, else the context's `.dockerignore`.
fn ignore_file(root: &Path, dockerfile: &str) -> Result<Matcher, ContextError> {
    for file in [root.join(format!("{dockerfile}.dockerignore")), root.join(".dockerignore")] {
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(ContextError::Read { path: file, source }),
        };
        return Matcher::parse(&String::from_utf8_lossy(&bytes))
            .map_err(|source| ContextError::Ignore { file, source });
    }
    Ok(Matcher::default())
}

/// Fills in digests and sizes of the files; forgets those that have gone since they were listed.
fn hash(entries: &mut Vec<Entry>) -> Result<(), ContextError> {
    let files: Vec<usize> = (0..entries.len()).filter(|&at| entries[at].kind == Kind::File).collect();
    let workers = thread::available_parallelism().map_or(1, NonZero::get).min(8).min(files.len());
    let next = AtomicUsize::new(0);
    let listed: &[Entry] = entries;
    let work = || {
        let mut done = Vec::new();
        while let Some(&at) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push((at, hash_file(&listed[at].source)?));
        }
        Ok(done)
    };
    let hashed: Result<Vec<_>, ContextError> = thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let results = threads.into_iter().map(|thread| match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        results.collect()
    });
    let mut gone = Vec::new();
    for (at, hashed) in hashed?.into_iter().flatten() {
        match hashed {
            Some((digest, size)) => (entries[at].digest, entries[at].size) = (digest, size),
            None => gone.push(entries[at].path.clone()),
        }
    }
    entries.retain(|entry| !gone.contains(&entry.path));
    Ok(())
}

/// `None` where the file has gone.
fn hash_file(path: &Path) -> Result<Option<(Digest, u64)>, ContextError> {
    let read = |source| ContextError::Read { path: path.to_owned(), source };
    let mut file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(read(error)),
    };
    let mut buffer = vec![0; 128 << 10];
    let mut hasher = Sha256::new();
    let mut size = 0;
    loop {
        let got = file.read(&mut buffer).map_err(read)?;
        if got == 0 {
            return Ok(Some((Digest::from_hash(&hasher.finalize()), size)));
        }
        hasher.update(&buffer[..got]);
        size += got as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::id::Arch;

    const AMD64: Platform = Platform(Arch::Amd64);

    fn build(root: &Path) -> Build {
        Build {
            context: root.to_owned(),
            dockerfile: "Dockerfile".into(),
            args: IndexMap::new(),
            target: None,
            secrets: IndexMap::new(),
            cache_from: Vec::new(),
            labels: IndexMap::new(),
            pull: false,
            no_cache: false,
        }
    }

    /// A folder with the files, parents made.
    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    fn paths(context: &Context) -> Vec<&str> {
        context.entries().iter().map(|entry| entry.path.as_str()).collect()
    }

    fn digest_of(root: &Path) -> Digest {
        Context::read(&build(root)).unwrap().source_digest(AMD64)
    }

    #[test]
    fn what_is_sent_after_dockerignore() {
        let root = folder(&[
            ("Dockerfile", "FROM scratch"),
            (".dockerignore", "*\n!src\n**/*.pyc\nsrc/gen\n!src/gen/keep"),
            ("src/a.py", "1"),
            ("src/a.pyc", "2"),
            ("src/gen/x", "3"),
            ("src/gen/keep", "4"),
            ("notes", "5"),
            ("data/big", "6"),
        ]);
        let context = Context::read(&build(root.path())).unwrap();
        let expected = [".dockerignore", "Dockerfile", "src", "src/a.py", "src/gen", "src/gen/keep"];
        assert_eq!(paths(&context), expected);
    }

    #[test]
    fn an_excluded_folder_comes_only_with_what_came_back() {
        let files = [
            ("Dockerfile", "FROM scratch"),
            (".dockerignore", "**\n!a/b/*.txt"),
            ("a/b/x.txt", ""),
            ("c/y", ""),
        ];
        let root = folder(&files);
        let context = Context::read(&build(root.path())).unwrap();
        assert_eq!(paths(&context), [".dockerignore", "Dockerfile", "a", "a/b", "a/b/x.txt"]);
    }

    #[test]
    fn the_dockerfiles_own_ignore_file_comes_first() {
        let files = [
            ("docker/web.Dockerfile", "FROM scratch"),
            ("docker/web.Dockerfile.dockerignore", "docker\nb"),
            (".dockerignore", "a"),
            ("a", ""),
            ("b", ""),
        ];
        let root = folder(&files);
        let build = Build { dockerfile: "docker/web.Dockerfile".into(), ..build(root.path()) };
        let context = Context::read(&build).unwrap();
        assert_eq!(paths(&context), [".dockerignore", "a", "docker", "docker/web.Dockerfile"]);
        assert_eq!(context.dockerfile().name, "docker/web.Dockerfile");
    }

    #[test]
    fn a_dockerfile_outside_is_sent_under_a_name_of_its_own() {
        let root = folder(&[("Dockerfile", "FROM scratch"), ("app/main.py", "1")]);
        let build = Build { dockerfile: "../Dockerfile".into(), ..build(&root.path().join("app")) };
        let context = Context::read(&build).unwrap();
        let name = format!(".dockerfile.{}", Digest::of(b"FROM scratch").short());
        assert_eq!(paths(&context), [name.as_str(), "main.py"]);
        let before = context.source_digest(AMD64);
        fs::write(root.path().join("Dockerfile"), "FROM scratch\nENV A=1").unwrap();
        assert_ne!(Context::read(&build).unwrap().source_digest(AMD64), before);
    }

    #[test]
    fn the_digest_covers_the_source_and_nothing_else() {
        let root = folder(&[("Dockerfile", "FROM scratch"), ("run.sh", "echo"), (".dockerignore", "*.tmp")]);
        let base = build(root.path());
        let digest = |build: &Build| Context::read(build).unwrap().source_digest(AMD64);
        let first = digest(&base);
        assert_eq!(first, digest(&base));

        let with_args = |pairs: &[(&str, &str)]| {
            let args = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            digest(&Build { args, ..base.clone() })
        };
        assert_ne!(with_args(&[("ASSIGN", "a3")]), first);
        assert_ne!(with_args(&[("ASSIGN", "a3")]), with_args(&[("ASSIGN", "a2")]));
        assert_ne!(with_args(&[("A", "bc")]), with_args(&[("Ab", "c")]));
        assert_eq!(with_args(&[("A", "1"), ("B", "2")]), with_args(&[("B", "2"), ("A", "1")]));
        assert_ne!(digest(&Build { target: Some("test".into()), ..base.clone() }), first);
        let arm = Context::read(&base).unwrap().source_digest(Platform(Arch::Arm64));
        assert_ne!(arm, first);

        let script = root.path().join("run.sh");
        fs::write(root.path().join("x.tmp"), "ignored").unwrap();
        fs::create_dir(root.path().join("empty")).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(digest(&base), first, "ignored files, empty folders and other modes do not count");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        assert_ne!(digest(&base), first);
        fs::set_permissions(&script, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(digest(&base), first);
        fs::write(&script, "echo 2").unwrap();
        assert_ne!(digest(&base), first);
    }

    /// Images in registries carry this digest: a change of it needs a new version.
    #[test]
    fn version_1_stays_what_it_is() {
        let root =
            folder(&[("Dockerfile", "FROM scratch\nCOPY a /\n"), ("a", "1\n"), ("bin/x", "#!/bin/sh\n")]);
        fs::set_permissions(root.path().join("bin/x"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("a", root.path().join("link")).unwrap();
        let args = IndexMap::from([("ASSIGN".to_owned(), "a3".to_owned())]);
        let build = Build { args, target: Some("final".into()), ..build(root.path()) };
        let digest = Context::read(&build).unwrap().source_digest(AMD64);
        assert_eq!(digest.hex(), "a76dc6a9ee3101169c653a9e9cc8307ebbe944f9efaae2a3d3045a1cac32838b");
    }

    #[test]
    fn links_are_kept_as_links() {
        let root = folder(&[("Dockerfile", "FROM scratch")]);
        symlink("/etc", root.path().join("link")).unwrap();
        let context = Context::read(&build(root.path())).unwrap();
        assert_eq!(paths(&context), ["Dockerfile", "link"]);
        assert_eq!(context.entries()[1].kind, Kind::Symlink);
        let first = context.source_digest(AMD64);
        fs::remove_file(root.path().join("link")).unwrap();
        symlink("/usr", root.path().join("link")).unwrap();
        assert_ne!(digest_of(root.path()), first);
    }

    #[test]
    fn what_is_missing_is_named() {
        let root = folder(&[("app/main.py", "1")]);
        let error = Context::read(&build(&root.path().join("nope"))).unwrap_err();
        assert!(matches!(error, ContextError::NoFolder { .. }), "{error}");
        let error = Context::read(&build(root.path())).unwrap_err();
        assert!(error.to_string().ends_with("/Dockerfile"), "{error}");
        fs::write(root.path().join("Dockerfile"), "FROM scratch").unwrap();
        fs::write(root.path().join(".dockerignore"), "ok\n[x-\n").unwrap();
        let error = Context::read(&build(root.path())).unwrap_err();
        assert!(crate::explain::chain(&error).ends_with("`[x-` is not a pattern"), "{error}");
    }
}
