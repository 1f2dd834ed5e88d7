//! Data files on their way to a machine: sent side by side to temporary names, then put in place in
//! one step each, so that a reader sees the old file or the new one and never a part.

use std::path::PathBuf;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use sha2::Digest as _;
use tokio::fs;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;

use super::Host;
use super::error::HostError;
use crate::event::{Activity, Sink};
use crate::id::Digest;
use crate::plan::paths::resolve;
use crate::plan::step::FileCopy;
use crate::ssh::command::{Script, WRITE};
use crate::ssh::{RemoteFile, Sftp};

/// Files in flight: at 100 ms of round trip 32 small files take as long as one.
const FILES_AT_A_TIME: usize = 32;

/// Larger files take eight of the places, so that what is in memory stays small.
const LARGE: u64 = 1 << 20;
const PLACES_OF_A_LARGE_FILE: u32 = 8;

/// Read and sent at once.
const CHUNK: usize = 256 << 10;

/// A file to bring to a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Here.
    pub source: PathBuf,
    /// There, absolute.
    pub target: String,
    /// Permission bits.
    pub mode: u32,
    /// Bytes.
    pub size: u64,
    /// Of the content that was planned; anything else is an error.
    pub digest: Digest,
    /// Written with sudo, and root's from then on.
    pub sudo: bool,
}

impl Upload {
    /// A planned copy, on a machine whose paths are known.
    pub fn of(copy: &FileCopy, base: &str, home: &str) -> Self {
        Self {
            source: copy.source.clone(),
            target: resolve(&copy.target, base, home),
            mode: copy.mode,
            size: copy.size,
            digest: copy.digest.clone(),
            sudo: copy.sudo,
        }
    }

    fn kind(&self) -> &'static str {
        if self.sudo { "s" } else { "u" }
    }

    /// Beside the target, so that the last step is a rename. The same every time: a leftover of an
    /// interrupted run is taken away by the next.
    fn new_name(&self) -> String {
        let (folder, name) = self.target.rsplit_once('/').unwrap_or(("", &self.target));
        format!("{folder}/.{name}.a3-new")
    }
}

/// A file to take away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Absolute.
    pub target: String,
    /// Whether it was written with sudo.
    pub sudo: bool,
}

impl Host {
    /// Brings files to the machine. Folders are made; a file that exists is replaced in one step.
    /// Safe to repeat after a crash anywhere.
    ///
    /// # Errors
    /// [`HostError::NotWritable`], [`HostError::NoSudo`], [`HostError::TargetIsFolder`] before
    /// anything is sent; [`HostError::SourceChanged`], [`HostError::Source`], [`HostError::Ssh`]
    /// before anything is replaced; [`HostError::NotPlaced`].
    pub async fn upload(&self, files: &[Upload], sink: Sink<'_>) -> Result<(), HostError> {
        self.upload_unless(files, sink, std::future::pending()).await
    }

    /// As [`Host::upload`], until `cut` ends: then nothing is replaced, and what was sent is taken away
    /// again.
    ///
    /// # Errors
    /// As there, and [`HostError::Cut`].
    pub async fn upload_unless(
        &self,
        files: &[Upload],
        sink: Sink<'_>,
        cut: impl Future<Output = ()>,
    ) -> Result<(), HostError> {
        if files.is_empty() {
            return Ok(());
        }
        let stage = self.prepare(files).await?;
        let sent = tokio::select! {
            biased;
            () = cut => Err(HostError::Cut { host: self.name().to_owned() }),
            sent = self.send_all(files, stage.as_deref(), sink) => sent,
        };
        if let Err(error) = sent {
            self.clear(files, stage.as_deref()).await;
            return Err(error);
        }
        self.finish(files, stage.as_deref()).await
    }

