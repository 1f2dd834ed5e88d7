//! The step `push`.

use super::Work;
use super::failure::{Done, Failure, StepResult};
use crate::event::{Activity, Sink};
use crate::id::Digest;
use crate::observed::RemoteSeen;
use crate::plan::names;
use crate::plan::reason::Reason;
use crate::plan::step::{Action, Push};
use crate::registry::{Client, package_page};

/// Sends the reference and `src-…` to the registry.
///
/// - Assumes: the built image is in the local engine under its source's name.
/// - Guarantees: the registry has both, with one digest, read back from the registry. If somebody
///   pushed the same source in the meantime, theirs is used. Yields the digest that is pinned.
/// - Repeat after a crash: anywhere; layers that arrived are skipped.
/// - Errors: denied, unreachable, a digest that is not the pushed one.
pub(crate) async fn push(work: &Work<'_>, planned: &Push, sink: Sink<'_>) -> StepResult {
    let client = super::image::client(work, &planned.reference)?;
    let engine = super::image::local_engine(work)?;
    let credential = work.job.world.credential(&planned.reference);
    let platform = work.job.observed.images.get(&planned.service).map(|seen| seen.platform);
    let Some(platform) = platform else {
        return Err(Failure::new(format!("no platform is known for `{}`", planned.service), None));
    };
    let alone = work.sites.pushes_to(&names::repository(&planned.reference));
    let _alone = alone.lock().await;
    if let RemoteSeen::Found(theirs) = client.look_up(&planned.source_tag, platform).await
        && theirs.source.as_ref() == Some(&planned.source)
        && !is_rebuilt(work, &planned.service)
    {
        client.copy_tag(&planned.source_tag, &theirs.digest, &planned.reference).await?;
        let note = format!("somebody pushed this source already: {}", theirs.digest.short());
        return Ok(Done { note: Some(note), image: Some(theirs.digest), unchanged: false });
    }
    let mut pushed = None;
    let built = names::local_image(&work.job.spec.name, &planned.service, &planned.source);
    for name in [&planned.source_tag, &planned.reference] {
        // An apply that was killed between two tags has left one of them out.
        engine.tag_image(&built, name).await?;
        let pushing = engine.push(name, credential, sink);
        pushed = Some(work.job.stop.cut(pushing).await.ok_or_else(Failure::interrupted)??);
    }
    let digest = read_back(client, planned, platform, pushed.as_ref()).await?;
    if let Some(page) = package_page(&planned.reference) {
        let message = format!("a new package is private until you change it at {page}");
        sink(Activity::Output { line: message });
    }
    Ok(Done { note: Some(format!("sha256:{}", digest.short())), image: Some(digest), unchanged: false })
}

/// Whether a person asked for a new build of the same source: what the registry has is not it.
fn is_rebuilt(work: &Work<'_>, service: &str) -> bool {
    work.job.plan.steps.iter().any(|step| {
        matches!(&step.action, Action::Build(build) if build.service == service)
            && step.reasons.contains(&Reason::RebuildAsked)
    })
}

/// What the registry says is what is pinned.
async fn read_back(
    client: &Client,
    planned: &Push,
    platform: crate::id::Platform,
    pushed: Option<&Digest>,
) -> Result<Digest, Failure> {
    match client.look_up(&planned.reference, platform).await {
        RemoteSeen::Found(found) if found.source.as_ref() == Some(&planned.source) => Ok(found.digest),
        RemoteSeen::Found(found) => {
            let message = format!(
                "{} is {} after the push, which was not built from this source: somebody else pushes to it",
                planned.reference, found.digest
            );
            Err(Failure::new(message, Some("agree on who pushes this tag, then a3 apply again".into())))
        }
        RemoteSeen::Unreachable(cause) | RemoteSeen::Unusable(cause) => Err(Failure::new(
            format!("{} could not be read back: {}", planned.reference, cause.message),
            cause.help,
        )),
        RemoteSeen::Absent | RemoteSeen::NotVisible | RemoteSeen::NotAsked => {
            let digest = pushed.map_or("nothing".to_owned(), ToString::to_string);
            let message =
                format!("{} cannot be seen after the push ({digest} was pushed)", planned.reference);
            let help = "the credential may write but not read: it needs read access too".to_owned();
            Err(Failure::new(message, Some(help)))
        }
    }
}
