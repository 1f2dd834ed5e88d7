//! What shows an apply: plain lines, lines with bars, or a JSON stream. One value, fed one event
//! after the other, so that what a person sees is consistent.

use std::io::Write;

use indicatif::ProgressDrawTarget;

use super::bars::Bars;
use super::json::JsonLines;
pub use super::lines::Talk;
use super::lines::{Lines, Said};
use super::look::Look;
use crate::event::Event;

/// Shows an apply or destroy.
#[derive(Debug)]
pub enum Reporter {
    /// Lines, for a file, a pipe, a build server.
    Plain(Plain),
    /// Lines, and motion under them, for a terminal.
    Human(Human),
    /// One JSON object a line.
    Json(JsonLines),
}

/// Lines only.
pub struct Plain {
    lines: Lines,
    talk: Box<dyn Write + Send>,
    data: Box<dyn Write + Send>,
}

/// Lines and bars.
pub struct Human {
    lines: Lines,
    bars: Bars,
    data: Box<dyn Write + Send>,
}

impl std::fmt::Debug for Plain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plain").field("lines", &self.lines).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Human {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Human").field("lines", &self.lines).finish_non_exhaustive()
    }
}

impl Reporter {
    /// Lines into `talk` (stderr); the addresses at the end into `data` (stdout).
    pub fn plain(look: Look, talk: Talk, to: Box<dyn Write + Send>, data: Box<dyn Write + Send>) -> Self {
        Self::Plain(Plain { lines: Lines::new(look, talk, true), talk: to, data })
    }

    /// Lines and bars on stderr, which must be a terminal: elsewhere nothing at all would be shown.
    pub fn human(look: Look, talk: Talk, data: Box<dyn Write + Send>) -> Self {
        let bars = Bars::new(ProgressDrawTarget::stderr_with_hz(20));
        Self::Human(Human { lines: Lines::new(look, talk, false), bars, data })
    }

    /// The stream into `data` (stdout).
    pub fn json(data: Box<dyn Write + Send>) -> Self {
        Self::Json(JsonLines::new(data))
    }

    /// Shows one event. A reader that went away is not an error: the work goes on.
    pub fn report(&mut self, event: &Event) {
        match self {
            Self::Plain(plain) => {
                let Said { talk, data } = plain.lines.event(event);
                write_all(&mut plain.talk, &talk);
                write_all(&mut plain.data, &data);
            }
            Self::Human(human) => {
                // The bar goes first, so that it does not stand under its own last line.
                human.bars.event(event);
                let Said { talk, data } = human.lines.event(event);
                human.bars.print(&talk);
                if !data.is_empty() {
                    human.bars.close();
                    write_all(&mut human.data, &data);
                }
            }
            Self::Json(json) => json.report(event),
        }
    }

    /// Runs something that wants the terminal for itself, such as a question in the middle.
    pub fn suspend<T>(&self, run: impl FnOnce() -> T) -> T {
        match self {
            Self::Human(human) => human.bars.suspend(run),
            Self::Plain(_) | Self::Json(_) => run(),
        }
    }

    /// Takes every bar away; also done when it is dropped. To be called before anything else writes
    /// to the terminal, on an abort too.
    pub fn close(&mut self) {
        if let Self::Human(human) = self {
            human.bars.close();
        }
    }
}

