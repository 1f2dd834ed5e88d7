//! `docs/walkthrough.md`, run from its first command to its last in a copy of the example, with the
//! sandbox as its cloud: each command at a terminal, with what the document has a person type there.

#![allow(clippy::print_stdout, reason = "what a failure is read from, and the count")]

mod document;
mod same;
mod screen;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use crate::cloud;
use crate::deployment::Deployment;
use crate::place::{checkout, remove_images, variable};
use crate::process::figure;
use crate::story::copy_of_the_example;
use crate::terminal::Terminal;
use document::{Part, What};

/// Every command of the assignment, as the document has it.
const ASSIGNMENT: &str = include_str!("assignment.txt");

/// How the instance's name is shown.
static NAMED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"launch web/0 \((\w+)\)").unwrap());

#[test]
fn every_command_of_the_walkthrough_shows_what_it_says() {
    let text = std::fs::read_to_string(checkout().join("docs/walkthrough.md")).unwrap();
    let parts = document::read(&text);
    holds_the_assignment(&parts);

    remove_images(&["music-learner-*", "*/learner/s2-standalone", "*/learner/mcli", "s2-standalone", "mcli"]);
    let mut walk = Walk::begin(&text);
    for part in &parts {
        walk.does(part);
    }
    for part in &parts {
        if let What::Summary(command) = &part.what {
            assert!(walk.shown.contains_key(command), "line {}: `{command}` is never run", part.line);
        }
    }
    assert!(walk.wrong.is_empty(), "docs/walkthrough.md:\n{}", walk.wrong.join("\n"));
    figure(&format!("walkthrough: {} commands run, {} more parsed", walk.ran, walk.parsed));
    assert!(cloud::live_instances("music-learner").is_empty());
}

