//! The machines that are worked on: their connection, lease and record, and what steps have yielded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::SecretString;

use super::failure::{Failure, FailureKind};
use super::release::is_replaced;
use super::{Job, Work};
use crate::docker::Engine;
use crate::host::{Ask, Host};
use crate::id::{Digest, Slot};
use crate::observe::live_instances;
use crate::observed::{Cause, HostSeen};
use crate::plan::paths::resolve;
use crate::plan::released::{last_release, last_run};
use crate::plan::step::{Image, Plan, Step, StepId};
use crate::record::lease::{self, Held, LeaseError};
use crate::record::lock::holder;
use crate::record::{KeySource, Record, store};

/// A machine that is worked on.
pub(crate) struct Site {
    /// The number of this release there, higher than any before: the swap rests on that.
    pub(crate) release: u64,
    pub(crate) slot: Slot,
    pub(crate) host: Host,
    pub(crate) engine: Engine,
    /// What relative paths mean there.
    pub(crate) base: String,
    /// What `~` means there.
    pub(crate) home: String,
    /// a3's folder there.
    pub(crate) folder: String,
    /// The key for the HMAC of secrets.
    pub(crate) key: SecretString,
    /// `None` once it was given back.
    lease: tokio::sync::Mutex<Option<Held>>,
    record: Mutex<Record>,
}

impl Site {
    /// An absolute path there.
    pub(crate) fn resolve(&self, path: &str) -> String {
        resolve(path, &self.base, &self.home)
    }

    /// Somebody took the lease over: nothing more is written here.
    pub(crate) async fn verify_lease(&self) -> Result<(), Failure> {
        match &*self.lease.lock().await {
            Some(held) => held.verify().await.map_err(locked),
            None => Err(Failure::new(format!("the lease on {} was given back already", self.slot), None)),
        }
    }

    /// Changes what is written down there.
    pub(crate) fn note(&self, change: impl FnOnce(&mut Record)) {
        change(&mut lock(&self.record));
    }

    pub(crate) fn record(&self) -> Record {
        lock(&self.record).clone()
    }

    /// Writes it down.
    pub(crate) async fn save(&self) -> Result<(), Failure> {
        let record = self.record();
        match &*self.lease.lock().await {
            Some(held) => store::write(held, &record).await.map_err(locked),
            None => Ok(()),
        }
    }

    pub(crate) async fn release_lease(&self) -> Result<(), Failure> {
        match self.lease.lock().await.take() {
            Some(held) => Ok(held.release().await?),
            None => Ok(()),
        }
    }

    /// Removes a3's folder there, lease and all.
    pub(crate) async fn remove_folder(&self) -> Result<(), Failure> {
        match self.lease.lock().await.take() {
            Some(held) => store::remove_folder(held).await.map_err(locked),
            None => Ok(()),
        }
    }
}

