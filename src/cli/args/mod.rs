//! The command line.

mod back;
mod inside;
mod look;
mod order;
mod setup;

use std::path::PathBuf;

pub use back::{HistoryArgs, RollbackArgs};
pub use inside::{AttachArgs, ExecArgs, ProcessArgs, RunArgs, SshArgs};
pub use look::{LogsArgs, StatusArgs};
pub use order::{PortArgs, RmArgs, StartArgs, StopArgs, Which};
pub use setup::{DoctorArgs, InitArgs, SchemaArgs, SchemaOf, UnlockArgs, VersionArgs};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Declarative deployment of containers: one deploy.yaml, plan, apply, destroy.
///
/// Exit codes: 0 done or nothing to do · 1 failed or declined · 2 changes pending
/// (--detailed-exitcode) · 64 usage · 65 bad deploy.yaml · 69 something needed for the decision could
/// not be reached · 73 refused for safety · 75 locked · 130 interrupted. ssh, exec and run end as the
/// command there does: its code, 128 + n for signal n, 126 or 127 if it could not be started, 255 if
/// the connection broke.
#[derive(Debug, Parser)]
#[command(name = "a3", version, max_term_width = 100)]
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
    /// Writes a commented deploy.yaml for the folder it is in. Never overwrites one.
    Init(InitArgs),
    /// Checks deploy.yaml, offline, and reports all errors at once.
    Validate(Validate),
    /// Prints the JSON Schema of deploy.yaml, or of something that a3 prints for machines.
    Schema(SchemaArgs),
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
    /// Shows instances and containers, and how they differ from deploy.yaml; 69 if something could not be asked.
    Status(StatusArgs),
    /// Shows a service's log, through ssh.
    Logs(LogsArgs),
    /// A shell on a machine, or a command there.
    Ssh(SshArgs),
    /// A command in a service's container.
    Exec(ExecArgs),
    /// Stops services; their containers stay.
    Stop(StopArgs),
    /// Starts services that were stopped, and what they depend on.
    Start(StartArgs),
    /// Restarts services.
    Restart(StopArgs),
    /// Removes stopped containers; the next apply runs them again.
    Rm(RmArgs),
    /// Prints where a service's ports are published.
    Port(PortArgs),
    /// Shows who works on the deployment, and takes the lock away from them.
    Unlock(UnlockArgs),
    /// Checks everything around a3, and says what to type. Changes nothing.
    ///
    /// Exits with 0 when nothing failed (warnings included), 1 when something failed, 69 when something
    /// only did not answer
    Doctor(DoctorArgs),
    /// Prints the version, and those of the formats that it writes.
    Version(VersionArgs),
    /// A container of a service's image and settings that runs once.
    Run(RunArgs),
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
    /// Saves the plan for `a3 apply PLAN`.
    #[arg(long, value_name = "PLAN")]
    pub out: Option<PathBuf>,
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
    /// The spec file, or a plan that `a3 plan --out` saved.
    #[arg(value_name = "FILE")]
    pub spec: Option<PathBuf>,
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
    /// Closes at the end what the managed security groups let in for this machine, after a failure too.
    #[arg(long)]
    pub ephemeral_access: bool,
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
    /// Every deployment in all regions of the account, after their names were typed; needs no
    /// deploy.yaml.
    #[arg(long, conflicts_with = "instance")]
    pub all: bool,
    /// With --all: the name of a deployment to end, without a terminal to type it on.
    #[arg(long, value_name = "DEPLOYMENT", requires = "all")]
    pub confirm: Vec<String>,
    /// Images too: those kept on existing machines, and what was built here. Never those in registries.
    #[arg(long, conflicts_with = "instance")]
    pub images: bool,
    /// Named volumes too, with the data in them.
    #[arg(long, conflicts_with = "instance")]
    pub volumes: bool,
    /// Closes at the end what the managed security groups let in for this machine, after a failure too.
    #[arg(long, conflicts_with = "all")]
    pub ephemeral_access: bool,
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
