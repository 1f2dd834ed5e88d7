//! The `a3` command: arguments, exit codes, questions. The only place that ends the process.

mod access;
mod apply;
pub mod args;
mod attach;
mod containers;
mod doctor;
mod everywhere;
mod exec;
pub mod exit;
mod fault;
mod history;
mod images;
mod init;
mod logging;
mod logs;
mod order;
mod passphrase;
mod pick;
mod port;
mod rollback;
mod run;
mod run_image;
mod saved;
mod scope;
mod spec;
mod ssh;
mod status;
mod terminal;
mod unlock;
mod version;
mod watch;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use crate::load::{LoadError, Loaded, load, load_with};
use crate::observe::Need;
use crate::observe::secrets::{self, Consent};
use crate::report::Look;
use crate::report::error::note_text;
use crate::spec::Spec;
use args::{Cli, Command, Global};
use exit::Exit;
use fault::{Ended, Fault};

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap would exit with 2, which means "changes pending" here.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            error.print().ok();
            if let Some(help) = ours(&error) {
                terminal::talk(&format!("help: {help}\n"));
            }
            return exit.into();
        }
    };
    let look = terminal::look(cli.global.color);
    let ended = start(cli);
    let exit = ended.unwrap_or_else(|fault| {
        terminal::talk(&fault.to_text(&look));
        fault.exit
    });
    exit.into()
}

/// What other programs call a command of ours, which clap cannot know.
fn ours(error: &clap::Error) -> Option<String> {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else { return None };
    if error.kind() != ErrorKind::InvalidSubcommand {
        return None;
    }
    let command = match word.as_str() {
        "up" | "deploy" | "launch" | "setup" => "apply",
        "down" | "delete" | "remove" | "terminate" | "teardown" => "destroy",
        "ps" | "ls" | "list" | "show" | "details" => "status",
        "diff" | "preview" | "dry-run" => "plan",
        "check" | "lint" => "validate",
        "new" | "create" | "generate" => "init",
        "log" => "logs",
        _ => return Some("a3 --help lists the commands".to_owned()),
    };
    Some(format!("that is `a3 {command}` here; a3 --help lists the commands"))
}

fn start(cli: Cli) -> Ended {
    logging::start(&cli.global).map_err(|error| Fault::new(Exit::Usage, error, None))?;
    // Both TLS users (AWS, registries) take the process's provider; with several compiled in, rustls
    // has no default of its own.
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    crate::ssh::Passphrases::ask_by(Box::new(passphrase::ask));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Fault::new(Exit::Failed, error.to_string(), None))?;
    let session = Session {
        look: terminal::look(cli.global.color),
        data_look: terminal::data_look(cli.global.color),
        global: cli.global,
    };
    let ended = runtime.block_on(dispatch(&session, &cli.command));
    // What was cut off (a read of standard input, a connection that hangs) does not hold us up.
    runtime.shutdown_background();
    ended
}

async fn dispatch(session: &Session, command: &Command) -> Ended {
    match command {
        Command::Init(args) => init::init(session, args).await,
        Command::Unlock(args) => unlock::unlock(session, args).await,
        Command::Doctor(args) => doctor::doctor(session, args).await,
        Command::Version(args) => version::version(args),
        Command::Validate(args) => spec::validate(session, args),
        Command::Schema(args) => spec::schema(args),
        Command::Config(args) => spec::config(session, args),
        Command::Plan(args) => apply::plan(session, args).await,
        Command::Apply(args) => apply::apply(session, args).await,
        Command::Destroy(args) => apply::destroy(session, args).await,
        Command::Build(args) => images::build(session, args).await,
        Command::Push(args) => images::push(session, args).await,
        Command::Status(args) => status::status(session, args).await,
        Command::Logs(args) => logs::logs(session, args).await,
        Command::Ssh(args) => ssh::ssh(session, args).await,
        Command::Exec(args) => exec::exec(session, args).await,
        Command::Stop(args) => order::stop(session, args).await,
        Command::Start(args) => order::start(session, args).await,
        Command::Restart(args) => order::restart(session, args).await,
        Command::Rm(args) => order::rm(session, args).await,
        Command::Port(args) => port::port(session, args).await,
        Command::Run(args) => run::run(session, args).await,
        Command::Rollback(args) => rollback::rollback(session, args).await,
        Command::History(args) => history::history(session, args).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "a3", &mut script);
            terminal::data(&String::from_utf8_lossy(&script));
            Ok(Exit::Done)
        }
    }
}

