//! What is wrong with a `deploy.yaml`: the place, the rule, and a help that can be typed.

use std::fmt;
use std::sync::Arc;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity, SourceCode};
use schemars::JsonSchema;
use serde::Serialize;

use super::source::{Origin, Texts};
use crate::explain::Explain;

/// One thing that is wrong, while they are being collected.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) message: String,
    /// Places with what to say under each; the first is the one that is meant.
    pub(crate) labels: Vec<(Origin, String)>,
    pub(crate) help: Option<String>,
    /// Whether the text at the first place is a secret and may not be shown.
    pub(crate) hidden: bool,
}

impl Problem {
    pub(crate) fn new(at: Origin, message: impl Into<String>) -> Self {
        let labels = vec![(at, String::new())];
        Self { message: message.into(), labels, help: None, hidden: false }
    }

    /// A problem with no place in a file.
    pub(crate) fn nowhere(message: impl Into<String>) -> Self {
        Self { message: message.into(), labels: Vec::new(), help: None, hidden: false }
    }

    /// What to say under the place that is meant.
    pub(crate) fn label(mut self, text: impl Into<String>) -> Self {
        if let Some((_, label)) = self.labels.first_mut() {
            *label = text.into();
        }
        self
    }

    /// Another place that has to do with it.
    pub(crate) fn and(mut self, at: Origin, text: impl Into<String>) -> Self {
        self.labels.push((at, text.into()));
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }
}

/// Everything that is wrong with a spec; never empty.
#[derive(Clone, thiserror::Error)]
#[error("{}", self.summary())]
pub struct Diagnostics {
    problems: Vec<Problem>,
    texts: Texts,
}

/// One diagnostic as plain data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DiagnosticData {
    /// The file, as the person named it; `None` when it is about no file.
    pub file: Option<String>,
    /// Counted from 1.
    pub line: Option<usize>,
    /// In characters, counted from 1.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostics {
    pub(crate) fn new(mut problems: Vec<Problem>, texts: Texts) -> Self {
        // In the order of the files; what has no place comes last. Equal ones (an anchor that is
        // used twice) are said once.
        let place =
            |problem: &Problem| problem.labels.first().map_or((usize::MAX, 0), |(at, _)| (at.file, at.start));
        problems.sort_by_key(place);
        problems.dedup_by(|a, b| a.message == b.message && place(a) == place(b));
        // A secret is covered in every report, since another may quote its line.
        let hidden = problems.iter().filter(|problem| problem.hidden);
        let hidden: Vec<Origin> = hidden.filter_map(|problem| Some(problem.labels.first()?.0)).collect();
        let texts = if hidden.is_empty() { texts } else { texts.covering(&hidden) };
        Self { problems, texts }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.problems.len()
    }

    /// The whole text for people: each with its source line underlined. `width` in columns;
    /// `colour` also chooses the terminal's line drawing.
    pub fn render(&self, colour: bool, width: usize) -> String {
        let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme).with_width(width).with_context_lines(1);
        let handler = if colour { handler } else { handler.with_links(false) };
        let mut text = String::new();
        for problem in &self.problems {
            if !text.is_empty() {
                text.push('\n');
            }
            let report = Report::new(problem, &self.texts);
            if handler.render_report(&mut text, &report).is_err() {
                text.push_str(&problem.message);
                text.push('\n');
            }
        }
        text
    }

    /// The diagnostics as plain data, in the same order.
    pub fn data(&self) -> Vec<DiagnosticData> {
        let one = |problem: &Problem| {
            let at = problem.labels.first().map(|(at, _)| *at);
            let position = at.map(|at| self.texts.position(at));
            DiagnosticData {
                file: at.map(|at| self.texts.path(at.file).display().to_string()),
                line: position.map(|(line, _)| line),
                column: position.map(|(_, column)| column),
                message: problem.message.clone(),
                help: problem.help.clone(),
            }
        };
        self.problems.iter().map(one).collect()
    }

    fn summary(&self) -> String {
        let first = self.data().into_iter().next();
        let text = first.map_or_else(String::new, |first| match (first.file, first.line) {
            (Some(file), Some(line)) => format!("{file}:{line}: {}", first.message),
            _ => first.message,
        });
        match self.count() {
            0 | 1 => text,
            more => format!("{text}, and {} more", more - 1),
        }
    }
}

impl fmt::Debug for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.data()).finish()
    }
}

impl Explain for Diagnostics {
    fn help(&self) -> Option<String> {
        self.problems.first().and_then(|problem| problem.help.clone())
    }
}

/// One problem in miette's terms. Labels in other files than the first become related reports,
/// since miette quotes one source a report.
struct Report {
    message: String,
    help: Option<String>,
    source: Option<NamedSource<Arc<str>>>,
    labels: Vec<LabeledSpan>,
    related: Vec<Self>,
    /// Whether it only belongs to another.
    is_related: bool,
}

impl Report {
    fn new(problem: &Problem, texts: &Texts) -> Self {
        let Some((first, _)) = problem.labels.first() else {
            return Self {
                message: problem.message.clone(),
                help: problem.help.clone(),
                source: None,
                labels: Vec::new(),
                related: Vec::new(),
                is_related: false,
            };
        };
        let label = |(at, text): &(Origin, String)| {
            let text = Some(text.clone()).filter(|text| !text.is_empty());
            LabeledSpan::new_with_span(text, texts.first_line(*at))
        };
        let (here, elsewhere): (Vec<_>, Vec<_>) =
            problem.labels.iter().partition(|(at, _)| at.file == first.file);
        let related = elsewhere.into_iter().map(|(at, text)| Self {
            message: text.clone(),
            help: None,
            source: Some(named(texts, at.file)),
            labels: vec![LabeledSpan::new_with_span(None, texts.first_line(*at))],
            related: Vec::new(),
            is_related: true,
        });
        Self {
            message: problem.message.clone(),
            help: problem.help.clone(),
            source: Some(named(texts, first.file)),
            labels: here.into_iter().map(label).collect(),
            related: related.collect(),
            is_related: false,
        }
    }
}

fn named(texts: &Texts, file: usize) -> NamedSource<Arc<str>> {
    NamedSource::new(texts.path(file).display().to_string(), texts.shared(file)).with_language("yaml")
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Report {}

impl miette::Diagnostic for Report {
    fn severity(&self) -> Option<Severity> {
        self.is_related.then_some(Severity::Advice)
    }

    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        Some(Box::new(self.related.iter().map(|related| related as &dyn miette::Diagnostic)))
    }
}

/// The known word that a person probably meant.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = word.to_lowercase().replace('-', "_");
    let limit = (word.len() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(&folded, &known.to_lowercase().replace('-', "_")), known))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// `a`, `b` and `c`, each in backticks.
pub(crate) fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}
