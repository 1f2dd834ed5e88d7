//! Logs, changes in place, networks, and what is seen of containers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use a3::docker::{EngineError, LogOptions};
use a3::observed::ContainerState;
use a3::record::InPlace;
use a3::spec::Restart;
use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::stage::{IMAGE, Stage, docker};

const GRACE: Duration = Duration::from_secs(5);

fn run(stage: &Stage, arguments: &[&str], script: &str) -> String {
    let name = stage.name();
    let start = ["run", "-d", "--name", &name, "-e", "PATH=/bin"];
    docker(&[&start[..], arguments, &[IMAGE, "/bin/sh", "-c", script]].concat());
    name
}

#[tokio::test]
async fn a_log_is_read_in_parts_and_followed_to_its_end() {
    let stage = Stage::new("logs");
    let script = "for i in $(seq 3); do echo line $i; done; echo oops >&2; sleep 2; echo late; sleep 1; echo last; echo -n end";
    let name = run(&stage, &[], script);
    let follow = LogOptions { follow: true, ..LogOptions::default() };
    let lines = stage.engine.logs(&name, &follow).await.unwrap();
    let all: Vec<_> = tokio::time::timeout(Duration::from_secs(30), lines.try_collect::<Vec<_>>())
        .await
        .expect("following ends with the container")
        .unwrap();
    let texts: Vec<String> = all.iter().map(|line| line.text().into_owned()).collect();
    for text in ["line 1", "line 2", "line 3", "oops", "late", "last"] {
        assert!(texts.iter().any(|seen| seen == text), "{texts:?}");
    }
    // While following, engine 20.10 mostly loses a last line that has no newline (`docker logs -f` too).
    assert_eq!(stage.engine.tail(&name, 2).await.unwrap(), ["last", "end"]);

    let timed = LogOptions { timestamps: true, ..LogOptions::default() };
    let timed: Vec<_> = stage.engine.logs(&name, &timed).await.unwrap().try_collect().await.unwrap();
    let late = timed.iter().find(|line| line.text() == "late").unwrap();
    assert!(late.time.as_ref().unwrap().ends_with('Z'));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let since = LogOptions { since: Some(now + Duration::from_secs(60)), ..LogOptions::default() };
    assert!(stage.engine.logs(&name, &since).await.unwrap().next().await.is_none());
    let until = LogOptions { until: Some(now - Duration::from_secs(600)), ..LogOptions::default() };
    assert!(stage.engine.logs(&name, &until).await.unwrap().next().await.is_none());
    assert!(stage.engine.logs("a3test-nobody", &LogOptions::default()).await.err().unwrap().is_absent());
}

#[tokio::test]
async fn a_terminals_log_has_no_frames_and_long_lines_are_whole() {
    let stage = Stage::new("tty");
    let name = run(&stage, &["-t"], "echo hello; echo there");
    assert_eq!(docker(&["wait", &name]), "0");
    assert_eq!(stage.engine.tail(&name, 5).await.unwrap(), ["hello", "there"]);
    docker(&["rm", "-f", &name]);
    // The engine cuts lines into frames of 16 KiB.
    let name = run(&stage, &[], "echo start $(seq 8000) end");
    assert_eq!(docker(&["wait", &name]), "0");
    let options = LogOptions { timestamps: true, ..LogOptions::default() };
    let lines: Vec<_> = stage.engine.logs(&name, &options).await.unwrap().try_collect().await.unwrap();
    let expected = (1..=8000).map(|number| number.to_string()).collect::<Vec<_>>().join(" ");
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].text(), format!("start {expected} end"));
}

#[tokio::test]
async fn limits_and_restart_policy_change_in_place_both_ways() {
    let stage = Stage::new("update");
    let name = run(&stage, &[], "trap 'exit 0' TERM; while :; do sleep 1 & wait; done");
    let id = docker(&["inspect", "-f", "{{.Id}}", &name]);
    let settings = |restart, mem_limit, nano_cpus| InPlace { restart, mem_limit, nano_cpus };
    let host = |keys: &str| docker(&["inspect", "-f", keys, &name]);
    let keys = "{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}";

    let limited = settings(Restart::OnFailure(2), Some(64 << 20), Some(500_000_000));
    for _ in 0..2 {
        stage.engine.update_container(&name, &limited).await.unwrap();
        assert_eq!(host(keys), "on-failure 67108864 500000000");
    }
    let more = settings(Restart::UnlessStopped, Some(256 << 20), Some(1_000_000_000));
    stage.engine.update_container(&name, &more).await.unwrap();
    assert_eq!(host(keys), "unless-stopped 268435456 1000000000");

    let free = settings(Restart::No, None, None);
    stage.engine.update_container(&name, &free).await.unwrap();
    let processors: i64 = docker(&["info", "-f", "{{.NCPU}}"]).parse().unwrap();
    assert_eq!(host(keys), format!("no {} {}", 1i64 << 50, processors * 1_000_000_000));
    let detail = stage.engine.container(&name).await.unwrap().unwrap();
    assert_eq!((detail.seen.id, detail.restart_count), (id, 0), "the same container all along");
    // It still starts with the limits taken away.
    stage.engine.restart_container(&name, GRACE).await.unwrap();
    assert!(stage.engine.container(&name).await.unwrap().unwrap().is_up());
    let error = stage.engine.update_container("a3test-nobody", &free).await.unwrap_err();
    assert!(error.is_absent(), "{error:?}");
}

