//! `a3 unlock`: who works on a deployment, and taking it away from them.

use super::args::UnlockArgs;
use super::exit::Exit;
use super::fault::{Ended, Fault};
use super::pick;
use super::status::age;
use super::work::{self, Looked, Wish};
use super::{Session, terminal};
use crate::explain::Explain as _;
use crate::host::Host;
use crate::id::Slot;
use crate::observe::secrets::Consent;
use crate::observed::{Cause, HostFacts, HostSeen};
use crate::plan::Destroy;
use crate::record::lease;
use crate::record::lock::{file_holder, holder, state_folder};
use crate::record::{Lease, machine_id};
use crate::report::error::warning_text;
use crate::spec::Spec;

/// A machine on which somebody works.
struct Locked<'a> {
    slot: Slot,
    host: Host,
    facts: &'a HostFacts,
    lease: &'a Lease,
}

/// `a3 unlock`
pub(crate) async fn unlock(session: &Session, args: &UnlockArgs) -> Ended {
    let spec = session.load(None)?;
    let here = on_this_machine(&spec)?;
    let looked = work::look(&spec, &Wish::Destroy(Destroy::default()), Consent { commands: false }).await?;
    let only = match &args.instance {
        Some(name) => Some(pick::machine(&spec, &looked, Some(name))?.slot),
        None => None,
    };
    let (locked, away) = locks(&looked, only.as_ref());
    for (slot, cause) in &away {
        let text = format!("{slot} could not be asked: {}", cause.message);
        terminal::talk(&warning_text(&session.look, &text));
    }
    let unasked = if away.is_empty() { Exit::Done } else { Exit::Unreachable };
    if here.is_none() && locked.is_empty() {
        terminal::data(&format!("Nobody works on {}: nothing is locked.\n", spec.name));
        return Ok(unasked);
    }
    terminal::data(&shown(here.as_deref(), &locked));
    if !locked.is_empty() {
        agree(args, here.as_deref(), &locked)?;
        free(&locked).await?;
    }
    match here {
        Some(holder) => Err(still_held(&holder)),
        None => Ok(unasked),
    }
}

fn on_this_machine(spec: &Spec) -> Result<Option<String>, Fault> {
    let folder = state_folder().map_err(|error| Fault::of(Exit::Failed, &error))?;
    file_holder(&folder, &spec.name).map_err(|error| Fault::of(Exit::Failed, &error))
}

/// Where somebody works, and which machines did not answer.
fn locks<'a>(looked: &'a Looked, only: Option<&Slot>) -> (Vec<Locked<'a>>, Vec<(Slot, Cause)>) {
    let (mut locked, mut away) = (Vec::new(), Vec::new());
    let asked = looked.observed.hosts.iter().filter(|(slot, _)| only.is_none_or(|only| only == *slot));
    for (slot, seen) in asked {
        match (seen, looked.world.host(slot)) {
            (HostSeen::Ready(facts), Some(host)) => {
                if let Some(lease) = &facts.lease {
                    locked.push(Locked { slot: slot.clone(), host, facts, lease });
                }
            }
            (HostSeen::Unreachable(cause) | HostSeen::Refused(cause), _) => {
                away.push((slot.clone(), cause.clone()));
            }
            // Nobody can have locked what does not run; what boots answers next time.
            (HostSeen::NotYet(_) | HostSeen::Ready(_), _) => {}
        }
    }
    (locked, away)
}

fn shown(here: Option<&str>, locked: &[Locked<'_>]) -> String {
    let mut text = String::new();
    if let Some(holder) = here {
        text.push_str(&format!("this machine: {holder} works on it now\n"));
    }
    for one in locked {
        let Lease { holder, since, expires, .. } = one.lease;
        let now = one.facts.now;
        let dead = here.is_none() && one.lease.is_of(&machine_id());
        let state = if dead { ", which has died: the next a3 apply takes it over by itself" } else { "" };
        text.push_str(&format!(
            "{}: {holder}, for {}, ends in {} unless renewed{state}\n",
            one.slot,
            age(now.saturating_sub(*since)),
            age(expires.saturating_sub(now)),
        ));
    }
    text
}

fn agree(args: &UnlockArgs, here: Option<&str>, locked: &[Locked<'_>]) -> Result<(), Fault> {
    if args.yes {
        return Ok(());
    }
    if !terminal::can_ask() {
        let message = "this takes the lock away from somebody, and there is no terminal to ask on";
        return Err(Fault::new(Exit::Refused, message, Some("add --yes (-y) if they have really gone")));
    }
    let mut text = String::from(
        "\nWhoever works there stops at the next step, in the middle of what they do; a copy or a start that\n\
         is on its way still happens, beside what you do next. A lock whose holder has died ends by itself.\n",
    );
    if let Some(holder) = here {
        text.push_str(&format!("The process of {holder} is alive, on this machine.\n"));
    }
    terminal::talk(&text);
    let slots: Vec<String> = locked.iter().map(|one| one.slot.to_string()).collect();
    if terminal::ask(&format!("Take the lock on {} away?", slots.join(", "))) {
        return Ok(());
    }
    Err(Fault::new(Exit::Failed, "declined; nothing was done", None))
}

async fn free(locked: &[Locked<'_>]) -> Result<(), Fault> {
    let by = holder();
    let freed = locked.iter().map(async |one| lease::free(&one.host, &one.facts.folder, &by).await);
    let mut failed = None;
    for (one, freed) in locked.iter().zip(futures_util::future::join_all(freed).await) {
        match freed {
            Ok(Some(lease)) => terminal::data(&format!("{}: freed from {}\n", one.slot, lease.holder)),
            Ok(None) => terminal::data(&format!("{}: has ended meanwhile\n", one.slot)),
            Err(error) => {
                let cause = error.cause();
                terminal::data(&format!("{}: not freed: {}\n", one.slot, cause.message));
                failed = failed.or(Some(cause));
            }
        }
    }
    failed.map_or(Ok(()), |cause| Err(Fault::cause(Exit::Failed, cause)))
}

/// The lock of this machine is its process's, and is given back by its end only.
fn still_held(holder: &str) -> Fault {
    let pid = holder.rsplit_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    let pid = pid.filter(|pid| !pid.is_empty() && pid.chars().all(|c| c.is_ascii_digit()));
    let help = match pid {
        Some(pid) => format!("look at it: ps -fp {pid}; it ends well with: kill -INT {pid}"),
        None => "wait for it to end, or end it".to_owned(),
    };
    Fault::new(Exit::Locked, format!("{holder} still works on it on this machine"), Some(&help))
}
