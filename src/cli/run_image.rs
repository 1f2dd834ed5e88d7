//! Which image a one-off container runs, where its service has no container: what the spec asks for,
//! built and pushed first where that is missing.

use super::Session;
use super::args::RunArgs;
use super::exit::Exit;
use super::fault::Fault;
use super::pick::Place;
use super::work::{self, How, Looked};
use crate::observe::secrets::Consent;
use crate::observe::{Need, World, observe};
use crate::observed::Secrets;
use crate::plan::step::{Action, Image, Plan, Run};
use crate::plan::{Options, plan, plan_only_images};
use crate::registry::Credential;
use crate::spec::Spec;

/// An image, and how it comes to the machine.
pub(crate) struct OneOffImage {
    /// `repo@sha256:…`, or an image id.
    pub(crate) reference: String,
    /// Whether it has to be pulled there.
    pub(crate) pull: bool,
    pub(crate) credential: Option<Credential>,
}

/// The spec with this service alone, and of it what a one-off container has: its image and its
/// environment. What only one container can have would stand in the way of a plan.
fn alone(spec: &Spec, service: &str) -> Spec {
    let mut alone = spec.clone();
    alone.services.retain(|name, _| name == service);
    for service in alone.services.values_mut() {
        service.container_name = crate::plan::names::one_off(&spec.name, &service.name, "next");
        service.ports.clear();
        service.files.clear();
        service.depends_on.clear();
        service.check = None;
        alone.groups.retain(|name, _| *name == service.on);
    }
    alone
}

/// As it is where the image is known: only the environment's secrets are asked for.
pub(crate) fn without_image(spec: &Spec, service: &str) -> Spec {
    let mut alone = alone(spec, service);
    alone.registries.clear();
    for service in alone.services.values_mut() {
        service.build = None;
    }
    alone
}

/// The image that the spec asks for, ready to be run on `place`, and the secrets that were read.
///
/// # Errors
/// 69, 73, 1: it could not be decided; the failure of a build or push.
pub(crate) async fn wanted(
    session: &Session,
    spec: &Spec,
    place: &Place<'_>,
    args: &RunArgs,
) -> Result<(OneOffImage, Secrets), Fault> {
    let alone = alone(spec, &args.service);
    let consent = session.consent(&alone, Need::Everything, args.yes)?;
    let looked = look(&alone, consent).await;
    let images = plan_only_images(&alone, &looked.observed, &Options::default());
    decided(&images, &args.service)?;
    let looked = if images.steps.is_empty() {
        looked
    } else {
        let _lock = work::lock(spec).await?;
        let go_on = session.command_line(&format!("run {}", args.service), None);
        let how =
            How { yes: true, approved: false, allow_terminate: false, json: false, question: "", go_on };
        let job = Looked { plan: images, ..looked };
        if let Some(summary) = work::carry_out(session, &alone, &job, &how).await? {
            work::ended(&summary)?;
        }
        look(&alone, consent).await
    };
    decided(&looked.plan, &args.service)?;
    let run = looked.plan.steps.iter().find_map(|step| match &step.action {
        Action::Run(run) if run.slot == place.slot => Some(run.as_ref()),
        _ => None,
    });
    let Some(Run { image, pull, .. }) = run else {
        // Whatever stands in the way of the service's own container there.
        let blocked = looked.plan.blocked.first();
        let why = blocked.map_or("nothing would run there".to_owned(), |blocked| blocked.why.clone());
        let exit = work::exit_of_blocked(&looked.plan).unwrap_or(Exit::Failed);
        let help = blocked.and_then(|blocked| blocked.help.as_deref());
        return Err(Fault::new(exit, format!("{}: {why}", place.slot), help));
    };
    let reference = match image {
        Image::Pinned { repository, digest } => format!("{repository}@{digest}"),
        Image::Local { id } => id.to_string(),
        Image::From { .. } => {
            let message = format!("the image of `{}` was made and is not found", args.service);
            return Err(Fault::new(Exit::Failed, message, Some("try it again")));
        }
    };
    let credential = looked.world.credential(&reference).cloned();
    Ok((OneOffImage { reference, pull: *pull, credential }, looked.observed.secrets.clone()))
}

async fn look(alone: &Spec, consent: Consent) -> Looked {
    let world = World::open(alone, Need::Everything, consent).await;
    let observed = observe(alone, &world).await;
    let plan = plan(alone, &observed, &Options::default());
    Looked { world, observed, plan }
}

/// What is in doubt about the image, or missing here, ends it.
fn decided(plan: &Plan, service: &str) -> Result<(), Fault> {
    let (image, files) = (format!("{service}.image"), "files");
    let blocked = plan.blocked.iter().find(|one| one.address == image || one.address == files);
    let Some(blocked) = blocked else { return Ok(()) };
    let exit = work::exit_of_blocked(plan).unwrap_or(Exit::Failed);
    Err(Fault::new(exit, format!("{}: {}", blocked.address, blocked.why), blocked.help.as_deref()))
}
