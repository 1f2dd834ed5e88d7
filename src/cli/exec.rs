//! `a3 exec`: a command in a service's container, through the engine's own API.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::args::ExecArgs;
use super::attach::{self, LOST, Left};
use super::exit::Exit;
use super::fault::{Ended, Fault};
use super::work::{self, Wish};
use super::{Session, pick};
use crate::docker::{Exec, ExecCommand};
use crate::host::Host;
use crate::observe::secrets::Consent;
use crate::observed::ContainerState;
use crate::plan::Destroy;
use crate::tty::{self, Control, Refused, Signal, Size, Wiring};

/// A process that was started a moment ago may not have its terminal yet.
const RESIZE_TRIES: u32 = 20;
const RESIZE_INTERVAL: Duration = Duration::from_millis(50);

/// `a3 exec`
pub(crate) async fn exec(session: &Session, args: &ExecArgs) -> Ended {
    let attach = attach::wanted(args.attach)?;
    let spec = session.load(None)?;
    work::known_service(&spec, &args.service)?;
    let looked = work::look(&spec, &Wish::Destroy(Destroy::default()), Consent { commands: false }).await?;
    let found = pick::container(&spec, &looked, &args.service, args.instance.as_deref())?;
    let place = format!("`{}` on {}", args.service, found.place.slot);
    runs(found.container.state, &args.service, &place)?;
    let environment = attach::variables(&args.process.env);
    let command = ExecCommand {
        words: args.command.clone(),
        tty: attach.tty,
        stdin: attach.stdin,
        environment: environment.iter().map(|(name, value)| format!("{name}={value}")).collect(),
        user: args.process.user.clone(),
        workdir: args.process.workdir.clone(),
        size: attach.tty.then(tty::size).flatten(),
    };
    let program = args.command.first().map(String::as_str).unwrap_or_default();
    let engine = found.place.host.engine();
    let (exec, mut output, input) = match engine.exec(&found.container.name, &command).await {
        Ok(started) => started,
        Err(error) if error.to_string().contains("OCI runtime") => {
            return Err(attach::not_started(program, &place, &error.to_string()));
        }
        Err(error) if error.is_unreachable() => return Err(Fault::of(LOST, &error)),
        Err(error) => return Err(Fault::of(Exit::Failed, &error)),
    };
    // Where nothing is passed on, the other half is held so that the connection stays whole.
    let (input, _held) = if attach.stdin { (Some(input), None) } else { (None, Some(input)) };
    let inside = Inside { exec: exec.clone(), host: found.place.host.clone() };
    let wiring = Wiring { tty: attach.tty, input, control: Arc::new(inside) };
    let left = attach::connect(&mut output, wiring).await?;
    if let Some(said) = output.failure() {
        return Err(attach::not_started(program, &place, said));
    }
    match left {
        Left::Running(exit) => Ok(exit),
        Left::Ended => {
            let code = exec.exit_code().await.map_err(|error| Fault::of(LOST, &error))?;
            Ok(attach::exit_of(code))
        }
    }
}

/// Only in a container that runs can anything be started.
fn runs(state: ContainerState, service: &str, place: &str) -> Result<(), Fault> {
    let (message, help) = match state {
        ContainerState::Running => return Ok(()),
        ContainerState::Restarting => (
            format!("{place} ends and is started again and again"),
            format!("a3 logs {service} says why; a3 run {service} -- CMD runs something beside it"),
        ),
        ContainerState::Paused => (format!("{place} is paused"), "a3 apply lets it go on".to_owned()),
        ContainerState::Created | ContainerState::Exited(_) | ContainerState::Gone => (
            format!("{place} does not run"),
            format!("a3 apply starts it; a3 run {service} -- CMD needs no running one"),
        ),
    };
    Err(Fault::new(Exit::Failed, message, Some(&help)))
}

/// A command in a container.
struct Inside {
    exec: Exec,
    host: Host,
}

impl Control for Inside {
    fn resize(&self, size: Size) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            for _ in 0..RESIZE_TRIES {
                if self.exec.resize(size).await.is_ok() {
                    return;
                }
                tokio::time::sleep(RESIZE_INTERVAL).await;
            }
        })
    }

    fn signal(&self, signal: Signal) -> BoxFuture<'_, Result<(), Refused>> {
        Box::pin(async move {
            let pid = self.exec.pid().await.map_err(|_| Refused)?.ok_or(Refused)?;
            let sent = self.host.signal(pid, signal.name()).await.map_err(|_| Refused)?;
            if sent { Ok(()) } else { Err(Refused) }
        })
    }

    fn grace(&self) -> Option<Duration> {
        None
    }
}
