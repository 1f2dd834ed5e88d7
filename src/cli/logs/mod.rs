//! `a3 logs`: the containers' own logs, over the connections that a3 has anyway.

mod follow;
mod history;
mod options;
mod print;
mod source;
mod spool;
mod track;
mod window;

use std::collections::BTreeMap;
use std::io;

use futures_util::future::join_all;
use tokio::signal::ctrl_c;
use tokio::sync::mpsc::{self, Receiver};
use tokio::time::{Instant, sleep_until};

use super::args::LogsArgs;
use super::exit::Exit;
use super::fault::{Ended, Fault};
use super::work::{self, Wish};
use super::{Session, terminal};
use crate::explain::chain;
use crate::id::Slot;
use crate::observe::secrets::Consent;
use crate::observed::ContainerState;
use crate::plan::Destroy;
use crate::report::error::{note_text, warning_text};
use crate::spec::Spec;
use follow::{Followed, Followers, News};
use history::Broken;
use options::Wanted;
use print::Printer;
use source::Source;
use window::Window;

/// Lines that are on their way to the printer.
const ON_THE_WAY: usize = 1024;

/// `a3 logs`
pub(crate) async fn logs(session: &Session, args: &LogsArgs) -> Ended {
    let spec = session.load(None)?;
    for name in &args.service {
        work::known_service(&spec, name)?;
    }
    let wanted = Wanted::of(args)?;
    let looked = work::look(&spec, &Wish::Destroy(Destroy::default()), Consent { commands: false }).await?;
    let (mut sources, away) = source::sources(&spec, &looked, &args.service, args.instance.as_deref())?;
    let mut away = away.into_iter();
    if sources.is_empty() {
        return Err(away.next().unwrap_or_else(|| nothing(&spec, &args.service)));
    }
    let away: Vec<Fault> = away.collect();
    for fault in &away {
        terminal::talk(&fault.to_text(&session.look));
    }
    let names: Vec<(usize, String)> =
        sources.iter().map(|source| (source.number, source.name.clone())).collect();
    let plain = args.no_log_prefix || sources.len() == 1;
    let prefixes = if plain { Vec::new() } else { print::prefixes(&session.data_look, &names) };
    let mut printer = Printer::new(prefixes, args.timestamps);
    sources.iter_mut().for_each(|source| source.begin(&wanted));
    let read = tokio::select! {
        read = history::print(&mut sources, &wanted, &mut printer) => read,
        _ = ctrl_c() => {
            // Whoever interrupts wants no more; a reader that is gone too changes nothing.
            let _ = printer.flush();
            return Err(Fault::said(Exit::Interrupted));
        }
    };
    let broken = match read {
        Ok(broken) => broken,
        Err(error) => return unwritten(error),
    };
    if wanted.follow {
        return follow_all(session, &spec, &wanted, sources, printer)
            .await
            .and_then(|exit| incomplete(exit, away));
    }
    let mut worst = None;
    for (index, broken) in broken {
        let fault = match broken {
            Broken::Engine(error) => sources[index].fault(&error),
            Broken::Spool(error) => spool_fault(&error),
        };
        if let Some(before) = worst.replace(fault) {
            terminal::talk(&before.to_text(&session.look));
        }
    }
    for source in &sources {
        why_it_died(session, source).await;
    }
    worst.map_or_else(|| incomplete(Exit::Done, away), Err)
}

fn nothing(spec: &Spec, services: &[String]) -> Fault {
    let what = if services.is_empty() { spec.name.clone() } else { services.join(", ") };
    let message = format!("no container of {what} is there to read");
    Fault::new(Exit::Failed, message, Some("a3 status shows what there is; a3 apply starts it"))
}

/// What could be read is not all where a machine could not be reached; one that is not launched, or is
/// stopped, has nothing to read.
fn incomplete(exit: Exit, away: Vec<Fault>) -> Ended {
    let worst = away.into_iter().find(|fault| fault.exit != Exit::Failed);
    worst.map_or(Ok(exit), |fault| Err(Fault::said(fault.exit)))
}

