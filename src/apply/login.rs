//! The step `login`.

use super::Work;
use super::failure::{Done, Failure, StepResult};
use super::site::Site;
use crate::plan::step::Image;

/// What the step is about.
#[derive(Clone, Copy)]
pub(crate) struct Login<'a> {
    pub(crate) server: &'a str,
    pub(crate) image: &'a Image,
    pub(crate) persist: bool,
}

/// Sees that the machine's own engine can see the image with the credential.
///
/// - Assumes: the image is in the registry.
/// - Guarantees: a pull will find it; the credential travelled with the request and is stored only
///   with `persist_login`.
/// - Repeat after a crash: anywhere; nothing is written without `persist_login`.
/// - Errors: the registry refuses the credential from there, or cannot be reached from there.
pub(crate) async fn login(work: &Work<'_>, site: &Site, wanted: Login<'_>) -> StepResult {
    let reference = work.sites.reference(wanted.image)?;
    let credential = work.job.world.credential(&reference);
    site.engine.can_pull(&reference, credential).await?;
    if !wanted.persist {
        return Ok(Done::noted("nothing is stored there"));
    }
    let Some(credential) = credential else {
        let help = "set `registry.username` and `registry.password`".to_owned();
        let message = format!("there is no credential for {} to store", wanted.server);
        return Err(Failure::new(message, Some(help)));
    };
    site.host.docker_login(credential).await?;
    Ok(Done::noted("stored in ~/.docker/config.json, as `persist_login` asks"))
}