/// The assignment's commands have their places, in their order.
fn holds_the_assignment(parts: &[Part]) {
    let said: Vec<&str> = parts
        .iter()
        .filter_map(|part| match &part.what {
            What::Assignment(command) => Some(command.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(said, ASSIGNMENT.lines().collect::<Vec<_>>());
}

struct Walk {
    music: Deployment,
    /// What each command showed last.
    shown: BTreeMap<String, Vec<String>>,
    /// The instance's name in the document.
    name: String,
    /// Its name in this run, once something has shown it.
    named: String,
    /// How the next command is to end.
    code: i32,
    /// What the next command asks at its end, and the key that answers it: neither stays on the screen.
    key: Option<(&'static str, &'static str)>,
    /// Where the document is not right.
    wrong: Vec<String>,
    ran: usize,
    parsed: usize,
}

impl Walk {
    fn begin(text: &str) -> Self {
        let name = NAMED.captures(text).unwrap()[1].to_owned();
        let mut music = copy_of_the_example("music-learner");
        music.set("REGID", "learner");
        music.set("A3_FILE", &on_the_sandbox("deploy.yaml"));
        Self {
            music,
            shown: BTreeMap::new(),
            named: name.clone(),
            name,
            code: 0,
            key: None,
            wrong: Vec::new(),
            ran: 0,
            parsed: 0,
        }
    }

    fn does(&mut self, part: &Part) {
        let at = |command: &str| format!("line {}, `{command}`", part.line);
        match &part.what {
            What::Run { command, shown } => self.runs(&at(command), command, shown),
            What::Excerpt { command, shown } => {
                let seen = self.shown.get(command).unwrap_or_else(|| panic!("{}: not run yet", at(command)));
                let difference = same::difference(&self.actual(shown), seen, false);
                if let Some(difference) = difference {
                    println!("{} {difference}", at(command));
                    self.wrong.push(at(command));
                }
            }
            What::Export { name, value } => self.exports(name, value),
            What::Hook(hook) => self.hooks(hook),
            What::Inline(command) => self.parses(&at(command), command),
            What::Summary(_) | What::Assignment(_) => {}
        }
    }

    fn runs(&mut self, at: &str, command: &str, said: &[String]) {
        let line = self.line_of(command);
        println!("{at}");
        let mut terminal = Terminal::of(self.music.shell(&line), 50, screen::WIDTH);
        let prompt = prompt_of(command);
        for typed in said.iter().filter_map(|line| prompt.typed(line)) {
            terminal.shows(prompt.end);
            terminal.types(&format!("{typed}\r"));
        }
        if let Some((prompt, key)) = self.key.take() {
            terminal.shows(prompt);
            terminal.types(key);
        }
        let (status, written) = terminal.ends_having_shown();
        let ghcr = variable("A3_SANDBOX_GHCR");
        let seen: Vec<String> =
            screen::lines(&written).iter().map(|line| line.replace(&ghcr, "ghcr.io")).collect();
        let code = std::mem::take(&mut self.code);
        assert_eq!(status.code(), Some(code), "{at}: {}", seen.join("\n"));
        if let Some(name) = seen.iter().find_map(|line| NAMED.captures(line)) {
            self.named = name[1].to_owned();
        }
        self.shown.insert(command.to_owned(), seen.clone());
        let difference = same::difference(&self.actual(said), &seen, true);
        if let Some(difference) = difference {
            println!("{at} {difference}");
            self.wrong.push(at.to_owned());
        }
        self.ran += 1;
    }

    /// The line as it is run here; a command that is not known here is none that the document may have.
    fn line_of(&self, command: &str) -> String {
        let known = ["a3 ", "echo read | a3 ", "python3 examples/music-service/mcli/mcli.py "];
        assert!(
            known.iter().any(|start| command.starts_with(start)),
            "nobody here knows how to run `{command}`"
        );
        let mut line = command.replace("-f deploy.yaml", "-f deploy.yaml -f examples/sandbox.yaml");
        if line.contains(" ADDRESS ") {
            line = line.replace("ADDRESS", &self.music.address());
        }
        if line.contains(&self.name) {
            line = line.replace(&self.name, &self.named);
        }
        line
    }

    /// What the document says, with the instance's name in this run.
    fn actual(&self, said: &[String]) -> Vec<String> {
        said.iter().map(|line| line.replace(&self.name, &self.named)).collect()
    }

    fn exports(&mut self, name: &str, value: &str) {
        match name {
            // The sandbox's user, and its key.
            "REGID" | "KEY_FILE" => {}
            "A3_FILE" => self.music.set("A3_FILE", &on_the_sandbox(value)),
            _ => panic!("nobody here knows what `{name}` is for"),
        }
    }

    /// What the text has a person do that is no command.
    fn hooks(&mut self, hook: &str) {
        match hook {
            "fix the bug" => {
                let log = self.shown["a3 logs s2"].join("\n");
                let code =
                    Regex::new("Unique code: ([0-9a-f]{64})").unwrap().captures(&log).unwrap()[1].to_owned();
                let (bug, fix) = ("CODE_FROM_THE_LOG = \"\"", format!("CODE_FROM_THE_LOG = \"{code}\""));
                self.music.edit("examples/music-service/app-a3.py", bug, &fix);
            }
            "another image is pushed under the tag" => {
                let tag = format!("{}/learner/s2-standalone:v0.75", variable("A3_SANDBOX_GHCR"));
                crate::images::push_other(&tag);
            }
            "leave more with q" => self.key = Some(("--More--", "q")),
            "it ends with 1" => self.code = 1,
            _ => panic!("nobody here knows how to do `{hook}`"),
        }
    }

    /// A command in a sentence is one that a3 knows.
    fn parses(&mut self, at: &str, command: &str) {
        let (own, _) = command.split_once(" -- ").unwrap_or((command, ""));
        let output = crate::process::run(&mut self.music.shell(&format!("{own} --help")));
        assert_eq!(output.code, Some(0), "{at}: {output}");
        self.parsed += 1;
    }
}

/// The spec's files with the sandbox's over the first one.
fn on_the_sandbox(files: &str) -> String {
    files.replacen("deploy.yaml", "deploy.yaml:examples/sandbox.yaml", 1)
}

/// How a program asks for a line.
struct Prompt {
    /// What a prompt ends with.
    end: &'static str,
    /// Whether it is more than that.
    longer: bool,
}

impl Prompt {
    /// What a person types at a line of a transcript.
    fn typed<'a>(&self, line: &'a str) -> Option<&'a str> {
        match self.longer {
            true => line.split_once(self.end).map(|(_, typed)| typed),
            false => line.strip_prefix(self.end),
        }
    }
}

fn prompt_of(command: &str) -> Prompt {
    if command.contains("mcli") && !command.contains('|') {
        return Prompt { end: "mql: ", longer: false };
    }
    match command {
        "a3 ssh" => Prompt { end: ":~$ ", longer: true },
        "a3 exec s2 -- sh" => Prompt { end: "# ", longer: false },
        _ => Prompt { end: "[y/N] ", longer: true },
    }
}
