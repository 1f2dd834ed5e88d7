//! `a3 rollback`.

use super::Session;
use super::apply::take_over;
use super::args::RollbackArgs;
use super::exit::Exit;
use super::fault::{Ended, Fault};
use super::terminal;
use super::work::{self, How, Wish};
use crate::observe::Need;
use crate::observe::secrets::Consent;
use crate::plan::rollback::{Back, RollbackError, past};
use crate::plan::step::{Action, Plan};
use crate::plan::{Destroy, Options};

/// `a3 rollback`
pub(crate) async fn rollback(session: &Session, args: &RollbackArgs) -> Ended {
    let spec = session.load(None)?;
    let _lock = work::lock(&spec).await?;
    // The machines' records say what there was; images and secrets are asked for once it is known which.
    let seen = work::look(&spec, &Wish::Destroy(Destroy::default()), Consent { commands: false }).await?;
    let back = Back { services: args.services.clone(), to: args.to };
    let past = past(&spec, &seen.observed, &back).map_err(|error| Fault::of(exit_of(&error), &error))?;
    let consent = session.consent(&past.spec, Need::Everything, args.yes)?;
    let options = Options { target: args.services.iter().cloned().collect(), ..Options::default() };
    let mut looked = work::look(&past.spec, &Wish::Apply(options), consent).await?;
    work::preflight(&past.spec, &mut looked).await;
    looked.plan.notices.extend(past.notices);
    refuse_machines(&looked.plan)?;
    if !looked.plan.steps.is_empty() {
        take_over(&looked.observed, args.take_over)?;
    }
    let how = How {
        approved: false,
        yes: args.yes,
        allow_terminate: false,
        json: args.json,
        question: "Go back to this?",
        go_on: session.command_line("rollback", None),
    };
    match work::carry_out(session, &past.spec, &looked, &how).await? {
        Some(summary) => work::ended(&summary),
        None => {
            let addresses = crate::apply::addresses(&past.spec, &looked.observed, &looked.world);
            if !args.json {
                terminal::data(&crate::report::address_lines(&addresses));
            }
            Ok(Exit::Done)
        }
    }
}

fn exit_of(error: &RollbackError) -> Exit {
    match error {
        RollbackError::Unseen { .. } => Exit::Unreachable,
        RollbackError::Unknown { .. } | RollbackError::NoService { .. } | RollbackError::NotThere { .. } => {
            Exit::Usage
        }
        RollbackError::NoRelease(_)
        | RollbackError::NothingBelow { .. }
        | RollbackError::Lacks { .. }
        | RollbackError::Lost { .. }
        | RollbackError::Unnamed { .. }
        | RollbackError::Differs { .. }
        | RollbackError::NoValue { .. }
        | RollbackError::Unreadable { .. } => Exit::Failed,
    }
}

/// In a hurry, nobody wants a machine to be launched or ended because the file is ahead of what runs.
fn refuse_machines(plan: &Plan) -> Result<(), Fault> {
    let of_machines = |action: &Action| {
        matches!(
            action,
            Action::Launch(_) | Action::Terminate { .. } | Action::Modify(_) | Action::Start { .. }
        )
    };
    let Some(step) = plan.steps.iter().find(|step| of_machines(&step.action)) else { return Ok(()) };
    let message = format!("a rollback changes no machine, and deploy.yaml asks to {}", step.title());
    let help = "a3 apply does that first; or set `instances:` back in deploy.yaml";
    Err(Fault::new(Exit::Refused, message, Some(help)))
}
