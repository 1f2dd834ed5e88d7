//! What `docs/walkthrough.md` says: its commands with what they show, in its order.
//!
//! A fenced block without a language, or with `text`, is a transcript: `$ ` begins a command, what follows is
//! what it shows. ```` ```text COMMAND ```` has no command of its own: it is a part of what COMMAND showed last.
//! `<!-- test: … -->` says what the text has a person do there. Blocks of `bash` are the assignment's own.

/// One thing to do or to hold, at a line of the document.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) line: usize,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// A command, and what it shows.
    Run { command: String, shown: Vec<String> },
    /// A part of what a command showed when it ran last.
    Excerpt { command: String, shown: Vec<String> },
    /// `export NAME=VALUE`
    Export { name: String, value: String },
    /// What a person does here that is no command.
    Hook(String),
    /// A command out of a summary: it has to be run somewhere.
    Summary(String),
    /// A command in a sentence.
    Inline(String),
    /// A command of the assignment.
    Assignment(String),
}

/// Reads the document.
pub(super) fn read(text: &str) -> Vec<Part> {
    let mut reader = Reader::default();
    for (number, line) in text.lines().enumerate() {
        reader.line = number + 1;
        reader.read(line);
    }
    assert!(reader.fence.is_none(), "a block is not closed");
    reader.parts
}

#[derive(Default)]
struct Reader {
    line: usize,
    parts: Vec<Part>,
    /// The language of the block that is open.
    fence: Option<String>,
}

impl Reader {
    fn read(&mut self, line: &str) {
        match (&self.fence, line.strip_prefix("```")) {
            (None, Some(language)) => {
                self.fence = Some(language.to_owned());
                if let Some(command) = language.strip_prefix("text ") {
                    self.push(What::Excerpt { command: command.to_owned(), shown: Vec::new() });
                }
            }
            (Some(_), Some(_)) => self.fence = None,
            (Some(language), None) if language.is_empty() || language == "text" => self.transcript(line),
            (Some(language), None) if language.starts_with("text ") => self.shown(line),
            (Some(language), None) if language == "bash" => self.assignment(line),
            (Some(_), None) => {}
            (None, None) => self.prose(line),
        }
    }

    fn push(&mut self, what: What) {
        self.parts.push(Part { line: self.line, what });
    }

    fn transcript(&mut self, line: &str) {
        match line.strip_prefix("$ ") {
            Some(command) => self.push(What::Run { command: command.to_owned(), shown: Vec::new() }),
            // The shell's prompt is back.
            None if line == "$" => {}
            None => self.shown(line),
        }
    }

    fn shown(&mut self, line: &str) {
        match self.parts.last_mut().map(|part| &mut part.what) {
            Some(What::Run { shown, .. } | What::Excerpt { shown, .. }) => shown.push(line.to_owned()),
            _ => panic!("line {}: nothing shows `{line}`", self.line),
        }
    }

    fn assignment(&mut self, line: &str) {
        let prompted = ["/home/k8s", "$ ", "[ec2-user@"].iter().any(|prompt| line.starts_with(prompt));
        if prompted {
            self.push(What::Assignment(line.to_owned()));
        }
    }

    fn prose(&mut self, line: &str) {
        if let Some(hook) = line.strip_prefix("<!-- test: ").and_then(|rest| rest.strip_suffix(" -->")) {
            self.push(What::Hook(hook.to_owned()));
        } else if let Some(code) = line.strip_prefix("    ") {
            let code = code.split("  ").next().unwrap_or(code);
            match code.strip_prefix("export ").and_then(|set| set.split_once('=')) {
                Some((name, value)) => self.push(What::Export { name: name.into(), value: value.into() }),
                None => self.push(What::Summary(code.to_owned())),
            }
        } else {
            for code in line.split('`').skip(1).step_by(2).filter(|code| code.starts_with("a3 ")) {
                self.push(What::Inline(code.to_owned()));
            }
        }
    }
}
