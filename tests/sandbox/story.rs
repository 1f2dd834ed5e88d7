//! The seed's assignment: the music service from nothing to the songs, again, and away.

use std::process::Command;

use crate::cloud;
use crate::deployment::Deployment;
use crate::place::{checkout, images_like, remove_images, variable, writes_of};
use crate::process::run;
use crate::terminal::Terminal;

/// The project's own deploy.yaml and example, in a folder of its own.
pub(crate) fn copy_of_the_example(name: &str) -> Deployment {
    let deployment = Deployment::new(name, "name: replaced-below\n");
    for part in ["deploy.yaml", "examples"] {
        let copied =
            run(Command::new("cp").args(["-r", "-T"]).arg(checkout().join(part)).arg(deployment.path(part)));
        copied.ok();
    }
    // Unlike what an earlier run, or another test, has left in the registry.
    for program in ["examples/music-service/music.py", "examples/music-service/mcli/mcli.py"] {
        let source = std::fs::read_to_string(deployment.path(program)).unwrap();
        deployment.write(program, &format!("{source}# {name} {}\n", std::process::id()));
    }
    deployment
}

/// Where a test's images go: another test's tags are not moved by it.
pub(crate) fn own_images(name: &str) -> String {
    format!("${{A3_SANDBOX_GHCR_USER}}/{name}-")
}

/// The example under another name, with the sandbox as its cloud.
fn music(name: &str) -> Deployment {
    let mut deployment = copy_of_the_example(name);
    deployment.edit(
        "deploy.yaml",
        "name: music-${REGID:?your GitHub user id, lower case}",
        &format!("name: {name}"),
    );
    deployment.edit("examples/sandbox.yaml", "${A3_SANDBOX_GHCR_USER}/", &own_images(name));
    deployment.set("REGID", "learner");
    deployment.set("A3_FILE", "deploy.yaml:examples/sandbox.yaml");
    deployment
}

#[test]
fn the_songs_come_from_the_instance_and_again_nothing_changes() {
    let music = music("story");
    remove_images(&["story-*", "*/learner/story-*"]);

    let planned = writes_of(|| drop(music.a3(&["plan"]).ok().says("Plan: ")));
    assert!(planned.is_empty(), "a plan before anything exists writes: {planned:?}");

    let applied = music.apply();
    for step in ["build", "tag", "push", "launch", "copy", "run"] {
        assert!(applied.all().contains(step), "no `{step}`: {applied}");
    }
    let songs = music.get(30001, "/api/v1/music/");
    assert!(songs.contains("Maple Leaf Rag"), "{songs}");
    let read = run(Command::new("sh")
        .args(["-c", "printf 'read\\nquit\\n' | python3 \"$0\" \"$1\" 30001"])
        .arg(music.path("examples/music-service/mcli/mcli.py"))
        .arg(music.address()));
    read.ok().says("Maple Leaf Rag");

    // The client's image is on neither side yet: it is built, pushed, pulled, run and removed.
    let mut client = Terminal::of(music.command(&["run", "-it", "mcli"]), 24, 80);
    client.shows("mql: ");
    client.types("read\r");
    client.shows("Maple Leaf Rag");
    client.types("quit\r");
    client.ends_with(0);
    let left = cloud::host_docker(&music.id(), "ps --all --format '{{.Names}}'");
    assert_eq!(left, "s2", "nothing of the client is left");

    let planned = writes_of(|| music.is_converged());
    assert!(planned.is_empty(), "a plan writes: {planned:?}");
    let applied = writes_of(|| drop(music.apply().says("No changes.")));
    assert!(applied.is_empty(), "a second apply writes: {applied:?}");

    let id = music.id();
    music.destroy();
    assert_eq!(cloud::instance(&id)["State"]["Name"], "terminated");
    assert!(cloud::live_instances("story").is_empty());
    let kept = format!("{}/learner/story-s2-standalone", variable("A3_SANDBOX_GHCR"));
    assert!(!images_like(&kept).is_empty(), "images here are kept");
    let left = music.plan();
    assert!(
        !left.kinds().iter().any(|kind| ["build", "push"].contains(kind)),
        "the registry keeps them: {left:?}"
    );
    let again = writes_of(|| drop(music.destroy()));
    assert!(again.is_empty(), "a second destroy writes: {again:?}");
}
