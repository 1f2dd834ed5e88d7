//! A plan as text: Terraform's symbols and layout, our words.

use super::error::{help_text, note_text};
use super::look::{Look, Tone};
use super::words;
use crate::observed::Scope;
use crate::plan::reason::{FieldChange, Forces, Reason, Shown};
use crate::plan::step::{Blocked, BlockedKind, Change, Plan, Step};
use crate::plan::summary::{Ending, Summary, goes_on};

/// The whole plan. Ends with a newline.
pub fn plan_text(plan: &Plan, look: &Look) -> String {
    let mut page = Page { look, text: String::new() };
    page.scope(&plan.deployment, &plan.scope);
    if !plan.is_empty() {
        page.legend(plan);
        for group in groups(plan) {
            page.group(&group);
        }
    }
    page.notices(plan);
    page.not_checked(plan);
    page.kept(plan);
    page.ending(plan);
    page.text
}

/// Steps and blocked decisions about one address.
struct Group<'a> {
    address: &'a str,
    steps: Vec<&'a Step>,
    blocked: Vec<&'a Blocked>,
}

/// By address, in the order in which each comes first; what has no step comes last.
fn groups(plan: &Plan) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for step in &plan.steps {
        match groups.iter_mut().find(|group| group.address == step.address) {
            Some(group) => group.steps.push(step),
            None => groups.push(Group { address: &step.address, steps: vec![step], blocked: Vec::new() }),
        }
    }
    for blocked in &plan.blocked {
        match groups.iter_mut().find(|group| group.address == blocked.address) {
            Some(group) => group.blocked.push(blocked),
            None => {
                groups.push(Group { address: &blocked.address, steps: Vec::new(), blocked: vec![blocked] });
            }
        }
    }
    groups
}

struct Page<'a> {
    look: &'a Look,
    text: String,
}

