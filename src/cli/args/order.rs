//! Arguments of the commands that work on containers by name.

use clap::Args;

/// Which services, where.
#[derive(Debug, Args)]
pub struct Which {
    /// The services; all when none is named.
    #[arg(value_name = "SERVICE")]
    pub service: Vec<String>,
    /// Only on this machine: a slot (web/0), a mnemonic name, an id or an address.
    #[arg(long, value_name = "NAME")]
    pub instance: Option<String>,
    /// Events as JSON lines on stdout.
    #[arg(long)]
    pub json: bool,
}

/// `a3 stop`, `a3 restart`
#[derive(Debug, Args)]
pub struct StopArgs {
    /// Which.
    #[command(flatten)]
    pub which: Which,
    /// Seconds to stop by itself in, before it is killed [default: the service's stop_grace_period].
    #[arg(long, short = 't', value_name = "SECONDS")]
    pub timeout: Option<u64>,
}

/// `a3 start`
#[derive(Debug, Args)]
pub struct StartArgs {
    /// Which.
    #[command(flatten)]
    pub which: Which,
}

/// `a3 rm`
#[derive(Debug, Args)]
pub struct RmArgs {
    /// Which; without a name all that are stopped.
    #[command(flatten)]
    pub which: Which,
    /// Stops what runs first.
    #[arg(long, short = 's')]
    pub stop: bool,
    /// Does not ask.
    #[arg(long, short = 'y')]
    pub yes: bool,
}

/// `a3 port`
#[derive(Debug, Args)]
pub struct PortArgs {
    /// The service.
    pub service: String,
    /// The container's port; all that are published when none is named.
    pub port: Option<u16>,
    /// Which protocol.
    #[arg(long, value_name = "PROTOCOL", default_value = "tcp", value_parser = ["tcp", "udp"])]
    pub protocol: String,
    /// Only on this machine: a slot (web/0), a mnemonic name, an id or an address.
    #[arg(long, value_name = "NAME")]
    pub instance: Option<String>,
}
