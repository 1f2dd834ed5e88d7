//! Preflight of a launch: asks EC2 with `DryRun` whether it would be allowed and well-formed. What
//! EC2 decides only at the launch (capacity, quotas) stays open.

use super::Cloud;
use crate::explain::Explain as _;
use crate::observed::Cause;
use crate::plan::step::Launch;

/// What a dry run found.
#[derive(Debug, Default)]
pub(super) struct Preflight {
    /// Against the launch.
    pub(super) refusals: Vec<Cause>,
    /// What could not be asked.
    pub(super) unchecked: Vec<String>,
}

impl Cloud {
    /// Asks whether `launch` would be allowed. A key pair or group that the apply makes first is left
    /// out of the question.
    pub(super) async fn dry_run(
        &self,
        deployment: &str,
        launch: &Launch,
        managed_group: Option<&str>,
    ) -> Preflight {
        let mut found = Preflight::default();
        let call = self.run_instances_once(deployment, launch, managed_group, "a3-dry-run");
        let call = match call {
            // The token of a launch must not be used up by a question.
            Ok(call) => call.set_client_token(None).dry_run(true),
            Err(error) => {
                found.refusals.push(error.cause());
                return found;
            }
        };
        match call.send().await.map_err(self.failed("RunInstances")) {
            Err(error) if error.code() == Some("DryRunOperation") => {}
            Err(error) if error.code().is_some() => found.refusals.push(error.cause()),
            Err(error) => {
                found.unchecked.push(format!("whether EC2 would launch ({})", error.cause().message))
            }
            Ok(_) => found.unchecked.push("whether EC2 would launch: it ignores DryRun".to_owned()),
        }
        found
    }
}
