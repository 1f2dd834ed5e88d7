//! What a build does when it goes well.

use std::fs;
use std::time::{Duration, SystemTime};

use a3::docker::Context;
use a3::event::Activity;

use crate::world::World;

const DOCKERFILE: &str = "ARG BASE\nFROM ${BASE} AS first\nARG ASSIGN=none\nCOPY . /ctx/\n\
    RUN echo assign=$ASSIGN; cd /ctx; echo files: $(find . -type f | sort)\nFROM first\nRUN echo last stage\n";

#[tokio::test]
async fn args_labels_dockerignore_and_the_image() {
    let files = [
        ("Dockerfile", DOCKERFILE),
        (".dockerignore", "**/*.tmp\nsecret\n!keep.tmp"),
        ("app.py", "x"),
        ("keep.tmp", "x"),
        ("deep/er/x.tmp", "x"),
        ("secret/key", "x"),
    ];
    let mut world = World::new("args", &files).await;
    world.build.args.insert("ASSIGN".into(), "a3 & co".into());
    world.build.labels.insert("org.example.team".into(), "music".into());
    let id = world.build().await.unwrap();
    let output = world.output();
    assert!(output.contains(&"assign=a3 & co".to_owned()), "{output:?}");
    let listed = "files: ./.dockerignore ./Dockerfile ./app.py ./keep.tmp".to_owned();
    assert!(output.contains(&listed), "{output:?}");
    assert_eq!(world.statuses("RUN echo last stage"), ["started", "done"]);

    let image = world.engine.image(&world.tag).await.unwrap().expect("the image is there");
    assert_eq!(image.id, id);
    let platform = world.platform().await;
    assert_eq!(image.arch, Some(platform.0));
    let source = Context::read(&world.build).unwrap().source_digest(platform);
    assert_eq!(image.source, Some(source));

    world.engine.tag_image(&world.tag, "a3-build-test-args:other").await.unwrap();
    let other = world.engine.image("a3-build-test-args:other").await.unwrap();
    assert_eq!(other.map(|image| image.id), Some(id));
    world.engine.remove_image("a3-build-test-args:other").await.unwrap();
    assert_eq!(world.engine.image("a3-build-test-args:other").await.unwrap(), None);
    world.engine.remove_image("a3-build-test-args:other").await.expect("absent is fine");
}

#[tokio::test]
async fn the_target_stage_is_the_last_one_built() {
    let mut world = World::new("target", &[("Dockerfile", DOCKERFILE)]).await;
    world.build.target = Some("first".into());
    world.build().await.unwrap();
    assert_eq!(world.statuses("RUN echo last stage"), [] as [&str; 0]);
    world.build.target = Some("nope".into());
    let error = world.build().await.unwrap_err();
    assert!(error.to_string().contains("nope"), "{error}");
    assert!(a3::explain::Explain::help(&error).unwrap().contains("build.target"), "{error}");
}

#[tokio::test]
async fn a_secret_is_mounted_and_never_shown() {
    let dockerfile = "ARG BASE\nFROM ${BASE}\nRUN --mount=type=secret,id=token,required=true \
        cat /run/secrets/token && sha256sum /run/secrets/token && echo after\n";
    let mut world = World::new("secret", &[("Dockerfile", dockerfile)]).await;
    let secret = format!("hush-{}", crate::world::nonce());
    world.secrets.insert("token".into(), secret.as_str().into());
    world.build().await.unwrap();
    let output = world.output().join("\n");
    let digest = a3::id::Digest::of(secret.as_bytes());
    assert!(output.contains(digest.hex()), "the right bytes arrived: {output}");
    let everything = format!("{:?}", world.seen.lock().unwrap());
    assert!(!everything.contains(&secret), "{everything}");

    world.secrets.clear();
    let error = world.build().await.unwrap_err();
    assert!(error.to_string().contains("not found"), "{error}");
    assert!(a3::explain::Explain::help(&error).unwrap().contains("secrets"), "{error}");
}

#[tokio::test]
async fn a_second_build_comes_from_the_cache_whatever_the_times_of_its_files() {
    // From nothing, so that no other build has a part in it.
    let files = [("Dockerfile", "FROM scratch\nCOPY app.py /\n"), ("app.py", "x")];
    let mut world = World::new("cache", &files).await;
    world.write("app.py", &crate::world::nonce());
    world.build.no_cache = false;
    let first = world.build().await.unwrap();
    assert_eq!(world.statuses("COPY app.py"), ["started", "done"]);

    let file = fs::File::options().write(true).open(world.folder.path().join("app.py")).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(100_000)).unwrap();
    let second = world.build().await.unwrap();
    assert_eq!(world.statuses("COPY app.py"), ["cached"]);
    assert_eq!(second, first);

    world.write("app.py", &crate::world::nonce());
    world.build().await.unwrap();
    assert_eq!(world.statuses("COPY app.py"), ["started", "done"]);
}

#[tokio::test]
async fn builds_at_once_get_each_its_own_context() {
    let dockerfile = "FROM scratch\nCOPY data /\n";
    let mut worlds = Vec::new();
    for n in 0..3 {
        let name = format!("data-{n}");
        let dockerfile = format!("{dockerfile}COPY {name} /\n");
        worlds.push(
            World::new("atonce", &[("Dockerfile", &dockerfile), ("data", "same"), (&name, &name)]).await,
        );
    }
    let (a, b, c) = tokio::join!(worlds[0].build(), worlds[1].build(), worlds[2].build());
    for built in [a, b, c] {
        built.expect("each finds its own files");
    }
}

#[tokio::test]
async fn many_files_and_a_big_one_arrive_whole() {
    let dockerfile = "ARG BASE\nFROM ${BASE}\nCOPY . /ctx/\n\
        RUN cd /ctx && find many -type f | wc -l && sha256sum big && readlink link && stat -c %a:%u run\n";
    let world = World::new("many", &[("Dockerfile", dockerfile)]).await;
    for n in 0..2000 {
        world.write(&format!("many/{}/{n}.txt", n % 50), &format!("{n}\n"));
    }
    // 32 MiB that do not compress to nothing.
    let mut big = Vec::with_capacity(32 << 20);
    let mut state = 1_u64;
    while big.len() < 32 << 20 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        big.extend_from_slice(&state.to_le_bytes());
    }
    fs::write(world.folder.path().join("big"), &big).unwrap();
    std::os::unix::fs::symlink("big", world.folder.path().join("link")).unwrap();
    world.write("run", "#!/bin/sh");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(world.folder.path().join("run"), mode).unwrap();
    world.build().await.unwrap();
    let output = world.output();
    let digest = format!("{}  big", a3::id::Digest::of(&big).hex());
    assert_eq!(output, ["2000".to_owned(), digest, "big".into(), "755:0".into()]);
    let total = Context::read(&world.build).unwrap().size();
    let sent = |activity: &Activity| {
        matches!(activity, Activity::Progress { part, status, done, total: Some(all) }
            if part == "context" && status == "done" && *done == total && *all == total)
    };
    assert!(world.seen.lock().unwrap().iter().any(sent));
}

#[tokio::test]
async fn a_dockerfile_may_lie_outside_its_context() {
    let files = [("Dockerfile.web", "FROM scratch\nCOPY main.py /\n"), ("app/main.py", "x")];
    let mut world = World::new("outside", &files).await;
    world.build.context = world.folder.path().join("app");
    world.build.dockerfile = "../Dockerfile.web".into();
    world.build().await.unwrap();
    assert_eq!(world.statuses("COPY main.py"), ["started", "done"]);
}
