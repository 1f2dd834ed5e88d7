//! Where each service's image stands: its source here, the local engine, the registry.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use futures_util::join;
use indexmap::IndexMap;

use super::{Need, World};
use crate::docker::Context;
use crate::explain::Explain as _;
use crate::id::{Digest, Platform};
use crate::observed::{Cause, ImageSeen, LocalImage, RemoteSeen, Seen};
use crate::plan::names;
use crate::spec::{Build, Machine, Service, Spec};

/// By service, and what could not be read here, by service too.
pub(crate) async fn observe(
    spec: &Spec,
    world: &World,
    platforms: &BTreeMap<String, Platform>,
) -> (IndexMap<String, ImageSeen>, BTreeMap<String, Cause>) {
    let asked = spec.services.values().map(async |service| {
        // A machine that cannot be asked does not say its architecture; that is blocked elsewhere.
        let platform = platforms.get(&service.name)?;
        Some((service.name.clone(), observe_service(spec, world, service, *platform).await))
    });
    let mut images = IndexMap::new();
    let mut unread = BTreeMap::new();
    for (service, seen) in join_all(asked).await.into_iter().flatten() {
        match seen {
            Ok(seen) => drop(images.insert(service, seen)),
            Err(cause) => drop(unread.insert(service, cause)),
        }
    }
    (images, unread)
}

/// Makes the registries' acquaintance while it is not known yet for which platform they are asked.
pub(crate) async fn greet(world: &World) {
    join_all(world.registries.values().flatten().map(|client| client.greet())).await;
}

async fn observe_service(
    spec: &Spec,
    world: &World,
    service: &Service,
    platform: Platform,
) -> Result<ImageSeen, Cause> {
    let (source, context) = match &service.build {
        Some(build) => {
            let (source, files, bytes) = read_source(build, platform).await?;
            (Some(source), Some((files, bytes)))
        }
        None => (None, None),
    };
    let on_local = matches!(spec.groups.get(&service.on).map(|group| &group.machine), Some(Machine::Local));
    let repository = names::repository(&service.image);
    let source_tag = source.as_ref().map(|source| format!("{repository}:{}", names::source_tag(source)));
    let local_name = source.as_ref().map(|source| names::local_image(&spec.name, &service.name, source));
    // Built and run on the local engine, an image has nothing to do with a registry.
    let asks_registry = match world.need {
        Need::Images => true,
        Need::LocalImages => false,
        Need::Everything | Need::Machines => {
            let in_engine = names::image_id(&service.image).is_some();
            !(in_engine || (on_local && service.build.is_some()))
        }
    };
    let reference = asks_registry.then_some(service.image.as_str());
    let (reference, source_tag, local_source, local_reference) = join!(
        in_registry(world, reference, platform),
        in_registry(world, source_tag.as_deref().filter(|_| asks_registry), platform),
        in_engine(world, local_name.as_deref()),
        in_engine(world, Some(&service.image)),
    );
    Ok(ImageSeen { platform, source, context, reference, source_tag, local_source, local_reference })
}

/// Digest, files and bytes.
async fn read_source(build: &Build, platform: Platform) -> Result<(Digest, usize, u64), Cause> {
    let build = build.clone();
    let read = move || {
        Context::read(&build)
            .map(|context| (context.source_digest(platform), context.files(), context.size()))
    };
    match tokio::task::spawn_blocking(read).await {
        Ok(read) => read.map_err(|error| error.cause()),
        Err(error) => {
            Err(Cause { message: format!("reading the build context failed: {error}"), help: None })
        }
    }
}

async fn in_registry(world: &World, reference: Option<&str>, platform: Platform) -> RemoteSeen {
    let Some(reference) = reference else { return RemoteSeen::NotAsked };
    match world.registries.get(names::server(reference)) {
        Some(Ok(client)) => client.look_up(reference, platform).await,
        Some(Err(cause)) => RemoteSeen::Unreachable(cause.clone()),
        None => RemoteSeen::NotAsked,
    }
}

async fn in_engine(world: &World, reference: Option<&str>) -> Seen<LocalImage> {
    let Some(reference) = reference else { return Seen::Absent };
    let engine = match &world.engine {
        Ok(engine) => engine,
        Err(cause) => return Seen::Unreachable(cause.clone()),
    };
    match engine.image(reference).await {
        Ok(Some(image)) => Seen::Present(image),
        Ok(None) => Seen::Absent,
        Err(error) => Seen::Unreachable(error.cause()),
    }
}
