//! The command line.

mod back;
mod look;

use std::path::PathBuf;

pub use back::{HistoryArgs, RollbackArgs};
pub use look::{LogsArgs, StatusArgs};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Declarative deployment of containers: one deploy.yaml, plan, apply, destroy.
///
/// Exit codes: 0 done or nothing to do · 1 failed or declined · 2 changes pending
/// (--detailed-exitcode) · 64 usage · 65 bad deploy.yaml · 69 something needed for the decision could
/// not be reached · 73 refused for safety · 75 locked · 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "a3", version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    /// What all commands take.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What all commands take.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// A spec file; more than one are merged in order, as Compose does [default: deploy.yaml].
    #[arg(
        long = "file",
        short = 'f',
        global = true,
        value_name = "FILE",
        env = "A3_FILE",
        value_delimiter = ':'
    )]
    pub file: Vec<PathBuf>,
    /// Activates a profile's services.
    #[arg(long, global = true, value_name = "NAME", env = "COMPOSE_PROFILES", value_delimiter = ',')]
    pub profile: Vec<String>,
    /// Whether to colour: on a terminal, always, or never. NO_COLOR is respected.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
    /// Says more: every call to engines, registries and EC2.
    #[arg(long, short = 'v', global = true)]
    pub verbose: bool,
    /// Writes what --verbose says to a file.
    #[arg(long, global = true, value_name = "FILE", env = "A3_LOG_FILE")]
    pub log_file: Option<PathBuf>,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Checks deploy.yaml, offline, and reports all errors at once.
    Validate(Validate),
    /// Prints the JSON Schema of deploy.yaml.
    Schema,
    /// Prints the merged spec with the file and line of each value.
    Config(SpecFile),
    /// Shows how deploy.yaml differs from what exists. Changes nothing.
    Plan(PlanArgs),
    /// Plans, asks, and does what is missing.
    Apply(ApplyArgs),
    /// Removes everything, or one instance, and proves what is gone.
    Destroy(DestroyArgs),
    /// Builds images only.
    Build(BuildArgs),
    /// Builds and pushes images only.
    Push(ImageArgs),
    /// Shows instances and containers.
    Status(StatusArgs),
    /// Shows a service's log, through ssh.
    Logs(LogsArgs),
    /// Goes back to an earlier release: its images and settings, not its data.
    Rollback(RollbackArgs),
    /// Lists the releases: when, who, what changed.
    History(HistoryArgs),
    /// Prints a completion script.
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
}

/// The spec as an argument, beside --file.
#[derive(Clone, Debug, Default, Args)]
pub struct SpecFile {
    /// The spec file.
    #[arg(value_name = "FILE")]
    pub spec: Option<PathBuf>,
}

/// `a3 validate`
#[derive(Debug, Args)]
pub struct Validate {
    /// The spec.
    #[command(flatten)]
    pub spec: SpecFile,
    /// One JSON document on stdout.
    #[arg(long)]
    pub json: bool,
}

/// What narrows a plan.
#[derive(Clone, Debug, Default, Args)]
pub struct Scope {
    /// Only this service, group or slot, and the images it needs.
    #[arg(long, value_name = "NAME")]
    pub target: Vec<String>,
    /// Replaces the machine of a slot (web/0).
    #[arg(long, value_name = "SLOT")]
    pub replace: Vec<String>,
    /// Builds a service's image anew.
    #[arg(long, value_name = "SERVICE")]
    pub rebuild: Vec<String>,
}

/// `a3 plan`
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The spec.
    #[command(flatten)]
    pub spec: SpecFile,
    /// What narrows it.
    #[command(flatten)]
    pub scope: Scope,
    /// One JSON document on stdout.
    #[arg(long)]
    pub json: bool,
    /// Exits with 2 when there is something to do.
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Lets {command: …} secrets run without asking.
    #[arg(long, short = 'y')]
    pub yes: bool,
}

/// `a3 apply`
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// The spec.
    #[command(flatten)]
    pub spec: SpecFile,
    /// What narrows it.
    #[command(flatten)]
    pub scope: Scope,
    /// Does not ask.
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// Lets it end machines without a terminal to ask on.
    #[arg(long)]
    pub allow_terminate: bool,
    /// Goes on with what somebody else has applied, without a terminal to ask on.
    #[arg(long)]
    pub take_over: bool,
    /// Events as JSON lines on stdout.
    #[arg(long)]
    pub json: bool,
}

/// `a3 destroy`
#[derive(Debug, Args)]
pub struct DestroyArgs {
    /// The spec.
    #[command(flatten)]
    pub spec: SpecFile,
    /// One instance by mnemonic name, slot or id.
    #[arg(long, value_name = "NAME")]
    pub instance: Vec<String>,
    /// Images too: those kept on existing machines, and what was built here. Never those in registries.
    #[arg(long, conflicts_with = "instance")]
    pub images: bool,
    /// Named volumes too, with the data in them.
    #[arg(long, conflicts_with = "instance")]
    pub volumes: bool,
    /// Does not ask.
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// Events as JSON lines on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Which services.
#[derive(Debug, Args)]
pub struct ImageArgs {
    /// The services; all with a `build` when none is named.
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Builds a service's image anew.
    #[arg(long, value_name = "SERVICE")]
    pub rebuild: Vec<String>,
    /// Lets {command: …} secrets run without asking.
    #[arg(long, short = 'y')]
    pub yes: bool,
}

/// `a3 build`
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// Which.
    #[command(flatten)]
    pub images: ImageArgs,
    /// Lists the files, sizes and digest that would be sent, and builds nothing.
    #[arg(long)]
    pub list_context: bool,
}
