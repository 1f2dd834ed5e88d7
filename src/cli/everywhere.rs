//! `a3 status --all-regions` and `a3 destroy --all`: every deployment of a3 in every region, with or
//! without a deploy.yaml at hand.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::args::{DestroyArgs, StatusArgs};
use super::exit::Exit;
use super::fault::{Ended, Fault};
use super::work::{self, How, Looked};
use super::{Session, status, terminal};
use crate::ec2::CloudError;
use crate::explain::Explain as _;
use crate::load::LoadError;
use crate::observe::{Account, Everywhere, Region};
use crate::observed::{ManagedSeen, OwnedInstance};
use crate::plan::{Destroy, ends_at, moment, plan_destroy};
use crate::record::hint::Hints;
use crate::record::lock::state_folder;
use crate::report::error::note_text;
use crate::report::everywhere::{self as report, Caller, InstanceRow, KeptRow, NotAsked};
use crate::spec::Spec;

/// `a3 status --all-regions`
pub(crate) async fn status(session: &Session, args: &StatusArgs) -> Ended {
    let spec = load_if_there(session, None)?;
    let found = look(spec.as_ref()).await?;
    let rows = rows(&found, if args.all { Show::Everything } else { Show::Live });
    if args.json {
        terminal::data(&rows.to_json());
    } else {
        terminal::data(&rows.to_text(&session.data_look));
    }
    Ok(if found.is_partial() { Exit::Unreachable } else { Exit::Done })
}

/// `a3 destroy --all`
pub(crate) async fn destroy(session: &Session, args: &DestroyArgs) -> Ended {
    let spec = load_if_there(session, args.spec.spec.as_ref())?;
    let found = look(spec.as_ref()).await?;
    let rows = rows(&found, Show::Ends);
    let there = found.deployments();
    if args.json {
        terminal::talk(&rows.to_text(&session.look));
    } else {
        terminal::data(&rows.to_text(&session.data_look));
    }
    if there.is_empty() {
        let partial = found.is_partial().then(|| Fault::said(Exit::Unreachable));
        return partial.map_or(Ok(Exit::Done), Err);
    }
    let named = confirmed(&there, args)?;
    let note = "whether somebody is at work on these machines is not checked";
    terminal::talk(&note_text(&session.look, note));
    let mut worst = None;
    for name in &named {
        for account in found.accounts.iter().filter(|account| account.deployments().contains(name)) {
            match end(session, account, name, (&found, args)).await {
                Ok(()) => {}
                Err(fault) if fault.exit == Exit::Interrupted => return Err(fault),
                // What is wrong with one deployment keeps no other alive.
                Err(fault) => {
                    terminal::talk(&fault.to_text(&session.look));
                    worst = worst.or(Some(fault.exit));
                }
            }
        }
    }
    prove(session, args, (spec.as_ref(), &named), worst).await
}

/// A deploy.yaml says which callers to ask as; it need not be there unless it was named.
fn load_if_there(session: &Session, argument: Option<&PathBuf>) -> Result<Option<Spec>, Fault> {
    let named = argument.is_some() || !session.global.file.is_empty();
    match session.load_raw(argument) {
        Ok(loaded) => Ok(Some(loaded.spec)),
        Err(LoadError::Missing { .. }) if !named => Ok(None),
        Err(error) => Err(session.fault_of(&error)),
    }
}

async fn look(spec: Option<&Spec>) -> Result<Everywhere, Fault> {
    Everywhere::look(spec).await.map_err(|error| {
        let wrong = matches!(error, CloudError::WrongAccount { .. });
        Fault::cause(if wrong { Exit::Refused } else { Exit::Unreachable }, error.cause())
    })
}

/// The deployments to end: those that were named, each one that there is.
fn confirmed(there: &BTreeSet<String>, args: &DestroyArgs) -> Result<BTreeSet<String>, Fault> {
    let list = there.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    let named: BTreeSet<String> = if !args.confirm.is_empty() {
        args.confirm.iter().cloned().collect()
    } else if terminal::can_ask() {
        terminal::talk(
            "\nThis ends every instance of the deployments that you name, and what is on their disks.\n",
        );
        let typed = terminal::ask_text(&format!("Names to end, of {list}:"));
        typed.split([' ', ',']).map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    } else {
        let message = "this wants the names of the deployments to end, and there is no terminal to ask on";
        let help = format!("a3 destroy --all --confirm {}", list.replace(' ', " --confirm "));
        return Err(Fault::new(Exit::Refused, message, Some(&help)));
    };
    if named.is_empty() {
        return Err(Fault::new(Exit::Failed, "declined; nothing was done", None));
    }
    if let Some(unknown) = named.difference(there).next() {
        let message = format!("there is no deployment `{unknown}`, so nothing was done; there are {list}");
        return Err(Fault::new(Exit::Usage, message, Some("type the names as they are listed")));
    }
    Ok(named)
}

/// Ends one deployment in one account.
async fn end(
    session: &Session,
    account: &Account,
    name: &str,
    (found, args): (&Everywhere, &DestroyArgs),
) -> Result<(), Fault> {
    let spec = nothing_wanted(name);
    let _lock = work::lock(&spec).await?;
    let (world, observed) = account.of(name, found.now);
    let plan = plan_destroy(&spec, &observed, &Destroy::default());
    let looked = Looked { world, observed, plan };
    let how = How {
        // Its name was typed.
        yes: true,
        approved: false,
        allow_terminate: true,
        json: args.json,
        question: "",
        go_on: format!("a3 destroy --all --confirm {name}"),
    };
    match work::carry_out(session, &spec, &looked, &how).await? {
        Some(summary) => work::ended(&summary).map(drop),
        None => Ok(()),
    }
}

