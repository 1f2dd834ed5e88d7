//! What comes: one service on one machine through all its containers, one machine through everything
//! that happens to the connection.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use futures_util::future::try_join_all;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep};

use super::options::Wanted;
use super::source::{Source, ending};
use crate::cli::exit::Exit;
use crate::cli::fault::Fault;
use crate::cli::work::{self, Wish};
use crate::docker::{ContainerDetail, EngineError, LogLine, LogOptions};
use crate::explain::Explain as _;
use crate::host::Host;
use crate::id::Slot;
use crate::observe::secrets::Consent;
use crate::observed::{Cause, ContainerState, HostSeen, NotYet, Seen};
use crate::plan::Destroy;
use crate::plan::names::label;
use crate::spec::Spec;

/// Between two looks at a service whose container does not run.
const PAUSE: Duration = Duration::from_millis(300);

/// So long a service may be without any container: a swap never is.
const ABSENT: Duration = Duration::from_secs(5);

/// A container that does not run after so long was not just replaced or restarted.
const QUIET: Duration = Duration::from_secs(2);

/// Between tries to reach a machine; doubled up to the second.
const FIRST_TRY: Duration = Duration::from_millis(250);
const LAST_TRY: Duration = Duration::from_secs(8);

/// An instance that is replaced is launched anew well within this; after it, it was ended.
const ENDED: Duration = Duration::from_secs(60);

/// What a follower says.
#[derive(Debug)]
pub(super) enum News {
    Line(usize, LogLine),
    Note(String),
    Warning(String),
}

/// What all followers share.
#[derive(Debug)]
pub(super) struct Followers<'a> {
    pub(super) spec: &'a Spec,
    pub(super) wanted: &'a Wanted,
    pub(super) news: Sender<News>,
}

/// A service that is followed, and what is known of its containers.
#[derive(Debug)]
pub(super) struct Followed {
    source: Source,
    /// By id: the last end of its process, if everything before it was read.
    ended: BTreeMap<String, End>,
    /// The container that was read last.
    current: Option<String>,
    /// Whether the machine was away since then.
    was_away: bool,
    over: bool,
    failed: Option<Fault>,
}

/// When, and how often it was started again.
type End = (Option<u64>, Option<u64>, u64);

fn end_of(detail: &ContainerDetail) -> End {
    (detail.finished, detail.seen.started, detail.restart_count)
}

impl Followed {
    pub(super) fn new(source: Source) -> Self {
        let current = Some(source.id.clone());
        Self { source, ended: BTreeMap::new(), current, was_away: false, over: false, failed: None }
    }
}

/// Why a machine's followers stopped.
#[derive(Debug)]
enum Stop {
    Lost(EngineError),
    /// Nobody listens any more.
    Closed,
}

