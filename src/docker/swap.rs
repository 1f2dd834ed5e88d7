//! Putting a new container in the place of an old one with the shortest gap that works everywhere:
//! rename the old one, create the new one, stop old and start new in one go, see that it works,
//! remove the old one. One that the service had under another name needs no renaming, and else it is the
//! same. Whatever point it is cut off at, the next swap goes on from there (`places`), and if the new one
//! fails, the old one runs again under its name.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::check::{Proof, Unproven};
use super::container::ContainerDetail;
use super::create::{NewContainer, NoValue, body_again};
use super::engine::{Engine, EngineError};
use super::places::{Places, Roles};
use super::watch::Watch;
use crate::event::{Activity, Sink};
use crate::explain::Explain;
use crate::observed::{Cause, ContainerState};
use crate::plan::names::{self, label};

/// How many of the last lines of a container that failed are reported.
const LAST_LINES: u32 = 20;

/// What to put in place.
#[derive(Clone, Copy, Debug)]
pub struct Swap<'a> {
    /// The new container. Its labels carry the full mark, the pinned image, the configuration hash and
    /// a release that is higher than any before.
    pub new: &'a NewContainer,
    /// What proves that it works.
    pub proof: Proof<'a>,
    /// The old container as it was recorded, for one that removed itself when it was stopped and that
    /// this swap has not seen (an earlier one was cut off). Otherwise the engine is asked.
    pub way_back: Option<&'a NewContainer>,
    /// Where the service's container may be under a name that it had before.
    pub formerly: &'a [Former],
}

/// A container of the service under a name that it had before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Former {
    /// Its name, as it is in the engine.
    pub name: String,
    /// The `dev.a3.self` that it has to carry: the mark is bound to the name.
    pub mark: String,
}

/// What a swap did.
#[derive(Clone, Debug)]
pub struct Swapped {
    /// The new container; `None` if it did its work, ended well and removed itself.
    pub container: Option<ContainerDetail>,
    /// How long stopping the old and starting the new one took; about the gap. `None` if nothing was
    /// stopped.
    pub gap: Option<Duration>,
}

/// Why a swap did not end as it should.
#[derive(Debug, thiserror::Error)]
pub enum SwapError {
    /// Nothing was touched.
    #[error(transparent)]
    Foreign(EngineError),
    /// Nothing was touched.
    #[error("cannot create {name}")]
    Value {
        /// The container.
        name: String,
        /// Which value is missing.
        source: NoValue,
    },
    /// Nothing was touched.
    #[error("cannot see what there is of {name}")]
    Look {
        /// The container.
        name: String,
        /// Why.
        source: EngineError,
    },
    /// The new one is gone again, unless `back` says otherwise.
    #[error("the new container of {name} {failure}; {back}")]
    Failed {
        /// The container.
        name: String,
        /// What went wrong.
        failure: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
        /// What to do about it.
        help: Option<String>,
        /// How the way back went.
        back: Back,
    },
    /// The new one works, and the old one could not be removed. The next apply removes it.
    #[error("{name} runs, but the old container could not be removed")]
    Leftover {
        /// The container.
        name: String,
        /// Why.
        source: EngineError,
    },
}

/// Where a failed swap left the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Back {
    /// The old container runs again under its name.
    Runs,
    /// The old container is back under its name, stopped as it was before.
    Stopped,
    /// There was none before, and there is none now.
    Nothing,
    /// It removed itself when it was stopped, and nobody knows how it was made.
    Lost,
    /// It could not be brought back; the next apply tries again.
    Stuck(Cause),
}

impl std::fmt::Display for Back {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Runs => f.write_str("the old one runs again"),
            Self::Stopped => f.write_str("the old one is back, stopped as it was"),
            Self::Nothing => f.write_str("there was none before, and it was removed"),
            Self::Lost => f.write_str("the old one had removed itself and cannot be made again"),
            Self::Stuck(cause) => write!(f, "the old one could not be brought back ({})", cause.message),
        }
    }
}

