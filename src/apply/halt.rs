//! The step that stops a container on a person's word.

use std::time::Duration;

use super::failure::{Done, StepResult};
use super::site::Site;
use crate::event::{Activity, Sink};
use crate::record::Stopped;
use crate::record::lock::person;

/// Stops a container and writes down who wanted it, so that the next plan can say so.
///
/// - Assumes: the plan saw our full mark on it.
/// - Guarantees: it does not run, and its restart policy does not start it again; one with
///   `auto_remove` is gone.
/// - Repeat after a crash: anywhere; what is stopped stays so.
/// - Errors: the engine's.
pub(crate) async fn halt(
    site: &Site,
    (service, container): (&str, &str),
    grace: u64,
    sink: Sink<'_>,
) -> StepResult {
    let Some(before) = site.engine.container(container).await? else {
        return Ok(Done { unchanged: true, ..Done::default() });
    };
    site.engine.stop_container(&before.seen.id, Duration::from_secs(grace)).await?;
    if before.auto_remove {
        let message = "it removed itself (auto_remove); a3 apply runs it again".to_owned();
        sink(Activity::Warning { message });
        return Ok(Done::noted(container));
    }
    let stopped = Stopped { by: person(), container: before.seen.id, started: before.seen.started };
    site.note(|record| drop(record.stopped.insert(service.to_owned(), stopped)));
    site.save().await?;
    Ok(Done::noted(container))
}