/// Columns where there is no terminal to ask.
const PLAIN_WIDTH: usize = 100;

/// What every command has at hand.
struct Session {
    global: Global,
    look: Look,
    data_look: Look,
}

impl Session {
    /// The files of the spec: the argument, else `--file`, else `deploy.yaml`.
    fn files(&self, argument: Option<&PathBuf>) -> Vec<PathBuf> {
        match argument {
            Some(file) => vec![file.clone()],
            None if self.global.file.is_empty() => vec![PathBuf::from("deploy.yaml")],
            None => self.global.file.clone(),
        }
    }

    fn load_raw(&self, argument: Option<&PathBuf>) -> Result<Loaded, LoadError> {
        load(&self.files(argument), &self.global.profile)
    }

    fn load(&self, argument: Option<&PathBuf>) -> Result<Spec, Fault> {
        self.load_with(argument, None)
    }

    /// The spec, with a service that is active whatever its profiles.
    fn load_with(&self, argument: Option<&PathBuf>, service: Option<&str>) -> Result<Spec, Fault> {
        let loaded = load_with(&self.files(argument), &self.global.profile, service);
        let loaded = loaded.map_err(|error| self.fault_of(&error))?;
        for notice in &loaded.notices {
            terminal::talk(&note_text(&self.look, notice));
        }
        Ok(loaded.spec)
    }

    fn fault_of(&self, error: &LoadError) -> Fault {
        match error {
            LoadError::Invalid(diagnostics) => {
                let width = self.look.width.unwrap_or(PLAIN_WIDTH);
                Fault::rendered(Exit::BadSpec, diagnostics.render(self.look.colour, width))
            }
            LoadError::Missing { .. } | LoadError::Unreadable { .. } | LoadError::Dotenv { .. } => {
                Fault::of(Exit::BadSpec, error)
            }
        }
    }

    /// Whether `{command: …}` secrets may run: after a yes, or with one asked for now.
    fn consent(&self, spec: &Spec, need: Need, yes: bool) -> Result<Consent, Fault> {
        let commands = secrets::commands(spec, need);
        if commands.is_empty() || yes {
            return Ok(Consent { commands: true });
        }
        let listed = commands.join("`, `");
        if !terminal::can_ask() {
            let message =
                format!("deploy.yaml runs `{listed}` for a secret, and there is no terminal to ask on");
            return Err(Fault::new(Exit::Refused, message, Some("add --yes (-y) if you trust it")));
        }
        if terminal::ask(&format!("deploy.yaml runs `{listed}` for a secret. Run it?")) {
            return Ok(Consent { commands: true });
        }
        Err(Fault::new(Exit::Failed, "declined; nothing was done", None))
    }

    /// The command that does the same again, as it can be typed.
    fn command_line(&self, verb: &str, argument: Option<&PathBuf>) -> String {
        let mut line = format!("a3 {verb}");
        if let Some(file) = argument {
            line.push_str(&format!(" {}", file.display()));
        }
        for file in self.global.file.iter().filter(|_| argument.is_none()) {
            line.push_str(&format!(" -f {}", file.display()));
        }
        for profile in &self.global.profile {
            line.push_str(&format!(" --profile {profile}"));
        }
        line
    }

    /// Says something that is no data; with `--json` stdout is the stream's alone.
    fn say(&self, text: &str, json: bool) {
        if json { terminal::talk(text) } else { terminal::data(text) }
    }
}
