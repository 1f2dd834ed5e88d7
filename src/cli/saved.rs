//! Saved plans: `a3 plan --out PLAN`, `a3 apply PLAN`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::Session;
use super::args::{Global, Scope};
use super::exit::Exit;
use super::fault::Fault;
use crate::plan::Options;
use crate::plan::step::Plan;
use crate::report::saved_plan::{SAVED_VERSION, SavedPlan, canonical, difference};

/// Writes a plan where only its owner reads it. An older file of the name is replaced in one step.
///
/// # Errors
/// The folder cannot be written.
pub(super) fn write(
    session: &Session,
    out: &Path,
    files: &[PathBuf],
    made: (&Plan, &Options),
) -> Result<(), Fault> {
    let (plan, options) = made;
    let absolute = |file: &PathBuf| std::path::absolute(file).unwrap_or_else(|_| file.clone());
    let saved = SavedPlan {
        a3_plan: SAVED_VERSION,
        a3_version: env!("CARGO_PKG_VERSION").to_owned(),
        deployment: plan.deployment.clone(),
        files: files.iter().map(absolute).collect(),
        profiles: session.global.profile.clone(),
        options: options.clone(),
        canonical: canonical(plan),
    };
    let text = serde_json::to_string_pretty(&saved).unwrap_or_default();
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A temporary file is its owner's alone (0600).
    let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.persist(out).map_err(|error| error.error)
    });
    written.map(drop).map_err(|error| {
        let message = format!("the plan was not written to {}: {error}", out.display());
        Fault::new(Exit::Failed, message, Some("name a file in a folder that you may write"))
    })
}

/// The saved plan in a file, `None` for anything else: a spec that is not there says so itself.
///
/// # Errors
/// 73 for a plan of another a3, or one that cannot be read as such.
pub(super) fn read(file: &Path) -> Result<Option<SavedPlan>, Fault> {
    let Ok(text) = std::fs::read_to_string(file) else { return Ok(None) };
    let is_plan =
        text.trim_start().strip_prefix('{').is_some_and(|rest| rest.trim_start().starts_with("\"a3_plan\""));
    if !is_plan {
        return Ok(None);
    }
    let refused = |why: String| {
        let message = format!("{} is no plan that can be applied: {why}", file.display());
        Fault::new(Exit::Refused, message, Some(&format!("a3 plan --out {}", file.display())))
    };
    let saved: SavedPlan = serde_json::from_str(&text).map_err(|error| refused(error.to_string()))?;
    let ours = env!("CARGO_PKG_VERSION");
    if saved.a3_plan != SAVED_VERSION || saved.a3_version != ours {
        return Err(refused(format!("it was made by a3 {}, this is a3 {ours}", saved.a3_version)));
    }
    Ok(Some(saved))
}

/// The session that the plan was made in: its files and profiles.
///
/// # Errors
/// 64 where the command line says what the plan has decided already.
pub(super) fn session_of(session: &Session, saved: &SavedPlan, scope: &Scope) -> Result<Session, Fault> {
    let scoped = !scope.target.is_empty() || !scope.replace.is_empty() || !scope.rebuild.is_empty();
    if scoped || !session.global.file.is_empty() {
        let message = "a saved plan has its files, --target, --replace and --rebuild in it";
        return Err(Fault::new(Exit::Usage, message, Some("leave them out, or save another plan")));
    }
    // As they are typed here: what a release remembers of secrets in files has to be found by others, too.
    let here = std::env::current_dir().unwrap_or_default();
    let typed = |file: &PathBuf| file.strip_prefix(&here).unwrap_or(file).to_owned();
    let file = saved.files.iter().map(typed).collect();
    let global = Global { file, profile: saved.profiles.clone(), ..session.global.clone() };
    Ok(Session { global, look: session.look, data_look: session.data_look })
}

/// What makes the plan anew.
fn again(session: &Session, options: &Options) -> String {
    let targets = options.target.iter().map(|name| format!(" --target {name}"));
    let replaced = options.replace.iter().map(|slot| format!(" --replace {slot}"));
    let rebuilt = options.rebuild.iter().map(|service| format!(" --rebuild {service}"));
    session.command_line("plan", None) + &targets.chain(replaced).chain(rebuilt).collect::<String>()
}

/// Holds the plan of now against the saved one.
///
/// # Errors
/// 73, with what differs.
pub(super) fn still_holds(
    session: &Session,
    saved: &SavedPlan,
    plan: &Plan,
    file: &Path,
) -> Result<(), Fault> {
    let Some(difference) = difference(&saved.canonical, &canonical(plan), &session.look) else {
        return Ok(());
    };
    let message = format!(
        "the plan in {} does not hold any more, since the spec or the world has changed; nothing was done\n\n{difference}\n",
        file.display()
    );
    Err(Fault::new(
        Exit::Refused,
        message,
        Some(&format!("{} --out {}, and look at it again", again(session, &saved.options), file.display())),
    ))
}
