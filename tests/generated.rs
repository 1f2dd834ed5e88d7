//! What is generated from the code and checked in: the command line's reference, the table of keys,
//! the IAM policy's actions. `make generate` writes the first two; the schema is held by
//! `tests/spec.rs`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use a3::cli::args::Cli;
use a3::spec::fields::{Cost, FIELDS};
use clap::{Arg, Command, CommandFactory as _};

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// `A3_GENERATE=1` writes the file first.
fn assert_current(path: &str, current: &str) {
    if std::env::var_os("A3_GENERATE").is_some() {
        fs::write(root(path), current).unwrap();
    }
    let checked_in = fs::read_to_string(root(path)).unwrap_or_default();
    assert!(checked_in == current, "{path} is old: make generate");
}

#[test]
fn the_command_line_reference_is_current() {
    let mut cli = Cli::command();
    cli.build();
    assert_current("docs/cli.md", &cli_reference(&cli));
}

fn cli_reference(cli: &Command) -> String {
    let mut text =
        String::from("<!-- Written by `make generate` from src/cli/args.rs. -->\n\n# The commands of a3\n\n");
    writeln!(text, "{}\n", long_about(cli)).unwrap();
    let commands: Vec<&Command> = cli.get_subcommands().filter(|one| one.get_name() != "help").collect();
    text.push_str("| command | what it does |\n|---|---|\n");
    for command in &commands {
        let name = command.get_name();
        writeln!(text, "| [`a3 {name}`](#a3-{name}) | {} |", cell(&about(command))).unwrap();
    }
    text.push_str("\n## Options of every command\n\n");
    text.push_str(&options(cli.get_arguments().filter(|arg| arg.is_global_set())));
    for command in commands {
        text.push_str(&command_reference(command));
    }
    text
}

fn command_reference(command: &Command) -> String {
    let mut text = format!("\n## a3 {}\n\n{}.\n\n", command.get_name(), long_about(command));
    let usage = command.clone().render_usage().to_string();
    writeln!(text, "```\n{}\n```", usage.trim_start_matches("Usage: ")).unwrap();
    let own = |arg: &&Arg| !arg.is_global_set() && !arg.is_hide_set() && arg.get_id() != "help";
    let table = options(command.get_arguments().filter(own));
    if table.lines().count() > 2 {
        write!(text, "\n{table}").unwrap();
    }
    text
}

fn options<'a>(args: impl Iterator<Item = &'a Arg>) -> String {
    let mut text = String::from("| option | what it does |\n|---|---|\n");
    for arg in args {
        writeln!(text, "| {} | {} |", spelling(arg), cell(&explanation(arg))).unwrap();
    }
    text
}

/// `-f`, `--file <FILE>` or `[SERVICE]...`, each as code.
fn spelling(arg: &Arg) -> String {
    if arg.is_positional() {
        return format!("`{arg}`");
    }
    let short = arg.get_short().map(|short| format!("`-{short}`, ")).unwrap_or_default();
    let long = arg.get_long().unwrap_or_default();
    let takes = arg.get_num_args().is_some_and(|range| range.takes_values());
    let value = arg.get_value_names().and_then(<[_]>::first).filter(|_| takes);
    let value = value.map(|name| format!(" <{name}>")).unwrap_or_default();
    format!("{short}`--{long}{value}`")
}

fn explanation(arg: &Arg) -> String {
    let help = arg.get_long_help().or_else(|| arg.get_help());
    let mut text = help.map(ToString::to_string).unwrap_or_default();
    let takes = arg.get_num_args().is_some_and(|range| range.takes_values());
    let values = arg.get_possible_values();
    // A flag has `true` and `false` as values; nobody types them.
    if takes && !values.is_empty() {
        let names: Vec<String> = values.iter().map(|value| format!("`{}`", value.get_name())).collect();
        write!(text, ". One of {}", names.join(", ")).unwrap();
    }
    if let Some(default) = arg.get_default_values().first().filter(|_| takes) {
        write!(text, ". Default: `{}`", default.to_string_lossy()).unwrap();
    }
    if let Some(env) = arg.get_env() {
        write!(text, ". Variable: `{}`", env.to_string_lossy()).unwrap();
    }
    text
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

fn long_about(command: &Command) -> String {
    command.get_long_about().map_or_else(|| about(command), ToString::to_string)
}

/// Text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|").replace('<', "&lt;")
}

#[test]
fn the_table_of_keys_is_current() {
    let mut text = String::from("<!-- Written by `make generate` from src/spec/fields.rs. -->\n\n");
    text.push_str("# The keys of deploy.yaml, and what a change of each costs\n\n");
    text.push_str("`*` stands for any name, `[]` for an item of a list. `a3 plan` shows the cost of what you changed.\n\n");
    for (cost, meaning) in COSTS {
        writeln!(text, "- **{}**: {meaning}", cost.as_str()).unwrap();
    }
    text.push_str("\n| key | a change costs | what it is |\n|---|---|---|\n");
    for field in FIELDS {
        writeln!(text, "| `{}` | {} | {} |", field.path, field.cost.as_str(), cell(field.about)).unwrap();
    }
    assert_current("docs/fields.md", &text);
}

const COSTS: [(Cost, &str); 7] = [
    (Cost::Ignored, "it says how a3 works, or is read anew each time"),
    (Cost::InPlace, "what runs goes on running"),
    (
        Cost::Recreate,
        "a new container takes the old one's place: a gap of about a second, and up to `stop_grace_period` more",
    ),
    (Cost::StopStart, "the instance is stopped and started: a new address, unless it has a fixed one"),
    (Cost::Replace, "another instance takes its place: new address, and what is on its disk is lost"),
    (Cost::CreateOnly, "it counts when the thing is created; a later change is a notice"),
    (Cost::Parts, "a group of keys, each with a cost of its own"),
];

/// Every call that `src/ec2/` makes is allowed by the policy that the README hands out, and nothing else.
#[test]
fn the_policy_allows_what_a3_calls() {
    let policy: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(root("docs/iam-policy.json")).unwrap()).unwrap();
    let statements = policy["Statement"].as_array().unwrap();
    let actions = statements.iter().flat_map(|statement| statement["Action"].as_array().unwrap());
    let allowed: BTreeSet<String> = actions.map(|action| action.as_str().unwrap().to_owned()).collect();
    assert_eq!(allowed, calls());
}

fn calls() -> BTreeSet<String> {
    let mut calls = BTreeSet::new();
    for file in walkdir::WalkDir::new(root("src/ec2")).into_iter().map(Result::unwrap) {
        if file.path().extension().is_none_or(|end| end != "rs") {
            continue;
        }
        let text = fs::read_to_string(file.path()).unwrap();
        // A call may be broken over lines; an action is a verb and a noun.
        let packed: String = text.split_whitespace().collect();
        for piece in packed.split(".client.").skip(1) {
            let name = piece.split("()").next().unwrap_or_default();
            if name.contains('_') && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_') {
                let words = name.split('_').map(|word| {
                    let (first, rest) = word.split_at(1);
                    format!("{}{rest}", first.to_uppercase())
                });
                calls.insert(format!("ec2:{}", words.collect::<String>()));
            }
        }
    }
    assert!(calls.len() > 20, "found only {calls:?}");
    calls
}
