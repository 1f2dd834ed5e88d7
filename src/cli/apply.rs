//! `a3 plan`, `a3 apply`, `a3 destroy`.

use std::path::{Path, PathBuf};

use super::args::{ApplyArgs, DestroyArgs, PlanArgs};
use super::exit::Exit;
use super::fault::{Ended, Fault};
use super::work::{self, How, Wish};
use super::{Session, access, saved, scope, terminal};
use crate::id::Slot;
use crate::observe::Need;
use crate::observe::secrets::Consent;
use crate::observed::{HostSeen, NotYet, Observed};
use crate::plan::Destroy;
use crate::plan::summary::Ending;
use crate::record::Lease;
use crate::record::hint::{Hints, Places};
use crate::record::lock::{person, state_folder};
use crate::report::error::{note_text, warning_text};
use crate::report::saved_plan::SavedPlan;
use crate::report::{plan_json, plan_text};
use crate::spec::Spec;

/// `a3 plan`
pub(crate) async fn plan(session: &Session, args: &PlanArgs) -> Ended {
    let spec = session.load(args.spec.spec.as_ref())?;
    notice_rename(session, &spec);
    let options = scope::options(&spec, &args.scope)?;
    let consent = session.consent(&spec, Need::Everything, args.yes)?;
    let mut looked = work::look(&spec, &Wish::Apply(options.clone()), consent).await?;
    work::preflight(&spec, &mut looked).await;
    if args.json {
        terminal::data(&plan_json::PlanDocument::of(&looked.plan).to_text());
    } else {
        terminal::data(&plan_text::plan_text(&looked.plan, &session.data_look));
    }
    if let Some(exit) = work::exit_of_blocked(&looked.plan) {
        let unsaved = "the plan was not saved, since some decisions could not be made";
        return Err(args.out.as_ref().map_or(Fault::said(exit), |_| Fault::new(exit, unsaved, None)));
    }
    if let Some(out) = &args.out {
        let files = session.files(args.spec.spec.as_ref());
        saved::write(session, out, &files, (&looked.plan, &options))?;
        terminal::talk(&format!("Saved. To do exactly this: a3 apply {}\n", out.display()));
    }
    Ok(Exit::of(Ending::of(&looked.plan), args.detailed_exitcode))
}

/// `a3 apply`
pub(crate) async fn apply(session: &Session, args: &ApplyArgs) -> Ended {
    let saved = args.spec.as_deref().map(|file| Ok((file, saved::read(file)?))).transpose()?;
    match saved {
        Some((file, Some(plan))) => {
            let session = saved::session_of(session, &plan, &args.scope)?;
            apply_approved(&session, args, None, Some((file, &plan))).await
        }
        _ => apply_approved(session, args, args.spec.as_ref(), None).await,
    }
}

/// Plans and applies the spec; only what was approved, where a plan was.
async fn apply_approved(
    session: &Session,
    args: &ApplyArgs,
    file: Option<&PathBuf>,
    approved: Option<(&Path, &SavedPlan)>,
) -> Ended {
    let spec = session.load(file)?;
    notice_rename(session, &spec);
    let options = match approved {
        Some((_, saved)) => saved.options.clone(),
        None => scope::options(&spec, &args.scope)?,
    };
    let consent = session.consent(&spec, Need::Everything, args.yes)?;
    let _lock = work::lock(&spec).await?;
    // What was replaced or built anew is not to be so again: to go on, only the targets count.
    let targets: String = options.target.iter().map(|name| format!(" --target {name}")).collect();
    let go_on = session.command_line("apply", file) + &targets;
    let mut looked = work::look(&spec, &Wish::Apply(options), consent).await?;
    work::preflight(&spec, &mut looked).await;
    let ended = apply_looked(session, args, (&spec, &looked), go_on, approved).await;
    if args.ephemeral_access { access::close(session, &spec, &looked, ended).await } else { ended }
}

async fn apply_looked(
    session: &Session,
    args: &ApplyArgs,
    (spec, looked): (&Spec, &work::Looked),
    go_on: String,
    approved: Option<(&Path, &SavedPlan)>,
) -> Ended {
    if let Some((file, saved)) = approved {
        saved::still_holds(session, saved, &looked.plan, file)?;
    }
    if !looked.plan.steps.is_empty() {
        take_over(&looked.observed, args.take_over)?;
    }
    if looked.plan.ends_machines() {
        refuse_leased(session, looked)?;
    }
    let how = How {
        yes: args.yes,
        approved: approved.is_some(),
        allow_terminate: args.allow_terminate,
        json: args.json,
        question: "Apply these changes?",
        go_on,
    };
    match work::carry_out(session, spec, looked, &how).await? {
        Some(summary) => {
            remember(session, spec, &looked.observed);
            work::ended(&summary)
        }
        None => {
            let addresses = crate::apply::addresses(spec, &looked.observed, &looked.world);
            if !args.json {
                terminal::data(&crate::report::address_lines(&addresses));
            }
            Ok(Exit::Done)
        }
    }
}

/// `a3 destroy`
pub(crate) async fn destroy(session: &Session, args: &DestroyArgs) -> Ended {
    if args.all {
        return super::everywhere::destroy(session, args).await;
    }
    let spec = session.load(args.spec.spec.as_ref())?;
    let instances = args.instance.iter().cloned().collect();
    let wish = Wish::Destroy(Destroy { instances, images: args.images, volumes: args.volumes });
    let nothing = Consent { commands: false };
    let _lock = work::lock(&spec).await?;
    let mut looked = work::look(&spec, &wish, nothing).await?;
    work::preflight(&spec, &mut looked).await;
    let ended = destroy_looked(session, args, (&spec, &looked), &wish).await;
    if args.ephemeral_access { access::close(session, &spec, &looked, ended).await } else { ended }
}

