//! Who works on a machine: a lease in a3's folder there, on that machine's clock.
//!
//! A lease is a file `lease-<n>`; the highest n counts. It is in force until it expires, and is
//! renewed while its holder works. Whoever finds it expired makes n + 1, which exactly one can, and
//! deletes nothing first. Giving it back leaves the file, so that n only grows. Every writing step
//! asks whether n is still the highest: a holder whose laptop slept finds out before it does harm.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::Lease;
use crate::explain::Explain;
use crate::host::{Host, HostError};
use crate::ssh::command::{CommandError, Script};

/// In force for so long without being renewed.
const TTL: Duration = Duration::from_secs(90);

/// Renewed so often: two renewals may fail.
const RENEWED_EVERY: Duration = Duration::from_secs(25);

/// Left alone for so long after it has expired.
const GRACE: Duration = Duration::from_secs(5);

/// The scripts' status for a lease that is not ours any more.
pub(super) const LOST: i32 = 75;

/// Why there is no lease.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Someone works there.
    #[error("{holder} works on {host} for {age} s now")]
    Held {
        /// Which machine.
        host: String,
        /// `user@machine (pid)`.
        holder: String,
        /// Seconds since it was taken.
        age: u64,
        /// Seconds until it expires unless it is renewed.
        expires_in: u64,
    },
    /// It was ours.
    #[error("the lease on {host} was lost{}", by(.holder.as_deref()))]
    Lost {
        /// Which machine.
        host: String,
        /// Who has it now, where someone has.
        holder: Option<String>,
    },
    /// The machine.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl From<CommandError> for LeaseError {
    fn from(error: CommandError) -> Self {
        Self::Host(error.into())
    }
}

impl Explain for LeaseError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Held { expires_in, .. } => Some(format!(
                "wait for it to end; if it has died, the lease ends by itself in {expires_in} s (a3 unlock takes it away)"
            )),
            Self::Lost { .. } => Some("plan again when the other one is done: a3 apply".to_owned()),
            Self::Host(error) => error.help(),
        }
    }
}

fn by(holder: Option<&str>) -> String {
    holder.map_or_else(String::new, |holder| format!(" to {holder}"))
}

impl Lease {
    /// Whether it was taken from a machine, by [`take_locked`].
    pub fn is_of(&self, machine: &str) -> bool {
        self.id.strip_prefix(machine).is_some_and(|rest| !machine.is_empty() && rest.starts_with('-'))
    }

    /// From `<n> <json>`, as the scripts give it; `None` where it is not one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (number, json) = text.split_once(' ')?;
        let lease: Self = serde_json::from_str(json).ok()?;
        Some(Self { number: number.parse().ok()?, ..lease })
    }
}

/// A lease that is ours, and is renewed until it is given back. Dropped without that, it expires.
#[derive(Debug)]
pub struct Held {
    claim: Claim,
    lease: Lease,
    lost: Arc<AtomicBool>,
    renewing: JoinHandle<()>,
}

/// What the scripts need to know to tell our lease from another's.
#[derive(Clone, Debug)]
struct Claim {
    host: Host,
    folder: String,
    holder: String,
    id: String,
}

/// Takes the lease on a machine whose folder has been made.
///
/// # Errors
/// [`LeaseError::Held`], for the caller to wait on or give up (75).
pub async fn take(host: &Host, folder: &str, holder: &str) -> Result<Held, LeaseError> {
    take_as(host, folder, holder, "").await
}

/// As [`take`], for who has this machine's file lock on the deployment: a lease that was taken from
/// this machine is then that of a process that died, and nobody has to wait until it expires.
///
/// `machine` is [`super::machine_id`], which lies in one folder with the file locks.
///
/// # Errors
/// As [`take`].
pub async fn take_locked(host: &Host, folder: &str, holder: &str, machine: &str) -> Result<Held, LeaseError> {
    take_as(host, folder, holder, machine).await
}

async fn take_as(host: &Host, folder: &str, holder: &str, machine: &str) -> Result<Held, LeaseError> {
    let id = if machine.is_empty() { random_id() } else { format!("{machine}-{}", random_id()) };
    let claim = Claim { host: host.clone(), folder: folder.to_owned(), holder: holder.to_owned(), id };
    let script =
        claim.script(concat!(include_str!("scripts/lease.sh"), include_str!("scripts/lease_take.sh")))?;
    let script = script.set("MACHINE", machine)?;
    let said = host.in_folder(folder, &script).await?;
    let answer = host.accept(said, "taking the lease")?;
    let (word, now, lease) = parse(&answer).ok_or_else(|| claim.nonsense(&answer))?;
    if word == "held" {
        return Err(LeaseError::Held {
            host: host.name().to_owned(),
            holder: lease.holder,
            age: now.saturating_sub(lease.since),
            expires_in: lease.expires.saturating_sub(now),
        });
    }
    let lost = Arc::new(AtomicBool::new(false));
    let renewing = tokio::spawn(renew(claim.clone(), Arc::clone(&lost)));
    Ok(Held { claim, lease, lost, renewing })
}

