//! What is there already, of all sources in the order of time.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use futures_util::future::join_all;

use super::options::Wanted;
use super::print::Printer;
use super::source::Source;
use super::spool::Spool;
use crate::docker::{EngineError, LogLine};

/// Why a source's log ended early.
#[derive(Debug)]
pub(super) enum Broken {
    Engine(EngineError),
    Spool(io::Error),
}

/// Prints the logs that there are; what could not be read, by source. The sources know afterwards how far
/// they were read.
///
/// # Errors
/// Nobody reads the output any more.
pub(super) async fn print(
    sources: &mut [Source],
    wanted: &Wanted,
    printer: &mut Printer,
) -> io::Result<Vec<(usize, Broken)>> {
    if let [source] = sources {
        let read = read(source, wanted, |line| printer.print(0, &line).map_err(Broken::Spool)).await;
        return match read {
            Ok(()) => printer.flush().map(|()| Vec::new()),
            Err(Broken::Spool(error)) => Err(error),
            Err(error) => printer.flush().map(|()| vec![(0, error)]),
        };
    }
    let spools: Vec<Arc<Spool>> = sources.iter().map(|_| Arc::default()).collect();
    let readers = sources.iter_mut().zip(&spools).map(async |(source, spool)| {
        let read = read(source, wanted, |line| spool.push(line).map_err(Broken::Spool)).await;
        spool.end();
        read.err().map(|broken| (source.index, broken))
    });
    let readers = async { Ok(join_all(readers).await) };
    let (broken, ()) = tokio::try_join!(readers, merge(&spools, printer))?;
    printer.flush()?;
    Ok(broken.into_iter().flatten().collect())
}

/// Reads a container's log to its end.
async fn read(
    source: &mut Source,
    wanted: &Wanted,
    mut take: impl FnMut(LogLine) -> Result<(), Broken>,
) -> Result<(), Broken> {
    let part = wanted.part(source.clock);
    let last = wanted.tail.filter(|_| wanted.grep.is_some()).and_then(|last| usize::try_from(last).ok());
    if wanted.tail == Some(0) {
        return Ok(());
    }
    let mut lines = source.engine.logs(&source.id, &part).await.map_err(Broken::Engine)?;
    let mut kept: VecDeque<LogLine> = VecDeque::new();
    let mut count = 0_usize;
    while let Some(line) = lines.try_next().await.map_err(Broken::Engine)? {
        source.track.accept(&source.id, &line);
        count += 1;
        // The other readers and the printer have their turn too.
        if count.is_multiple_of(256) {
            tokio::task::yield_now().await;
        }
        if !wanted.matches(&line.content) {
            continue;
        }
        match last {
            Some(last) => {
                if kept.len() == last {
                    kept.pop_front();
                }
                kept.push_back(line);
            }
            None => take(line)?,
        }
    }
    kept.into_iter().try_for_each(take)
}

/// Always the oldest of the lines that are next. A line without a time comes at once.
async fn merge(spools: &[Arc<Spool>], printer: &mut Printer) -> io::Result<()> {
    let mut heads: Vec<Option<LogLine>> = Vec::new();
    for spool in spools {
        heads.push(spool.next().await?);
    }
    loop {
        let waiting = heads.iter().enumerate().filter_map(|(at, head)| Some((at, head.as_ref()?)));
        let Some((oldest, _)) = waiting.min_by(|(_, a), (_, b)| a.time.cmp(&b.time)) else { return Ok(()) };
        if let Some(line) = heads[oldest].take() {
            printer.print(oldest, &line)?;
        }
        heads[oldest] = spools[oldest].next().await?;
    }
}
