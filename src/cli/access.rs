//! `--ephemeral-access`: what the security groups let in for this caller is closed at the end, however
//! that came. For build servers, which come from another address each time.

use std::time::Duration;

use super::exit::Exit;
use super::fault::{Ended, Fault};
use super::work::Looked;
use super::{Session, terminal};
use crate::ec2::Cloud;
use crate::explain::Explain as _;
use crate::observed::Cause;
use crate::plan::names;
use crate::report::error::{note_text, warning_text};
use crate::spec::Spec;

/// Three calls a group.
const PATIENCE: Duration = Duration::from_secs(60);
/// Who wants it to stop waits no longer than that.
const INTERRUPTED: Duration = Duration::from_secs(4);

/// Closes it, and ends as the command did; a success that leaves access open is none.
pub(crate) async fn close(session: &Session, spec: &Spec, looked: &Looked, ended: Ended) -> Ended {
    let exit = ended.as_ref().map_or_else(|fault| fault.exit, |exit| *exit);
    let patience = if exit == Exit::Interrupted { INTERRUPTED } else { PATIENCE };
    let mut open = false;
    for (group, cloud) in &looked.world.clouds {
        // A group whose cloud could not be connected to says so itself, and was not opened.
        let Ok(cloud) = cloud else { continue };
        let name = names::managed(&spec.name, group);
        match tokio::time::timeout(patience, closed(looked, spec, cloud, &name)).await {
            Ok(Ok(addresses)) if addresses.is_empty() => {}
            Ok(Ok(addresses)) => {
                let text = format!("{name} lets {} in no more", addresses.join(", "));
                terminal::talk(&note_text(&session.look, &text));
            }
            Ok(Err(cause)) => open |= still_open(session, &name, &cause.message),
            Err(_) => open |= still_open(session, &name, "EC2 does not answer"),
        }
    }
    let help = "a3 apply --ephemeral-access closes it again";
    match ended {
        Ok(_) if open => Err(Fault::new(Exit::Failed, "this machine's access was not closed", Some(help))),
        ended => ended,
    }
}

async fn closed(looked: &Looked, spec: &Spec, cloud: &Cloud, name: &str) -> Result<Vec<String>, Cause> {
    let caller = looked.world.caller_id(cloud);
    cloud.close_access(&spec.name, name, &caller).await.map_err(|error| error.cause())
}

fn still_open(session: &Session, name: &str, why: &str) -> bool {
    let text = format!("{name} may still let this machine in: {why}");
    terminal::talk(&warning_text(&session.look, &text));
    true
}