impl SwapError {
    /// Whether the person stopped it, and not the container.
    pub fn is_interrupted(&self) -> bool {
        let Self::Failed { source, .. } = self else { return false };
        matches!(source.downcast_ref::<Unproven>(), Some(Unproven::Interrupted))
    }
}

impl Explain for SwapError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Foreign(error) | Self::Look { source: error, .. } => error.help(),
            Self::Value { source, .. } => source.help(),
            Self::Failed { back: Back::Stuck(_) | Back::Lost, .. } | Self::Leftover { .. } => {
                Some("a3 apply goes on from here".into())
            }
            Self::Failed { help, .. } => help.clone(),
        }
    }
}

impl Engine {
    /// Puts a container in the place of the one that has its name.
    ///
    /// Assumes that the image is in the engine, that bind paths are absolute, and that nobody else
    /// swaps this service (the lease). Guarantees, if it succeeds: exactly one container of the
    /// service, under its name, as `new` says, proven by `proof`, in the deployment's network; volumes
    /// without a name went over to it. If it fails with the engine at hand: the one of before, under
    /// its name, running if it ran; the last 20 lines of the new one went to `sink`. What does not
    /// carry the same `dev.a3.self` is never touched.
    ///
    /// Safe to repeat after a crash anywhere, with the same or a higher release: it looks at both
    /// names and goes on from there.
    ///
    /// # Errors
    /// [`SwapError`]; it says what was left.
    pub async fn swap(&self, swap: &Swap<'_>, sink: Sink<'_>) -> Result<Swapped, SwapError> {
        let name = swap.new.settings.name.clone();
        if let Err(source) = swap.new.body(&BTreeMap::new()) {
            return Err(SwapError::Value { name, source });
        }
        let mut work = Work::look(self, swap, sink, name.clone()).await?;
        let swapped = match work.forward().await {
            Ok(swapped) => swapped,
            Err(Failure { failure, help, source }) => {
                let back = work.back().await;
                return Err(SwapError::Failed { name, failure, source, help, back });
            }
        };
        if let Some(old) = &work.old
            && let Err(source) = self.delete_container(&old.seen.id, false).await
        {
            return Err(SwapError::Leftover { name, source });
        }
        Ok(swapped)
    }
}

/// What went wrong on the way forward, as "the new container of s2 …".
struct Failure {
    failure: &'static str,
    help: Option<String>,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Failure {
    fn of<E: Explain + Send + Sync + 'static>(failure: &'static str) -> impl Fn(E) -> Self {
        move |error| Self { failure, help: error.help(), source: Box::new(error) }
    }
}

/// One swap at work.
struct Work<'a, 's> {
    engine: &'a Engine,
    swap: &'a Swap<'s>,
    sink: Sink<'a>,
    name: String,
    old_name: String,
    /// The name that the old one has when no swap has set it aside.
    home: String,
    old: Option<ContainerDetail>,
    new: Option<ContainerDetail>,
    discard: Vec<ContainerDetail>,
    /// Whether the old one is to run if this goes back.
    old_ran: bool,
    /// How to make the old one again, if it removes itself.
    again: Option<Value>,
    /// On a new one that removes itself.
    watch: Option<Watch>,
}

impl<'a, 's> Work<'a, 's> {
    async fn look(
        engine: &'a Engine,
        swap: &'a Swap<'s>,
        sink: Sink<'a>,
        name: String,
    ) -> Result<Self, SwapError> {
        let old_name = names::old_container(&name);
        let mark = swap.new.labels.get(label::OWN).map_or("", String::as_str);
        let (current, old) = tokio::join!(own(engine, &name, mark), own(engine, &old_name, mark));
        let mut others: Vec<ContainerDetail> = old?.into_iter().collect();
        for former in swap.formerly {
            others.extend(own(engine, &former.name, &former.mark).await?);
        }
        let roles = Places { current: current?, others }.roles(swap.new);
        let Roles { old, new, discard, interrupted } = roles;
        let created = |old: &ContainerDetail| old.seen.state == ContainerState::Created;
        let old_ran = old.as_ref().is_some_and(|old| old.is_up() || (interrupted && !created(old)));
        let home = old.as_ref().map_or(name.as_str(), |old| names::own_container(&old.seen.name)).to_owned();
        let (watch, again) = (None, None);
        Ok(Self { engine, swap, sink, name, old_name, home, old, new, discard, old_ran, again, watch })
    }

