//! What the steps on images share: the service, the engine here, the registry's client, the pull.

use super::Work;
use super::failure::{Failure, FailureKind};
use super::site::Site;
use crate::docker::Engine;
use crate::event::Sink;
use crate::plan::names;
use crate::plan::step::Image;
use crate::registry::Client;
use crate::spec::Service;

pub(crate) fn service<'a>(work: &Work<'a>, name: &str) -> Result<&'a Service, Failure> {
    let service = work.job.spec.services.get(name);
    service.ok_or_else(|| Failure::new(format!("service `{name}` is not in the spec"), None))
}

pub(crate) fn local_engine<'a>(work: &Work<'a>) -> Result<&'a Engine, Failure> {
    let engine = work.job.world.engine.as_ref();
    engine.map_err(|cause| Failure::of_kind(FailureKind::Failed, cause.clone()))
}

pub(crate) fn client<'a>(work: &Work<'a>, reference: &str) -> Result<&'a Client, Failure> {
    let server = names::server(reference);
    match work.job.world.registries.get(server) {
        Some(Ok(client)) => Ok(client),
        Some(Err(cause)) => Err(Failure::of_kind(FailureKind::Failed, cause.clone())),
        None => Err(Failure::new(format!("the registry {server} was not asked"), None)),
    }
}

/// Pulls to a machine, with the credential that travels along. What is there already is not sent again.
pub(crate) async fn pull(work: &Work<'_>, site: &Site, image: &Image, sink: Sink<'_>) -> Result<(), Failure> {
    let image = work.sites.reference(image)?;
    let pulling = site.engine.pull(&image, work.job.world.credential(&image), sink);
    work.job.stop.cut(pulling).await.ok_or_else(Failure::interrupted)??;
    Ok(())
}
