//! `a3 build` and `a3 push`: only the image steps, for build servers.

use super::args::{BuildArgs, ImageArgs};
use super::exit::Exit;
use super::fault::{Ended, Fault};
use super::work::{self, How, Looked};
use super::{Session, terminal};
use crate::docker::{Context, Kind};
use crate::id::Platform;
use crate::observe::secrets::Consent;
use crate::observe::{Need, World, observe};
use crate::plan::{ImageGoal, Options, plan_only_images};
use crate::report::words::bytes;
use crate::spec::{Build, Spec};

/// `a3 build`
pub(crate) async fn build(session: &Session, args: &BuildArgs) -> Ended {
    if args.list_context {
        return list_contexts(session, &args.images.services);
    }
    images(session, &args.images, ImageGoal::Built).await
}

/// `a3 push`
pub(crate) async fn push(session: &Session, args: &ImageArgs) -> Ended {
    images(session, args, ImageGoal::Pushed).await
}

async fn images(session: &Session, args: &ImageArgs, goal: ImageGoal) -> Ended {
    let spec = session.load(None)?;
    for name in args.services.iter().chain(&args.rebuild) {
        work::known_service(&spec, name)?;
    }
    let consent = session.consent(&spec, need_of(goal), args.yes)?;
    let _lock = work::lock(&spec).await?;
    let looked = look(&spec, args, goal, consent).await;
    if looked.plan.is_empty() {
        let done = if goal == ImageGoal::Built { "is built" } else { "is in its registry" };
        terminal::talk(&format!("Nothing to do: every image {done}.\n"));
        return Ok(Exit::Done);
    }
    let verb = if goal == ImageGoal::Built { "build" } else { "push" };
    let how = How {
        yes: true,
        approved: false,
        allow_terminate: false,
        json: false,
        question: "",
        go_on: session.command_line(verb, None),
    };
    match work::carry_out(session, &spec, &looked, &how).await? {
        Some(summary) => work::ended(&summary),
        None => Ok(Exit::Done),
    }
}

fn need_of(goal: ImageGoal) -> Need {
    if goal == ImageGoal::Built { Need::LocalImages } else { Need::Images }
}

async fn look(spec: &Spec, args: &ImageArgs, goal: ImageGoal, consent: Consent) -> Looked {
    let world = World::open(spec, need_of(goal), consent).await;
    let observed = observe(spec, &world).await;
    let options = Options {
        rebuild: args.rebuild.iter().cloned().collect(),
        target: args.services.iter().cloned().collect(),
        images: goal,
        ..Options::default()
    };
    let plan = plan_only_images(spec, &observed, &options);
    Looked { world, observed, plan }
}

/// `a3 build --list-context`
fn list_contexts(session: &Session, services: &[String]) -> Ended {
    let spec = session.load(None)?;
    for name in services {
        work::known_service(&spec, name)?;
    }
    for service in spec.services.values() {
        let Some(build) = &service.build else { continue };
        if services.is_empty() || services.contains(&service.name) {
            list_context(&service.name, build, service.platform)?;
        }
    }
    Ok(Exit::Done)
}

fn list_context(service: &str, build: &Build, platform: Option<Platform>) -> Result<(), Fault> {
    let context = Context::read(build).map_err(|error| Fault::of(Exit::Failed, &error))?;
    let mut text = String::new();
    let mut size = 0;
    for entry in context.entries() {
        let kind = match entry.kind {
            Kind::Dir => "/",
            _ if entry.executable => "*",
            _ => "",
        };
        size += entry.size;
        text.push_str(&format!("{:>12}  {}{kind}\n", entry.size, entry.path));
    }
    let count = context.entries().len();
    text.push_str(&format!("{service}: {count} entries, {} from {}\n", bytes(size), build.context.display()));
    match platform {
        Some(platform) => {
            let digest = context.source_digest(platform);
            text.push_str(&format!("{service}: {digest} for {platform}\n"));
        }
        None => text.push_str(&format!(
            "{service}: the digest depends on `platform`, which is known where it runs\n"
        )),
    }
    terminal::data(&text);
    Ok(())
}
