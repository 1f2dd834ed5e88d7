//! Arguments of the commands that look.

use std::path::PathBuf;

use clap::Args;

/// `a3 status`
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Ended instances and one-off containers that stopped too.
    #[arg(long)]
    pub all: bool,
    /// Every instance of every deployment, in all regions of the account; needs no deploy.yaml.
    #[arg(long)]
    pub all_regions: bool,
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
    /// The services; all when none is named.
    #[arg(value_name = "SERVICE")]
    pub service: Vec<String>,
    /// Goes on with what comes, through redeploys, restarts and dropped connections, until Ctrl-C.
    #[arg(long, short = 'f', conflicts_with = "until")]
    pub follow: bool,
    /// Since a time (2026-01-31, 2026-01-31T12:00:00Z, seconds since 1970) or a duration ago (10m).
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    pub since: Option<String>,
    /// Until a time or a duration ago.
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    pub until: Option<String>,
    /// Only the last lines of each container; with --grep, the last that match.
    #[arg(long, short = 'n', value_name = "LINES", default_value = "all", hide_default_value = true)]
    pub tail: String,
    /// Only lines that match a regular expression.
    #[arg(long, value_name = "REGEX", allow_hyphen_values = true)]
    pub grep: Option<String>,
    /// With each line's time, in UTC.
    #[arg(long, short = 't')]
    pub timestamps: bool,
    /// Only this machine's: a slot (web/0), name, id or address.
    #[arg(long, value_name = "NAME")]
    pub instance: Option<String>,
    /// Lines as they are, without the name of where they come from.
    #[arg(long)]
    pub no_log_prefix: bool,
    /// With --follow: how long a machine that went away is waited for.
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    pub patience: String,
    /// A spec file, as before the command; here -f is --follow.
    // The same argument as `Global::file`, which would bring its short name along.
    #[arg(id = "file", long = "file", value_name = "FILE", value_delimiter = ':')]
    pub file: Vec<PathBuf>,
}