    /// Takes files away; what is not there is fine.
    ///
    /// # Errors
    /// [`HostError::NotRemoved`].
    pub async fn remove_files(&self, files: &[Removal]) -> Result<(), HostError> {
        let words = files.iter().flat_map(|file| [if file.sudo { "s" } else { "u" }, &file.target]);
        let script = Script::new(include_str!("scripts/remove.sh")).args(words)?;
        let said = self.run(WRITE, &script).await?;
        match numbered(&said.stdout, "failed").and_then(|number| files.get(number)) {
            Some(file) => Err(HostError::NotRemoved {
                host: self.name().to_owned(),
                target: file.target.clone(),
                stderr: said.stderr,
            }),
            None => self.accept(said, "removing files").map(drop),
        }
    }

    /// Removes the folders of removed files where they have become empty, and those above, up to the
    /// user's home or the spec's folder. To be called when no container mounts them any more.
    ///
    /// # Errors
    /// [`HostError`].
    pub async fn remove_empty_folders(&self, files: &[Removal]) -> Result<(), HostError> {
        let base = match self {
            Self::Local(host) => host.base.display().to_string(),
            Self::Ssh(_) => String::new(),
        };
        let folders = files.iter().filter_map(|file| file.target.rsplit_once('/')).map(|(folder, _)| folder);
        let script =
            Script::new(include_str!("scripts/empty_folders.sh")).set("BASE", &base)?.args(folders)?;
        self.write(&script).await.map(drop)
    }

    /// Makes ready; gives the folder in which sudo's files wait.
    async fn prepare(&self, files: &[Upload]) -> Result<Option<String>, HostError> {
        let new: Vec<String> = files.iter().map(Upload::new_name).collect();
        let words = files.iter().zip(&new).flat_map(|(file, new)| [file.kind(), &file.target, new]);
        let script = Script::new(include_str!("scripts/prepare.sh")).set("SUDO", self.sudo_word())?;
        let answer = self.write(&script.args(words)?).await?;
        let stage = answer.lines().find_map(|line| line.strip_prefix("stage ")).map(str::to_owned);
        let host = || self.name().to_owned();
        let error = answer.lines().find_map(|line| {
            let (word, number) = line.split_once(' ')?;
            let target = files.get(number.parse::<usize>().ok()?)?.target.clone();
            match word {
                "denied" => Some(HostError::NotWritable { host: host(), target }),
                "nosudo" => Some(HostError::NoSudo { host: host(), target }),
                "folder" => Some(HostError::TargetIsFolder { host: host(), target }),
                _ => None,
            }
        });
        match error {
            Some(error) => {
                self.clear(&[], stage.as_deref()).await;
                Err(error)
            }
            None => Ok(stage),
        }
    }

    async fn send_all(&self, files: &[Upload], stage: Option<&str>, sink: Sink<'_>) -> Result<(), HostError> {
        let sftp = match self {
            Self::Local(_) => None,
            Self::Ssh(host) => Some(host.session.sftp().await?),
        };
        let places = Semaphore::new(FILES_AT_A_TIME);
        let (places, sftp) = (&places, sftp.as_ref());
        let send = |(number, file): (usize, &Upload)| {
            let wanted = if file.size > LARGE { PLACES_OF_A_LARGE_FILE } else { 1 };
            let file = file.clone();
            let to = match stage {
                Some(stage) if file.sudo => format!("{stage}/{number}"),
                _ => file.new_name(),
            };
            async move {
                // The semaphore is never closed.
                let _place = places.acquire_many(wanted).await.ok();
                send(&file, &to, sftp, sink).await
            }
        };
        let mut sending = stream::iter(files.iter().enumerate()).map(send).buffer_unordered(FILES_AT_A_TIME);
        while sending.try_next().await?.is_some() {}
        Ok(())
    }

    /// Takes away what a failed upload left; the error that is on its way says more than this could.
    async fn clear(&self, files: &[Upload], stage: Option<&str>) {
        let new: Vec<String> = files
            .iter()
            .filter(|file| !file.sudo)
            .map(Upload::new_name)
            .chain(stage.map(str::to_owned))
            .collect();
        let script = Script::new("rm -rf \"$@\"").args(new.iter().map(String::as_str));
        if let (Ok(script), false) = (script, new.is_empty()) {
            let _ = self.write(&script).await;
        }
    }

