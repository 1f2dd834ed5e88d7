//! Arguments of the commands that go inside: a machine, a container, a new one.

use clap::{ArgAction, Args};

/// Whether the process there gets a terminal and what is typed.
#[derive(Clone, Copy, Debug, Args)]
pub struct AttachArgs {
    /// Passes standard input on. Without -i, -t or -T: both, exactly when standard input and output
    /// are a terminal.
    #[arg(long, short = 'i')]
    pub interactive: bool,
    /// Gives it a terminal, and passes standard input on.
    #[arg(long, short = 't', conflicts_with = "no_tty")]
    pub tty: bool,
    /// Gives it no terminal, and passes standard input on.
    #[arg(long, short = 'T')]
    pub no_tty: bool,
}

/// What the process there gets beside the container's own settings.
#[derive(Clone, Debug, Args)]
pub struct ProcessArgs {
    /// As this user (NAME, UID or UID:GID).
    #[arg(long, short = 'u', value_name = "USER")]
    pub user: Option<String>,
    /// A variable of its environment; NAME alone takes the value from here.
    #[arg(long, short = 'e', value_name = "NAME=VALUE", action = ArgAction::Append)]
    pub env: Vec<String>,
    /// Where it starts.
    #[arg(long, short = 'w', value_name = "FOLDER")]
    pub workdir: Option<String>,
}

/// `a3 ssh`
#[derive(Debug, Args)]
pub struct SshArgs {
    /// The machine: a slot (web/0), a group, a mnemonic name, an id or an address; not needed where
    /// there is one.
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Gives a command a terminal; a shell has one anyway.
    #[arg(long, short = 't', conflicts_with = "no_tty")]
    pub tty: bool,
    /// Gives a shell no terminal.
    #[arg(long, short = 'T')]
    pub no_tty: bool,
    /// Passes no standard input on.
    #[arg(long, short = 'n')]
    pub no_input: bool,
    /// A command instead of the shell. One word is a line for the user's shell there; several arrive
    /// as they are.
    #[arg(value_name = "CMD", last = true)]
    pub command: Vec<String>,
}

/// `a3 exec`
#[derive(Debug, Args)]
pub struct ExecArgs {
    /// The service.
    #[arg(value_name = "SERVICE")]
    pub service: String,
    /// Terminal and input.
    #[command(flatten)]
    pub attach: AttachArgs,
    /// Beside the container's settings.
    #[command(flatten)]
    pub process: ProcessArgs,
    /// On which machine, where the service runs on several: a slot (web/0), a mnemonic name, an id or
    /// an address.
    #[arg(long, value_name = "NAME")]
    pub instance: Option<String>,
    /// The command.
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true)]
    pub command: Vec<String>,
}

/// `a3 run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The service; its profile need not be active.
    #[arg(value_name = "SERVICE")]
    pub service: String,
    /// Terminal and input.
    #[command(flatten)]
    pub attach: AttachArgs,
    /// Beside the service's settings.
    #[command(flatten)]
    pub process: ProcessArgs,
    /// Removes the container when it ends, as `auto_remove` of the service does.
    #[arg(long)]
    pub rm: bool,
    /// Only starts it, and prints its name.
    #[arg(long, short = 'd', conflicts_with_all = ["interactive", "tty"])]
    pub detach: bool,
    /// A name for the container; NAME-SERVICE-run-… where none is given.
    #[arg(long = "name", value_name = "CONTAINER")]
    pub container: Option<String>,
    /// Instead of the image's and the service's entry point; an empty one is none.
    #[arg(long, value_name = "PROGRAM")]
    pub entrypoint: Option<String>,
    /// On which machine, where the service has several: a slot (web/0), a mnemonic name, an id or an
    /// address.
    #[arg(long, value_name = "NAME")]
    pub instance: Option<String>,
    /// Lets {command: …} secrets run without asking.
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// Instead of the service's command.
    #[arg(value_name = "CMD", trailing_var_arg = true)]
    pub command: Vec<String>,
}