/// Everything that steps share.
pub(crate) struct Sites {
    /// The number of this release, as far as the machines that were seen tell.
    release: u64,
    sites: Mutex<BTreeMap<Slot, Arc<Site>>>,
    images: Mutex<BTreeMap<StepId, Digest>>,
    firewalls: Mutex<BTreeMap<String, String>>,
    instances: Mutex<BTreeMap<Slot, String>>,
    pushes: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Sites {
    pub(crate) fn new(job: &Job<'_>) -> Self {
        Self {
            release: last_release(job.spec, job.observed) + 1,
            sites: Mutex::default(),
            images: Mutex::default(),
            firewalls: Mutex::default(),
            instances: Mutex::default(),
            pushes: Mutex::default(),
        }
    }

    /// Held while something is pushed to a repository: of two services that share an image, the second
    /// finds the first one's, and an engine that pushes one image twice at a time spoils both.
    pub(crate) fn pushes_to(&self, repository: &str) -> Arc<tokio::sync::Mutex<()>> {
        lock(&self.pushes).entry(repository.to_owned()).or_default().clone()
    }

    /// Takes the leases of every machine that the plan writes to, in the order of slots; on a
    /// conflict those already taken are given back.
    pub(crate) async fn begin(&self, work: &Work<'_>) -> Result<(), Failure> {
        let planned = work.job.plan.steps.iter().filter(|step| !step.provisional);
        let slots: BTreeSet<&Slot> = planned.filter_map(|step| super::graph::slot_of(&step.action)).collect();
        for slot in slots {
            let Some(host) = work.job.world.host(slot) else { continue };
            if let Err(failure) = self.open(work, slot, &host).await {
                for site in self.all() {
                    site.release_lease().await.ok();
                }
                return Err(failure);
            }
        }
        Ok(())
    }

    /// Makes a3's folder there, takes the lease, and begins the release that is planned already; for a
    /// machine that is planned on the way, [`Site::begin_release`] follows.
    pub(crate) async fn open(&self, work: &Work<'_>, slot: &Slot, host: &Host) -> Result<(), Failure> {
        if lock(&self.sites).contains_key(slot) {
            return Ok(());
        }
        let ask = Ask::new(work.job.spec.name.clone(), Vec::new());
        let facts = host.facts(&ask).await?;
        let folder = facts.folder.path;
        let key = store::ensure_folder(host, &folder).await?;
        let lease =
            lease::take_locked(host, &folder, &holder(), &work.job.world.machine_id).await.map_err(locked)?;
        // Whoever applied between our look and our lease has changed what the plan rests on.
        let now_there = host.facts(&ask).await?.record;
        let seen = work.job.observed.hosts.get(slot).and_then(HostSeen::facts);
        let replaced = is_replaced(&work.job.plan.steps, slot);
        if let Some(seen) = seen
            && !replaced
            && seen.record != now_there
        {
            lease.release().await.ok();
            let message = format!("somebody applied to {slot} while this plan was made");
            let help = Some("a3 apply again: it plans with what is there now".to_owned());
            return Err(Failure::of_kind(FailureKind::Refused, Cause { message, help }));
        }
        // A machine that takes another's place goes on with its history.
        let carried = seen.filter(|_| replaced).and_then(|seen| seen.record.as_ref());
        let carried = carried.map(Record::carried_over);
        let record = now_there.or(carried).unwrap_or_default();
        let engine = host.engine();
        // A machine that could not be seen when the plan was made may be further. Its engine may not be
        // there yet; then no container is either.
        let further = match seen {
            Some(_) => 0,
            None => last_run(work.job.spec, slot, &engine.containers().await.unwrap_or_default()),
        };
        let site = Site {
            release: self.release.max(record.last_release().max(further) + 1),
            slot: slot.clone(),
            host: host.clone(),
            engine,
            base: facts.base,
            home: facts.home,
            folder,
            key,
            lease: tokio::sync::Mutex::new(Some(lease)),
            record: Mutex::new(record),
        };
        let planned: Vec<&Step> = work.job.plan.steps.iter().filter(|step| !step.provisional).collect();
        site.begin_release(work, work.job.observed, &planned);
        if !work.job.plan.destroy {
            site.save().await?;
        }
        lock(&self.sites).insert(slot.clone(), Arc::new(site));
        tag_host_key(work, slot).await;
        Ok(())
    }

    pub(crate) fn get(&self, slot: &Slot) -> Result<Arc<Site>, Failure> {
        let site = lock(&self.sites).get(slot).cloned();
        site.ok_or_else(|| Failure::new(format!("{slot} was never reached"), None))
    }

    pub(crate) fn all(&self) -> Vec<Arc<Site>> {
        lock(&self.sites).values().cloned().collect()
    }

    /// A machine that has no folder any more needs no record and no lease.
    pub(crate) fn close(&self, slot: &Slot) -> Option<Arc<Site>> {
        lock(&self.sites).remove(slot)
    }

    /// A step yielded an image.
    pub(crate) fn yields(&self, id: StepId, image: Digest) {
        lock(&self.images).insert(id, image);
    }

    /// What a step runs, as the engine takes it: `repo@sha256:…` or an image id.
    pub(crate) fn reference(&self, image: &Image) -> Result<String, Failure> {
        match image {
            Image::Pinned { repository, digest } => Ok(format!("{repository}@{digest}")),
            Image::Local { id } => Ok(id.to_string()),
            Image::From { step, repository } => {
                let digest = lock(&self.images).get(step).cloned();
                let digest = digest.ok_or_else(|| Failure::new("the image was not made", None))?;
                Ok(repository.as_ref().map_or(digest.to_string(), |name| format!("{name}@{digest}")))
            }
        }
    }

    /// What each service runs, as far as it is known by now.
    pub(crate) fn images(&self, plan: &Plan) -> BTreeMap<String, Image> {
        let made = lock(&self.images);
        let known = plan.images.iter().map(|(service, image)| {
            let image = match image {
                Image::From { step, repository: Some(repository) } => match made.get(step) {
                    Some(digest) => Image::Pinned { repository: repository.clone(), digest: digest.clone() },
                    None => image.clone(),
                },
                Image::From { step, repository: None } => {
                    made.get(step).map_or_else(|| image.clone(), |id| Image::Local { id: id.clone() })
                }
                Image::Pinned { .. } | Image::Local { .. } => image.clone(),
            };
            (service.clone(), image)
        });
        known.collect()
    }

    pub(crate) fn keep_firewall(&self, group: &str, id: &str) {
        lock(&self.firewalls).insert(group.to_owned(), id.to_owned());
    }

    pub(crate) fn firewall(&self, group: &str) -> Option<String> {
        lock(&self.firewalls).get(group).cloned()
    }

    pub(crate) fn keep_instance(&self, slot: &Slot, id: &str) {
        lock(&self.instances).insert(slot.clone(), id.to_owned());
    }

    pub(crate) fn instance(&self, slot: &Slot) -> Option<String> {
        lock(&self.instances).get(slot).cloned()
    }
}

/// Tags the host key that was seen, unless it is tagged already: of a machine whose launch was cut off,
/// or of one whose console has confirmed by now what was accepted at first contact. Not worth a
/// failure, the next apply does it.
async fn tag_host_key(work: &Work<'_>, slot: &Slot) {
    let Some(tag) = work.job.world.take_host_key(slot) else { return };
    let one = live_instances(&work.job.observed.clouds).remove(slot);
    let (Some(one), Some(Ok(cloud))) = (one, work.job.world.clouds.get(&slot.group)) else { return };
    if tag.source == KeySource::FirstContact {
        work.notice(super::reach::first_contact(slot));
    }
    if let Err(error) = cloud.set_tag(&one.id, "a3:ssh-host-key", &tag.to_string()).await {
        work.notice(format!("{slot}: the host key could not be tagged: {error}"));
    }
}

/// Only what says so about the lease ends everything; a machine that does not answer is its own
/// step's failure.
fn locked(error: LeaseError) -> Failure {
    let lost = matches!(error, LeaseError::Held { .. } | LeaseError::Lost { .. });
    let kind = if lost { FailureKind::Locked } else { FailureKind::Failed };
    Failure { kind, ..Failure::from(error) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
