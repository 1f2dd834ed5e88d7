//! How the record gets to a machine, and what is done with it in between.

use secrecy::SecretString;

use super::lease::{Held, LeaseError};
use super::{Record, Release, ReleaseStatus, VERSION};
use crate::host::{Host, HostError};
use crate::ssh::command::{Script, WRITE};

/// Makes a3's folder on a machine, shared with those who may use its engine, and the key in it. Safe
/// to repeat; gives the key.
///
/// # Errors
/// [`HostError::FolderRefused`] where it can be neither made nor written.
pub async fn ensure_folder(host: &Host, folder: &str) -> Result<SecretString, HostError> {
    let inner = Script::new(include_str!("scripts/ensure_inner.sh")).set("D", folder)?;
    let script = Script::new(include_str!("scripts/ensure.sh"))
        .set("D", folder)?
        .set("SUDO", host.sudo_word())?
        .set("INNER", &inner.text())?;
    let said = host.run(WRITE, &script).await?;
    if said.status == FOLDER_REFUSED {
        return Err(HostError::FolderRefused { host: host.name().to_owned(), folder: folder.to_owned() });
    }
    let answer = host.accept(said, "making a3's folder")?;
    let key = answer.lines().find_map(|line| line.strip_prefix("key ")).filter(|key| key.len() == KEY_DIGITS);
    // The answer is not repeated: it may be part of a key.
    key.map(SecretString::from).ok_or_else(|| HostError::Answer {
        host: host.name().to_owned(),
        line: format!("{folder}/key is not a key"),
    })
}

/// 32 bytes in hex.
const KEY_DIGITS: usize = 64;

/// `ensure.sh`'s status where the user may not make the folder.
const FOLDER_REFUSED: i32 = 73;

/// Writes the record in one step, if the lease is still ours.
///
/// # Errors
/// [`LeaseError::Lost`]: nothing was written.
pub async fn write(held: &Held, record: &Record) -> Result<(), LeaseError> {
    let record = Record { version: VERSION, ..record.clone() };
    // A record is strings, numbers and lists of them: it can always be written.
    let json = serde_json::to_string_pretty(&record).map_err(|source| HostError::Record {
        host: held.host().name().to_owned(),
        folder: held.folder().to_owned(),
        source,
    })?;
    const BODY: &str = concat!(include_str!("scripts/lease.sh"), include_str!("scripts/record.sh"));
    held.guarded(BODY, &[("JSON", &json)]).await.map(drop)
}

/// Removes a3's folder with everything in it, the lease too, if that is still ours.
///
/// # Errors
/// [`LeaseError::Lost`]: nothing was removed.
pub async fn remove_folder(held: Held) -> Result<(), LeaseError> {
    const BODY: &str = concat!(include_str!("scripts/lease.sh"), include_str!("scripts/clean.sh"));
    held.guarded(BODY, &[]).await.map(drop)
}

impl Record {
    /// Begins a release, or goes on with one of the same number; an earlier one that never ended has
    /// failed.
    pub fn start(&mut self, release: Release) {
        for earlier in &mut self.releases {
            if earlier.status == ReleaseStatus::Started {
                earlier.status = ReleaseStatus::Failed;
            }
        }
        self.releases.retain(|earlier| earlier.number != release.number);
        self.releases.push(Release { status: ReleaseStatus::Started, ..release });
    }

    /// Ends a release.
    pub fn finish(&mut self, number: u64, status: ReleaseStatus) {
        if let Some(release) = self.releases.iter_mut().find(|release| release.number == number) {
            release.status = status;
        }
    }

    /// What a machine that replaces another starts with: the history, and nothing about files and
    /// containers, which are not there.
    pub fn carried_over(&self) -> Self {
        let mut releases = self.releases.clone();
        for release in &mut releases {
            if release.status == ReleaseStatus::Started {
                release.status = ReleaseStatus::Failed;
            }
        }
        Self { version: VERSION, releases, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(number: u64, status: ReleaseStatus) -> Release {
        Release { number, status, by: "me@here".into(), at: 0, services: Default::default(), rollback: None }
    }

    fn numbers(record: &Record) -> Vec<(u64, ReleaseStatus)> {
        record.releases.iter().map(|release| (release.number, release.status)).collect()
    }

    use ReleaseStatus::{Complete, Failed, Started};

    #[test]
    fn a_release_starts_and_ends_and_an_orphan_has_failed() {
        let mut record = Record::default();
        record.start(release(1, Complete));
        record.finish(1, Complete);
        record.start(release(2, Started));
        record.start(release(3, Started));
        assert_eq!(numbers(&record), [(1, Complete), (2, Failed), (3, Started)]);
        // The same release goes on after a crash.
        record.start(release(3, Started));
        record.finish(3, Complete);
        assert_eq!(numbers(&record), [(1, Complete), (2, Failed), (3, Complete)]);
        assert_eq!(record.last_release(), 3);
    }

    #[test]
    fn a_replacement_gets_the_history_only() {
        let mut record = Record::default();
        record.in_place.insert("s2".into(), Default::default());
        record.start(release(7, Started));
        let carried = record.carried_over();
        assert_eq!(numbers(&carried), [(7, Failed)]);
        assert!(carried.in_place.is_empty());
    }
}
