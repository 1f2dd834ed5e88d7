//! How far the logs of a service's containers have been read, so that reading goes on after any break
//! without losing or repeating a line. Pure.
//!
//! An engine gives lines since a moment, that moment included; several lines can have the same time.
//! The times of one channel never go back, but the two channels are timed apart and stored in the order
//! in which they come: a line of the other channel can follow with an earlier time. So reading goes on a
//! little before the last line, and what was read already is known by channel, time and count.

use std::collections::BTreeMap;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::docker::{Channel, LogLine};

/// How far apart lines of the two channels may be stored from the order of their times.
const MARGIN: Duration = Duration::from_secs(1);

/// The containers of one service on one machine, by the engine's id.
#[derive(Debug, Default)]
pub(super) struct Track {
    places: BTreeMap<String, Place>,
}

/// A place in one container's log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    /// The time of the first line that was read: what is older was not asked for.
    first: Option<String>,
    /// Of each channel: the last time, and how many lines with it were read.
    last: [Option<(String, u32)>; 2],
    /// Lines that a reading has to pass over, as long as it catches up.
    behind: [Option<(String, u32)>; 2],
    /// Where there is no line yet.
    begin: Option<Duration>,
}

impl Track {
    /// Where a container's log begins for this reader.
    pub(super) fn begin(&mut self, id: &str, since: Option<Duration>) {
        self.places.entry(id.to_owned()).or_default().begin = since;
    }

    /// A reading of this container begins: since when it has to ask.
    pub(super) fn resume(&mut self, id: &str) -> Option<Duration> {
        let place = self.places.entry(id.to_owned()).or_default();
        place.behind = place.last.clone();
        let last = place.last.iter().flatten().map(|(time, _)| time).max();
        last.and_then(|time| moment(time)).map(|time| time.saturating_sub(MARGIN)).or(place.begin)
    }

    /// Whether this line was not read before; it counts as read from now on.
    pub(super) fn accept(&mut self, id: &str, line: &LogLine) -> bool {
        let Some(time) = &line.time else { return true };
        let place = self.places.entry(id.to_owned()).or_default();
        let channel = line.channel as usize;
        let other = 1 - channel;
        if let Some((last, count)) = &mut place.behind[channel] {
            if time < last || (time == last && *count > 0) {
                *count = count.saturating_sub(u32::from(time == last));
                return false;
            }
            place.behind[channel] = None;
        } else if place.last[channel].is_none() && place.behind[other].is_some() {
            // The first line of this channel; what was left out at the beginning stays out.
            if place.first.as_ref().is_some_and(|first| time < first) {
                return false;
            }
        }
        place.first.get_or_insert_with(|| time.clone());
        match &mut place.last[channel] {
            Some((last, count)) if last == time => *count += 1,
            last => *last = Some((time.clone(), 1)),
        }
        true
    }
}

/// Channels as indices above.
const _: () = assert!(Channel::Out as usize == 0 && Channel::Err as usize == 1);

fn moment(time: &str) -> Option<Duration> {
    let time = OffsetDateTime::parse(time, &Rfc3339).ok()?;
    Duration::try_from(time - OffsetDateTime::UNIX_EPOCH).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The engine's log: channel, time in nanoseconds after a moment.
    const LOG: [(Channel, u32); 9] = [
        (Channel::Out, 100),
        (Channel::Out, 200),
        (Channel::Out, 200),
        (Channel::Err, 150),
        (Channel::Err, 190),
        (Channel::Out, 200),
        (Channel::Err, 200),
        (Channel::Out, 900),
        (Channel::Err, 800),
    ];

    fn line(number: usize, (channel, nanos): (Channel, u32)) -> LogLine {
        let time = Some(format!("2026-11-24T20:00:00.{nanos:09}Z"));
        LogLine { channel, time, content: number.to_string().into_bytes() }
    }

    /// As the engine answers: since, included.
    fn since(since: Option<Duration>) -> Vec<LogLine> {
        let all = LOG.iter().enumerate().map(|(number, &at)| line(number, at));
        all.filter(|line| since.is_none_or(|since| moment(line.time.as_ref().unwrap()).unwrap() >= since))
            .collect()
    }

    #[test]
    fn a_break_after_any_line_loses_and_repeats_none() {
        for first in 0..=LOG.len() {
            for second in 0..=LOG.len() {
                let mut track = Track::default();
                let mut read = Vec::new();
                for limit in [first, second, usize::MAX] {
                    let from = track.resume("a");
                    for line in since(from).into_iter().take(limit) {
                        if track.accept("a", &line) {
                            read.push(line.text().into_owned());
                        }
                    }
                }
                let expected: Vec<String> = (0..LOG.len()).map(|number| number.to_string()).collect();
                assert_eq!(read, expected, "broken after {first}, then after {second}");
            }
        }
    }

    #[test]
    fn what_the_beginning_left_out_stays_out() {
        let mut track = Track::default();
        track.begin("a", None);
        track.resume("a");
        // `--tail 1`.
        assert!(track.accept("a", &line(7, LOG[7])));
        track.resume("a");
        let read: Vec<String> = since(None)
            .iter()
            .filter(|line| track.accept("a", line))
            .map(|line| line.text().into_owned())
            .collect();
        assert!(read.is_empty(), "{read:?}");
    }

    #[test]
    fn a_new_container_is_read_from_its_beginning_and_an_empty_log_from_where_it_was() {
        let mut track = Track::default();
        track.begin("a", Some(Duration::from_secs(5)));
        assert_eq!(track.resume("a"), Some(Duration::from_secs(5)));
        assert_eq!(track.resume("b"), None);
        assert!(track.accept("a", &line(0, LOG[0])));
        let read = Duration::from_secs(1_795_550_400) + Duration::from_nanos(100) - MARGIN;
        assert_eq!(track.resume("a"), Some(read));
    }
}
