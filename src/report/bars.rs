//! Motion on a terminal: one spinner for each running step, and bars for its parts under it.
//!
//! A thread of its own redraws, since a step may be silent for a minute; it ends with [`Bars`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::words;
use crate::event::{Activity, Event, EventKind};
use crate::plan::step::StepId;

/// No bar before a step has run this long: most end sooner, and flicker tells nobody anything.
const QUIET: Duration = Duration::from_millis(250);

/// Between two redraws.
const FRAME: Duration = Duration::from_millis(100);

/// Parts that a step shows at once; more would scroll the terminal.
const PARTS: usize = 5;

pub(super) struct Bars {
    state: Arc<Mutex<State>>,
    multi: MultiProgress,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Bars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bars").finish_non_exhaustive()
    }
}

struct State {
    multi: MultiProgress,
    rows: BTreeMap<StepId, Row>,
}

struct Row {
    title: String,
    began: Instant,
    bar: Option<ProgressBar>,
    /// What it waits for or does.
    note: String,
    parts: IndexMap<String, Part>,
}

struct Part {
    text: String,
    done: u64,
    total: Option<u64>,
    ended: bool,
    bar: Option<ProgressBar>,
}

impl Bars {
    pub(super) fn new(target: ProgressDrawTarget) -> Self {
        let multi = MultiProgress::with_draw_target(target);
        let state = Arc::new(Mutex::new(State { multi: multi.clone(), rows: BTreeMap::new() }));
        let (stop, stopped) = channel::<()>();
        let shared = Arc::clone(&state);
        let redraw = move || {
            while matches!(stopped.recv_timeout(FRAME), Err(RecvTimeoutError::Timeout)) {
                lock(&shared).tick(Instant::now());
            }
        };
        // Without the thread nothing moves, and everything is still said in lines.
        let thread = std::thread::Builder::new().name("bars".into()).spawn(redraw).ok();
        Self { state, multi, stop: Some(stop), thread }
    }

    /// Prints above the bars.
    pub(super) fn print(&self, text: &str) {
        if text.is_empty() {
            return;
        }
        // The lock keeps a redraw from falling between two lines.
        let _state = lock(&self.state);
        for line in text.trim_end_matches('\n').split('\n') {
            self.multi.println(line).ok();
        }
    }

    /// Runs something that wants the terminal for itself, such as a question.
    pub(super) fn suspend<T>(&self, run: impl FnOnce() -> T) -> T {
        let _state = lock(&self.state);
        self.multi.suspend(run)
    }

    pub(super) fn event(&self, event: &Event) {
        let mut state = lock(&self.state);
        match &event.kind {
            EventKind::StepStarted { id, title, .. } => state.start(*id, title, Instant::now()),
            EventKind::StepActivity { id, activity } => state.activity(*id, activity),
            EventKind::StepFinished { id, .. } => state.end(*id),
            EventKind::Finished { .. }
            | EventKind::Planned { .. }
            | EventKind::Started { .. }
            | EventKind::HostPlanned { .. }
            | EventKind::Notice { .. } => {}
        }
    }

    /// Takes every bar away and ends the redrawing: the terminal is as usable as before.
    pub(super) fn close(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
        let mut state = lock(&self.state);
        let ids: Vec<StepId> = state.rows.keys().copied().collect();
        ids.into_iter().for_each(|id| state.end(id));
        state.multi.clear().ok();
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.close();
    }
}

/// A panic elsewhere must not keep the terminal from being cleaned up.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn start(&mut self, id: StepId, title: &str, now: Instant) {
        let row = Row {
            title: title.to_owned(),
            began: now,
            bar: None,
            note: String::new(),
            parts: IndexMap::new(),
        };
        self.rows.insert(id, row);
    }

    fn activity(&mut self, id: StepId, activity: &Activity) {
        let Some(row) = self.rows.get_mut(&id) else { return };
        match activity {
            Activity::Output { line } => row.note.clone_from(line),
            Activity::Waiting { on, .. } => row.note = format!("waiting for {on}"),
            Activity::Warning { .. } => {}
            Activity::Progress { part, status, done, total } => {
                let ended = is_end(status) || total.is_some_and(|total| total > 0 && *done >= total);
                let text = format!("{part} {status}");
                let known = row.parts.entry(part.clone()).or_insert_with(|| Part {
                    text: String::new(),
                    done: 0,
                    total: None,
                    ended: false,
                    bar: None,
                });
                (known.text, known.done, known.total, known.ended) = (text, *done, *total, ended);
                if ended && let Some(bar) = known.bar.take() {
                    bar.finish_and_clear();
                    self.multi.remove(&bar);
                }
            }
        }
    }

    fn end(&mut self, id: StepId) {
        let Some(row) = self.rows.remove(&id) else { return };
        let bars = row.parts.into_values().filter_map(|part| part.bar).chain(row.bar);
        for bar in bars {
            bar.finish_and_clear();
            self.multi.remove(&bar);
        }
    }

    fn tick(&mut self, now: Instant) {
        for row in self.rows.values_mut() {
            let age = now.saturating_duration_since(row.began);
            if age < QUIET {
                continue;
            }
            let counted = counted(&row.parts);
            let note = console::strip_ansi_codes(&row.note).replace(['\r', '\t'], " ");
            let message = format!("{} {} {counted}{note}", row.title, words::duration(age));
            let bar = row.bar.get_or_insert_with(|| {
                let bar = ProgressBar::no_length().with_style(step_style()).with_message(message.clone());
                self.multi.add(bar)
            });
            bar.set_message(message);
            bar.tick();
            let after = bar.clone();
            show_parts(&self.multi, &after, &mut row.parts);
        }
    }
}