/// Takes the lease away from whoever holds it, who then stops at the next step. Gives the one that
/// was in force.
///
/// # Errors
/// [`HostError`].
pub async fn free(host: &Host, folder: &str, by: &str) -> Result<Option<Lease>, LeaseError> {
    let claim =
        Claim { host: host.clone(), folder: folder.to_owned(), holder: by.to_owned(), id: random_id() };
    let script =
        claim.script(concat!(include_str!("scripts/lease.sh"), include_str!("scripts/lease_free.sh")))?;
    let said = host.in_folder(folder, &script).await?;
    let answer = host.accept(said, "freeing the lease")?;
    Ok(parse(&answer).map(|(_, _, lease)| lease))
}

impl Held {
    /// The lease.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Where it is.
    pub fn host(&self) -> &Host {
        &self.claim.host
    }

    /// a3's folder there.
    pub fn folder(&self) -> &str {
        &self.claim.folder
    }

    /// Whether a renewal has found it lost. [`Held::verify`] asks anew.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Asks whether it is still ours and in force; to be done with every step that writes.
    ///
    /// # Errors
    /// [`LeaseError::Lost`]: stop, 75.
    pub async fn verify(&self) -> Result<(), LeaseError> {
        self.guarded(concat!(include_str!("scripts/lease.sh"), "verify\n"), &[]).await.map(drop)
    }

    /// Runs a script in a3's folder if the lease is ours. The script begins with `lease.sh` and calls
    /// `verify` itself.
    pub(super) async fn guarded(
        &self,
        script: &'static str,
        values: &[(&'static str, &str)],
    ) -> Result<String, LeaseError> {
        let mut script = self.claim.script(script)?;
        for (name, value) in values {
            script = script.set(name, value)?;
        }
        let result = self.claim.run(&script).await;
        if let Err(LeaseError::Lost { .. }) = &result {
            self.lost.store(true, Ordering::Relaxed);
        }
        result
    }

    /// Gives it back. One that was lost meanwhile is left alone.
    ///
    /// # Errors
    /// [`HostError`]; then it expires by itself.
    pub async fn release(self) -> Result<(), LeaseError> {
        self.renewing.abort();
        let script = self
            .claim
            .script(concat!(include_str!("scripts/lease.sh"), include_str!("scripts/lease_release.sh")))?;
        self.claim.run(&script).await.map(drop)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

impl Claim {
    fn script(&self, body: &'static str) -> Result<Script, CommandError> {
        // JSON's strings are in no way special to the scripts, which only print and compare them.
        let json = |text: &str| serde_json::Value::from(text).to_string();
        Script::new(body)
            .set("D", &self.folder)?
            .set("HOLDER", &json(&self.holder))?
            .set("ID", &json(&self.id))?
            .set("TTL", &TTL.as_secs().to_string())?
            .set("GRACE", &GRACE.as_secs().to_string())
    }

    async fn run(&self, script: &Script) -> Result<String, LeaseError> {
        let said = self.host.in_folder(&self.folder, script).await?;
        if said.status == LOST {
            let holder = parse(&said.stdout).map(|(_, _, lease)| lease);
            // One's own that has expired says nothing about others.
            let holder = holder.filter(|lease| lease.id != self.id).map(|lease| lease.holder);
            return Err(LeaseError::Lost { host: self.host.name().to_owned(), holder });
        }
        Ok(self.host.accept(said, "a step under the lease")?)
    }

    fn nonsense(&self, line: &str) -> LeaseError {
        HostError::Answer { host: self.host.name().to_owned(), line: line.chars().take(200).collect() }.into()
    }
}

/// `<word> <now> <n> <json>`.
fn parse(answer: &str) -> Option<(String, u64, Lease)> {
    let (word, rest) = answer.lines().next()?.split_once(' ')?;
    let (now, rest) = rest.split_once(' ')?;
    Some((word.to_owned(), now.parse().ok()?, Lease::parse(rest)?))
}

async fn renew(claim: Claim, lost: Arc<AtomicBool>) {
    let body = concat!(include_str!("scripts/lease.sh"), include_str!("scripts/lease_renew.sh"));
    let Ok(script) = claim.script(body) else { return };
    loop {
        tokio::time::sleep(RENEWED_EVERY).await;
        // A renewal that fails otherwise is tried again; the next step that writes says what is wrong.
        if let Err(LeaseError::Lost { .. }) = claim.run(&script).await {
            lost.store(true, Ordering::Relaxed);
            return;
        }
    }
}

fn random_id() -> String {
    let mut bytes = [0; 16];
    // Without randomness the system is broken; the time still tells two leases apart.
    if getrandom::fill(&mut bytes).is_err() {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        bytes = now.unwrap_or_default().as_nanos().to_be_bytes();
    }
    data_encoding::HEXLOWER.encode(&bytes)
}