    async fn finish(&self, files: &[Upload], stage: Option<&str>) -> Result<(), HostError> {
        let new: Vec<(String, String)> =
            files.iter().map(|file| (file.new_name(), format!("{:04o}", file.mode))).collect();
        let words = files
            .iter()
            .zip(&new)
            .flat_map(|(file, (new, mode))| [file.kind(), &file.target, new.as_str(), mode.as_str()]);
        let script =
            Script::new(include_str!("scripts/finish.sh")).set("STAGE", stage.unwrap_or_default())?;
        let said = self.run(WRITE, &script.args(words)?).await?;
        match numbered(&said.stdout, "failed").and_then(|number| files.get(number)) {
            Some(file) => Err(HostError::NotPlaced {
                host: self.name().to_owned(),
                target: file.target.clone(),
                stderr: said.stderr,
            }),
            None => self.accept(said, "putting files in place").map(drop),
        }
    }
}

/// The number on the first line that begins with `word`.
fn numbered(answer: &str, word: &str) -> Option<usize> {
    answer.lines().find_map(|line| line.strip_prefix(word)?.trim().parse().ok())
}

/// Where the bytes of one file go.
enum Sending<'a> {
    Here(fs::File, String),
    There(Box<RemoteFile<'a>>),
}

impl<'a> Sending<'a> {
    async fn create(to: &str, sftp: Option<&'a Sftp>) -> Result<Self, HostError> {
        if let Some(sftp) = sftp {
            return Ok(Self::There(Box::new(sftp.create(to).await?)));
        }
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).await;
        let file = file.map_err(|source| HostError::Write { target: to.to_owned(), source })?;
        Ok(Self::Here(file, to.to_owned()))
    }

    async fn write(&mut self, data: &[u8]) -> Result<(), HostError> {
        match self {
            Self::Here(file, to) => {
                let written = file.write_all(data).await;
                written.map_err(|source| HostError::Write { target: to.clone(), source })
            }
            Self::There(file) => Ok(file.write(data).await?),
        }
    }

    async fn finish(self, mode: u32) -> Result<(), HostError> {
        use std::os::unix::fs::PermissionsExt as _;
        match self {
            Self::Here(mut file, target) => {
                let done = async {
                    file.flush().await?;
                    file.set_permissions(std::fs::Permissions::from_mode(mode)).await
                };
                done.await.map_err(|source| HostError::Write { target, source })
            }
            Self::There(file) => Ok(file.finish(mode).await?),
        }
    }
}

async fn send(file: &Upload, to: &str, sftp: Option<&Sftp>, sink: Sink<'_>) -> Result<(), HostError> {
    let unreadable = |source| HostError::Source { path: file.source.clone(), source };
    let mut source = fs::File::open(&file.source).await.map_err(unreadable)?;
    let mut sending = Sending::create(to, sftp).await?;
    let mut hash = sha2::Sha256::new();
    let mut buffer = vec![0; CHUNK.min(usize::try_from(file.size).unwrap_or(CHUNK).max(1))];
    let mut done = 0;
    let progress = |status: &str, done: u64| {
        sink(Activity::Progress {
            part: file.target.clone(),
            status: status.to_owned(),
            done,
            total: Some(file.size.max(done)),
        });
    };
    loop {
        let read = source.read(&mut buffer).await.map_err(unreadable)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        sending.write(&buffer[..read]).await?;
        done += read as u64;
        progress("copying", done);
    }
    if Digest::from_hash(&hash.finalize()) != file.digest {
        return Err(HostError::SourceChanged { path: file.source.clone() });
    }
    sending.finish(file.mode).await?;
    progress("copied", done);
    Ok(())
}