/// `3/7 ` parts that ended, where there are several.
fn counted(parts: &IndexMap<String, Part>) -> String {
    if parts.len() < 2 {
        return String::new();
    }
    format!("{}/{} ", parts.values().filter(|part| part.ended).count(), parts.len())
}

fn show_parts(multi: &MultiProgress, after: &ProgressBar, parts: &mut IndexMap<String, Part>) {
    let mut last = after.clone();
    for part in parts.values_mut().filter(|part| !part.ended).take(PARTS) {
        let total = part.total.filter(|total| *total > 0);
        let style = if total.is_some() { part_style() } else { plain_style() };
        let bar = part.bar.get_or_insert_with(|| {
            let bar = ProgressBar::no_length().with_style(style.clone()).with_message(part.text.clone());
            multi.insert_after(&last, bar)
        });
        if let Some(total) = total {
            bar.set_length(total);
            bar.set_position(part.done);
        }
        bar.set_style(style);
        bar.set_message(part.text.clone());
        bar.tick();
        last = bar.clone();
    }
}

/// The words by which adapters say that a part is over.
fn is_end(status: &str) -> bool {
    matches!(status, "done" | "exists" | "cached" | "error")
}

fn step_style() -> ProgressStyle {
    style("{spinner} {wide_msg}")
}

fn part_style() -> ProgressStyle {
    style("    {wide_msg} [{bar:20}] {decimal_bytes}/{decimal_total_bytes}").progress_chars("=> ")
}

fn plain_style() -> ProgressStyle {
    style("    {wide_msg}")
}

/// A template of this file; they are all well formed, and a test holds that.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

#[cfg(test)]
mod tests {
    use indicatif::TermLike;

    use super::*;

    /// A terminal that remembers everything written.
    #[derive(Clone, Debug, Default)]
    struct Screen(Arc<Mutex<String>>);

    impl Screen {
        fn push(&self, text: &str) -> std::io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }
    }

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            80
        }
        fn move_cursor_up(&self, _: usize) -> std::io::Result<()> {
            self.push("<up>")
        }
        fn move_cursor_down(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> std::io::Result<()> {
            self.push(&format!("{text}\n"))
        }
        fn write_str(&self, text: &str) -> std::io::Result<()> {
            self.push(text)
        }
        fn clear_line(&self) -> std::io::Result<()> {
            self.push("<clear>")
        }
        fn flush(&self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn progress(part: &str, status: &str, done: u64, total: Option<u64>) -> Activity {
        Activity::Progress { part: part.into(), status: status.into(), done, total }
    }

    #[test]
    fn every_template_is_well_formed() {
        for template in ["{spinner} {wide_msg}", "    {wide_msg}"] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
        let part = "    {wide_msg} [{bar:20}] {decimal_bytes}/{decimal_total_bytes}";
        assert!(ProgressStyle::with_template(part).is_ok());
    }

    #[test]
    fn nothing_moves_at_first_and_nothing_is_left_at_the_end() {
        let screen = Screen::default();
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(screen.clone()), 255);
        let multi = MultiProgress::with_draw_target(target);
        let mut state = State { multi, rows: BTreeMap::new() };
        let now = Instant::now();
        state.start(StepId(0), "push s2", now);
        state.tick(now + Duration::from_millis(100));
        assert_eq!(*screen.0.lock().unwrap(), "");
        state.activity(StepId(0), &progress("4f4fb700ef54", "pushing", 500, Some(1000)));
        state.tick(now + Duration::from_millis(1300));
        let drawn = screen.0.lock().unwrap().clone();
        assert!(drawn.contains("push s2 1.3s"), "{drawn}");
        assert!(drawn.contains("4f4fb700ef54 pushing"), "{drawn}");
        assert!(drawn.contains("500 B/1.00 kB"), "{drawn}");
        state.activity(StepId(0), &progress("4f4fb700ef54", "done", 1000, Some(1000)));
        assert!(state.rows[&StepId(0)].parts.values().all(|part| part.bar.is_none()));
        state.end(StepId(0));
        assert!(state.rows.is_empty());
        let all = screen.0.lock().unwrap().clone();
        assert!(all.ends_with("<clear>") || all.ends_with("<up>"), "{all}");
    }
}