#[tokio::test]
async fn stop_start_and_remove_can_be_repeated() {
    let stage = Stage::new("repeat");
    let name = run(
        &stage,
        &["-p", "127.0.77.1:7020:80/udp", "-p", "127.0.77.1::81"],
        "trap 'exit 0' TERM; while :; do sleep 1 & wait; done",
    );
    let state = async || {
        let found = stage.engine.containers().await.unwrap().into_iter().find(|seen| seen.name == name);
        found.map(|seen| (seen.state, seen.ports.len()))
    };
    assert_eq!(state().await, Some((ContainerState::Running, 2)));
    for _ in 0..2 {
        stage.engine.stop_container(&name, GRACE).await.unwrap();
        assert_eq!(state().await, Some((ContainerState::Exited(0), 0)));
    }
    for _ in 0..2 {
        stage.engine.start_container(&name).await.unwrap();
        assert_eq!(state().await, Some((ContainerState::Running, 2)));
    }
    for _ in 0..2 {
        stage.engine.remove_container(&name, GRACE).await.unwrap();
        assert_eq!(state().await, None);
    }
    stage.engine.stop_container(&name, GRACE).await.unwrap();
    assert!(stage.engine.start_container(&name).await.unwrap_err().is_absent());
}

#[tokio::test]
async fn a_network_is_made_once_and_anothers_is_left_alone() {
    let stage = Stage::new("network");
    let name = format!("{}_default", stage.deployment);
    let made = async || stage.engine.ensure_network(&name, &stage.deployment).await;
    let (a, b, c) = tokio::join!(made(), made(), made());
    for result in [a, b, c] {
        result.unwrap();
    }
    let filter = format!("name={name}");
    let count = || docker(&["network", "ls", "-q", "--filter", &filter]).lines().count();
    assert_eq!(count(), 1);
    for _ in 0..2 {
        stage.engine.remove_network(&name, &stage.deployment).await.unwrap();
        assert_eq!(count(), 0);
    }
    let foreign = async || stage.engine.has_foreign_network(&name, &stage.deployment).await.unwrap();
    assert!(!foreign().await);
    made().await.unwrap();
    assert!(!foreign().await);
    stage.engine.remove_network(&name, &stage.deployment).await.unwrap();
    docker(&["network", "create", &name]);
    assert!(foreign().await);
    for error in [
        stage.engine.ensure_network(&name, &stage.deployment).await.unwrap_err(),
        stage.engine.remove_network(&name, &stage.deployment).await.unwrap_err(),
    ] {
        assert!(matches!(&error, EngineError::Foreign { .. }), "{error:?}");
    }
    assert_eq!(count(), 1);
}

#[tokio::test]
async fn images_of_kept_releases_have_a_name() {
    let stage = Stage::new("retain");
    for release in [1, 2] {
        stage.engine.retain(&stage.deployment, "web", release, IMAGE).await.unwrap();
        stage.engine.retain(&stage.deployment, "web", release, IMAGE).await.unwrap();
    }
    let repository = format!("a3/{}/web", stage.deployment);
    let tags = || docker(&["images", "--format", "{{.Tag}}", &repository]);
    assert_eq!(tags().lines().count(), 2);
    stage.engine.let_go(&stage.deployment, &[format!("{repository}:1")]).await.unwrap();
    assert_eq!(tags(), "2");
    stage.engine.release_images(&stage.deployment).await.unwrap();
    assert_eq!(tags(), "");
    assert!(!docker(&["images", "-q", IMAGE]).is_empty());
}

#[tokio::test]
async fn the_engine_says_what_it_is() {
    let stage = Stage::new("version");
    let version = stage.engine.version().await.unwrap();
    assert_eq!(version.version, docker(&["version", "-f", "{{.Server.Version}}"]));
    assert_eq!(version.api, docker(&["version", "-f", "{{.Server.APIVersion}}"]));
    let root = docker(&["info", "-f", "{{.DockerRootDir}}"]);
    assert_eq!(stage.engine.place().await.unwrap().folder, root);
}