/// Looks again, and says what is gone and what is not.
async fn prove(
    session: &Session,
    args: &DestroyArgs,
    (spec, named): (Option<&Spec>, &BTreeSet<String>),
    worst: Option<Exit>,
) -> Ended {
    let left = look(spec).await?;
    let still = left.deployments();
    let gone: Vec<&str> = named.difference(&still).map(String::as_str).collect();
    if let Ok(folder) = state_folder() {
        for name in gone.iter().filter(|_| !left.is_partial()) {
            Hints::forget(&folder, name).ok();
        }
    }
    if !gone.is_empty() {
        let asked: usize = left.accounts.iter().map(|account| account.regions.len()).sum();
        let text = format!("Nothing is left of {} in {asked} regions.\n", gone.join(", "));
        session.say(&text, args.json);
    }
    let remain: Vec<&str> = named.intersection(&still).map(String::as_str).collect();
    if !remain.is_empty() {
        terminal::talk(&rows(&left, Show::Ends).to_text(&session.look));
        let message = format!("this is still there of {}", remain.join(", "));
        let help = format!("a3 destroy --all --confirm {}", remain.join(" --confirm "));
        return Err(Fault::new(worst.unwrap_or(Exit::Failed), message, Some(&help)));
    }
    if left.is_partial() {
        let text = rows(&left, Show::Ends).not_asked;
        for one in text {
            terminal::talk(&note_text(
                &session.look,
                &format!("{} was not asked: {}", one.region, one.message),
            ));
        }
        return Err(Fault::said(Exit::Unreachable));
    }
    worst.map_or(Ok(Exit::Done), |exit| Err(Fault::said(exit)))
}

/// A deployment of which nothing is wanted any more.
fn nothing_wanted(name: &str) -> Spec {
    Spec {
        name: name.to_owned(),
        files: Vec::new(),
        registries: Default::default(),
        groups: Default::default(),
        services: Default::default(),
        inactive: Vec::new(),
        keep_releases: 0,
        rollback: None,
    }
}

/// What is listed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Show {
    /// Live instances, and what is left of groups that have none.
    Live,
    /// Ended instances too.
    Everything,
    /// What a destroy ends.
    Ends,
}

fn rows(found: &Everywhere, show: Show) -> report::Everywhere {
    let mut rows = report::Everywhere {
        not_asked: found.unreachable.iter().map(|cause| NotAsked::new("", "", cause)).collect(),
        ..report::Everywhere::default()
    };
    for account in &found.accounts {
        let answered = account.regions.iter().filter(|region| region.seen.is_ok());
        rows.callers.push(Caller {
            account: account.account.clone(),
            caller: account.caller.clone(),
            regions: answered.map(|region| region.cloud.region.clone()).collect(),
        });
        for region in &account.regions {
            region_rows(region, (found.now, show), &mut rows);
        }
    }
    rows.instances.sort_by(|one, other| {
        let key = |row: &InstanceRow| (row.deployment.clone(), row.account.clone(), row.region.clone());
        key(one).cmp(&key(other))
    });
    rows
}

fn region_rows(region: &Region, (now, show): (u64, Show), rows: &mut report::Everywhere) {
    let (account, name) = (region.cloud.account.clone(), region.cloud.region.clone());
    let seen = match &region.seen {
        Ok(seen) => seen,
        Err(cause) => return rows.not_asked.push(NotAsked::new(&account, &name, cause)),
    };
    let live = |one: &&OwnedInstance| one.state.is_live();
    let shown = seen.instances.iter().filter(|one| show == Show::Everything || live(one));
    rows.instances.extend(shown.map(|one| instance_row(one, (&account, &name), now)));
    rows.foreign.extend(seen.foreign.iter().map(|one| InstanceRow {
        deployment: one.deployment.clone(),
        id: one.id.clone(),
        name: one.name.clone(),
        instance_type: one.instance_type.clone(),
        state: status::state_word(one.state),
        region: name.clone(),
        account: account.clone(),
        age: status::age(now.saturating_sub(one.launched)),
        ..InstanceRow::default()
    }));
    let used = |kept: &ManagedSeen| {
        let mut instances = seen.instances.iter().filter(live);
        instances.any(|one| one.deployment() == kept.deployment && one.slot.group == kept.group)
    };
    let kept = seen.managed.iter().filter(|one| show != Show::Live || !used(one));
    rows.kept.extend(kept.map(|one| KeptRow {
        deployment: one.deployment.clone(),
        group: one.group.clone(),
        region: name.clone(),
        account: account.clone(),
        security_group: one.security_group.clone().unwrap_or_default(),
        key_pair: one.key_pair.clone().unwrap_or_default(),
    }));
}

fn instance_row(one: &OwnedInstance, (account, region): (&str, &str), now: u64) -> InstanceRow {
    let live = one.state.is_live();
    let ends = ends_at(one).filter(|_| live);
    InstanceRow {
        deployment: one.deployment().to_owned(),
        slot: one.slot.to_string(),
        id: one.id.clone(),
        name: one.name.clone(),
        instance_type: one.instance_type.clone(),
        state: status::state_word(one.state),
        region: region.to_owned(),
        account: account.to_owned(),
        age: status::age(now.saturating_sub(one.created)),
        ttl: ends.map(|at| status::left(at, now)).unwrap_or_default(),
        ends: ends.map(moment).unwrap_or_default(),
        protected: if one.protected == Some(true) { "yes".to_owned() } else { String::new() },
    }
}
