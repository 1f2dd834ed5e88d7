//! Files through the connection.

use std::fmt;

use russh_sftp::client::fs::File;
use russh_sftp::client::{Config, SftpSession};
use russh_sftp::protocol::{FileAttributes, OpenFlags};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::OwnedSemaphorePermit;

use super::error::SshError;
use super::session::Session;

/// A file transfer channel; several files at a time may use it.
pub struct Sftp {
    session: Session,
    sftp: SftpSession,
    _permit: OwnedSemaphorePermit,
}

impl fmt::Debug for Sftp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sftp({:?})", self.session)
    }
}

impl Session {
    /// Opens a file transfer channel.
    ///
    /// # Errors
    /// [`SshError::Sftp`] where the machine has no sftp server; [`SshError::Lost`].
    pub async fn sftp(&self) -> Result<Sftp, SshError> {
        let session = self.clone();
        let open = async move {
            let (channel, permit) = session.open_session().await?;
            let asked = channel.request_subsystem(true, "sftp").await;
            asked.map_err(|error| session.error(error, "file transfer"))?;
            Ok((channel.into_stream(), permit))
        };
        let (stream, permit) = self.to_its_end(open).await?;
        // At 100 ms of round trip the default of 16 writes in flight gives 4 MiB/s and 64 give 14;
        // and a slow uplink needs more than 10 s to send them.
        let config = Config {
            max_concurrent_writes: 64,
            max_concurrent_reads: 64,
            request_timeout_secs: 60,
            ..Config::default()
        };
        let sftp = SftpSession::new_with_config(stream, config).await;
        let what = || "open a file transfer".to_owned();
        let sftp = sftp.map_err(|source| self.sftp_error(what(), source))?;
        Ok(Sftp { session: self.clone(), sftp, _permit: permit })
    }

    fn sftp_error(&self, what: String, source: impl Into<super::error::Source>) -> SshError {
        if self.is_closed() {
            return self.lost();
        }
        SshError::Sftp { host: self.host().to_owned(), what, source: source.into() }
    }
}

impl Sftp {
    /// Makes a file that must not exist yet, readable for its owner only.
    ///
    /// # Errors
    /// [`SshError::Sftp`], [`SshError::Lost`].
    pub async fn create(&self, path: &str) -> Result<RemoteFile<'_>, SshError> {
        let flags = OpenFlags::CREATE | OpenFlags::EXCLUDE | OpenFlags::WRITE;
        let private = FileAttributes { permissions: Some(0o600), ..FileAttributes::empty() };
        let file = self.sftp.open_with_flags_and_attributes(path, flags, private).await;
        let file = file.map_err(|source| self.session.sftp_error(format!("create {path}"), source))?;
        Ok(RemoteFile { sftp: self, path: path.to_owned(), file })
    }
}

/// A file that is being written.
pub struct RemoteFile<'a> {
    sftp: &'a Sftp,
    path: String,
    file: File,
}

impl fmt::Debug for RemoteFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteFile({})", self.path)
    }
}

impl RemoteFile<'_> {
    /// Appends.
    ///
    /// # Errors
    /// [`SshError::Sftp`], also for an earlier write: they are confirmed later.
    pub async fn write(&mut self, data: &[u8]) -> Result<(), SshError> {
        let written = self.file.write_all(data).await;
        written.map_err(|source| self.failed(source))
    }

    /// Sets the permission bits and waits until everything is there.
    ///
    /// # Errors
    /// [`SshError::Sftp`].
    pub async fn finish(mut self, mode: u32) -> Result<(), SshError> {
        self.file.flush().await.map_err(|source| self.failed(source))?;
        let mode = FileAttributes { permissions: Some(mode), ..FileAttributes::empty() };
        self.file.set_metadata(mode).await.map_err(|source| self.failed(source))?;
        self.file.shutdown().await.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: impl Into<super::error::Source>) -> SshError {
        self.sftp.session.sftp_error(format!("write {}", self.path), source)
    }
}