    async fn forward(&mut self) -> Result<Swapped, Failure> {
        self.prepare().await?;
        let gap = self.start().await?;
        self.prove().await.map(|container| Swapped { container, gap })
    }

    /// Everything that can be done while the old one serves.
    async fn prepare(&mut self) -> Result<(), Failure> {
        let engine = self.engine;
        for discard in std::mem::take(&mut self.discard) {
            let removed = engine.remove_container(&discard.seen.id, discard.grace).await;
            removed.map_err(Failure::of("has to wait for an earlier try to be removed"))?;
        }
        if self.new.is_some() {
            return Ok(());
        }
        let new = self.swap.new;
        let none = BTreeMap::new();
        // A container that removes itself takes these with it.
        let lasting = self.old.as_ref().filter(|old| !old.auto_remove);
        let inherited = lasting.map_or(&none, |old| &old.anonymous_volumes);
        let not_created = Failure::of("could not be created");
        let body = new.body(inherited).map_err(Failure::of("could not be created"))?;
        let network = engine.ensure_network(&new.settings.network, &new.deployment).await;
        network.map_err(&not_created)?;
        if let Some(old) = &self.old {
            let moved = Failure::of("has to wait for the old one to be moved aside");
            if old.auto_remove {
                let described = engine.described(&old.seen.id).await.map_err(&moved)?;
                self.again = described.as_ref().and_then(body_again);
            }
            if old.seen.name == self.name {
                engine.rename_container(&old.seen.id, &self.old_name).await.map_err(&moved)?;
            }
        }
        let created = engine.create_container(&self.name, new.platform, &body).await;
        let id = created.map_err(&not_created)?;
        let made = engine.container(&id).await.map_err(&not_created)?;
        self.new = made;
        Ok(())
    }

    /// Old out, new in; this is the gap.
    async fn start(&mut self) -> Result<Option<Duration>, Failure> {
        let engine = self.engine;
        let Some(new) = &self.new else { return Err(gone()) };
        let not_started = Failure::of("did not start");
        let up = self.old.as_ref().filter(|old| old.is_up());
        if new.is_up() {
            if let Some(old) = up {
                let stopped = engine.stop_container(&old.seen.id, old.grace).await;
                stopped.map_err(Failure::of("runs beside the old one, which could not be stopped"))?;
            }
            return Ok(None);
        }
        if new.auto_remove {
            self.watch = Some(Watch::on(engine, &new.seen.id).await.map_err(&not_started)?);
        }
        let Some(old) = up else {
            engine.start_container(&new.seen.id).await.map_err(&not_started)?;
            return Ok(None);
        };
        let began = Instant::now();
        engine.exchange(&old.seen.id, old.grace, &new.seen.id).await.map_err(&not_started)?;
        let gap = began.elapsed();
        let line = format!("old one stopped and new one started within {:.2} s", gap.as_secs_f64());
        (self.sink)(Activity::Output { line });
        Ok(Some(gap))
    }

    async fn prove(&mut self) -> Result<Option<ContainerDetail>, Failure> {
        let Some(new) = &self.new else { return Err(gone()) };
        let proven = self.engine.prove(&new.seen.id, self.swap.proof, self.sink).await;
        let not_proven = Failure::of("does not work");
        match (proven, &mut self.watch) {
            (Ok(()), _) => self.engine.container(&new.seen.id).await.map_err(Failure::of("does not work")),
            // It removed itself, and only the watch knows how it ended.
            (Err(Unproven::Gone), Some(watch)) => match watch.exit_code().await {
                Some(0) if self.swap.proof.probe.is_none() => Ok(None),
                Some(code) => Err(not_proven(Unproven::Ended { code })),
                None => Err(not_proven(Unproven::Gone)),
            },
            (Err(error), _) => Err(not_proven(error)),
        }
    }