async fn destroy_looked(
    session: &Session,
    args: &DestroyArgs,
    (spec, looked): (&Spec, &work::Looked),
    wish: &Wish,
) -> Ended {
    refuse_leased(session, looked)?;
    let how = How {
        yes: args.yes,
        approved: false,
        allow_terminate: true,
        json: args.json,
        question: "Destroy all of this? It cannot be undone.",
        go_on: session.command_line("destroy", args.spec.spec.as_ref()),
    };
    if let Some(summary) = work::carry_out(session, spec, looked, &how).await? {
        work::ended(&summary)?;
    }
    if !args.instance.is_empty() {
        let undecided = work::exit_of_blocked(&looked.plan);
        return undecided.map_or(Ok(Exit::Done), |exit| Err(Fault::said(exit)));
    }
    // The proof: look again, and find nothing that would have to be destroyed.
    let left = work::look(spec, wish, Consent { commands: false }).await?;
    if left.plan.steps.is_empty() && left.plan.blocked.is_empty() {
        if let Ok(folder) = state_folder() {
            Hints::forget(&folder, &spec.name).ok();
        }
        session.say(&format!("Nothing is left of {}.\n", spec.name), args.json);
        return Ok(Exit::Done);
    }
    session.say(&plan_text::plan_text(&left.plan, &session.look), args.json);
    let exit = work::exit_of_blocked(&left.plan).unwrap_or(Exit::Failed);
    Err(Fault::new(exit, "this is still there after the destroy", Some("type again: a3 destroy")))
}

/// The first apply of a person to what others have applied asks once: a name that two people use for
/// two things would otherwise replace the one with the other.
pub(super) fn take_over(observed: &Observed, meant: bool) -> Result<(), Fault> {
    let records =
        observed.hosts.values().filter_map(HostSeen::facts).filter_map(|facts| facts.record.as_ref());
    let mut people =
        records.flat_map(|record| &record.releases).map(|release| release.by.as_str()).peekable();
    let others = observed.scope.applied_by.as_deref().unwrap_or_default();
    let me = person();
    if meant || people.peek().is_none() || people.any(|by| by == me) {
        return Ok(());
    }
    let what = format!("{others} applied this deployment last, and {me} never did");
    if !terminal::can_ask() {
        let help = "add --take-over if it is the same deployment; else choose another `name`";
        return Err(Fault::new(Exit::Refused, what, Some(help)));
    }
    if terminal::ask(&format!("{what}. Go on with it?")) {
        return Ok(());
    }
    Err(Fault::new(Exit::Failed, "declined; nothing was done", None))
}

/// Where this deployment runs now, so that a later plan looks there too. Losing it loses only that.
fn remember(session: &Session, spec: &Spec, observed: &Observed) {
    let regions =
        observed.clouds.values().filter_map(|seen| seen.present().map(|cloud| cloud.region.clone()));
    let places = Places { regions: regions.collect(), ..Places::default() };
    let kept = state_folder().map_err(|error| error.to_string()).and_then(|folder| {
        Hints::remember(&folder, &file_of(spec), &spec.name, &places).map_err(|error| error.to_string())
    });
    if let Err(why) = kept {
        terminal::talk(&note_text(&session.look, &format!("where it runs could not be remembered: {why}")));
    }
}

/// What runs under the name that the file was last applied as is easily forgotten, and costs money.
fn notice_rename(session: &Session, spec: &Spec) {
    let Ok(folder) = state_folder() else { return };
    let hints = Hints::read(&folder);
    if let Some(before) = hints.name_of(&file_of(spec)).filter(|before| *before != spec.name) {
        let text = format!(
            "this file was last applied as `{before}`; what that made still runs. Set `name: {before}` and \
             a3 destroy to end it"
        );
        terminal::talk(&warning_text(&session.look, &text));
    }
}

fn file_of(spec: &Spec) -> PathBuf {
    let file = spec.files.first().cloned().unwrap_or_default();
    std::path::absolute(&file).unwrap_or(file)
}

/// Somebody at work on a machine is not cut off; a machine that cannot be asked is said to be so.
/// A lease from this machine is that of a process that died, since the file lock is ours.
fn refuse_leased(session: &Session, looked: &work::Looked) -> Result<(), Fault> {
    let ours = &looked.world.machine_id;
    for (slot, seen) in &looked.observed.hosts {
        match seen {
            HostSeen::Ready(facts) => {
                let in_force = |lease: &&Lease| lease.expires > facts.now && !lease.is_of(ours);
                if let Some(lease) = facts.lease.as_ref().filter(in_force) {
                    let message = format!("{} is at work on {slot} (lease {})", lease.holder, lease.number);
                    let help = "wait until it is done; a lease ends by itself 90 s after its holder";
                    return Err(Fault::new(Exit::Locked, message, Some(help)));
                }
            }
            HostSeen::Unreachable(cause) | HostSeen::Refused(cause) => {
                not_checked(session, slot, &cause.message);
            }
            HostSeen::NotYet(NotYet::Booting) => not_checked(session, slot, "it does not answer (yet)"),
            HostSeen::NotYet(NotYet::NoRule) => {
                not_checked(session, slot, "no rule of its security group lets this machine in");
            }
            HostSeen::NotYet(NotYet::NotLaunched | NotYet::Stopped) => {}
        }
    }
    Ok(())
}

fn not_checked(session: &Session, slot: &Slot, why: &str) {
    let message = format!("{slot}: whether somebody is at work there was not checked: {why}");
    terminal::talk(&note_text(&session.look, &message));
}
