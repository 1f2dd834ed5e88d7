//! Containers on a real engine: the swap with every crash point, logs, changes in place, networks.
//! Needs a Docker engine behind a socket of this machine, the `docker` command, and busybox-static.

// clippy.toml allows it in test functions only, not in what they share.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod crash;
mod stage;
mod upkeep;

use std::time::Duration;

use a3::docker::{Back, ContainerDetail, Proof, Swap, SwapError, Swapped};
use a3::explain::{Explain as _, chain};
use a3::spec::{Healthcheck, Volume, VolumeSource};
use futures_util::future::BoxFuture;

use stage::{Stage, docker, port};

/// A swap without any check.
async fn swap(stage: &Stage, new: &a3::docker::NewContainer) -> Result<Swapped, SwapError> {
    let swap = Swap { new, proof: Proof::default(), way_back: None, formerly: &[] };
    stage.engine.swap(&swap, &stage.sink()).await
}

/// What the service answers at its published port.
async fn answer(container: ContainerDetail) -> Result<String, String> {
    let port = container.seen.ports.first().ok_or("it publishes no port")?;
    let host = port.host_ip.clone().unwrap_or("127.0.0.1".into());
    let url = format!("http://{host}:{}/", port.published);
    let client = reqwest::Client::builder().no_proxy().build().map_err(|error| error.to_string())?;
    let reply = client.get(url).send().await.map_err(|error| error.to_string())?;
    reply.text().await.map(|text| text.trim().to_owned()).map_err(|error| error.to_string())
}

/// Whose name changes is no less safe: a check that fails brings the old one back under the old name.
#[tokio::test]
async fn another_name_whose_check_fails_leaves_the_old_one_running() {
    let stage = Stage::new("renamefails");
    swap(&stage, &stage.with(1, |settings| settings.ports = vec![port(7021)])).await.unwrap();
    let before = docker(&["inspect", "-f", "{{.Id}}", &stage.name()]);
    let (mut new, formerly) = stage.renamed(2);
    new.settings.ports = vec![port(7021)];
    let probe = |_| -> BoxFuture<'_, Result<(), String>> { Box::pin(async { Err("it answers 500".into()) }) };
    let proof = Proof { probe: Some((&probe, Duration::from_secs(2))), cut: None };
    let failing = Swap { new: &new, proof, way_back: None, formerly: &formerly };
    let error = stage.engine.swap(&failing, &stage.sink()).await.unwrap_err();
    assert!(matches!(error, SwapError::Failed { back: Back::Runs, .. }), "{}", chain(&error));
    assert_eq!(stage.state().await, stage.running(1));
    assert_eq!(docker(&["inspect", "-f", "{{.Id}}", &stage.name()]), before);

    // And one that somebody had stopped stays stopped.
    docker(&["stop", "-t", "1", &stage.name()]);
    let error = stage.engine.swap(&failing, &stage.sink()).await.unwrap_err();
    assert!(matches!(error, SwapError::Failed { back: Back::Stopped, .. }), "{}", chain(&error));
    assert_eq!(stage.state().await, [(stage.name(), 1, false)]);

    // A container of that name with another mark is not ours: nothing is touched.
    let foreign = [a3::docker::Former { name: stage.name(), mark: "another".into() }];
    let swap = Swap { formerly: &foreign, ..failing };
    let error = stage.engine.swap(&swap, &stage.sink()).await.unwrap_err();
    assert!(matches!(error, SwapError::Foreign(_)), "{}", chain(&error));
    assert_eq!(stage.state().await, [(stage.name(), 1, false)]);
}

#[tokio::test]
async fn a_new_container_takes_the_place_of_the_old_one() {
    let stage = Stage::new("happy");
    let first = stage.with(1, |settings| settings.ports = vec![port(7001)]);
    let swapped = swap(&stage, &first).await.unwrap();
    assert!(swapped.gap.is_none());
    assert_eq!(answer(swapped.container.unwrap()).await.unwrap(), "v1");

    let second = stage.with(2, |settings| settings.ports = vec![port(7001)]);
    let probe = |container| -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            let got = answer(container).await?;
            if got == "v2" { Ok(()) } else { Err(format!("it answers {got}")) }
        })
    };
    let proof = Proof { probe: Some((&probe, Duration::from_secs(20))), cut: None };
    let swapped = stage
        .engine
        .swap(&Swap { new: &second, proof, way_back: None, formerly: &[] }, &stage.sink())
        .await
        .unwrap();
    println!("gap: {:?}", swapped.gap.expect("an old one was stopped"));
    assert_eq!(stage.state().await, stage.running(2));

    let seen = swapped.container.unwrap();
    assert_eq!(seen.seen.labels["dev.a3.config"], "1:2");
    assert_eq!(seen.seen.ports[0].published, 7001);
    assert_eq!(seen.grace, Duration::from_secs(5));
    // Its neighbours find it by the service's name.
    let network = format!("{}_default", stage.deployment);
    let neighbour = format!("{}-neighbour", stage.deployment);
    let wget = ["run", "--rm", "--name", &neighbour, "--network", &network, stage::IMAGE];
    let page = docker(&[&wget[..], &["/bin/wget", "-qO-", "http://web:8080/"]].concat());
    assert_eq!(page, "v2");
}

