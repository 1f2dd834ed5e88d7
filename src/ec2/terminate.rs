//! Ending instances, one id a call: one id that EC2 refuses would keep the others of its call alive.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use super::instances::{owned, state, state_name};
use super::{Cloud, CloudError, pace};
use crate::event::Sink;
use crate::observed::InstanceState;
use crate::wait::Found;

/// From TerminateInstances to terminated; large instances with much memory take minutes.
const DEADLINE: Duration = Duration::from_secs(600);

/// After a terminate "not found" proves nothing by itself: a read may be behind. This many in a row do.
const NOT_FOUND: u32 = 5;

impl Cloud {
    /// Ends an instance that carries our mark and waits until it is terminated. One that has ended, or
    /// that EC2 does not know any more, is fine, so this is safe to repeat.
    ///
    /// # Errors
    /// An instance without the mark, termination protection, or 10 minutes without an end.
    pub async fn terminate(&self, id: &str, sink: Sink<'_>) -> Result<(), CloudError> {
        self.end(id, &[InstanceState::Terminated], sink).await
    }

    /// Ends an instance and waits for one of the states.
    pub(super) async fn end(
        &self,
        id: &str,
        until: &[InstanceState],
        sink: Sink<'_>,
    ) -> Result<(), CloudError> {
        // Atomic for the sake of `Send` only; nobody else counts.
        let (asked, missed) = (AtomicBool::new(false), AtomicU32::new(0));
        let on = format!("{id} to be {}", until.first().map_or("terminated", |state| state_name(*state)));
        let ask = async || {
            let Some(one) = self.instance(id).await? else {
                let gone = missed.fetch_add(1, Relaxed) + 1 >= NOT_FOUND;
                return Ok(if gone { Found::Ready(()) } else { Found::NotYet("not visible".into()) });
            };
            missed.store(0, Relaxed);
            if owned(&one, None).is_none() {
                return Err(CloudError::Foreign { what: format!("instance {id}") });
            }
            let found = state(&one);
            if until.contains(&found) {
                return Ok(Found::Ready(()));
            }
            if found.is_live() && !asked.load(Relaxed) {
                self.terminate_once(id).await?;
                asked.store(true, Relaxed);
            }
            Ok(Found::NotYet(state_name(found).to_owned()))
        };
        pace::until(&on, DEADLINE, sink, ask).await
    }

    async fn terminate_once(&self, id: &str) -> Result<(), CloudError> {
        let answer = self.client.terminate_instances().instance_ids(id).send().await;
        match answer.map_err(self.failed("TerminateInstances")) {
            Err(error) if error.code() == Some("InvalidInstanceID.NotFound") => Ok(()),
            answer => answer.map(drop),
        }
    }
}
