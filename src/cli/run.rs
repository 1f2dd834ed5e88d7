//! `a3 run`: a container of a service's image and settings that runs once, for a person or a script.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use secrecy::SecretString;

use super::args::RunArgs;
use super::attach::{self, Attach, LOST, Left};
use super::exit::Exit;
use super::fault::{Ended, Fault};
use super::pick::{self, Place};
use super::run_image::{self, OneOffImage};
use super::work::{self, Looked, Wish};
use super::{Session, terminal};
use crate::docker::create::NewContainer;
use crate::docker::{Engine, EngineError, OneOff, absolute_binds};
use crate::observe::Need;
use crate::observe::secrets::{self, Consent};
use crate::observed::{Secrets, Seen};
use crate::plan::Destroy;
use crate::plan::names::{self, label};
use crate::plan::settings::{Env, Settings};
use crate::report::error::note_text;
use crate::spec::{Service, Spec};
use crate::tty::{self, Control, Refused, Signal, Size, Wiring};

/// A container that was started a moment ago may not have its terminal yet.
const RESIZE_TRIES: u32 = 20;
const RESIZE_INTERVAL: Duration = Duration::from_millis(50);

/// `a3 run`
pub(crate) async fn run(session: &Session, args: &RunArgs) -> Ended {
    let attach = attach::wanted(args.attach)?;
    let spec = session.load_with(None, Some(&args.service))?;
    work::known_service(&spec, &args.service)?;
    let Some(service) = spec.services.get(&args.service) else { return Err(Fault::said(Exit::Usage)) };
    let looked = work::look(&spec, &Wish::Destroy(Destroy::default()), Consent { commands: false }).await?;
    let place = pick::machine_of(&spec, &looked, &args.service, args.instance.as_deref())?;
    if let Seen::Unreachable(cause) = &place.facts.engine {
        return Err(Fault::cause(Exit::Unreachable, cause.clone()));
    }
    let (image, secrets) = image_and_secrets(session, &spec, &looked, &place, args).await?;
    let engine = place.host.engine();
    if image.pull {
        terminal::talk(&format!("pulling {} on {}\n", image.reference, place.slot));
        let pulling = engine.pull(&image.reference, image.credential.as_ref(), &|_| {});
        tokio::select! {
            pulled = pulling => pulled.map_err(|error| Fault::of(Exit::Failed, &error))?,
            _ = tokio::signal::ctrl_c() => return Err(Fault::said(Exit::Interrupted)),
        }
    }
    let new = new_container(&spec, service, &place, args, (&image.reference, &secrets))?;
    let size = attach.tty.then(tty::size).flatten();
    let remove = args.rm || service.auto_remove;
    let how = OneOff { tty: attach.tty, size, stdin: attach.stdin, remove };
    let failed = |error: EngineError| Fault::of(Exit::Failed, &error);
    engine.ensure_network(&new.settings.network, &spec.name).await.map_err(failed)?;
    let id = engine.create_one_off(&new, how).await.map_err(|error| Fault::of(Exit::Failed, &error))?;
    let (on, image) = (format!("on {}", place.slot), format!("the image of `{}`", args.service));
    let one = Run { session, engine: &engine, id, new: &new, how, place: on, image };
    let ended = if args.detach { one.start().await } else { one.to_its_end(attach).await };
    if how.remove && !args.detach && place.facts.record.is_none() {
        // Nothing of ours was there before, and nothing is to be left. One that is in use stays.
        let _ = engine.remove_network(&new.settings.network, &spec.name).await;
    }
    ended
}

/// What the service runs with there, else what its spec asks for; and the values of its environment.
async fn image_and_secrets(
    session: &Session,
    spec: &Spec,
    looked: &Looked,
    place: &Place<'_>,
    args: &RunArgs,
) -> Result<(OneOffImage, Secrets), Fault> {
    let running = pick::container(spec, looked, &args.service, Some(&place.slot.to_string())).ok();
    let pinned = running.and_then(|found| found.container.labels.get(label::IMAGE));
    if let Some(reference) = pinned {
        let own = run_image::without_image(spec, &args.service);
        let consent = session.consent(&own, Need::Everything, args.yes)?;
        let (secrets, missing) = secrets::read_secrets(&own, Need::Everything, consent).await;
        if let Some(one) = missing.into_iter().next() {
            return Err(Fault::cause(Exit::Failed, one.cause));
        }
        let image = OneOffImage { reference: reference.clone(), pull: false, credential: None };
        return Ok((image, secrets));
    }
    run_image::wanted(session, spec, place, args).await
}