#[tokio::test]
async fn one_that_cannot_start_leaves_the_old_one_running() {
    let stage = Stage::new("nostart");
    swap(&stage, &stage.version(1)).await.unwrap();
    let broken = stage.with(2, |settings| settings.command = Some(vec!["/nope".into()]));
    let error = swap(&stage, &broken).await.unwrap_err();
    assert!(matches!(&error, SwapError::Failed { back: Back::Runs, .. }), "{error:?}");
    let text = chain(&error);
    assert!(text.contains("did not start; the old one runs again") && text.contains("/nope"), "{text}");
    assert_eq!(stage.state().await, stage.running(1));
}

#[tokio::test]
async fn one_whose_port_is_taken_leaves_the_old_one_running() {
    let stage = Stage::new("port");
    let holder = format!("{}-holder", stage.deployment);
    let hold = ["run", "-d", "--name", &holder, "-p", "127.0.77.1:7002:80", stage::IMAGE, "/bin/sleep", "60"];
    docker(&hold);
    let first = stage.with(1, |settings| settings.ports = vec![port(7003)]);
    swap(&stage, &first).await.unwrap();
    let second = stage.with(2, |settings| settings.ports = vec![port(7002)]);
    let error = swap(&stage, &second).await.unwrap_err();
    assert!(chain(&error).contains("port is already allocated"), "{}", chain(&error));
    assert!(error.help().unwrap().contains("docker ps"));
    docker(&["rm", "-f", &holder]);
    assert_eq!(stage.state().await, stage.running(1));
    let old = stage.engine.container(&stage.name()).await.unwrap().unwrap();
    assert_eq!(answer(old).await.unwrap(), "v1");
}

#[tokio::test]
async fn one_that_fails_its_check_goes_and_its_last_lines_are_told() {
    let stage = Stage::new("check");
    swap(&stage, &stage.version(1)).await.unwrap();
    let probe = |_| -> BoxFuture<'_, Result<(), String>> { Box::pin(async { Err("status 500".into()) }) };
    let proof = Proof { probe: Some((&probe, Duration::from_millis(1500))), cut: None };
    let new = stage.version(2);
    let swap = Swap { new: &new, proof, way_back: None, formerly: &[] };
    let error = stage.engine.swap(&swap, &stage.sink()).await.unwrap_err();
    assert!(chain(&error).contains("does not work; the old one runs again"), "{}", chain(&error));
    assert!(chain(&error).contains("status 500"), "{}", chain(&error));
    assert!(stage.said("v2 is up"));
    assert_eq!(stage.state().await, stage.running(1));
}

#[tokio::test]
async fn one_that_ends_at_once_is_noticed_without_any_check() {
    let stage = Stage::new("ends");
    let shell = |script: &str| Some(vec!["/bin/sh".into(), "-c".into(), script.into()]);
    let bad = stage.with(1, |settings| settings.command = shell("echo no data; exit 3"));
    let error = swap(&stage, &bad).await.unwrap_err();
    assert!(matches!(&error, SwapError::Failed { back: Back::Nothing, .. }), "{error:?}");
    assert!(chain(&error).contains("exit code 3"), "{}", chain(&error));
    assert!(stage.said("no data"));
    assert_eq!(stage.state().await, []);
    let looping = stage.with(2, |settings| {
        settings.command = shell("exit 3");
        settings.in_place.restart = a3::spec::Restart::Always;
    });
    let error = swap(&stage, &looping).await.unwrap_err();
    assert!(chain(&error).contains("restarting"), "{}", chain(&error));
    let job = stage.with(3, |settings| settings.command = shell("exit 0"));
    swap(&stage, &job).await.unwrap();
    assert_eq!(stage.state().await, [(stage.name(), 3, false)]);
}

#[tokio::test]
async fn a_healthcheck_is_waited_for() {
    let stage = Stage::new("health");
    let check = |test: &str| {
        Some(Healthcheck {
            test: vec!["CMD-SHELL".into(), test.into()],
            interval: Some(Duration::from_secs(1)),
            timeout: Some(Duration::from_secs(1)),
            retries: Some(1),
            start_period: None,
        })
    };
    let well = stage.with(1, |settings| settings.healthcheck = check("true"));
    let container = swap(&stage, &well).await.unwrap().container.unwrap();
    assert_eq!(container.seen.health, Some(a3::observed::Health::Healthy));
    let ill = stage.with(2, |settings| settings.healthcheck = check("exit 1"));
    let error = swap(&stage, &ill).await.unwrap_err();
    assert!(chain(&error).contains("unhealthy"), "{}", chain(&error));
    assert_eq!(stage.state().await, stage.running(1));
}

