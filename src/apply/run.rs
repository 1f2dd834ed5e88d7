//! The steps on a service's container: run, start, restart, change in place.

use std::time::Duration;

use futures_util::FutureExt as _;

use super::Work;
use super::failure::{Done, Failure, StepResult};
use super::prove::{probe, prove, write_down};
use super::site::Site;
use crate::docker::{Former, NewContainer, Probe, Proof, Swap, absolute_binds};
use crate::event::{Activity, Sink};
use crate::observe::secrets::environment;
use crate::observed::ContainerState;
use crate::plan::hash;
use crate::plan::names::{self, label};
use crate::plan::released::update_in_place;
use crate::plan::step;
use crate::record::InPlace;
use crate::spec::{Machine, Service};

/// Pulls the image if it is missing, then puts the new container in the place of the old one.
///
/// - Assumes: the image is in the registry (or the local engine), the lease is ours.
/// - Guarantees: the container of this name is the planned one and was proven to work, and none is left
///   under a name that the service had before; the image has
///   a tag of this release there, so that pruning leaves it; the record says so.
/// - Repeat after a crash: anywhere; the swap goes on from where it was (see [`Swap`]).
/// - Errors: the pull's; the container does not start or does not work: then the old one runs again.
pub(crate) async fn run(work: &Work<'_>, planned: &step::Run, sink: Sink<'_>) -> StepResult {
    let site = work.sites.get(&planned.slot)?;
    let service = super::image::service(work, &planned.service)?;
    let image = work.sites.reference(&planned.image)?;
    if planned.pull {
        super::image::pull(work, &site, &planned.image, sink).await?;
    }
    let deployment = &work.job.spec.name;
    site.engine.ensure_network(&planned.settings.network, deployment).await?;
    let config = config(work, planned, service, &site)?;
    let new = new_container(work, planned, service, &site, (&image, &config))?;
    // Not cut off by the first Ctrl-C, since half a swap would be a gap; only the proof is, and then
    // the old one runs again.
    let (host, check) = (&site.host, planned.check.as_ref());
    let probe = |detail| probe(host, check, detail).boxed();
    let cut = || work.job.stop.impatient().boxed();
    let probe = check.map(|check| (&probe as &Probe<'_>, check.timeout));
    let proof = Proof { probe, cut: Some(&cut) };
    let formerly: Vec<Former> = planned.formerly.iter().map(|name| former(work, planned, name)).collect();
    let swap = Swap { new: &new, proof, way_back: None, formerly: &formerly };
    let swapped = site.engine.swap(&swap, sink).await;
    swapped.map_err(|error| match error.is_interrupted() {
        true => Failure::interrupted(),
        false => error.into(),
    })?;
    write_down(work, planned, &site, (&image, config)).await?;
    check_from_here(work, planned, service, sink).await;
    Ok(Done::noted(image))
}

/// Known now at the latest: the plan may not have had the machine's key.
pub(super) fn config(
    work: &Work<'_>,
    planned: &step::Run,
    service: &Service,
    site: &Site,
) -> Result<String, Failure> {
    let known = planned.config.clone();
    let secrets = &work.job.observed.secrets;
    let config = known.or_else(|| hash::config(&planned.settings, service, secrets, Some(&site.key)));
    config.ok_or_else(|| Failure::new(format!("a secret of `{}` could not be read", service.name), None))
}

fn new_container(
    work: &Work<'_>,
    planned: &step::Run,
    service: &Service,
    site: &Site,
    names: (&str, &str),
) -> Result<NewContainer, Failure> {
    let (image, config) = names;
    let deployment = &work.job.spec.name;
    let container = &planned.settings.name;
    let labels = [
        (label::DEPLOYMENT, deployment.clone()),
        (label::SERVICE, planned.service.clone()),
        (label::REPLICA, "0".to_owned()),
        (label::OWN, names::own_mark(deployment, &planned.slot, &planned.service, container)),
        (label::CONFIG, config.to_owned()),
        (label::IMAGE, image.to_owned()),
        (label::RELEASE, site.release.to_string()),
        (label::HOME, site.folder.clone()),
    ];
    Ok(NewContainer {
        deployment: deployment.clone(),
        settings: absolute_binds(&planned.settings, &site.base, &site.home),
        environment: environment(&planned.settings, service, &work.job.observed.secrets)?,
        image: image.to_owned(),
        platform: work.job.observed.images.get(&planned.service).map(|seen| seen.platform),
        labels: labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
    })
}

/// The service's container under a name that it had before.
fn former(work: &Work<'_>, planned: &step::Run, name: &str) -> Former {
    let (deployment, own) = (&work.job.spec.name, names::own_container(name));
    let mark = names::own_mark(deployment, &planned.slot, &planned.service, own);
    Former { name: name.to_owned(), mark }
}

/// Once, for published ports: a failure is the security group's or the network's, and only said.
pub(super) async fn check_from_here(work: &Work<'_>, planned: &step::Run, service: &Service, sink: Sink<'_>) {
    let Some(check) = &planned.check else { return };
    let group = work.job.spec.groups.get(&planned.slot.group);
    let Some(group) = group.filter(|group| matches!(group.machine, Machine::Ec2(_))) else { return };
    let port = service.ports.iter().find(|port| port.target == check.port).and_then(|port| port.published);
    let (Some(port), Ok(site)) = (port, work.sites.get(&planned.slot)) else { return };
    // Behind a jump host, what answers here is nobody's business but the jump host's.
    if site.host.session().is_some_and(|session| session.hop().is_some()) {
        return;
    }
    let address = site.host.name().to_owned();
    if let Err(error) = crate::host::http_check_from_here(&address, port, check).await {
        let message = format!(
            "`{}` works on the machine, but does not answer from here at {address}:{port} ({error}); does the \
             security group of `{}` let you in (ec2.allow_from)?",
            service.name, group.name
        );
        sink(Activity::Warning { message });
    }
}

/// Restarts a container: its data changed, it is unhealthy, or a person asked for it.
///
/// - Assumes: it is ours and its settings are as wanted.
/// - Guarantees: it was started after the step began, and was proven to work.
/// - Repeat after a crash: anywhere; at worst it restarts twice.
/// - Errors: it does not come back.
pub(crate) async fn restart(
    work: &Work<'_>,
    site: &Site,
    (service, container): (&str, &str),
    grace: u64,
    sink: Sink<'_>,
) -> StepResult {
    let spec = super::image::service(work, service)?;
    site.engine.restart_container(container, Duration::from_secs(grace)).await?;
    not_stopped(site, service).await?;
    prove(work, site, spec, container, sink).await?;
    Ok(Done::noted(container))
}

/// Starts a container that stopped.
///
/// - Assumes: it is ours and its settings are as wanted.
/// - Guarantees: it runs and was proven to work.
/// - Repeat after a crash: anywhere.
/// - Errors: it does not start, or ends again.
pub(crate) async fn start(
    work: &Work<'_>,
    site: &Site,
    service: &str,
    container: &str,
    sink: Sink<'_>,
) -> StepResult {
    let spec = super::image::service(work, service)?;
    // The engine refuses to start what somebody has paused.
    let now = site.engine.container(container).await?;
    if now.is_some_and(|one| one.seen.state == ContainerState::Paused) {
        site.engine.unpause_container(container).await?;
    } else {
        site.engine.start_container(container).await?;
    }
    not_stopped(site, service).await?;
    prove(work, site, spec, container, sink).await?;
    Ok(Done::noted(container))
}

/// Whoever stopped it by `a3 stop` has had it started again.
async fn not_stopped(site: &Site, service: &str) -> Result<(), Failure> {
    if !site.record().stopped.contains_key(service) {
        return Ok(());
    }
    site.note(|record| drop(record.stopped.remove(service)));
    site.save().await
}

/// Changes what `docker update` can change, and writes it down.
///
/// - Assumes: the container is ours.
/// - Guarantees: it has the settings; it is not restarted for them.
/// - Repeat after a crash: anywhere.
/// - Errors: the engine's (a limit below what is in use).
pub(crate) async fn update(site: &Site, service: &str, container: &str, settings: &InPlace) -> StepResult {
    site.engine.update_container(container, settings).await?;
    site.note(|record| update_in_place(record, service, settings));
    site.save().await?;
    Ok(Done::noted(container))
}