/// A reader that went away (`| head`) has what it wanted.
fn unwritten(error: io::Error) -> Ended {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Ok(Exit::Done);
    }
    Err(Fault::new(Exit::Failed, format!("cannot write the log: {error}"), None))
}

fn spool_fault(error: &io::Error) -> Fault {
    let message = format!("cannot keep the lines that wait to be merged: {}", chain(error));
    Fault::new(
        Exit::Failed,
        message,
        Some("name one service with --instance, or set TMPDIR to a folder with room"),
    )
}

/// Says on stderr why a container does not run.
async fn why_it_died(session: &Session, source: &Source) {
    if matches!(source.state, ContainerState::Running | ContainerState::Paused) {
        return;
    }
    // A note that cannot be had is not worth an error.
    let Ok(Some(detail)) = source.engine.container(&source.id).await else { return };
    if let Some(ending) = source::ending(&detail) {
        terminal::talk(&note_text(&session.look, &format!("{} {ending}", source.name)));
    }
}

/// Follows every source until it is gone for good.
async fn follow_all(
    session: &Session,
    spec: &Spec,
    wanted: &Wanted,
    sources: Vec<Source>,
    printer: Printer,
) -> Ended {
    let (news, heard) = mpsc::channel(ON_THE_WAY);
    let several = sources.len() > 1;
    let mut machines: BTreeMap<Slot, Vec<Followed>> = BTreeMap::new();
    for source in sources {
        machines.entry(source.slot.clone()).or_default().push(Followed::new(source));
    }
    let work = async move {
        let followers = Followers { spec, wanted, news };
        let ends = machines.into_iter().map(async |(slot, services)| {
            let end = followers.machine(&slot, services).await;
            if let Err(fault) = &end {
                terminal::talk(&fault.to_text(&session.look));
            }
            end
        });
        let ends: Vec<Result<(), Fault>> = join_all(ends).await;
        Ok(ends.into_iter().find_map(Result::err))
    };
    match tokio::try_join!(work, show(session, heard, printer, several)) {
        Ok((None, ())) => Ok(Exit::Done),
        Ok((Some(fault), ())) => Err(Fault::said(fault.exit)),
        Err(Silent::Interrupted) => Err(Fault::said(Exit::Interrupted)),
        Err(Silent::Unwritten(error)) => unwritten(error),
    }
}

/// Why nothing more is shown.
enum Silent {
    Interrupted,
    Unwritten(io::Error),
}

impl From<io::Error> for Silent {
    fn from(error: io::Error) -> Self {
        Self::Unwritten(error)
    }
}

async fn show(
    session: &Session,
    mut heard: Receiver<News>,
    mut printer: Printer,
    several: bool,
) -> Result<(), Silent> {
    let mut window = Window::default();
    let interrupted = ctrl_c();
    tokio::pin!(interrupted);
    loop {
        let due = window.due().unwrap_or_else(|| Instant::now() + window::HELD);
        tokio::select! {
            news = heard.recv() => match news {
                Some(News::Line(source, line)) if several => window.push(source, line, Instant::now()),
                Some(News::Line(source, line)) => printer.print(source, &line)?,
                Some(News::Note(text)) => {
                    printer.flush()?;
                    terminal::talk(&note_text(&session.look, &text));
                }
                Some(News::Warning(text)) => {
                    printer.flush()?;
                    terminal::talk(&warning_text(&session.look, &text));
                }
                None => break,
            },
            () = sleep_until(due) => {}
            _ = &mut interrupted => {
                while let Some((source, line)) = window.take() {
                    printer.print(source, &line)?;
                }
                printer.flush()?;
                return Err(Silent::Interrupted);
            }
        }
        while let Some((source, line)) = window.pop(Instant::now()) {
            printer.print(source, &line)?;
        }
        if heard.is_empty() {
            printer.flush()?;
        }
    }
    while let Some((source, line)) = window.take() {
        printer.print(source, &line)?;
    }
    printer.flush()?;
    Ok(())
}
