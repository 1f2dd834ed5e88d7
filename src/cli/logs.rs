//! `a3 logs`: the containers' own logs, over the connections that a3 has anyway.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use regex::Regex;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::args::LogsArgs;
use super::exit::Exit;
use super::fault::{Ended, Fault};
use super::work::{self, Looked, Wish};
use super::{Session, terminal};
use crate::docker::{Engine, EngineError, LogLine, LogOptions};
use crate::explain::Explain as _;
use crate::id::Slot;
use crate::observe::now;
use crate::observe::secrets::Consent;
use crate::observed::{HostFacts, HostSeen};
use crate::plan::{Destroy, names, owned_service};
use crate::report::Look;
use crate::report::error::{note_text, warning_text};
use crate::report::look::Tone;
use crate::spec::{Spec, parse_duration};

/// `a3 logs`
pub(crate) async fn logs(session: &Session, args: &LogsArgs) -> Ended {
    let spec = session.load(None)?;
    for name in &args.service {
        work::known_service(&spec, name)?;
    }
    let options = LogOptions {
        follow: args.follow,
        since: args.since.as_deref().map(moment).transpose()?,
        until: args.until.as_deref().map(moment).transpose()?,
        // The last lines that match, not the matches among the last lines.
        tail: args.tail.filter(|_| args.grep.is_none() || args.follow),
        // Logs of several containers are merged by time.
        timestamps: true,
    };
    let grep = args.grep.as_deref().map(Regex::new).transpose();
    let grep = grep.map_err(|error| Fault::new(Exit::Usage, format!("--grep: {error}"), None))?;
    let looked = work::look(&spec, &Wish::Destroy(Destroy::default()), Consent { commands: false }).await?;
    let sources = sources(session, &spec, &looked, &args.service);
    if sources.is_empty() {
        let message = format!("no container of {} is there to read", spec.name);
        return Err(Fault::new(
            Exit::Failed,
            message,
            Some("a3 status shows what there is; a3 apply starts it"),
        ));
    }
    let last = args.tail.filter(|_| args.grep.is_some() && !args.follow);
    let printer = Printer {
        look: session.data_look,
        timestamps: args.timestamps,
        grep,
        named: sources.len() > 1,
        last,
    };
    read(session, sources, &options, &printer).await
}

/// A container whose log is read.
struct Source {
    /// `s2`, or `web/1/s2` where there are several machines.
    name: String,
    container: String,
    engine: Engine,
}

fn sources(session: &Session, spec: &Spec, looked: &Looked, services: &[String]) -> Vec<Source> {
    let mut sources = Vec::new();
    let machines = spec.slots().count();
    for (slot, seen) in &looked.observed.hosts {
        match seen {
            HostSeen::Ready(facts) => {
                let Some(host) = looked.world.host(slot) else { continue };
                for (service, container) in own_containers(spec, slot, facts, services) {
                    let name = if machines > 1 { format!("{slot}/{service}") } else { service };
                    sources.push(Source { name, container, engine: host.engine() });
                }
            }
            HostSeen::Unreachable(cause) | HostSeen::Refused(cause) => {
                let text = format!("{slot} cannot be read: {}", cause.message);
                terminal::talk(&warning_text(&session.look, &text));
            }
            HostSeen::NotYet(_) => terminal::talk(&note_text(&session.look, &format!("{slot} does not run"))),
        }
    }
    sources
}

fn own_containers(spec: &Spec, slot: &Slot, facts: &HostFacts, services: &[String]) -> Vec<(String, String)> {
    let own = facts.containers.iter().filter_map(|seen| {
        let service = owned_service(spec, slot, seen)?.to_owned();
        let wanted = services.is_empty() || services.contains(&service);
        // An interrupted swap leaves two; the new one has the service's name.
        let is_old = seen.name == names::old_container(seen.name.trim_end_matches(".a3-old"));
        (wanted && !is_old).then(|| (service, seen.name.clone()))
    });
    own.collect()
}

struct Printer {
    look: Look,
    timestamps: bool,
    grep: Option<Regex>,
    named: bool,
    /// Only so many of the last lines that are printed.
    last: Option<u32>,
}

impl Printer {
    fn line(&self, source: &str, line: &LogLine) -> Option<String> {
        if self.grep.as_ref().is_some_and(|grep| !grep.is_match(&line.text)) {
            return None;
        }
        let mut text = String::new();
        if self.named {
            text.push_str(&self.look.paint(Tone::Hint, &format!("{source} | ")));
        }
        if let Some(time) = line.time.as_ref().filter(|_| self.timestamps) {
            text.push_str(time);
            text.push(' ');
        }
        text.push_str(&line.text);
        text.push('\n');
        Some(text)
    }
}

type Named = (String, Result<LogLine, EngineError>);

async fn read(session: &Session, sources: Vec<Source>, options: &LogOptions, printer: &Printer) -> Ended {
    let mut streams: Vec<BoxStream<'static, Named>> = Vec::new();
    let mut failed = None;
    for Source { name, container, engine } in sources {
        match engine.logs(&container, options).await {
            Ok(lines) => streams.push(lines.map(move |line| (name.clone(), line)).boxed()),
            Err(error) => failed = Some(error.cause()),
        }
    }
    if options.follow {
        let mut lines = stream::select_all(streams);
        loop {
            let line = tokio::select! {
                line = lines.next() => line,
                _ = tokio::signal::ctrl_c() => return Err(Fault::said(Exit::Interrupted)),
            };
            let Some((name, line)) = line else { break };
            match line {
                Ok(line) => printer.line(&name, &line).into_iter().for_each(|text| terminal::data(&text)),
                Err(error) => failed = Some(error.cause()),
            }
        }
    } else {
        let mut lines: Vec<(String, LogLine)> = Vec::new();
        for mut stream in streams {
            while let Some((name, line)) = stream.next().await {
                match line {
                    Ok(line) => lines.push((name, line)),
                    Err(error) => failed = Some(error.cause()),
                }
            }
        }
        // RFC 3339 in UTC with nanoseconds: the order of the text is the order of time.
        lines.sort_by(|(_, a), (_, b)| a.time.cmp(&b.time));
        let shown: Vec<String> = lines.iter().filter_map(|(name, line)| printer.line(name, line)).collect();
        let last = printer.last.and_then(|last| usize::try_from(last).ok()).unwrap_or(shown.len());
        for text in &shown[shown.len().saturating_sub(last)..] {
            terminal::data(text);
        }
    }
    let _ = session;
    failed.map_or(Ok(Exit::Done), |cause| Err(Fault::cause(Exit::Failed, cause)))
}

/// A time, or a duration ago, as seconds since 1970.
fn moment(text: &str) -> Result<Duration, Fault> {
    if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
        return Ok(Duration::from_secs(u64::try_from(time.unix_timestamp()).unwrap_or(0)));
    }
    let Some(ago) = parse_duration(text) else {
        let message = format!("`{text}` is neither a time nor a duration");
        return Err(Fault::new(Exit::Usage, message, Some("write 10m, 2h30m or 2026-01-31T12:00:00Z")));
    };
    Ok(Duration::from_secs(now()).saturating_sub(ago))
}
