//! What a build says when it does not go well.

use std::fs;
use std::time::{Duration, Instant};

use a3::docker::{BuildError, Context, ContextError};
use a3::explain::Explain as _;

use crate::world::World;

#[tokio::test]
async fn a_failing_step_names_its_line_code_and_last_lines() {
    let dockerfile = "ARG BASE\nFROM ${BASE}\n\nRUN echo before && \\\n  echo to-stderr >&2 && exit 3\n";
    let world = World::new("failing", &[("Dockerfile", dockerfile)]).await;
    let error = world.build().await.unwrap_err();
    let BuildError::Step { step, place, code, output, .. } = &error else { panic!("{error:?}") };
    assert!(step.starts_with("RUN echo before"), "{step}");
    assert_eq!(place.as_deref(), Some("Dockerfile line 4"));
    assert_eq!(*code, Some(3));
    let mut output = output.clone();
    // The two streams arrive in any order.
    output.sort();
    assert_eq!(output, ["before", "to-stderr"]);
    assert_eq!(world.statuses("RUN echo before"), ["started", "error"]);
    assert_eq!(world.engine.image(&world.tag).await.unwrap(), None);
}

#[tokio::test]
async fn a_file_that_is_not_there_points_to_the_context() {
    let files =
        [("Dockerfile", "FROM scratch\nCOPY data.csv /\n"), (".dockerignore", "*.csv"), ("data.csv", "1")];
    let world = World::new("nofile", &files).await;
    let error = world.build().await.unwrap_err();
    assert!(error.to_string().contains("`COPY data.csv /` (Dockerfile line 2) failed"), "{error}");
    assert!(error.help().unwrap().contains("a3 build --list-context"), "{error}");
}

#[tokio::test]
async fn a_dockerfile_that_makes_no_sense() {
    let world = World::new("syntax", &[("Dockerfile", "FROM scratch\nFRO scratch\n")]).await;
    let error = world.build().await.unwrap_err().to_string();
    assert!(error.starts_with("the build failed: ") && error.contains("line 2"), "{error}");
    assert!(error.to_lowercase().contains("unknown instruction: fro"), "{error}");
}

#[tokio::test]
async fn a_base_image_out_of_reach() {
    let world = World::new("base", &[("Dockerfile", "FROM 127.0.0.1:1/none/such:v1\n")]).await;
    let error = world.build().await.unwrap_err();
    assert!(error.to_string().contains("127.0.0.1:1/none/such:v1"), "{error}");
    assert!(error.help().unwrap().contains("cannot reach"), "{error}: {:?}", error.help());
}

#[tokio::test]
async fn a_file_that_changed_since_it_was_hashed_is_not_built() {
    let files = [("Dockerfile", "FROM scratch\nCOPY data /\n"), ("data", "first")];
    let world = World::new("changed", &files).await;
    let context = Context::read(&world.build).unwrap();
    fs::write(world.folder.path().join("data"), "other").unwrap();
    let error = world.build_from(&context).await.unwrap_err();
    assert!(matches!(error, BuildError::Context(ContextError::Changed { .. })), "{error:?}");
    assert!(error.to_string().contains("/data changed"), "{error}");
    assert_eq!(world.engine.image(&world.tag).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_dropped_is_cancelled() {
    // Seconds that nobody else sleeps, to find the process by.
    let seconds = format!("6{}", std::process::id());
    let dockerfile = format!("ARG BASE\nFROM ${{BASE}}\nRUN echo asleep && exec sleep {seconds}\n");
    let world = World::new("cancel", &[("Dockerfile", &dockerfile)]).await;
    let began = Instant::now();
    {
        let building = world.build();
        tokio::pin!(building);
        while !world.output().contains(&"asleep".to_owned()) {
            assert!(began.elapsed() < Duration::from_secs(60), "the build never came to its step");
            tokio::select! {
                ended = &mut building => panic!("the build ended: {ended:?}"),
                () = tokio::time::sleep(Duration::from_millis(50)) => {}
            }
        }
        assert!(sleeps(&seconds), "the step runs on this machine");
    }
    let dropped = Instant::now();
    while sleeps(&seconds) {
        assert!(dropped.elapsed() < Duration::from_secs(15), "the step still runs");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(world.engine.image(&world.tag).await.unwrap(), None);
}

/// Whether a process `sleep SECONDS` runs; the engine's are visible from here.
fn sleeps(seconds: &str) -> bool {
    let wanted = format!("sleep\0{seconds}\0");
    let processes = fs::read_dir("/proc").expect("there is /proc").flatten();
    let mut lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.any(|line| line == wanted.as_bytes())
}
