//! Lines of several sources while they come: held for a moment, so that those of one request leave in the
//! order of their times although one host is farther away than the other. Pure: the caller has the clock.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use tokio::time::Instant;

use crate::docker::LogLine;

/// How long a line is held.
pub(super) const HELD: Duration = Duration::from_millis(200);

/// How many lines are held at most.
const MOST: usize = 4096;

/// The lines that are held.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// By time, then as they came.
    lines: BinaryHeap<Reverse<Held>>,
    came: u64,
}

#[derive(Debug)]
struct Held {
    key: (Option<String>, u64),
    source: usize,
    line: LogLine,
    at: Instant,
}

impl Window {
    /// Adds a line that came now.
    pub(super) fn push(&mut self, source: usize, line: LogLine, now: Instant) {
        self.came += 1;
        let key = (line.time.clone(), self.came);
        self.lines.push(Reverse(Held { key, source, line, at: now }));
    }

    /// The next line that may leave. One that is held keeps younger ones behind it, never older ones.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(usize, LogLine)> {
        let Reverse(first) = self.lines.peek()?;
        if self.lines.len() <= MOST && now < first.at + HELD {
            return None;
        }
        self.take()
    }

    /// The next line, at once.
    pub(super) fn take(&mut self) -> Option<(usize, LogLine)> {
        self.lines.pop().map(|Reverse(held)| (held.source, held.line))
    }

    /// When there is something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.lines.peek().map(|Reverse(first)| first.at + HELD)
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Held {}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::Channel;

    fn line(nanos: u32) -> LogLine {
        let time = Some(format!("2026-11-24T20:00:00.{nanos:09}Z"));
        LogLine { channel: Channel::Out, time, content: nanos.to_string().into_bytes() }
    }

    #[test]
    fn a_late_line_is_put_before_younger_ones_and_none_waits_for_ever() {
        let begin = Instant::now();
        let mut window = Window::default();
        window.push(0, line(2), begin);
        window.push(1, line(1), begin + HELD / 2);
        window.push(0, line(3), begin + HELD / 2);
        assert_eq!(window.pop(begin + HELD / 2), None);
        assert_eq!(window.pop(begin + HELD * 3 / 2), Some((1, line(1))));
        assert_eq!(window.pop(begin + HELD * 3 / 2), Some((0, line(2))));
        assert_eq!(window.pop(begin + HELD * 3 / 2), Some((0, line(3))));
        assert_eq!(window.due(), None);
    }

    #[test]
    fn lines_of_one_time_stay_as_they_came_and_a_flood_is_not_held() {
        let now = Instant::now();
        let mut window = Window::default();
        for source in 0..=MOST {
            window.push(source, line(5), now);
        }
        assert_eq!(window.pop(now), Some((0, line(5))));
        assert_eq!(window.pop(now), None);
        assert_eq!(window.take(), Some((1, line(5))));
    }
}
