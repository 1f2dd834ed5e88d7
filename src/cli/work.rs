//! What `plan`, `apply` and `destroy` share: open the world, plan, ask, do, report.

use std::sync::Mutex;
use std::time::Duration;

use super::exit::Exit;
use super::fault::{Ended, Fault};
use super::{Session, terminal};
use crate::apply::{self, FailureKind, Job, Stop, Summary};
use crate::event::{Event, EventKind, ServiceAddress};
use crate::id::Slot;
use crate::observe::secrets::Consent;
use crate::observe::{Need, World, observe, observe_built, preflight};
use crate::observed::Observed;
use crate::plan::preflight::settle;
use crate::plan::step::{Plan, Step};
use crate::plan::summary::{Ending, goes_on};
use crate::plan::{Destroy, Options, plan, plan_destroy};
use crate::record::lock::{FileLock, holder, state_folder};
use crate::report::reporter::Talk;
use crate::report::{Look, Reporter, plan_text};
use crate::spec::Spec;

/// A deployment that was looked at.
pub(crate) struct Looked {
    pub(crate) world: World,
    pub(crate) observed: Observed,
    pub(crate) plan: Plan,
}

/// How long another a3 on this machine is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Nobody else on this machine plans and applies this deployment meanwhile.
pub(crate) async fn lock(spec: &Spec) -> Result<FileLock, Fault> {
    let folder = state_folder().map_err(|error| Fault::of(Exit::Failed, &error))?;
    let lock = FileLock::take(&folder, &spec.name, &holder(), PATIENCE, &|_| {}).await;
    lock.map_err(|error| Fault::of(Exit::Locked, &error))
}

/// What is planned.
pub(crate) enum Wish {
    Apply(Options),
    Destroy(Destroy),
}

/// Opens the world, observes, plans.
///
/// # Errors
/// It is another AWS account than the spec allows.
pub(crate) async fn look(spec: &Spec, wish: &Wish, consent: Consent) -> Result<Looked, Fault> {
    let need = match wish {
        Wish::Apply(_) => Need::Everything,
        Wish::Destroy(_) => Need::Machines,
    };
    let world = World::open(spec, need, consent).await;
    if let Some(cause) = world.refused.clone() {
        return Err(Fault::cause(Exit::Refused, cause));
    }
    let mut observed = observe(spec, &world).await;
    if matches!(wish, Wish::Destroy(Destroy { images: true, .. })) {
        observed.built = observe_built(&world).await;
    }
    let plan = match wish {
        Wish::Apply(options) => plan(spec, &observed, options),
        Wish::Destroy(destroy) => plan_destroy(spec, &observed, destroy),
    };
    Ok(Looked { world, observed, plan })
}

/// Asks EC2 about the calls that the plan would make, and writes into the plan what it said.
pub(crate) async fn preflight(spec: &Spec, looked: &mut Looked) {
    let answers = preflight::preflight(spec, &looked.world, &looked.observed, &looked.plan).await;
    settle(&mut looked.plan, answers);
}

/// An unknown service is refused with the list of those that there are.
pub(crate) fn known_service(spec: &Spec, name: &str) -> Result<(), Fault> {
    if spec.services.contains_key(name) {
        return Ok(());
    }
    let known: Vec<&str> = spec.services.keys().map(String::as_str).collect();
    let inactive = spec.inactive.iter().any(|inactive| inactive == name);
    let help = inactive
        .then(|| format!("its profile is not active: add --profile NAME, one of those that `{name}` has"));
    let message = format!("there is no active service `{name}`; there are {}", known.join(", "));
    Err(Fault::new(Exit::Usage, message, help.as_deref()))
}

/// How it ends where a decision is missing.
pub(crate) fn exit_of_blocked(plan: &Plan) -> Option<Exit> {
    Some(Exit::of(Ending::of(plan), false)).filter(|exit| *exit != Exit::Done)
}

/// How the work is done and shown.
pub(crate) struct How<'a> {
    pub(crate) yes: bool,
    /// The plan was read and saved by someone: that was the yes to it, and to nothing more.
    pub(crate) approved: bool,
    pub(crate) allow_terminate: bool,
    pub(crate) json: bool,
    /// `Apply these changes?`
    pub(crate) question: &'a str,
    /// What to type to go on after a failure.
    pub(crate) go_on: String,
}

/// Shows the plan, asks, does it. `Ok(None)` when there was nothing to do.
pub(crate) async fn carry_out(
    session: &Session,
    spec: &Spec,
    looked: &Looked,
    how: &How<'_>,
) -> Result<Option<Summary>, Fault> {
    let plan = &looked.plan;
    if !how.json {
        terminal::talk(&plan_text::plan_text(plan, &session.look));
    }
    let mut reporter = begin(session, plan, how);
    if let Some(exit) = exit_of_blocked(plan).filter(|_| !goes_on(plan)) {
        end_idle(&mut reporter, how, (false, Vec::new()));
        return Err(Fault::new(exit, "nothing was done, since some decisions could not be made", None));
    }
    if plan.steps.is_empty() {
        let addresses = match plan.destroy {
            true => Vec::new(),
            false => apply::addresses(spec, &looked.observed, &looked.world),
        };
        end_idle(&mut reporter, how, (true, addresses));
        return Ok(None);
    }
    work_off(spec, (looked, plan), how, reporter).await.map(Some)
}

