//! The step `admit`.

use super::Work;
use super::failure::{Done, StepResult};
use super::site::Site;
use crate::plan::names;
use crate::report::words::counted;

/// Lets teammates in: writes their public keys into the deployment's part of `authorized_keys`.
///
/// - Assumes: the part is a3's; what is outside of it is somebody else's and stays.
/// - Guarantees: exactly the keys of the spec are in it, put there by a rename; none, and it is gone.
/// - Repeat after a crash: anywhere.
/// - Errors: the file is not the user's to write.
pub(crate) async fn admit(work: &Work<'_>, site: &Site, keys: &[String]) -> StepResult {
    site.host.admit(&names::keys_mark(&work.job.spec.name, &site.slot.group), keys).await?;
    Ok(Done::noted(counted(keys.len(), "key")))
}