/// Switched off, or with nothing but times: it proves nothing, so the container has to stay up.
#[tokio::test]
async fn no_healthcheck_proves_nothing() {
    let stage = Stage::new("nohealth");
    swap(&stage, &stage.version(1)).await.unwrap();
    let only_times = Healthcheck {
        test: Vec::new(),
        interval: Some(Duration::from_secs(1)),
        timeout: None,
        retries: None,
        start_period: None,
    };
    let switched_off = Healthcheck { test: vec!["NONE".into()], interval: None, ..only_times.clone() };
    for check in [switched_off, only_times] {
        let ends = stage.with(2, |settings| {
            settings.healthcheck = Some(check.clone());
            let script = "busybox usleep 300000; exit 3";
            settings.command = Some(vec!["/bin/sh".into(), "-c".into(), script.into()]);
        });
        let error = swap(&stage, &ends).await.unwrap_err();
        assert!(chain(&error).contains("exit code 3"), "{check:?}: {}", chain(&error));
        assert_eq!(stage.state().await, stage.running(1));
    }
}

#[tokio::test]
async fn what_is_not_ours_is_not_touched() {
    let stage = Stage::new("foreign");
    for name in [stage.name(), stage.old_name()] {
        let label = format!("dev.a3.deployment={}", stage.deployment);
        let run = ["run", "-d", "--name", &name, "--label", &label, stage::IMAGE, "/bin/sleep", "60"];
        let id = docker(&run);
        let error = swap(&stage, &stage.version(2)).await.unwrap_err();
        assert!(matches!(&error, SwapError::Foreign(_)), "{error:?}");
        assert!(error.to_string().contains(&name), "{error}");
        let seen = stage.engine.container(&name).await.unwrap().unwrap();
        assert_eq!((seen.seen.id, seen.seen.state), (id, a3::observed::ContainerState::Running));
        docker(&["rm", "-f", &name]);
    }
}

#[tokio::test]
async fn volumes_without_a_name_go_over_and_named_ones_are_marked() {
    let stage = Stage::new("volumes");
    let folder = tempfile::tempdir().unwrap();
    let bind = folder.path().join("made/by/the/engine").display().to_string();
    let volume = |source, target: &str| Volume { source, target: target.into(), read_only: false };
    let version = |release| {
        stage.with(release, |settings| {
            settings.volumes = vec![
                volume(VolumeSource::Anonymous, "/cache"),
                volume(VolumeSource::Named("db".into()), "/db"),
                volume(VolumeSource::Bind(bind.clone()), "/data"),
            ];
        })
    };
    swap(&stage, &version(1)).await.unwrap();
    let write = "for f in cache db data; do echo kept > /$f/x; done";
    docker(&["exec", &stage.name(), "/bin/sh", "-c", write]);
    swap(&stage, &version(2)).await.unwrap();
    let read = docker(&["exec", &stage.name(), "/bin/cat", "/cache/x", "/db/x", "/data/x"]);
    assert_eq!(read, "kept\nkept\nkept");
    assert_eq!(std::fs::read_to_string(format!("{bind}/x")).unwrap(), "kept\n");
    let named = format!("{}_db", stage.deployment);
    assert_eq!(stage.engine.volumes(&stage.deployment).await.unwrap().own, [named.as_str()]);

    let detail = stage.engine.container(&stage.name()).await.unwrap().unwrap();
    let anonymous = detail.anonymous_volumes["/cache"].clone();
    stage.engine.remove_container(&stage.name(), Duration::from_secs(5)).await.unwrap();
    let left = docker(&["volume", "ls", "-q"]);
    assert!(!left.contains(&anonymous) && left.contains(&named));
    stage.engine.remove_volume(&named).await.unwrap();
    assert_eq!(stage.engine.volumes(&stage.deployment).await.unwrap().own, Vec::<String>::new());
}

#[tokio::test]
async fn containers_that_remove_themselves() {
    let stage = Stage::new("rm");
    let version = |release| stage.with(release, |settings| settings.auto_remove = true);
    let shell = |script: &str| Some(vec!["/bin/sh".into(), "-c".into(), script.into()]);
    swap(&stage, &version(1)).await.unwrap();
    swap(&stage, &version(2)).await.unwrap();
    assert_eq!(stage.state().await, stage.running(2));

    let mut bad = version(3);
    bad.settings.command = shell("echo boom; exit 7");
    let error = swap(&stage, &bad).await.unwrap_err();
    assert!(chain(&error).contains("exit code 7"), "{}", chain(&error));
    assert!(matches!(&error, SwapError::Failed { back: Back::Runs, .. }), "{error:?}");
    assert!(stage.said("boom"));
    assert_eq!(stage.state().await, stage.running(2));
    let again = stage.engine.container(&stage.name()).await.unwrap().unwrap();
    assert!(again.auto_remove);

    let mut job = version(4);
    job.settings.command = shell("exit 0");
    assert!(swap(&stage, &job).await.unwrap().container.is_none());
    assert_eq!(stage.state().await, []);

    // The old one is gone and this process never saw it: the caller's record is the way back.
    let recorded = version(4);
    let mut bad = version(5);
    bad.settings.command = shell("exit 7");
    let swap = Swap { new: &bad, proof: Proof::default(), way_back: Some(&recorded), formerly: &[] };
    stage.engine.swap(&swap, &stage.sink()).await.unwrap_err();
    assert_eq!(stage.state().await, stage.running(4));
}
