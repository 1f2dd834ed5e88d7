//! An apply as lines: what each event says to a person, whether or not there are bars beside it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::error::{error_text, help_text, note_text, warning_text};
use super::look::{Look, Tone};
use super::words;
use crate::event::{Activity, Event, EventKind, Outcome, ServiceAddress};
use crate::plan::step::StepId;

/// How many lines of a step's output are replayed when it fails.
const TAIL: usize = 20;

/// How often a wait is mentioned where there is no spinner.
const WAIT_EVERY: Duration = Duration::from_secs(10);

/// What to say beside the events themselves.
#[derive(Clone, Debug, Default)]
pub struct Talk {
    /// The command that goes on after a failure, `a3 apply deploy.yaml`.
    pub go_on: String,
    /// Whether every line of output is shown, not only the last ones of a step that fails.
    pub verbose: bool,
}

/// Turns events into lines and remembers what the ending needs.
#[derive(Debug)]
pub(super) struct Lines {
    look: Look,
    talk: Talk,
    /// Whether the beginning of a step and long waits are said: where nothing moves, they are.
    announces: bool,
    steps: BTreeMap<StepId, StepLog>,
    done: Vec<String>,
    failed: Vec<(String, Option<String>)>,
    not_done: Vec<(String, String)>,
    interrupted: Vec<String>,
}

#[derive(Debug)]
struct StepLog {
    title: String,
    tail: VecDeque<String>,
    said: Duration,
}

/// What to print: to stderr, and to stdout.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) talk: String,
    pub(super) data: String,
}

impl Lines {
    pub(super) fn new(look: Look, talk: Talk, announces: bool) -> Self {
        Self {
            look,
            talk,
            announces,
            steps: BTreeMap::new(),
            done: Vec::new(),
            failed: Vec::new(),
            not_done: Vec::new(),
            interrupted: Vec::new(),
        }
    }

    pub(super) fn event(&mut self, event: &Event) -> Said {
        let mut said = Said::default();
        said.talk = match &event.kind {
            EventKind::Planned { .. } | EventKind::Started { .. } => String::new(),
            EventKind::StepStarted { id, title, .. } => self.started(*id, title, event.elapsed),
            EventKind::StepActivity { id, activity } => self.activity(*id, activity, event.elapsed),
            EventKind::StepFinished { id, title, outcome, took, .. } => {
                let line = self.finished(*id, title, (outcome, *took), event.elapsed);
                self.steps.remove(id);
                line
            }
            EventKind::HostPlanned { slot, steps } => {
                let titles: Vec<String> = steps.iter().map(crate::plan::step::Step::title).collect();
                let what = if titles.is_empty() { "nothing to do there".into() } else { titles.join(", ") };
                self.stamped(event.elapsed, &format!("{slot} answers: {what}"))
            }
            EventKind::Notice { message } => note_text(&self.look, message),
            EventKind::Finished { success, addresses } => {
                if *success {
                    said.data = address_lines(addresses);
                }
                self.ending(*success, event.elapsed)
            }
        };
        said
    }

    /// `[ 12.3s] …`.
    fn stamped(&self, elapsed: Duration, text: &str) -> String {
        let stamp = format!("[{:>6}]", words::duration(elapsed));
        format!("{} {text}\n", self.look.paint(Tone::Quiet, &stamp))
    }

    fn started(&mut self, id: StepId, title: &str, elapsed: Duration) -> String {
        self.steps.insert(id, StepLog { title: title.to_owned(), tail: VecDeque::new(), said: elapsed });
        if self.announces { self.stamped(elapsed, &format!("{title} …")) } else { String::new() }
    }

