//! The step `install`.

use super::Work;
use super::failure::{Done, Failure, StepResult};
use super::reach::{ENGINE, engine_answers};
use super::site::Site;
use crate::event::Sink;
use crate::plan::step::Install;

/// Brings Docker to a machine: its distribution's package, or a start of what is installed. What hangs
/// on it is planned again when the engine has answered.
///
/// - Assumes: the plan saw that it is missing, or stopped, and that `sudo -n` works or the user is root.
/// - Guarantees: the engine answers, starts at boot, and is the ssh user's to use: on this connection,
///   which was made before, with `sudo`.
/// - Repeat after a crash: anywhere; an installation goes on without a3, and the next one waits for it.
/// - Errors: the package manager's, with its last lines; busy for five minutes; an engine that does
///   not start.
pub(crate) async fn install(work: &Work<'_>, site: &Site, planned: &Install, sink: Sink<'_>) -> StepResult {
    let unknown = || Failure::new(format!("{} has not said what it runs", planned.slot), None);
    let with = planned.with.ok_or_else(unknown)?;
    let installing = async {
        site.host.install_engine(with, &site.folder, sink).await?;
        engine_answers(&site.host, &planned.slot, ENGINE, sink).await
    };
    let version = work.job.stop.cut(installing).await.ok_or_else(Failure::interrupted)??;
    Ok(Done::noted(format!("Docker {version}")))
}
