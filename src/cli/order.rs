//! `a3 stop`, `start`, `restart`, `rm`: containers by the names of their services, on every machine
//! that has them.

use std::collections::BTreeSet;

use super::args::{RmArgs, StartArgs, StopArgs, Which};
use super::exit::Exit;
use super::fault::{Ended, Fault};
use super::work::{self, How, Looked, Wish};
use super::{Session, pick, terminal};
use crate::observe::secrets::Consent;
use crate::plan::step::Plan;
use crate::plan::{Destroy, Order, Verb, plan_order};
use crate::report::error::{error_text, note_text};
use crate::spec::Spec;

/// `a3 stop`
pub(crate) async fn stop(session: &Session, args: &StopArgs) -> Ended {
    carry_out(session, &args.which, &Manner { timeout: args.timeout, ..Manner::of(Verb::Stop) }).await
}

/// `a3 start`
pub(crate) async fn start(session: &Session, args: &StartArgs) -> Ended {
    carry_out(session, &args.which, &Manner::of(Verb::Start)).await
}

/// `a3 restart`
pub(crate) async fn restart(session: &Session, args: &StopArgs) -> Ended {
    carry_out(session, &args.which, &Manner { timeout: args.timeout, ..Manner::of(Verb::Restart) }).await
}

/// `a3 rm`
pub(crate) async fn rm(session: &Session, args: &RmArgs) -> Ended {
    let manner = Manner { stop: args.stop, yes: args.yes, ..Manner::of(Verb::Remove) };
    carry_out(session, &args.which, &manner).await
}

/// What is done, and how.
struct Manner {
    verb: Verb,
    timeout: Option<u64>,
    /// Whether what runs is stopped first.
    stop: bool,
    /// Whether nothing is asked.
    yes: bool,
}

impl Manner {
    /// Only removing cannot be taken back by the opposite command, so only that asks.
    fn of(verb: Verb) -> Self {
        Self { verb, timeout: None, stop: false, yes: verb != Verb::Remove }
    }
}

async fn carry_out(session: &Session, which: &Which, manner: &Manner) -> Ended {
    let spec = session.load(None)?;
    which.service.iter().try_for_each(|service| work::known_service(&spec, service))?;
    let _lock = work::lock(&spec).await?;
    // What a destroy needs to see is what there is.
    let wish = Wish::Destroy(Destroy::default());
    let looked = work::look(&spec, &wish, Consent { commands: false }).await?;
    let order = order(&spec, &looked, which, manner)?;
    let plan = plan_order(&spec, &looked.observed, &order);
    say(session, &plan, manner);
    let undecided = work::exit_of_blocked(&plan);
    let words: Vec<String> = which.service.iter().map(|service| format!(" {service}")).collect();
    let how = How {
        yes: manner.yes,
        approved: false,
        allow_terminate: false,
        json: which.json,
        question: "Remove these containers? Named volumes stay.",
        go_on: session.command_line(manner.verb.word(), None) + &words.concat(),
    };
    let mut reporter = work::begin(session, &plan, &how);
    if undecided == Some(Exit::Refused) {
        work::end_idle(&mut reporter, &how, (false, Vec::new()));
        return Err(Fault::said(Exit::Refused));
    }
    if plan.steps.is_empty() {
        work::end_idle(&mut reporter, &how, (undecided.is_none(), Vec::new()));
    } else {
        if manner.verb == Verb::Remove && !manner.yes {
            let titles = plan.steps.iter().map(|step| format!("  - {}\n", step.title()));
            terminal::talk(&titles.collect::<String>());
        }
        work::ended(&work::work_off(&spec, (&looked, &plan), &how, reporter).await?)?;
    }
    // The others were served all the same.
    undecided.map_or(Ok(Exit::Done), |exit| Err(Fault::said(exit)))
}

fn order(spec: &Spec, looked: &Looked, which: &Which, manner: &Manner) -> Result<Order, Fault> {
    let slots: BTreeSet<_> = pick::slots(spec, looked, which.instance.as_deref())?.into_iter().collect();
    for name in &which.service {
        let Some(service) = spec.services.get(name) else { continue };
        if !slots.iter().any(|slot| slot.group == service.on) {
            let named = which.instance.as_deref().unwrap_or_default();
            let message = format!("`{name}` does not run on {named}; it runs on {}", service.on);
            return Err(Fault::new(Exit::Usage, message, None));
        }
    }
    Ok(Order {
        verb: manner.verb,
        services: which.service.iter().cloned().collect(),
        slots,
        timeout: manner.timeout,
        stop: manner.stop,
    })
}

/// What is not done, and why.
fn say(session: &Session, plan: &Plan, manner: &Manner) {
    let look = &session.look;
    let is = match manner.verb {
        Verb::Stop => "is stopped already",
        Verb::Start => "runs already",
        Verb::Remove => "runs, and stays",
        Verb::Restart => "stays",
    };
    for address in &plan.unchanged {
        terminal::talk(&note_text(look, &format!("{address} {is}")));
    }
    for notice in &plan.notices {
        terminal::talk(&note_text(look, notice));
    }
    for blocked in &plan.blocked {
        let message = format!("{}: {}", blocked.address, blocked.why);
        terminal::talk(&error_text(look, &message, blocked.help.as_deref()));
    }
    if plan.steps.is_empty() && plan.unchanged.is_empty() && plan.blocked.is_empty() {
        terminal::talk(&note_text(look, &format!("there is nothing to {}", manner.verb.word())));
    }
}