fn write_all(out: &mut Box<dyn Write + Send>, text: &str) {
    if !text.is_empty() {
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::*;
    use crate::event::{Activity, EventKind, Outcome, ServiceAddress};
    use crate::plan::step::StepId;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Buffer {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn at(seconds: f64, kind: EventKind) -> Event {
        Event { elapsed: Duration::from_secs_f64(seconds), kind }
    }

    fn begins(seconds: f64, id: u32, title: &str) -> Event {
        at(seconds, EventKind::StepStarted { id: StepId(id), address: "x".into(), title: title.into() })
    }

    fn ends(seconds: f64, id: u32, title: &str, outcome: Outcome) -> Event {
        let took = Duration::from_secs_f64(seconds);
        at(
            seconds,
            EventKind::StepFinished {
                id: StepId(id),
                address: "x".into(),
                title: title.into(),
                outcome,
                took,
            },
        )
    }

    fn says(seconds: f64, id: u32, activity: Activity) -> Event {
        at(seconds, EventKind::StepActivity { id: StepId(id), activity })
    }

    fn a_failure() -> Vec<Event> {
        let mut events = vec![
            at(0.0, EventKind::Started { deployment: "music".into(), steps: 4 }),
            begins(0.1, 0, "build s2"),
            begins(0.1, 1, "launch web/0 (furious_varahamihira)"),
        ];
        let output = |n: u32| says(1.0, 0, Activity::Output { line: format!("line {n}") });
        events.extend((1..=25).map(output));
        let waiting = |seconds: f64| {
            let elapsed = Duration::from_secs_f64(seconds);
            says(seconds, 1, Activity::Waiting { on: "ssh".into(), elapsed })
        };
        events.extend([5.0, 11.0, 12.0, 22.5].map(waiting));
        events.push(says(23.0, 1, Activity::Warning { message: "the console is silent".into() }));
        let failed = Outcome::Failed {
            error: "`RUN make` ended with 2".into(),
            help: Some("look at the Dockerfile".into()),
            output: Vec::new(),
        };
        events.push(ends(24.0, 0, "build s2", failed));
        let done = Outcome::Done { note: Some("i-0abc".into()) };
        events.push(ends(61.0, 1, "launch web/0 (furious_varahamihira)", done));
        let why = "build s2 failed".into();
        events.push(ends(61.1, 2, "run s2 on web/0", Outcome::Skipped { why }));
        events.push(at(61.2, EventKind::Finished { success: false, addresses: Vec::new() }));
        events
    }

    fn plain(events: &[Event], talk: Talk) -> (String, String) {
        let (err, out) = (Buffer::default(), Buffer::default());
        let mut reporter = Reporter::plain(Look::plain(), talk, Box::new(err.clone()), Box::new(out.clone()));
        events.iter().for_each(|event| reporter.report(event));
        (err.text(), out.text())
    }

    #[test]
    fn a_failure_replays_output_and_says_what_was_done_and_how_to_go_on() {
        let talk = Talk { go_on: "a3 apply deploy.yaml".into(), verbose: false };
        let (err, out) = plain(&a_failure(), talk);
        insta::assert_snapshot!(err);
        assert_eq!(out, "");
    }

    #[test]
    fn success_ends_with_addresses_on_stdout() {
        let address = |service: &str, url: &str| ServiceAddress {
            service: service.into(),
            slot: "web/0".into(),
            url: url.into(),
        };
        let addresses = vec![address("s2", "http://192.0.2.7:30001"), address("dns-1", "192.0.2.7:53/udp")];
        let events = [
            begins(0.1, 0, "run s2 on web/0"),
            ends(3.25, 0, "run s2 on web/0", Outcome::Done { note: None }),
            ends(3.5, 1, "tag s2", Outcome::Unchanged),
            at(3.6, EventKind::Finished { success: true, addresses }),
        ];
        let (err, out) = plain(&events, Talk::default());
        assert_eq!(
            err,
            "[  0.1s] run s2 on web/0 …\n\
             [  3.2s] run s2 on web/0 … done (3.2s)\n\
             [  3.5s] tag s2 … already so (3.5s)\n\n\
             Done: 2 steps in 3.6s.\n"
        );
        assert_eq!(out, "s2     http://192.0.2.7:30001  (web/0)\ndns-1  192.0.2.7:53/udp  (web/0)\n");
    }

    #[test]
    fn the_stream_is_versioned_and_numbered() {
        let out = Buffer::default();
        let mut reporter = Reporter::json(Box::new(out.clone()));
        a_failure().iter().for_each(|event| reporter.report(event));
        let text = out.text();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), a_failure().len());
        for (number, line) in lines.iter().enumerate() {
            assert_eq!(line["version"], 1);
            assert_eq!(line["seq"], number);
        }
        insta::assert_json_snapshot!([&lines[0], &lines[1], &lines[3], &lines[28], &lines[33]]);
    }
}
