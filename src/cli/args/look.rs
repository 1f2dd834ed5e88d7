//! Arguments of the commands that look.

use clap::Args;

/// `a3 status`
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Ended instances and one-off containers that stopped too.
    #[arg(long)]
    pub all: bool,
    /// Looks every two seconds until Ctrl-C (130); with --json a document a line.
    #[arg(long, short = 'w')]
    pub watch: bool,
    /// One JSON document on stdout.
    #[arg(long)]
    pub json: bool,
}

/// `a3 logs`
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// The service; all when none is named.
    #[arg(value_name = "SERVICE")]
    pub service: Vec<String>,
    /// Goes on with what comes, until Ctrl-C.
    #[arg(long)]
    pub follow: bool,
    /// Since a time (RFC 3339) or a duration ago (10m).
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Until a time or a duration ago.
    #[arg(long, value_name = "WHEN")]
    pub until: Option<String>,
    /// Only the last lines.
    #[arg(long, value_name = "LINES")]
    pub tail: Option<u32>,
    /// Only lines that match a regular expression.
    #[arg(long, value_name = "REGEX")]
    pub grep: Option<String>,
    /// With each line's time.
    #[arg(long, short = 't')]
    pub timestamps: bool,
}
