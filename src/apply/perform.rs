//! From a step to its function.

use super::failure::{Done, Failure, StepResult};
use super::{
    Work, admit, build, copy, halt, image, install, instance, login, prove, prune, push, remove, run, tag,
};
use crate::event::Sink;
use crate::plan::step::{Action, Step};

/// Works on one step. Steps on a machine check before each that the lease is still ours.
pub(crate) async fn perform(work: &Work<'_>, step: &Step, sink: Sink<'_>) -> StepResult {
    if let Some(slot) = super::graph::slot_of(&step.action) {
        work.sites.get(slot)?.verify_lease().await?;
    }
    match &step.action {
        Action::Build(planned) => build::build(work, planned, sink).await,
        Action::Tag(planned) => tag::tag(work, planned).await,
        Action::Push(planned) => push::push(work, planned, sink).await,
        Action::Install(planned) => {
            install::install(work, &*work.sites.get(&planned.slot)?, planned, sink).await
        }
        Action::Admit { slot, keys } => admit::admit(work, &*work.sites.get(slot)?, keys).await,
        Action::Copy { .. } | Action::RemoveFiles { .. } => on_files(work, step, sink).await,
        Action::Login { slot, server, image, persist } => {
            let wanted = login::Login { server, image, persist: *persist };
            login::login(work, &*work.sites.get(slot)?, wanted).await
        }
        Action::Run(planned) => run::run(work, planned, sink).await,
        Action::Prove(planned) => prove::found(work, planned, sink).await,
        Action::Restart { .. }
        | Action::StopContainer { .. }
        | Action::StartContainer { .. }
        | Action::UpdateContainer { .. } => on_container(work, step, sink).await,
        Action::RemoveContainer { slot, service, container, grace, replaced_by } => {
            let site = &*work.sites.get(slot)?;
            if let Some(image) = replaced_by {
                image::pull(work, site, image, sink).await?;
            }
            remove::container(site, (service, container), *grace).await
        }
        Action::Prune { slot, releases, tags } => {
            prune::prune(work, &*work.sites.get(slot)?, (releases, tags), sink).await
        }
        Action::RemoveImages { slot, tags } => prune::remove_images(work, slot.as_ref(), tags, sink).await,
        Action::RemoveVolumes { slot, volumes } => {
            prune::remove_volumes(&*work.sites.get(slot)?, volumes).await
        }
        Action::CleanHost { slot } => remove::clean(work, slot).await,
        // What follows every step that opens a machine is all there is to it.
        Action::Await { .. } => Ok(Done::default()),
        Action::ImportKey { .. }
        | Action::Firewall(_)
        | Action::Launch(_)
        | Action::Start { .. }
        | Action::Modify(_)
        | Action::Terminate { .. }
        | Action::DeleteFirewall { .. }
        | Action::DeleteKey { .. } => instance::perform(work, step, sink).await,
    }
}

async fn on_files(work: &Work<'_>, step: &Step, sink: Sink<'_>) -> StepResult {
    match &step.action {
        Action::Copy { slot, service, files } => {
            copy::copy(work, &*work.sites.get(slot)?, service, files, sink).await
        }
        Action::RemoveFiles { slot, targets } => remove::files(&*work.sites.get(slot)?, targets).await,
        other => Err(Failure::new(format!("not a step on files: {other:?}"), None)),
    }
}

async fn on_container(work: &Work<'_>, step: &Step, sink: Sink<'_>) -> StepResult {
    match &step.action {
        Action::Restart { slot, service, container, grace } => {
            let of = (service.as_str(), container.as_str());
            run::restart(work, &*work.sites.get(slot)?, of, *grace, sink).await
        }
        Action::StopContainer { slot, service, container, grace } => {
            halt::halt(&*work.sites.get(slot)?, (service, container), *grace, sink).await
        }
        Action::StartContainer { slot, service, container, .. } => {
            run::start(work, &*work.sites.get(slot)?, service, container, sink).await
        }
        Action::UpdateContainer { slot, service, container, settings } => {
            run::update(&*work.sites.get(slot)?, service, container, settings).await
        }
        other => Err(Failure::new(format!("not a step on a container: {other:?}"), None)),
    }
}