impl Page<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn prose(&mut self, first: &str, text: &str) {
        for line in self.look.wrap(first, text) {
            self.line(&line);
        }
    }

    fn comment(&mut self, text: &str) {
        for line in self.look.wrap_under("      # ", "      #   ", text) {
            self.line(&line);
        }
    }

    fn scope(&mut self, deployment: &str, scope: &Scope) {
        let title = self.look.paint(Tone::Strong, deployment);
        self.line(&format!("Deployment {title}"));
        let account = match (&scope.account, &scope.caller) {
            (Some(account), Some(caller)) => vec![format!("{account}, as {caller}")],
            (Some(one), None) | (None, Some(one)) => vec![one.clone()],
            (None, None) => Vec::new(),
        };
        let plural = |one: &'static str, many: &'static str, list: &[String]| {
            if list.len() == 1 { one } else { many }
        };
        let applied_by: Vec<String> = scope.applied_by.iter().cloned().collect();
        let rows = [
            ("account", &account),
            (plural("region", "regions", &scope.regions), &scope.regions),
            (plural("registry", "registries", &scope.registries), &scope.registries),
            (plural("engine", "engines", &scope.engines), &scope.engines),
            ("applied by", &applied_by),
        ];
        for (what, values) in rows.into_iter().filter(|(_, values)| !values.is_empty()) {
            self.prose(&format!("  {:<12}", format!("{what}:")), &values.join(", "));
        }
        self.line("");
    }

    fn legend(&mut self, plan: &Plan) {
        let all = [
            (Change::Create, "create"),
            (Change::Update, "change in place"),
            (Change::Replace, "replace: end the old, then create"),
            (Change::Delete, "destroy"),
        ];
        let used = |change: Change| plan.steps.iter().any(|step| step.change == change);
        self.line("What the symbols mean:");
        for (change, meaning) in all.into_iter().filter(|(change, _)| used(*change)) {
            let symbol = self.symbol(change);
            self.line(&format!("{symbol} {meaning}"));
        }
        if !plan.blocked.is_empty() {
            let symbol = self.look.paint(Tone::Bad, "  !");
            self.line(&format!("{symbol} could not be decided"));
        }
        self.line("");
        self.drift(plan);
        let what = match (plan.steps.is_empty(), goes_on(plan)) {
            (true, _) => "a3 cannot say yet what to do:",
            (false, true) => "a3 will do this:",
            (false, false) => "a3 will do this, once everything is decided:",
        };
        self.line(what);
        self.line("");
    }

    /// What the world did, apart from what a person edited in the spec; each again beside its step.
    fn drift(&mut self, plan: &Plan) {
        let drifted: Vec<(&Step, &Reason)> = plan
            .steps
            .iter()
            .flat_map(|step| {
                step.reasons.iter().filter(|reason| reason.is_drift()).map(move |reason| (step, reason))
            })
            .collect();
        if drifted.is_empty() {
            return;
        }
        self.line("Drift, no longer as a3 left it:");
        for (step, reason) in drifted {
            let first = format!("  {}: ", self.look.paint(Tone::Change, &step.address));
            for line in self.look.wrap_under(&first, "    ", &words::reason_text(reason)) {
                self.line(&line);
            }
        }
        self.line("");
    }

    /// Three columns wide, as `-/+` is.
    fn symbol(&self, change: Change) -> String {
        self.look.paint(tone(change), &format!("{:>3}", change.symbol()))
    }

    fn group(&mut self, group: &Group<'_>) {
        let mut done: Vec<&str> = Vec::new();
        for step in &group.steps {
            let word = words::participle(step);
            if !done.contains(&word) {
                done.push(word);
            }
        }
        let title = if done.is_empty() {
            group.address.to_owned()
        } else {
            format!("{} will be {}", group.address, words::list(&done))
        };
        self.line(&format!("  # {}", self.look.paint(Tone::Strong, &title)));
        if group.steps.iter().any(|step| step.provisional) {
            for line in self.look.wrap_under("  # ", "  # ", words::provisional_text(&group.steps)) {
                self.line(&self.look.paint(Tone::Quiet, &line));
            }
        }
        for step in &group.steps {
            self.step(step);
        }
        for blocked in &group.blocked {
            self.blocked(blocked);
        }
        self.line("");
    }

    fn step(&mut self, step: &Step) {
        let symbol = self.symbol(step.change);
        self.line(&format!("{symbol} {}", step.title()));
        for reason in &step.reasons {
            self.comment(&words::reason_line(reason));
        }
        if let Some(cost) = words::cost_text(step.cost) {
            self.comment(&format!("cost: {cost}"));
        }
        let fields: Vec<&FieldChange> = step
            .fields
            .iter()
            .filter(|field| !(is_nothing(&field.before) && is_nothing(&field.after)))
            .collect();
        let width = fields.iter().map(|field| console::measure_text_width(&field.field)).max().unwrap_or(0);
        let together = forced_together(&fields);
        if let Some(text) = &together {
            self.comment(text);
        }
        for field in fields {
            self.field(field, width, field.forces.filter(|_| together.is_none()));
        }
    }

    fn field(&mut self, field: &FieldChange, width: usize, forces: Option<Forces>) {
        let (change, value) = match (&field.before, &field.after) {
            (Shown::Nothing, after) => (Change::Create, words::shown_text(after)),
            (before, Shown::Nothing) => (Change::Delete, words::shown_text(before)),
            (before, after) => {
                (Change::Update, format!("{} → {}", words::shown_text(before), words::shown_text(after)))
            }
        };
        let symbol = self.look.paint(tone(change), change.symbol());
        let padding = " ".repeat(width.saturating_sub(console::measure_text_width(&field.field)));
        let first = format!("      {symbol} {}: {padding}", field.field);
        let note = forces.map(|forces| format!("# {}", words::forces_text(forces)));
        let note = note.map(|note| self.look.paint(Tone::Bad, &note));
        self.value(&first, &value, note);
    }

    /// A value with its note. Where both do not fit into a line, what comes after stands under what was
    /// before, and the note under that; a value itself is never cut.
    fn value(&mut self, first: &str, value: &str, note: Option<String>) {
        let fits = |text: &str| {
            let length = console::measure_text_width(text);
            self.look.width.is_none_or(|width| length <= width)
        };
        let under = " ".repeat(console::measure_text_width(first));
        let mut lines = match value.split_once(" → ") {
            Some((before, after)) if !fits(&format!("{first}{value}")) => {
                vec![format!("{first}{before}"), format!("{under}→ {after}")]
            }
            _ => vec![format!("{first}{value}")],
        };
        if let (Some(note), Some(last)) = (note, lines.last_mut()) {
            let whole = format!("{last}  {note}");
            if fits(&whole) {
                *last = whole;
            } else {
                lines.push(format!("{under}{note}"));
            }
        }
        lines.iter().for_each(|line| self.line(line));
    }

    fn blocked(&mut self, blocked: &Blocked) {
        let word = match blocked.kind {
            BlockedKind::Unreachable => "could not be asked",
            BlockedKind::Refused => "refused",
            BlockedKind::Impossible => "cannot be done",
        };
        let first = format!("  {} {word}: ", self.look.paint(Tone::Bad, "!"));
        self.prose(&first, &blocked.why);
        for line in help_text(self.look, blocked.help.as_deref()).lines() {
            self.line(&format!("      {line}"));
        }
    }

    fn notices(&mut self, plan: &Plan) {
        for notice in &plan.notices {
            self.text.push_str(&note_text(self.look, notice));
        }
        if !plan.notices.is_empty() {
            self.line("");
        }
    }

    /// What the steps rest on and nobody has checked: what, where, why, and what would tell.
    fn not_checked(&mut self, plan: &Plan) {
        if plan.not_checked.is_empty() {
            return;
        }
        self.line("Not checked:");
        for one in &plan.not_checked {
            let text = format!("{}: {}: {}", one.addresses.join(", "), one.what, one.why);
            for line in self.look.wrap_under("  ", "    ", &text) {
                self.line(&line);
            }
            for line in help_text(self.look, one.help.as_deref()).lines() {
                self.line(&format!("    {line}"));
            }
        }
        self.line("");
    }

    fn kept(&mut self, plan: &Plan) {
        if plan.kept.is_empty() {
            return;
        }
        self.line("Kept:");
        for kept in &plan.kept {
            self.line(&format!("  {kept}"));
        }
        self.line("");
    }

    fn ending(&mut self, plan: &Plan) {
        let ending = Ending::of(plan);
        if ending == Ending::Nothing {
            let rest = if plan.destroy {
                "Nothing of this deployment is there to be destroyed."
            } else {
                "What runs is what the spec asks for."
            };
            let none = self.look.paint(Tone::Good, "No changes.");
            return self.prose(&format!("{none} "), rest);
        }
        let summary = Summary::of(plan);
        let label = self.look.paint(Tone::Strong, "Plan:");
        self.prose(&format!("{label} "), &summary_text(&summary));
        if let Some(costs) = words::costs_text(&summary.costs) {
            let label = self.look.paint(Tone::Strong, "Cost:");
            self.prose(&format!("{label} "), &costs);
        }
        if ending != Ending::Changes {
            let text = match (goes_on(plan), plan.destroy) {
                (true, _) => "What could not be decided stays as it is.",
                (false, true) => {
                    "Nothing is done while a decision is missing; --instance NAME ends one machine."
                }
                (false, false) => {
                    "Nothing is done while a decision is missing; --target NAME does a part that does not rest on \
                     it (for build, push and rollback: SERVICE)."
                }
            };
            self.prose("", text);
        }
    }
}

