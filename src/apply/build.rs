//! The step `build`.

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::Work;
use super::failure::{Done, Failure, StepResult};
use crate::docker::{BuildRequest, Context};
use crate::event::{Activity, Sink};
use crate::observe::World;
use crate::plan::hash::source_key;
use crate::plan::names::{self, label};
use crate::plan::step::{self, Action, Step};
use crate::registry::PushRight;
use crate::spec::{Build, Service};

/// Builds `NAME-SERVICE:src-<12>` on the local engine.
///
/// - Assumes: the context is the one that the plan hashed; it is read again and its digest compared.
/// - Guarantees: the image exists locally under its source's name, with labels `dev.a3.source` and
///   `dev.a3.hash`. Yields its id.
/// - Repeat after a crash: anywhere; layers that were finished are in the engine's cache.
/// - Errors: the context changed since the plan; the build failed; the engine went away; for a pushed
///   image, the registry denies the push (asked before the minutes of a build are spent).
pub(crate) async fn build(work: &Work<'_>, planned: &step::Build, sink: Sink<'_>) -> StepResult {
    let world = work.job.world;
    let service = super::image::service(work, &planned.service)?;
    let Some(build) = &service.build else {
        return Err(Failure::new(format!("service `{}` has no `build`", service.name), None));
    };
    probe_push(work, service, sink).await?;
    let context = read_context(build, planned).await?;
    let request = BuildRequest {
        build,
        context: &context,
        platform: planned.platform,
        tags: vec![planned.name.clone()],
        labels: labels(build, planned),
        secrets: secrets(world, build)?,
        credentials: world.credentials.values().cloned().collect(),
    };
    let engine = super::image::local_engine(work)?;
    let building = engine.build(request, sink);
    let id = work.job.stop.cut(building).await.ok_or_else(Failure::interrupted)??;
    Ok(Done { note: Some(planned.name.clone()), image: Some(id), unchanged: false })
}

/// Denied here, minutes are saved; a registry that does not say leaves it to the push. Without a push
/// (`a3 build`, or a service on this machine) no registry is asked.
async fn probe_push(work: &Work<'_>, service: &Service, sink: Sink<'_>) -> Result<(), Failure> {
    let pushes = |step: &Step| matches!(&step.action, Action::Push(push) if push.service == service.name);
    if !work.job.plan.steps.iter().any(pushes) {
        return Ok(());
    }
    let repository = names::repository(&service.image);
    let client = super::image::client(work, &service.image)?;
    match client.may_push(&repository).await? {
        PushRight::Allowed => Ok(()),
        PushRight::Denied { why, help } => {
            let server = names::server(&service.image);
            Err(Failure::new(format!("{server} denies pushing to {repository}: {why}"), help))
        }
        PushRight::NotChecked { why } => {
            sink(Activity::Warning { message: format!("right to push to {repository} not checked: {why}") });
            Ok(())
        }
    }
}

async fn read_context(build: &Build, planned: &step::Build) -> Result<Context, Failure> {
    let read = build.clone();
    let context = tokio::task::spawn_blocking(move || Context::read(&read)).await;
    let context =
        context.map_err(|error| Failure::new(format!("reading the context failed: {error}"), None))??;
    let source = context.source_digest(planned.platform);
    if source == planned.source {
        return Ok(context);
    }
    let message = format!(
        "the source in {} changed since the plan (was {}, is {})",
        build.context.display(),
        planned.source.short(),
        source.short()
    );
    Err(Failure::new(message, Some("a3 apply again: it plans with what is there now".into())))
}

fn labels(build: &Build, planned: &step::Build) -> BTreeMap<String, String> {
    let mut labels: BTreeMap<String, String> =
        build.labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    labels.insert(label::SOURCE.into(), planned.source.to_string());
    labels
}

fn secrets(world: &World, build: &Build) -> Result<BTreeMap<String, SecretString>, Failure> {
    let read = build.secrets.iter().map(|(id, source)| {
        let value = world.secrets.values.get(&source_key(source));
        let value =
            value.ok_or_else(|| Failure::new(format!("build secret `{id}` could not be read"), None))?;
        Ok((id.clone(), value.clone()))
    });
    read.collect()
}
