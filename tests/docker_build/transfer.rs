//! Push, pull and "could it be pulled", against a real registry.

use std::sync::Mutex;

use a3::docker::{TransferError, Why};
use a3::event::Activity;
use a3::id::Digest;
use secrecy::ExposeSecret as _;

use crate::registry::{PASSWORD, Registry, USER};
use crate::world::World;

/// An image in the engine under a name in `registry`.
async fn image_for(registry: &Registry, name: &str) -> (World, String) {
    let files = [("Dockerfile", "FROM scratch\nCOPY data /\n"), ("data", crate::world::nonce().as_str())]
        .map(|(path, content)| (path.to_owned(), content.to_owned()));
    let files: Vec<_> = files.iter().map(|(path, content)| (path.as_str(), content.as_str())).collect();
    let mut world = World::new(name, &files).await;
    world.build().await.expect("it builds");
    let reference = format!("{}/team/{name}:v1", registry.server);
    world.engine.tag_image(&world.tag, &reference).await.expect("it can be tagged");
    world.made.push(reference.clone());
    (world, reference)
}

#[tokio::test]
async fn pushed_seen_and_pulled_by_digest() {
    let registry = Registry::start(true);
    let (world, reference) = image_for(&registry, "push").await;
    let credential = registry.credential(PASSWORD);
    let seen = Mutex::new(Vec::new());
    let sink = |activity| seen.lock().unwrap().push(activity);

    let digest = world.engine.push(&reference, Some(&credential), &sink).await.unwrap();
    let told = std::mem::take(&mut *seen.lock().unwrap());
    let pushed =
        told.iter().any(|activity| matches!(activity, Activity::Progress { status, .. } if status == "done"));
    assert!(pushed, "{told:?}");
    assert_eq!(digest, digest_in(&registry, "team/push", "v1").await);

    let again = world.engine.push(&reference, Some(&credential), &sink).await.unwrap();
    assert_eq!(again, digest);
    let told = std::mem::take(&mut *seen.lock().unwrap());
    let exists =
        |activity: &Activity| matches!(activity, Activity::Progress { status, .. } if status == "exists");
    assert!(told.iter().any(exists), "{told:?}");

    let pinned = format!("{}/team/push@{digest}", registry.server);
    world.engine.can_pull(&pinned, Some(&credential)).await.unwrap();
    world.engine.can_pull(&reference, Some(&credential)).await.unwrap();
    world.engine.remove_image(&reference).await.unwrap();
    world.engine.remove_image(&world.tag).await.unwrap();
    assert_eq!(world.engine.image(&pinned).await.unwrap(), None);
    world.engine.pull(&pinned, Some(&credential), &sink).await.unwrap();
    assert!(world.engine.repo_digests().await.unwrap().contains(&pinned));
    world.engine.pull(&pinned, Some(&credential), &sink).await.expect("twice is fine");
    world.engine.remove_image(&pinned).await.unwrap();
}

#[tokio::test]
async fn without_a_password_in_the_way() {
    let registry = Registry::start(false);
    let (world, reference) = image_for(&registry, "open").await;
    let digest = world.engine.push(&reference, None, &|_| {}).await.unwrap();
    world.engine.can_pull(&reference, None).await.unwrap();
    let pinned = format!("{}/team/open@{digest}", registry.server);
    world.engine.pull(&pinned, None, &|_| {}).await.unwrap();

    let absent = format!("{}/team/open:v2", registry.server);
    let error = world.engine.pull(&absent, None, &|_| {}).await.unwrap_err();
    assert_eq!(error.why(), Some(Why::NotFound), "{error}");
    let error = world.engine.can_pull(&absent, None).await.unwrap_err();
    assert_eq!(error.why(), Some(Why::NotFound), "{error}");
    let error = world.engine.push(&absent, None, &|_| {}).await.unwrap_err();
    assert_eq!(error.why(), Some(Why::NotFound), "{error}");
}

#[tokio::test]
async fn a_wrong_password_is_denied_everywhere() {
    let registry = Registry::start(true);
    let (world, reference) = image_for(&registry, "denied").await;
    let right = registry.credential(PASSWORD);
    let digest = world.engine.push(&reference, Some(&right), &|_| {}).await.unwrap();
    let pinned = format!("{}/team/denied@{digest}", registry.server);
    world.engine.remove_image(&reference).await.unwrap();
    world.engine.tag_image(&world.tag, &reference).await.unwrap();
    for credential in [Some(registry.credential("wrong")), None] {
        let credential = credential.as_ref();
        let told = [
            world.engine.push(&reference, credential, &|_| {}).await.map(drop).unwrap_err(),
            world.engine.pull(&pinned, credential, &|_| {}).await.unwrap_err(),
            world.engine.can_pull(&pinned, credential).await.unwrap_err(),
        ];
        for error in told {
            assert_eq!(error.why(), Some(Why::Denied), "{error}");
            assert!(!error.to_string().contains("wrong"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_registry_that_is_not_there() {
    let (server, world, reference) = {
        let registry = Registry::start(false);
        let (world, reference) = image_for(&registry, "dead").await;
        (registry.server.clone(), world, reference)
    };
    let pinned = format!("{server}/team/dead@{}", Digest::of(b"x"));
    let told: [TransferError; 3] = [
        world.engine.push(&reference, None, &|_| {}).await.map(drop).unwrap_err(),
        world.engine.pull(&pinned, None, &|_| {}).await.unwrap_err(),
        world.engine.can_pull(&pinned, None).await.unwrap_err(),
    ];
    for error in told {
        assert_eq!(error.why(), Some(Why::Unreachable), "{error}");
    }
}

#[tokio::test]
async fn a_base_image_behind_a_password() {
    let registry = Registry::start(true);
    let (mut world, reference) = image_for(&registry, "private").await;
    let credential = registry.credential(PASSWORD);
    let digest = world.engine.push(&reference, Some(&credential), &|_| {}).await.unwrap();
    world.engine.remove_image(&reference).await.unwrap();
    world.engine.remove_image(&world.tag).await.unwrap();

    world.write("Dockerfile", &format!("FROM {}/team/private@{digest}\nCOPY data /again\n", registry.server));
    let error = world.build().await.unwrap_err();
    let help = a3::explain::Explain::help(&error).unwrap_or_default();
    assert!(help.contains("`registry`"), "{error}: {help}");
    world.credentials = vec![registry.credential(PASSWORD)];
    world.build().await.unwrap();
    let everything = format!("{:?}", world.seen.lock().unwrap());
    assert!(!everything.contains(credential.password.expose_secret()), "{everything}");
}

/// Asks the registry itself, with a bare HTTP request.
async fn digest_in(registry: &Registry, repository: &str, tag: &str) -> Digest {
    let url = format!("http://{}/v2/{repository}/manifests/{tag}", registry.server);
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request = client.head(url).basic_auth(USER, Some(PASSWORD));
    let response =
        request.header("Accept", "application/vnd.docker.distribution.manifest.v2+json").send().await;
    let response = response.expect("the registry answers");
    let digest = response.headers().get("docker-content-digest").and_then(|value| value.to_str().ok());
    digest.and_then(|digest| digest.parse().ok()).expect("the registry has the image")
}
