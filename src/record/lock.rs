//! One a3 at a time for a deployment on this machine.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::event::Sink;
use crate::explain::Explain;
use crate::wait::{self, Found, Pace, WaitError};

/// Between two looks at a lock that is taken.
const INTERVAL: Duration = Duration::from_millis(200);

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another a3 works on the same deployment here.
    #[error("another a3 works on `{deployment}` on this machine: {holder}")]
    Held {
        /// The deployment.
        deployment: String,
        /// `user@machine (pid)`.
        holder: String,
    },
    /// The file.
    #[error("cannot lock {}", path.display())]
    Io {
        /// The lock's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no home folder to keep it in.
    #[error(transparent)]
    NoState(#[from] NoStateFolder),
}

impl Explain for LockError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Held { .. } => Some("wait for it to end, or end it".to_owned()),
            Self::Io { path, .. } => {
                let folder = path.parent().unwrap_or(path);
                Some(format!("make {} writable, or set XDG_STATE_HOME", folder.display()))
            }
            Self::NoState(error) => error.help(),
        }
    }
}

/// No home folder.
#[derive(Debug, thiserror::Error)]
#[error("this user has no home folder")]
pub struct NoStateFolder;

impl Explain for NoStateFolder {
    fn help(&self) -> Option<String> {
        Some("set HOME or XDG_STATE_HOME".to_owned())
    }
}

/// Where a3 keeps what only concerns this machine: `$XDG_STATE_HOME/a3`, `~/.local/state/a3` where
/// that is not set.
///
/// # Errors
/// [`NoStateFolder`].
pub fn state_folder() -> Result<PathBuf, NoStateFolder> {
    use etcetera::BaseStrategy as _;
    let dirs = etcetera::choose_base_strategy().map_err(|_| NoStateFolder)?;
    Ok(dirs.state_dir().unwrap_or_else(|| dirs.data_dir()).join("a3"))
}

/// A lock on a deployment; given back when dropped, by the system if a3 dies.
#[derive(Debug)]
pub struct FileLock {
    file: File,
}

impl FileLock {
    /// Takes the lock, or waits for it for `patience`, shown.
    ///
    /// # Errors
    /// [`LockError::Held`] when the wait ends (75).
    pub async fn take(
        folder: &Path,
        deployment: &str,
        holder: &str,
        patience: Duration,
        sink: Sink<'_>,
    ) -> Result<Self, LockError> {
        let path = folder.join("locks").join(format!("{deployment}.lock"));
        let failed = |source| LockError::Io { path: path.clone(), source };
        let held = |holder| LockError::Held { deployment: deployment.to_owned(), holder };
        let mut file = open(&path).map_err(failed)?;
        if let Some(other) = lock(&mut file, holder).map_err(failed)? {
            if patience.is_zero() {
                return Err(held(other));
            }
            let on = format!("the lock on `{deployment}` ({other})");
            let pace = Pace { deadline: patience, interval: INTERVAL };
            let waited = wait::until(&on, pace, sink, async || match lock(&mut file, holder) {
                Ok(None) => Ok(Found::Ready(())),
                Ok(Some(other)) => Ok(Found::NotYet(other)),
                Err(source) => Err(failed(source)),
            });
            match waited.await {
                Ok(()) => {}
                Err(WaitError::Ended(error)) => return Err(error),
                Err(WaitError::TimedOut { last, .. }) => return Err(held(last)),
            }
        }
        Ok(Self { file })
    }
}

/// Who has the lock on a deployment on this machine now; asks without taking it.
///
/// # Errors
/// [`LockError::Io`].
pub fn file_holder(folder: &Path, deployment: &str) -> Result<Option<String>, LockError> {
    let path = folder.join("locks").join(format!("{deployment}.lock"));
    let failed = |source| LockError::Io { path: path.clone(), source };
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    // Shared: two that only ask are not in each other's way.
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => read_holder(&mut file).map(Some).map_err(failed),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Nobody holds it any more; closing the file gives it back.
        let _ = self.file.set_len(0);
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// `None`: it is ours. Otherwise who has it.
fn lock(file: &mut File, holder: &str) -> io::Result<Option<String>> {
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{holder}")?;
            Ok(None)
        }
        Err(TryLockError::WouldBlock) => read_holder(file).map(Some),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn read_holder(file: &mut File) -> io::Result<String> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    let text = text.trim();
    Ok(if text.is_empty() { "it has not said who it is".to_owned() } else { text.to_owned() })
}

/// How this run signs leases and locks: `user@machine (pid)`.
pub fn holder() -> String {
    format!("{} ({})", person(), std::process::id())
}

/// How a release is signed: `user@machine`.
pub fn person() -> String {
    let user =
        std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "someone".to_owned());
    let machine = gethostname::gethostname();
    format!("{user}@{}", machine.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::event::Activity;

    const QUICK: Duration = Duration::from_millis(500);

    #[tokio::test]
    async fn the_second_waits_and_is_told_for_whom() {
        let folder = tempfile::tempdir().unwrap();
        let take = |holder: &'static str, patience, sink| {
            FileLock::take(folder.path(), "music", holder, patience, sink)
        };
        let first = take("me@here (1)", QUICK, &|_| {}).await.unwrap();
        let error = take("you@here (2)", Duration::ZERO, &|_| {}).await.unwrap_err();
        assert_eq!(error.to_string(), "another a3 works on `music` on this machine: me@here (1)");

        let heard = Mutex::new(Vec::new());
        let sink = |activity| {
            if let Activity::Waiting { on, .. } = activity {
                heard.lock().unwrap().push(on);
            }
        };
        let error = take("you@here (2)", QUICK, &sink).await.unwrap_err();
        assert!(matches!(error, LockError::Held { .. }));
        assert_eq!(heard.lock().unwrap()[0], "the lock on `music` (me@here (1))");

        drop(first);
        take("you@here (2)", QUICK, &|_| {}).await.unwrap();
    }

    #[tokio::test]
    async fn other_deployments_do_not_wait() {
        let folder = tempfile::tempdir().unwrap();
        let _first = FileLock::take(folder.path(), "a", "me", Duration::ZERO, &|_| {}).await.unwrap();
        FileLock::take(folder.path(), "b", "me", Duration::ZERO, &|_| {}).await.unwrap();
    }
}
