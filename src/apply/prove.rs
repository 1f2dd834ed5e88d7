//! Proving that a container works, and writing down that it does.

use futures_util::FutureExt as _;

use super::Work;
use super::failure::{Done, Failure, StepResult};
use super::site::Site;
use crate::docker::{ContainerDetail, Probe, Proof, Unproven};
use crate::event::{Activity, Sink};
use crate::explain::chain;
use crate::host::Host;
use crate::plan::step;
use crate::record::ReleasedService;
use crate::spec::{Check, Service};

/// Proves a container that is there and that no release names: the apply that had put it there was cut off.
///
/// - Assumes: it is ours, its image and settings are as wanted, and it was started.
/// - Guarantees: it was proven to work, and the record says so, as after a run.
/// - Repeat after a crash: anywhere.
/// - Errors: it does not work; it stays as it is, since nothing is left to go back to.
pub(crate) async fn found(work: &Work<'_>, planned: &step::Run, sink: Sink<'_>) -> StepResult {
    let site = work.sites.get(&planned.slot)?;
    let service = super::image::service(work, &planned.service)?;
    let image = work.sites.reference(&planned.image)?;
    let config = super::run::config(work, planned, service, &site)?;
    prove(work, &site, service, &planned.settings.name, sink).await?;
    write_down(work, planned, &site, (&image, config)).await?;
    super::run::check_from_here(work, planned, service, sink).await;
    Ok(Done::noted(image))
}

pub(crate) async fn prove(
    work: &Work<'_>,
    site: &Site,
    service: &Service,
    container: &str,
    sink: Sink<'_>,
) -> Result<(), Failure> {
    let (host, check) = (&site.host, service.check.as_ref());
    let probe = |detail| probe(host, check, detail).boxed();
    let cut = || work.job.stop.impatient().boxed();
    let probe = check.map(|check| (&probe as &Probe<'_>, check.timeout));
    let proof = Proof { probe, cut: Some(&cut) };
    if let Err(error) = site.engine.prove(container, proof, sink).await {
        if matches!(error, Unproven::Interrupted) {
            return Err(Failure::interrupted());
        }
        for line in site.engine.tail(container, 20).await.unwrap_or_default() {
            sink(Activity::Output { line });
        }
        return Err(Failure::new(
            format!("`{}` does not work: {error}", service.name),
            Some(format!("a3 logs {}", service.name)),
        ));
    }
    Ok(())
}

/// Asks at the published address, or, where the port is not published, at the container's own;
/// through ssh, so that no security group matters.
pub(crate) async fn probe(host: &Host, check: Option<&Check>, detail: ContainerDetail) -> Result<(), String> {
    let Some(check) = check else { return Ok(()) };
    let published = detail.seen.ports.iter().find(|port| port.target == check.port);
    let (address, port) = match (published, detail.address) {
        (Some(port), _) => {
            let ip = port.host_ip.clone().filter(|ip| ip != "0.0.0.0" && ip != "::");
            (ip.unwrap_or_else(|| "127.0.0.1".to_owned()), port.published)
        }
        (None, Some(address)) => (address, check.port),
        (None, None) => return Err("it has no address yet".to_owned()),
    };
    host.http_check(&address, port, check).await.map_err(|error| chain(&error))
}

/// What was proven to work is what this release runs.
pub(crate) async fn write_down(
    work: &Work<'_>,
    planned: &step::Run,
    site: &Site,
    (image, config): (&str, String),
) -> Result<(), Failure> {
    keep(work, planned, site, image).await;
    let released = ReleasedService {
        interpolated: super::image::service(work, &planned.service)?.interpolated.clone(),
        image: image.to_owned(),
        config,
        settings: serde_json::to_value(&planned.settings).unwrap_or_default(),
        check: planned.check.clone(),
        platform: work.job.observed.images.get(&planned.service).map(|seen| seen.platform),
    };
    site.note(|record| {
        let mut releases = record.releases.iter_mut();
        if let Some(release) = releases.find(|release| release.number == site.release) {
            release.services.insert(planned.service.clone(), released);
        }
        record.in_place.insert(planned.service.clone(), planned.settings.in_place.clone());
        record.stopped.remove(&planned.service);
    });
    site.save().await
}

/// A pulled digest has no tag, and pruning takes what has none. Not worth a failure.
async fn keep(work: &Work<'_>, planned: &step::Run, site: &Site, image: &str) {
    let deployment = &work.job.spec.name;
    let kept = site.engine.retain(deployment, &planned.service, site.release, image).await;
    if let Err(error) = kept {
        work.notice(format!("{}: {image} could not be kept from pruning: {}", planned.slot, chain(&error)));
    }
}