fn new_container(
    spec: &Spec,
    service: &Service,
    place: &Place<'_>,
    args: &RunArgs,
    (image, secrets): (&str, &Secrets),
) -> Result<NewContainer, Fault> {
    let name = match &args.container {
        Some(name) => name.clone(),
        None => names::one_off(&spec.name, &service.name, &random()?),
    };
    let mut settings = Settings::of(&spec.name, service).one_off(&name);
    let mut environment =
        secrets::environment(&settings, service, secrets).map_err(|error| Fault::of(Exit::Failed, &error))?;
    for (name, value) in attach::variables(&args.process.env) {
        // What is typed may be a secret as well.
        settings.environment.insert(name.clone(), Env::Resolved);
        environment.insert(name, SecretString::from(value));
    }
    if let Some(program) = &args.entrypoint {
        settings.entrypoint =
            Some(Some(program.clone()).filter(|program| !program.is_empty()).into_iter().collect());
        settings.command = None;
    }
    if !args.command.is_empty() {
        settings.command = Some(args.command.clone());
    }
    settings.user = args.process.user.clone().or(settings.user);
    settings.working_dir = args.process.workdir.clone().or(settings.working_dir);
    let labels = [
        (label::DEPLOYMENT, spec.name.clone()),
        (label::SERVICE, service.name.clone()),
        (label::ONE_OFF, names::one_off_mark(&spec.name, &place.slot, &service.name, &name)),
        (label::IMAGE, image.to_owned()),
    ];
    Ok(NewContainer {
        deployment: spec.name.clone(),
        settings: absolute_binds(&settings, &place.facts.base, &place.facts.home),
        environment,
        image: image.to_owned(),
        platform: service.platform,
        labels: labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
    })
}

fn random() -> Result<String, Fault> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|error| Fault::new(Exit::Failed, error.to_string(), None))?;
    Ok(data_encoding::HEXLOWER.encode(&bytes))
}

/// A one-off container that was created.
struct Run<'a> {
    session: &'a Session,
    engine: &'a Engine,
    id: String,
    new: &'a NewContainer,
    how: OneOff,
    place: String,
    /// As a person knows it.
    image: String,
}

impl Run<'_> {
    fn name(&self) -> &str {
        &self.new.settings.name
    }

    /// Starts it and leaves it alone.
    async fn start(&self) -> Ended {
        match self.engine.start_container(&self.id).await {
            Ok(()) => {
                terminal::data(&format!("{}\n", self.name()));
                Ok(Exit::Done)
            }
            Err(error) => Err(self.not_started(error).await),
        }
    }

    /// Runs it to its end, or to ours.
    async fn to_its_end(&self, attach: Attach) -> Ended {
        let lost = |error: EngineError| Fault::of(LOST, &error);
        let attached = async {
            let (output, input) = self.engine.attach_to(&self.id, self.how).await?;
            let ending = self.engine.ending(&self.id, self.how).await?;
            self.engine.start_container(&self.id).await?;
            Ok((output, input, ending))
        };
        let (mut output, input, ending) = match attached.await {
            Ok(attached) => attached,
            Err(error) => return Err(self.not_started(error).await),
        };
        let (input, _held) = if attach.stdin { (Some(input), None) } else { (None, Some(input)) };
        let control = Arc::new(Running { engine: self.engine.clone(), id: self.id.clone() });
        let wiring = Wiring { tty: attach.tty, input, control };
        let left = match attach::connect(&mut output, wiring).await {
            Ok(left) => left,
            Err(fault) => {
                self.note(&format!("{} {} may still run", self.name(), self.place));
                return Err(fault);
            }
        };
        let exit = match left {
            Left::Ended => attach::exit_of(ending.code().await.map_err(lost)?),
            Left::Running(exit) => {
                // What nobody reads would hold up its end.
                drop(output);
                self.stop(exit).await;
                exit
            }
        };
        if !self.how.remove && terminal::is_shown() {
            self.note(&format!("{} is kept; with --rm it would be removed", self.name()));
        }
        Ok(exit)
    }

    /// What was started for this command ends with it.
    async fn stop(&self, exit: Exit) {
        let insisted = exit == Exit::Child(Signal::Interrupt.exit_code());
        let grace = if insisted { 0 } else { self.new.settings.stop_grace_period };
        if self.engine.stop_container(&self.id, Duration::from_secs(grace)).await.is_err() {
            self.note(&format!("{} {} may still run", self.name(), self.place));
        }
    }

    /// Takes away what never ran.
    async fn not_started(&self, error: EngineError) -> Fault {
        if error.is_unreachable() {
            return Fault::of(LOST, &error);
        }
        let _ = self.engine.discard_one_off(&self.id).await;
        let said = error.to_string();
        if !said.contains("OCI runtime") && !said.contains("executable file not found") {
            return Fault::of(Exit::Failed, &error);
        }
        let settings = &self.new.settings;
        let program = settings.entrypoint.iter().flatten().chain(settings.command.iter().flatten()).next();
        attach::not_started(program.map_or("the command of the image", String::as_str), &self.image, &said)
    }

    fn note(&self, text: &str) {
        terminal::talk(&note_text(&self.session.look, text));
    }
}

/// A one-off container that runs.
struct Running {
    engine: Engine,
    id: String,
}

impl Control for Running {
    fn resize(&self, size: Size) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            for _ in 0..RESIZE_TRIES {
                if self.engine.resize_container(&self.id, size).await.is_ok() {
                    return;
                }
                tokio::time::sleep(RESIZE_INTERVAL).await;
            }
        })
    }

    fn signal(&self, signal: Signal) -> BoxFuture<'_, Result<(), Refused>> {
        Box::pin(async move {
            let sent = self.engine.kill_container(&self.id, signal.name()).await;
            sent.map_err(|_| Refused)
        })
    }

    fn grace(&self) -> Option<Duration> {
        None
    }
}
