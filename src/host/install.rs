//! Docker on a machine behind ssh: installed from its distribution's packages, or started.

use std::sync::Mutex;
use std::time::Duration;

use super::Host;
use super::error::HostError;
use crate::event::{Activity, Sink};
use crate::plan::step::Installer;
use crate::ssh::Piece;
use crate::ssh::command::{Script, WRITE};

/// For somebody else's installation to end, seconds: what boots often updates itself first.
pub(super) const PATIENCE: u64 = 300;

/// For all of it: a slow mirror, and somebody else before us.
const LIMIT: Duration = Duration::from_secs(1200);

/// `install.sh`'s status where the package manager was busy all the time.
const BUSY: i32 = 75;

/// `install.sh`'s status where root's work cannot be done.
const NO_SUDO: i32 = 77;

impl Host {
    /// Installs Docker or starts it, lets the ssh user use it, and shares a3's folder with those who
    /// may. What the package manager says goes to `sink`. Safe to repeat after a crash anywhere: an
    /// installation that lost its a3 goes on to its end, and the next one waits for it.
    ///
    /// # Errors
    /// [`HostError::PackagesBusy`], [`HostError::NotInstalled`], [`HostError::TooSlow`].
    pub async fn install_engine(
        &self,
        with: Installer,
        folder: &str,
        sink: Sink<'_>,
    ) -> Result<(), HostError> {
        let word = match with {
            Installer::Apt => "apt",
            Installer::Dnf => "dnf",
            Installer::Start => "start",
        };
        let inner = Script::new(include_str!("scripts/install_inner.sh"))
            .set("WITH", word)?
            .set("FOLDER", folder)?
            .set("PATIENCE", &PATIENCE.to_string())?;
        let script = Script::new(include_str!("scripts/install.sh"))
            .set("SUDO", self.sudo_word())?
            .set("INNER", &inner.text())?;
        let host = || self.name().to_owned();
        let lines = Lines { sink, rest: Mutex::default() };
        let Some(session) = self.session() else {
            return Err(HostError::NoSudo { host: host(), target: "docker".into() });
        };
        let (text, watch) = (script.text(), |piece: &Piece| lines.take(piece));
        let running = session.exec_watched(WRITE, text.as_bytes(), &watch);
        let Ok(output) = tokio::time::timeout(LIMIT, running).await else {
            let doing = "installing docker".to_owned();
            return Err(HostError::TooSlow { host: host(), doing, seconds: LIMIT.as_secs() });
        };
        let output = output?;
        match output.exit.code() {
            0 => Ok(()),
            BUSY => Err(HostError::PackagesBusy { host: host() }),
            status => {
                let said = String::from_utf8_lossy(&output.stdout).into_owned();
                let mut lines = said.lines().rev().map(str::trim).filter(|line| !line.is_empty());
                let last = match status {
                    NO_SUDO => "sudo does not work there without a password".to_owned(),
                    _ => lines.next().unwrap_or_default().to_owned(),
                };
                let started = with == Installer::Start;
                Err(HostError::NotInstalled { host: host(), started, status, last })
            }
        }
    }
}

/// Whole lines out of the pieces in which they come.
struct Lines<'a> {
    sink: Sink<'a>,
    rest: Mutex<String>,
}

impl Lines<'_> {
    fn take(&self, piece: &Piece) {
        let (Piece::Out(data) | Piece::Err(data)) = piece;
        let Ok(mut rest) = self.rest.lock() else { return };
        rest.push_str(&String::from_utf8_lossy(data));
        while let Some((line, after)) = rest.split_once('\n').map(|(a, b)| (a.to_owned(), b.to_owned())) {
            *rest = after;
            // Progress bars overwrite their line.
            let line = line.rsplit('\r').find(|part| !part.trim().is_empty()).unwrap_or_default();
            if !line.trim().is_empty() {
                (self.sink)(Activity::Output { line: line.trim_end().to_owned() });
            }
        }
    }
}