    /// Brings back what was there before; looks afresh, since nobody knows how far it came.
    async fn back(&mut self) -> Back {
        match self.restore().await {
            Ok(back) => back,
            Err(error) => Back::Stuck(error.cause()),
        }
    }

    async fn restore(&mut self) -> Result<Back, EngineError> {
        let engine = self.engine;
        let old_id = self.old.as_ref().map(|old| old.seen.id.clone());
        let found = engine.container(&self.name).await?;
        let new = found.filter(|found| Some(&found.seen.id) != old_id.as_ref() && self.is_own(found));
        let old = match &old_id {
            Some(id) => engine.container(id).await?,
            None => None,
        };
        if let Some(new) = &new
            && self.watch.is_none()
        {
            // Its last words; the failure itself is what counts.
            self.report(engine.tail(&new.seen.id, LAST_LINES).await.unwrap_or_default());
        }
        let running = new.as_ref().filter(|new| new.is_up());
        let stopped = old.as_ref().filter(|old| self.old_ran && !old.is_up());
        match (running, stopped) {
            (Some(new), Some(old)) => engine.exchange(&new.seen.id, new.grace, &old.seen.id).await?,
            (Some(new), None) => engine.stop_container(&new.seen.id, new.grace).await?,
            (None, Some(old)) => engine.start_container(&old.seen.id).await?,
            (None, None) => {}
        }
        if let Some(mut watch) = self.watch.take() {
            self.report(watch.last_lines().await);
        }
        if let Some(new) = &new {
            engine.delete_container(&new.seen.id, true).await?;
        }
        match old {
            Some(old) => {
                if old.seen.name != self.home {
                    engine.rename_container(&old.seen.id, &self.home).await?;
                }
                Ok(if self.old_ran { Back::Runs } else { Back::Stopped })
            }
            None => self.make_again().await,
        }
    }

    /// The old one removed itself when it was stopped.
    async fn make_again(&mut self) -> Result<Back, EngineError> {
        let recorded = self.swap.way_back;
        let body = match (self.again.take(), recorded) {
            (Some(body), _) => Some(body),
            (None, Some(recorded)) => recorded.body(&BTreeMap::new()).ok(),
            (None, None) => None,
        };
        let Some(body) = body else {
            return Ok(if self.old.is_some() { Back::Lost } else { Back::Nothing });
        };
        let id = self.engine.create_container(&self.home, None, &body).await?;
        if !self.old_ran && recorded.is_none() {
            return Ok(Back::Stopped);
        }
        self.engine.start_container(&id).await?;
        Ok(Back::Runs)
    }

    fn report(&self, lines: Vec<String>) {
        for line in lines {
            (self.sink)(Activity::Output { line });
        }
    }

    fn is_own(&self, found: &ContainerDetail) -> bool {
        is_own(self.swap.new.labels.get(label::OWN).map_or("", String::as_str), found)
    }
}

fn gone() -> Failure {
    Failure::of("cannot be seen")(Unproven::Gone)
}

fn is_own(mark: &str, found: &ContainerDetail) -> bool {
    found.seen.labels.get(label::OWN).is_some_and(|known| known == mark)
}

/// The container of that name if it carries the mark.
async fn own(engine: &Engine, name: &str, mark: &str) -> Result<Option<ContainerDetail>, SwapError> {
    let looked = engine.container(name).await;
    let found = looked.map_err(|source| SwapError::Look { name: name.to_owned(), source })?;
    match found {
        // The engine also finds containers by a prefix of their id.
        Some(found) if found.seen.name != name => Ok(None),
        Some(found) if !is_own(mark, &found) => {
            let what = "container".to_owned();
            Err(SwapError::Foreign(EngineError::Foreign { what, name: name.to_owned() }))
        }
        found => Ok(found),
    }
}