/// `3 to add, 1 to change, 1 to replace, 0 to destroy, 5 unchanged.`
pub fn summary_text(summary: &Summary) -> String {
    let mut text = format!(
        "{} to add, {} to change, {} to replace, {} to destroy",
        summary.add, summary.change, summary.replace, summary.destroy
    );
    if summary.unchanged > 0 {
        text.push_str(&format!(", {} unchanged", summary.unchanged));
    }
    if summary.blocked > 0 {
        text.push_str(&format!(", {} not decided", summary.blocked));
    }
    let mut of_these = Vec::new();
    if summary.drift > 0 {
        of_these.push(format!("{} by drift", summary.drift));
    }
    if summary.assumed > 0 {
        of_these.push(format!("{} only if missing", summary.assumed));
    }
    if !of_these.is_empty() {
        text.push_str(&format!("; {}", of_these.join(", ")));
    }
    text.push('.');
    text
}

/// Of many fields that force the same it is said once: one by one, it is in the way of what it is said of.
fn forced_together(fields: &[&FieldChange]) -> Option<String> {
    let (forced, free): (Vec<&FieldChange>, Vec<&FieldChange>) =
        fields.iter().partition(|field| field.forces.is_some());
    let forces = forced.first()?.forces?;
    let same = forced.len() > 1 && forced.iter().all(|field| field.forces == Some(forces));
    let free: Vec<&str> = free.iter().map(|field| field.field.as_str()).collect();
    let text = words::forces_text(forces);
    match (same, forces, free.as_slice()) {
        (true, _, []) => Some(format!("each of these {text}")),
        (true, Forces::Recreate, free) => Some(format!("each of these but {} {text}", words::list(free))),
        _ => None,
    }
}

fn tone(change: Change) -> Tone {
    match change {
        Change::Create => Tone::Good,
        Change::Update => Tone::Change,
        Change::Replace | Change::Delete => Tone::Bad,
    }
}

fn is_nothing(value: &Shown) -> bool {
    *value == Shown::Nothing
}
