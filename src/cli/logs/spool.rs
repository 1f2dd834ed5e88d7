//! A queue of lines that never makes its writer wait and holds little in memory: what does not fit goes
//! to an unnamed file. Logs of several containers of one machine come over one connection, where a
//! reader that waits would hold up the others, for which the merge waits.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::docker::{Channel, LogLine};

/// Bytes of lines that are kept in memory.
const IN_MEMORY: usize = 1 << 20;

/// Bytes that are written to and read from the file at a time.
const PIECE: usize = 64 << 10;

/// A queue with one writer and one reader.
#[derive(Debug, Default)]
pub(super) struct Spool {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The oldest lines.
    memory: VecDeque<LogLine>,
    held: usize,
    /// What was read from the file and not taken yet.
    ready: Vec<u8>,
    taken: usize,
    file: Option<File>,
    written: u64,
    read: u64,
    /// What is not in the file yet: the newest lines.
    pending: Vec<u8>,
    ended: bool,
}

impl Spool {
    /// Adds a line.
    ///
    /// # Errors
    /// There is no room for the file.
    pub(super) fn push(&self, line: LogLine) -> io::Result<()> {
        let pushed = self.state().push(line);
        self.news.notify_one();
        pushed
    }

    /// There will be no more.
    pub(super) fn end(&self) {
        self.state().ended = true;
        self.news.notify_one();
    }

    /// The next line; `None` after the last.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) async fn next(&self) -> io::Result<Option<LogLine>> {
        loop {
            {
                let mut state = self.state();
                match state.pop()? {
                    None if !state.ended => {}
                    next => return Ok(next),
                }
            }
            self.news.notified().await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, line: LogLine) -> io::Result<()> {
        let behind = self.taken < self.ready.len() || self.read < self.written || !self.pending.is_empty();
        if !behind && self.held < IN_MEMORY {
            self.held += size(&line);
            self.memory.push_back(line);
            return Ok(());
        }
        encode(&line, &mut self.pending);
        if self.pending.len() >= PIECE {
            let file = match &mut self.file {
                Some(file) => file,
                none => none.insert(tempfile::tempfile()?),
            };
            file.write_all_at(&self.pending, self.written)?;
            self.written += self.pending.len() as u64;
            self.pending.clear();
        }
        Ok(())
    }

    fn pop(&mut self) -> io::Result<Option<LogLine>> {
        if let Some(line) = self.memory.pop_front() {
            self.held -= size(&line);
            return Ok(Some(line));
        }
        loop {
            if let Some((line, length)) = decode(&self.ready[self.taken..]) {
                self.taken += length;
                return Ok(Some(line));
            }
            if !self.refill()? {
                return Ok(None);
            }
        }
    }

    /// Whether there is more to take than before.
    fn refill(&mut self) -> io::Result<bool> {
        self.ready.drain(..self.taken);
        self.taken = 0;
        let left = self.written - self.read;
        match &self.file {
            Some(file) if left > 0 => {
                let length = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
                let begin = self.ready.len();
                self.ready.resize(begin + length, 0);
                file.read_exact_at(&mut self.ready[begin..], self.read)?;
                self.read += length as u64;
                Ok(true)
            }
            _ if self.pending.is_empty() => Ok(false),
            _ => {
                self.ready.append(&mut self.pending);
                Ok(true)
            }
        }
    }
}

fn size(line: &LogLine) -> usize {
    size_of::<LogLine>() + line.content.len() + line.time.as_ref().map_or(0, String::len)
}

/// Channel, length of the time, time, length of the content, content.
fn encode(line: &LogLine, to: &mut Vec<u8>) {
    let time = line.time.as_deref().unwrap_or_default();
    to.push(line.channel as u8);
    to.push(u8::try_from(time.len()).unwrap_or(0));
    to.extend_from_slice(time.as_bytes());
    to.extend_from_slice(&u32::try_from(line.content.len()).unwrap_or(0).to_be_bytes());
    to.extend_from_slice(&line.content);
}

/// The first line, and how many bytes it takes; `None` where it is not whole.
fn decode(from: &[u8]) -> Option<(LogLine, usize)> {
    let (&channel, rest) = from.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (time, rest) = rest.split_at_checked(usize::from(length))?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let content = rest.get(..u32::from_be_bytes(*length) as usize)?;
    let channel = if channel == Channel::Err as u8 { Channel::Err } else { Channel::Out };
    let text = (!time.is_empty()).then(|| String::from_utf8_lossy(time).into_owned());
    let line = LogLine { channel, time: text, content: content.to_vec() };
    Some((line, 1 + 1 + time.len() + 4 + content.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: usize) -> LogLine {
        let channel = if number.is_multiple_of(3) { Channel::Err } else { Channel::Out };
        let time = (!number.is_multiple_of(5)).then(|| format!("2026-11-24T20:00:00.{number:09}Z"));
        let mut content = number.to_string().into_bytes();
        content.resize(content.len() + number % 2000, 0xff);
        LogLine { channel, time, content }
    }

    #[tokio::test]
    async fn lines_come_out_as_they_went_in_however_far_the_reader_is_behind() {
        let spool = Spool::default();
        let (mut written, mut read) = (0, 0);
        // Ahead, then equal, then far ahead.
        for (write, take) in [(10, 3), (9000, 20), (50, 9037), (4000, 1), (0, 3999)] {
            for number in written..written + write {
                spool.push(line(number)).unwrap();
            }
            written += write;
            for number in read..read + take {
                assert_eq!(spool.next().await.unwrap(), Some(line(number)));
            }
            read += take;
            assert!(spool.state().held <= IN_MEMORY + 4096);
        }
        assert_eq!(written, read);
        spool.end();
        assert_eq!(spool.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_reader_waits_for_the_writer() {
        let spool = std::sync::Arc::new(Spool::default());
        let writer = std::sync::Arc::clone(&spool);
        tokio::spawn(async move {
            tokio::task::yield_now().await;
            writer.push(line(1)).unwrap();
            writer.end();
        });
        assert_eq!(spool.next().await.unwrap(), Some(line(1)));
        assert_eq!(spool.next().await.unwrap(), None);
    }
}
