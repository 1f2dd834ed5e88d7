//! What is asked for: which part of the logs, and how long a machine is waited for.

use std::time::Duration;

use regex::bytes::Regex;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime, PrimitiveDateTime};

use crate::cli::args::LogsArgs;
use crate::cli::exit::Exit;
use crate::cli::fault::Fault;
use crate::docker::LogOptions;
use crate::observe::now;
use crate::spec::parse_duration;

/// The arguments, understood.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) follow: bool,
    pub(super) since: Option<When>,
    pub(super) until: Option<When>,
    /// Of each container.
    pub(super) tail: Option<u32>,
    pub(super) grep: Option<Regex>,
    pub(super) patience: Duration,
}

impl Wanted {
    pub(super) fn of(args: &LogsArgs) -> Result<Self, Fault> {
        let wanted = Self {
            follow: args.follow,
            since: args.since.as_deref().map(|text| moment("--since", text)).transpose()?,
            until: args.until.as_deref().map(|text| moment("--until", text)).transpose()?,
            tail: tail(&args.tail)?,
            grep: args.grep.as_deref().map(pattern).transpose()?,
            patience: patience(&args.patience)?,
        };
        let clock = Duration::from_secs(now());
        if let (Some(since), Some(until)) = (wanted.since, wanted.until)
            && since.at(clock) > until.at(clock)
        {
            let message = "--since is later than --until: nothing is between them";
            return Err(Fault::new(Exit::Usage, message, Some("exchange the two")));
        }
        Ok(wanted)
    }

    /// What the engine of a machine is asked for, by that machine's clock.
    pub(super) fn part(&self, clock: Duration) -> LogOptions {
        LogOptions {
            follow: false,
            since: self.since.map(|when| when.at(clock)),
            until: self.until.map(|when| when.at(clock)),
            // The last lines that match, not the matches among the last lines.
            tail: self.tail.filter(|_| self.grep.is_none()),
            timestamps: true,
        }
    }

    pub(super) fn matches(&self, content: &[u8]) -> bool {
        self.grep.as_ref().is_none_or(|grep| grep.is_match(content))
    }
}

/// A moment, as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// Since 1970.
    At(Duration),
    /// Before now, by the clock of the machine.
    Ago(Duration),
}

impl When {
    pub(super) fn at(self, clock: Duration) -> Duration {
        match self {
            Self::At(time) => time,
            Self::Ago(ago) => clock.saturating_sub(ago),
        }
    }

    /// A time, a date, seconds since 1970 (as docker takes them), or a duration. UTC unless it says so.
    fn parse(text: &str) -> Option<Self> {
        let seconds = text.trim();
        if !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            let seconds: f64 = seconds.parse().ok()?;
            return Duration::try_from_secs_f64(seconds).ok().map(Self::At);
        }
        let time = OffsetDateTime::parse(text, &Rfc3339).ok();
        let time = time.or_else(|| without_zone(text)).or_else(|| {
            let date = Date::parse(text, format_description!("[year]-[month]-[day]")).ok()?;
            Some(date.midnight().assume_utc())
        });
        match time {
            Some(time) => Duration::try_from(time - OffsetDateTime::UNIX_EPOCH).ok().map(Self::At),
            None => parse_duration(text).map(Self::Ago),
        }
    }
}

fn without_zone(text: &str) -> Option<OffsetDateTime> {
    let text = text.replacen(' ', "T", 1);
    let to_seconds = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
    let to_minutes = format_description!("[year]-[month]-[day]T[hour]:[minute]");
    let time = PrimitiveDateTime::parse(&text, to_seconds);
    time.or_else(|_| PrimitiveDateTime::parse(&text, to_minutes)).ok().map(PrimitiveDateTime::assume_utc)
}

fn moment(flag: &str, text: &str) -> Result<When, Fault> {
    When::parse(text).ok_or_else(|| {
        let message = format!("{flag}: `{text}` is neither a time nor a duration");
        let help = "write 10m, 2h30m, 2026-01-31 or 2026-01-31T12:00:00Z";
        Fault::new(Exit::Usage, message, Some(help))
    })
}

fn tail(text: &str) -> Result<Option<u32>, Fault> {
    if text == "all" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        let message = format!("--tail: `{text}` is not a number of lines");
        Fault::new(Exit::Usage, message, Some("write --tail 100, or all"))
    })
}

fn pattern(text: &str) -> Result<Regex, Fault> {
    Regex::new(text).map_err(|error| {
        let help = "put a \\ before a character that is meant as it is: --grep '\\('";
        Fault::new(Exit::Usage, format!("--grep: {error}"), Some(help))
    })
}

fn patience(text: &str) -> Result<Duration, Fault> {
    parse_duration(text).ok_or_else(|| {
        let message = format!("--patience: `{text}` is not a duration");
        Fault::new(Exit::Usage, message, Some("write --patience 10m"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_times_dates_seconds_or_durations() {
        let at = |seconds, nanos| Some(When::At(Duration::new(seconds, nanos)));
        assert_eq!(When::parse("2026-11-24T20:00:00Z"), at(1_795_550_400, 0));
        assert_eq!(When::parse("2026-11-24T20:00:00.000000007Z"), at(1_795_550_400, 7));
        assert_eq!(When::parse("2026-11-24T21:00:00+01:00"), at(1_795_550_400, 0));
        assert_eq!(When::parse("2026-11-24T20:00"), at(1_795_550_400, 0));
        assert_eq!(When::parse("2026-11-24 20:00:00"), at(1_795_550_400, 0));
        assert_eq!(When::parse("2026-11-24"), at(1_795_478_400, 0));
        assert_eq!(When::parse("1795550400"), at(1_795_550_400, 0));
        assert_eq!(When::parse("1795550400.5"), at(1_795_550_400, 500_000_000));
        assert_eq!(When::parse("10m"), Some(When::Ago(Duration::from_secs(600))));
        for wrong in ["", "yesterday", "-5", "12:00", "2026-13-01", "1.2.3"] {
            assert_eq!(When::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn durations_are_by_the_clock_of_the_machine() {
        let clock = Duration::from_secs(1000);
        assert_eq!(When::Ago(Duration::from_secs(600)).at(clock), Duration::from_secs(400));
        assert_eq!(When::At(Duration::from_secs(5)).at(clock), Duration::from_secs(5));
    }
}