impl Followers<'_> {
    /// Follows the services of one machine until they are gone for good, or it is away for too long.
    pub(super) async fn machine(&self, slot: &Slot, mut services: Vec<Followed>) -> Result<(), Fault> {
        loop {
            let left = services.iter_mut().filter(|service| !service.over);
            let lost = match try_join_all(left.map(|service| self.service(service))).await {
                Ok(_) => break,
                Err(Stop::Closed) => return Ok(()),
                Err(Stop::Lost(error)) => error.cause(),
            };
            let text = format!("{slot}: {}; trying to reach it again", lost.message);
            if self.say(News::Warning(text)).await.is_err() {
                return Ok(());
            }
            let Some(host) = self.reach(slot, lost).await? else {
                // Who does not listen need not know.
                let _ = self.say(News::Note(format!("{slot} was ended"))).await;
                return Ok(());
            };
            if self.say(News::Note(format!("{slot} is reached again"))).await.is_err() {
                return Ok(());
            }
            for service in &mut services {
                service.source.engine = host.engine();
                service.was_away = true;
            }
        }
        services.into_iter().find_map(|service| service.failed).map_or(Ok(()), Err)
    }

    /// Connects to a machine again, at whatever address it has now; `None` if it was ended.
    async fn reach(&self, slot: &Slot, lost: Cause) -> Result<Option<Host>, Fault> {
        let mut spec = self.spec.clone();
        spec.groups.retain(|name, _| *name == slot.group);
        spec.services.retain(|_, service| service.on == slot.group);
        let (began, mut pause, mut last) = (Instant::now(), FIRST_TRY, lost);
        let mut missing: Option<Instant> = None;
        loop {
            sleep(pause).await;
            pause = (pause * 2).min(LAST_TRY);
            let wish = Wish::Destroy(Destroy::default());
            let looked = work::look(&spec, &wish, Consent { commands: false }).await?;
            let seen = looked.observed.hosts.get(slot);
            if !matches!(seen, Some(HostSeen::NotYet(NotYet::NotLaunched))) {
                missing = None;
            }
            match seen {
                Some(HostSeen::Ready(facts)) => match (&facts.engine, looked.world.host(slot)) {
                    (Seen::Present(_), Some(host)) => return Ok(Some(host)),
                    (Seen::Unreachable(cause), _) => last = cause.clone(),
                    _ => {}
                },
                Some(HostSeen::Unreachable(cause)) => last = cause.clone(),
                Some(HostSeen::Refused(cause)) => return Err(Fault::cause(Exit::Refused, cause.clone())),
                Some(HostSeen::NotYet(NotYet::NotLaunched)) | None => {
                    let since = *missing.get_or_insert_with(Instant::now);
                    if since.elapsed() >= ENDED.min(self.wanted.patience) {
                        return Ok(None);
                    }
                }
                Some(HostSeen::NotYet(state)) => last = waits(slot, *state),
            }
            if began.elapsed() >= self.wanted.patience {
                let seconds = self.wanted.patience.as_secs();
                let message = format!("{slot} is away for more than {seconds} s: {}", last.message);
                let help = last.help.unwrap_or_else(|| "--patience 1h waits longer".to_owned());
                return Err(Fault::new(Exit::Unreachable, message, Some(&help)));
            }
        }
    }

    /// Follows a service until it has no container any more.
    async fn service(&self, followed: &mut Followed) -> Result<(), Stop> {
        let mut absent: Option<Instant> = None;
        let mut quiet: Option<Instant> = None;
        let mut said = None;
        loop {
            let found = match followed.source.containers(self.spec).await {
                Ok(found) => found,
                Err(error) => {
                    self.not_read(followed, error).await?;
                    Vec::new()
                }
            };
            if followed.over {
                return Ok(());
            }
            if found.is_empty() {
                if absent.get_or_insert_with(Instant::now).elapsed() >= ABSENT {
                    followed.over = true;
                    let text = format!("{} is gone: it has no container any more", followed.source.name);
                    return self.say(News::Note(text)).await;
                }
                sleep(PAUSE).await;
                continue;
            }
            absent = None;
            let up = found.iter().rfind(|found| found.is_up());
            for stopped in found.iter().filter(|found| !found.is_up()) {
                self.rest(followed, stopped).await?;
            }
            if followed.over {
                return Ok(());
            }
            let Some(up) = up else {
                let since = *quiet.get_or_insert_with(Instant::now);
                let last = found.last().filter(|last| said != Some(end_of(last)));
                if let Some(last) = last.filter(|_| since.elapsed() >= QUIET) {
                    said = Some(end_of(last));
                    self.say_ended(followed, last).await?;
                }
                sleep(PAUSE).await;
                continue;
            };
            quiet = None;
            let lines = self.read(followed, up, true).await?;
            if lines == 0 {
                // One that ends as soon as it is started.
                sleep(PAUSE).await;
            }
        }
    }

    /// What a container that ended has not been read of.
    async fn rest(&self, followed: &mut Followed, stopped: &ContainerDetail) -> Result<(), Stop> {
        let (id, end) = (&stopped.seen.id, end_of(stopped));
        if stopped.seen.state == ContainerState::Created || followed.ended.get(id) == Some(&end) {
            return Ok(());
        }
        self.read(followed, stopped, false).await?;
        followed.ended.insert(id.clone(), end);
        Ok(())
    }

    /// Reads on in a container's log: to its end, or until it ends. How many lines came.
    async fn read(
        &self,
        followed: &mut Followed,
        detail: &ContainerDetail,
        follow: bool,
    ) -> Result<usize, Stop> {
        let id = detail.seen.id.clone();
        self.say_replaced(followed, detail).await?;
        let since = followed.source.track.resume(&id);
        let part = LogOptions { follow, since, timestamps: true, ..LogOptions::default() };
        let opened = followed.source.engine.logs(&id, &part).await;
        let mut lines = match opened {
            Ok(lines) => lines,
            Err(error) => return self.not_read(followed, error).await.map(|()| 0),
        };
        let mut count = 0;
        loop {
            let line = match lines.try_next().await {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(count),
                Err(error) => return self.not_read(followed, error).await.map(|()| count),
            };
            // Nothing is awaited between counting the line as read and passing it on.
            let Ok(place) = self.news.reserve().await else { return Err(Stop::Closed) };
            if followed.source.track.accept(&id, &line) {
                count += 1;
                if self.wanted.matches(&line.content) {
                    place.send(News::Line(followed.source.index, line));
                }
            }
        }
    }

    /// A container that is gone is no error; a connection that is, is one of the machine.
    async fn not_read(&self, followed: &mut Followed, error: EngineError) -> Result<(), Stop> {
        if error.is_unreachable() {
            return Err(Stop::Lost(error));
        }
        // 409: it is being removed.
        if error.is_absent() || error.status() == Some(409) {
            return Ok(());
        }
        followed.over = true;
        followed.failed = Some(followed.source.fault(&error));
        self.say(News::Warning(followed.source.cause(&error).message)).await
    }

    async fn say_ended(&self, followed: &Followed, last: &ContainerDetail) -> Result<(), Stop> {
        let Some(ending) = ending(last) else { return Ok(()) };
        let text = format!("{} {ending}; waiting for it to run again", followed.source.name);
        self.say(News::Note(text)).await
    }

    async fn say_replaced(&self, followed: &mut Followed, detail: &ContainerDetail) -> Result<(), Stop> {
        let id = &detail.seen.id;
        if followed.current.as_ref() == Some(id) {
            followed.was_away = false;
            return Ok(());
        }
        let release = detail.seen.labels.get(label::RELEASE);
        let release = release.map_or(String::new(), |release| format!(", of release {release}"));
        let name = &followed.source.name;
        let mut text = format!("{name} was replaced; the log of its new container{release} goes on here");
        if std::mem::take(&mut followed.was_away) {
            text.push_str(", and what the old one wrote while it could not be reached is gone with it");
        }
        followed.current = Some(id.clone());
        self.say(News::Note(text)).await
    }

    async fn say(&self, news: News) -> Result<(), Stop> {
        self.news.send(news).await.map_err(|_| Stop::Closed)
    }
}

fn waits(slot: &Slot, state: NotYet) -> Cause {
    let what = match state {
        NotYet::NotLaunched => "is not launched",
        NotYet::Stopped => "is stopped",
        NotYet::Booting => "boots",
        NotYet::NoRule => "is behind a security group that does not let you in",
    };
    Cause { message: format!("{slot} {what}"), help: None }
}
