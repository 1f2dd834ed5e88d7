//! Arguments of the commands that look and go back.

use clap::Args;

/// `a3 rollback`
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The services; all when none is named.
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// This release, as `a3 history` numbers them [default: the last complete one below what runs].
    #[arg(long, value_name = "RELEASE")]
    pub to: Option<u64>,
    /// Does not ask.
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// Goes on with what somebody else has applied, without a terminal to ask on.
    #[arg(long)]
    pub take_over: bool,
    /// Events as JSON lines on stdout.
    #[arg(long)]
    pub json: bool,
}

/// `a3 history`
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Releases that failed too.
    #[arg(long)]
    pub all: bool,
    /// One JSON document on stdout.
    #[arg(long)]
    pub json: bool,
}