/// What shows a run. A stream begins with the plan.
pub(crate) fn begin(session: &Session, plan: &Plan, how: &How<'_>) -> Reporter {
    let mut reporter = reporter(session.look, session.global.verbose, how);
    if how.json {
        let plan = Box::new(plan.clone());
        reporter.report(&Event { elapsed: Duration::ZERO, kind: EventKind::Planned { plan } });
    }
    reporter
}

/// Ends a stream of a run that did nothing.
pub(crate) fn end_idle(
    reporter: &mut Reporter,
    how: &How<'_>,
    (success, addresses): (bool, Vec<ServiceAddress>),
) {
    if how.json {
        let kind = EventKind::Finished { success, addresses };
        reporter.report(&Event { elapsed: Duration::ZERO, kind });
    }
}

/// Asks, and does it.
pub(crate) async fn work_off(
    spec: &Spec,
    (looked, plan): (&Looked, &Plan),
    how: &How<'_>,
    mut reporter: Reporter,
) -> Result<Summary, Fault> {
    let stop = match ready(spec, (looked, plan), how).await {
        Ok(stop) => stop,
        Err(fault) => {
            end_idle(&mut reporter, how, (false, Vec::new()));
            return Err(fault);
        }
    };
    let reporter = Mutex::new(reporter);
    let events = |event: Event| {
        if let Ok(mut reporter) = reporter.lock() {
            reporter.report(&event);
        }
    };
    let confirm = |slot: &Slot, steps: &[Step]| confirm_stronger(how, slot, steps, &reporter);
    let job = Job {
        spec,
        observed: &looked.observed,
        plan,
        world: &looked.world,
        stop: &stop,
        events: &events,
        confirm: &confirm,
    };
    let summary = apply::apply(job).await;
    if let Ok(mut reporter) = reporter.lock() {
        reporter.close();
    }
    Ok(summary)
}

async fn ready(spec: &Spec, (looked, plan): (&Looked, &Plan), how: &How<'_>) -> Result<Stop, Fault> {
    agree(plan, how)?;
    ready_keys(spec, looked).await?;
    Stop::on_signals().map_err(|error| Fault::new(Exit::Failed, error.to_string(), None))
}

/// The keys of machines that are still to be reached: a passphrase that nobody can say is found before
/// anything is launched, and one that somebody can say is asked for before bars move on the terminal.
async fn ready_keys(spec: &Spec, looked: &Looked) -> Result<(), Fault> {
    if looked.plan.destroy {
        return Ok(());
    }
    let mut keys: Vec<_> = spec
        .slots()
        .filter(|(slot, _)| looked.world.host(slot).is_none())
        .filter_map(|(_, group)| group.ssh.identity_file.as_ref())
        .collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let ready = crate::ssh::ready(key, &looked.world.keyring).await;
        ready.map_err(|error| Fault::of(Exit::Failed, &error))?;
    }
    Ok(())
}

fn agree(plan: &Plan, how: &How<'_>) -> Result<(), Fault> {
    if plan.ends_machines() && !plan.destroy && !how.allow_terminate && !terminal::can_ask() {
        let message = "this ends a machine, and there is no terminal to ask on";
        return Err(Fault::new(Exit::Refused, message, Some("add --allow-terminate if that is meant")));
    }
    if how.yes || how.approved {
        return Ok(());
    }
    if !terminal::can_ask() {
        let message = "this wants a yes, and there is no terminal to ask on";
        return Err(Fault::new(Exit::Refused, message, Some("add --yes (-y)")));
    }
    if terminal::ask(how.question) {
        return Ok(());
    }
    Err(Fault::new(Exit::Failed, "declined; nothing was done", None))
}

fn confirm_stronger(how: &How<'_>, slot: &Slot, steps: &[Step], reporter: &Mutex<Reporter>) -> bool {
    if how.yes {
        return true;
    }
    if !terminal::can_ask() {
        return false;
    }
    let Ok(reporter) = reporter.lock() else { return false };
    reporter.suspend(|| {
        let mut text = format!("\n{slot} answers now, and needs more than was shown:\n");
        for step in steps {
            text.push_str(&format!("  {} {}\n", step.change.symbol(), step.title()));
        }
        terminal::talk(&text);
        terminal::ask("Go on?")
    })
}

fn reporter(look: Look, verbose: bool, how: &How<'_>) -> Reporter {
    use std::io::IsTerminal as _;
    let talk = Talk { go_on: how.go_on.clone(), verbose };
    let out = Box::new(std::io::stdout());
    if how.json {
        Reporter::json(out)
    } else if std::io::stderr().is_terminal() && !verbose {
        Reporter::human(look, talk, out)
    } else {
        Reporter::plain(look, talk, Box::new(std::io::stderr()), out)
    }
}

/// How a command ends after the work.
pub(crate) fn ended(summary: &Summary) -> Ended {
    let exit = match summary.worst {
        None => return Ok(Exit::Done),
        Some(FailureKind::Failed) => Exit::Failed,
        Some(FailureKind::Refused) => Exit::Refused,
        Some(FailureKind::Locked) => Exit::Locked,
        Some(FailureKind::Interrupted) => Exit::Interrupted,
    };
    Err(match &summary.refused {
        Some(cause) => Fault::cause(exit, cause.clone()),
        None => Fault::said(exit),
    })
}