    fn activity(&mut self, id: StepId, activity: &Activity, elapsed: Duration) -> String {
        let Some(step) = self.steps.get_mut(&id) else { return String::new() };
        match activity {
            Activity::Output { line } => {
                if step.tail.len() == TAIL {
                    step.tail.pop_front();
                }
                step.tail.push_back(line.clone());
                let text = format!("{} | {line}", step.title);
                if self.talk.verbose { self.stamped(elapsed, &text) } else { String::new() }
            }
            Activity::Progress { .. } => String::new(),
            Activity::Waiting { on, elapsed: so_far } => {
                if !self.announces || elapsed.saturating_sub(step.said) < WAIT_EVERY {
                    return String::new();
                }
                step.said = elapsed;
                let text = format!("{} … still waiting for {on} ({})", step.title, words::duration(*so_far));
                self.stamped(elapsed, &text)
            }
            Activity::Warning { message } => {
                let message = format!("{}: {message}", step.title);
                warning_text(&self.look, &message)
            }
        }
    }

    fn finished(
        &mut self,
        id: StepId,
        title: &str,
        (outcome, took): (&Outcome, Duration),
        elapsed: Duration,
    ) -> String {
        let took = words::duration(took);
        let line = |tone: Tone, word: &str, rest: &str| {
            let rest = if rest.is_empty() { String::new() } else { format!(" {rest}") };
            self.stamped(elapsed, &format!("{title} … {}{rest}", self.look.paint(tone, word)))
        };
        match outcome {
            Outcome::Done { note } => {
                let note = note.as_ref().map_or_else(String::new, |note| format!(" {note}"));
                let text = line(Tone::Good, "done", &format!("({took}){note}"));
                self.done.push(title.to_owned());
                text
            }
            Outcome::Unchanged => {
                let text = line(Tone::Good, "already so", &format!("({took})"));
                self.done.push(title.to_owned());
                text
            }
            Outcome::Skipped { why } => {
                let text = line(Tone::Change, "skipped", &format!("({why})"));
                self.not_done.push((title.to_owned(), why.clone()));
                text
            }
            Outcome::Interrupted => {
                let text = line(Tone::Change, "interrupted", &format!("({took})"));
                self.interrupted.push(title.to_owned());
                text
            }
            Outcome::Failed { error, help, output } => {
                let mut text = line(Tone::Bad, "failed", &format!("({took})"));
                let own = self.steps.get(&id).map(|step| step.tail.iter().cloned().collect::<Vec<_>>());
                let lines = if output.is_empty() { own.unwrap_or_default() } else { output.clone() };
                for line in &lines[lines.len().saturating_sub(TAIL)..] {
                    text.push_str(&format!("         | {line}\n"));
                }
                self.failed.push((format!("{title}: {error}"), help.clone()));
                text
            }
        }
    }

    fn ending(&self, success: bool, elapsed: Duration) -> String {
        let took = words::duration(elapsed);
        if success {
            let count = self.done.len();
            let plural = if count == 1 { "" } else { "s" };
            let done = self.look.paint(Tone::Good, "Done:");
            return format!("\n{done} {count} step{plural} in {took}.\n");
        }
        let mut text = String::from("\n");
        for (message, help) in &self.failed {
            text.push_str(&error_text(&self.look, message, help.as_deref()));
        }
        let mut list = |label: &str, titles: Vec<String>| {
            if !titles.is_empty() {
                text.push_str(&format!("\n{}\n", self.look.paint(Tone::Strong, label)));
                titles.iter().for_each(|title| text.push_str(&format!("  {title}\n")));
            }
        };
        list("Done:", self.done.clone());
        list("Interrupted:", self.interrupted.clone());
        let not_done = self.not_done.iter().map(|(title, why)| format!("{title} ({why})"));
        list("Not done:", not_done.collect());
        if !self.talk.go_on.is_empty() {
            let help = format!("to go on: {}", self.talk.go_on);
            text.push('\n');
            text.push_str(&help_text(&self.look, Some(&help)));
        }
        text
    }
}

/// Where the services answer, a line each.
pub fn address_lines(addresses: &[ServiceAddress]) -> String {
    let width = addresses.iter().map(|one| one.service.len()).max().unwrap_or(0);
    let lines = addresses.iter().map(|one| format!("{:<width$}  {}  ({})\n", one.service, one.url, one.slot));
    lines.collect()
}
