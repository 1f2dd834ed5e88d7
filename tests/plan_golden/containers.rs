//! Services on one machine.

use a3::record::ReleaseStatus;
use a3::report::saved_plan::canonical;

use super::*;

#[test]
fn port_changed() {
    let (mut spec, seen) = on_ec2();
    spec.services["s2"].ports = vec![port(30002)];
    let plan = planned("port_changed", &spec, &seen);
    assert_eq!(kinds(&plan), ["firewall", "run"]);
}

#[test]
fn settings_changed() {
    let (mut spec, seen) = on_ec2();
    let service = &mut spec.services["s2"];
    service.environment.insert("LOG".into(), EnvValue::Plain("debug".into()));
    service.environment.insert("TOKEN".into(), EnvValue::Secret(SecretSource::Env("TOKEN".into())));
    service.command = Some(vec!["python".into(), "app.py".into()]);
    service.volumes[0].read_only = true;
    let mut seen = seen;
    let key = hash::source_key(&SecretSource::Env("TOKEN".into()));
    seen.secrets.values.insert(key, SecretString::from("hunter2".to_owned()));
    let plan = planned("settings_changed", &spec, &seen);
    assert_eq!(kinds(&plan), ["run"]);
    assert!(!format!("{plan:?}").contains("hunter2"));
}

/// Of maps and lists, only what differs, in Compose's words.
#[test]
fn settings_in_maps_and_lists() {
    let seconds = |count: u64| Some(std::time::Duration::from_secs(count));
    let mut spec = host_spec();
    let service = &mut spec.services["s2"];
    let test = |command: &str| vec!["CMD-SHELL".to_owned(), command.to_owned()];
    service.healthcheck = Some(Healthcheck {
        test: test("wget -q localhost:8080, twice"),
        interval: seconds(30),
        timeout: None,
        retries: Some(3),
        start_period: None,
    });
    service.logging = Some(Logging {
        driver: Some("local".into()),
        options: [("max-size", "3m"), ("max-file", "2")]
            .map(|(key, value)| (key.into(), value.into()))
            .into(),
    });
    service.ulimits = [("nofile".to_owned(), Ulimit { soft: 512, hard: 1024 })].into();
    service.ports = vec![port(30001), Port { target: 53, protocol: Protocol::Udp, ..port(30053) }];
    service.extra_hosts = vec!["db:192.0.2.9".into(), "old:192.0.2.8".into()];
    service.tmpfs = vec!["/tmp".into()];
    service.cap_drop = vec!["ALL".into()];
    service.environment.insert("LOG".into(), EnvValue::Plain("info".into()));
    service.environment.insert("GONE".into(), EnvValue::Plain(String::new()));
    service.labels.insert("team".into(), "resolved".into());
    let seen = nothing(&spec);
    golden("settings_given", &plan(&spec, &seen, &Options::default()));
    let seen = deployed(&spec);
    let service = &mut spec.services["s2"];
    let healthcheck = service.healthcheck.as_mut().unwrap();
    (healthcheck.interval, healthcheck.start_period) = (seconds(10), seconds(90));
    healthcheck.test = test("true");
    let logging = service.logging.as_mut().unwrap();
    logging.options.insert("max-size".into(), "10m".into());
    logging.options.shift_remove("max-file");
    service.ulimits = [("nofile", 2048), ("core", 0)]
        .map(|(name, limit)| (name.to_owned(), Ulimit { soft: limit, hard: limit }))
        .into();
    service.ports = vec![
        port(30002),
        port(30003),
        Port { host_ip: Some("127.0.0.1".into()), ..service.ports[1].clone() },
    ];
    service.ports[1].target = 81;
    service.extra_hosts = vec!["db:192.0.2.10".into(), "new:192.0.2.8".into()];
    service.tmpfs = vec!["/tmp:size=16m".into()];
    service.cap_drop.clear();
    service.environment.insert("LOG".into(), EnvValue::Plain("debug\n".into()));
    service.environment.shift_remove("GONE");
    service.labels.insert("team".into(), "music".into());
    service.stop_grace_period = seconds(3).unwrap();
    service.shm_size = Some(64 << 20);
    // Which alone would change in place.
    service.mem_limit = Some(128 << 20);
    let plan = planned("settings_in_maps_and_lists", &spec, &seen);
    assert_eq!(kinds(&plan), ["run"]);
    // Only the order: it makes another container, so it is said.
    let seen = simulate::apply_plan(&spec, &seen, &plan);
    spec.services["s2"].ports.reverse();
    let plan = planned("order_of_ports", &spec, &seen);
    assert_eq!(kinds(&plan), ["run"]);
}

#[test]
fn secret_changed() {
    let mut spec = spec();
    let source = SecretSource::Env("TOKEN".into());
    let secret = |text: &str| SecretString::from(text.to_owned());
    spec.services["s2"].environment.insert("TOKEN".into(), EnvValue::Secret(source.clone()));
    let mut seen = nothing(&spec);
    seen.secrets.values.insert(hash::source_key(&source), secret("hunter2"));
    let mut seen = simulate::apply(&spec, &seen, &Options::default());
    assert!(plan(&spec, &seen, &Options::default()).is_empty());
    seen.secrets.values.insert(hash::source_key(&source), secret("hunter3"));
    let plan = planned("secret_changed", &spec, &seen);
    assert_eq!(kinds(&plan), ["run"]);
    let everything = format!("{plan:?}{}", PlanDocument::of(&plan).to_text());
    assert!(!everything.contains("hunter"));
}

#[test]
fn changed_in_place() {
    let (mut spec, seen) = on_ec2();
    let service = &mut spec.services["s2"];
    (service.restart, service.mem_limit, service.nano_cpus) =
        (Restart::OnFailure(3), Some(256 << 20), Some(1_500_000_000));
    let plan = planned("changed_in_place", &spec, &seen);
    assert_eq!(kinds(&plan), ["update_container"]);
}

#[test]
fn container_killed() {
    let (spec, mut seen) = on_ec2();
    facts(&mut seen, 0).containers[0].state = ContainerState::Exited(137);
    let plan = planned("container_killed", &spec, &seen);
    assert_eq!(kinds(&plan), ["start_container"]);
    assert!(plan.steps[0].reasons[0].is_drift());
}

#[test]
fn container_gone() {
    let (spec, mut seen) = on_ec2();
    facts(&mut seen, 0).containers.clear();
    assert_eq!(kinds(&planned("container_gone", &spec, &seen)), ["run"]);
}

#[test]
fn container_unhealthy_or_restarting() {
    let (spec, mut seen) = on_ec2();
    facts(&mut seen, 0).containers[0].health = Some(Health::Unhealthy);
    assert_eq!(kinds(&planned("container_unhealthy", &spec, &seen)), ["restart"]);
    facts(&mut seen, 0).containers[0].state = ContainerState::Restarting;
    facts(&mut seen, 0).containers[0].health = None;
    assert!(planned("container_restarting", &spec, &seen).is_empty());
}

#[test]
fn a_job_that_ended_well_is_up_to_date() {
    let (mut spec, _) = on_ec2();
    spec.services["s2"].restart = Restart::No;
    let mut seen = deployed(&spec);
    facts(&mut seen, 0).containers[0].state = ContainerState::Exited(0);
    assert!(plan(&spec, &seen, &Options::default()).is_empty());
}

#[test]
fn swap_interrupted() {
    let (spec, mut seen) = on_ec2();
    facts(&mut seen, 0).containers[0].name = "s2.a3-old".into();
    assert_eq!(kinds(&planned("swap_interrupted", &spec, &seen)), ["run"]);
}

/// The world after a plan that was cut off when its only swap was done, before that was written down.
fn cut_off(spec: &Spec, seen: &Observed) -> Observed {
    let plan = plan(spec, seen, &Options::default());
    let mut world = simulate::World::new(spec, seen);
    for step in &plan.steps {
        match step.action.kind() {
            "run" => assert!(world.half(step, simulate::Half::Third)),
            "prune" => {}
            _ => world.step(step),
        }
    }
    let record = facts(&mut world.seen, 0).record.as_mut().unwrap();
    record.releases.last_mut().unwrap().status = ReleaseStatus::Started;
    world.seen
}

/// The check of a first deployment never passed, and the container agrees with the file.
#[test]
fn the_first_run_was_cut_off() {
    let spec = host_spec();
    let mut seen = cut_off(&spec, &nothing(&spec));
    let there = facts(&mut seen, 0).clone();
    let told = a3::plan::drift(&spec, (&slot(0), &there), &there.containers[0], &seen.secrets);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(kinds(&planned("first_run_cut_off", &spec, &seen)), ["prove"]);
    // One that had ended meanwhile is started before.
    facts(&mut seen, 0).containers[0].state = ContainerState::Exited(137);
    assert_eq!(kinds(&planned("first_run_cut_off_and_ended", &spec, &seen)), ["start_container", "prove"]);
    // A lost record says nothing.
    let there = facts(&mut seen, 0);
    there.containers[0].state = ContainerState::Running;
    there.record = None;
    assert!(plan(&spec, &seen, &Options::default()).is_empty());
}

/// The old one is gone, and the record has it still: what runs is proven and written down, and not made anew.
#[test]
fn cut_off_before_it_was_written_down() {
    let (mut spec, seen) = on_host();
    let edit = |spec: &mut Spec, to: &str| {
        spec.services["s2"].environment.insert("LOG".into(), EnvValue::Plain(to.into()));
    };
    edit(&mut spec, "debug");
    let seen = cut_off(&spec, &seen);
    let found = planned("not_written_down", &spec, &seen);
    assert_eq!(kinds(&found), ["prove"]);
    let mut after = simulate::apply_plan(&spec, &seen, &found);
    let releases = facts(&mut after, 0).record.as_ref().unwrap().releases.clone();
    assert_eq!(releases.last().unwrap().services["s2"].settings["environment"]["LOG"]["plain"], "debug");
    // What comes next is held against what runs.
    edit(&mut spec, "info");
    planned("after_it_was_written_down", &spec, &after);
    // So it is without that.
    planned("another_after_not_written_down", &spec, &seen);
}

/// Numbers go on after a lost record: a swap takes the container of the lower one for the old one.
#[test]
fn numbers_go_on_after_a_lost_record() {
    let (mut spec, mut seen) = on_host();
    facts(&mut seen, 0).containers[0].labels.insert("dev.a3.release".into(), "5".into());
    facts(&mut seen, 0).record = None;
    assert_eq!(a3::plan::released::last_release(&spec, &seen), 5);
    spec.services["s2"].ports = vec![port(30002)];
    let mut after = simulate::apply(&spec, &seen, &Options::default());
    assert_eq!(facts(&mut after, 0).containers[0].labels["dev.a3.release"], "6");
}

#[test]
fn foreign_container_name() {
    let spec = host_spec();
    let mut seen = nothing(&spec);
    facts(&mut seen, 0).containers.push(foreign("s2"));
    assert_eq!(ending(&planned("foreign_container_name", &spec, &seen)), "refused");
}

#[test]
fn foreign_port() {
    let spec = host_spec();
    let mut seen = nothing(&spec);
    let held = PublishedPort { host_ip: None, published: 30001, target: 80, protocol: Protocol::Tcp };
    facts(&mut seen, 0).containers.push(ContainerSeen { ports: vec![held], ..foreign("nginx") });
    assert_eq!(ending(&planned("foreign_port", &spec, &seen)), "refused");
    // A stopped one holds no port.
    facts(&mut seen, 0).containers[0].state = ContainerState::Exited(0);
    assert_eq!(ending(&plan(&spec, &seen, &Options::default())), "changes");
}

/// One host at a time, of those that change: the second of three is up to date.
#[test]
fn hosts_change_one_after_the_other() {
    let (mut spec, seen) = on_ec2();
    edit_ec2(&mut spec, |ec2| ec2.count = 3);
    let mut seen = seen;
    seen.hosts.insert(slot(1), HostSeen::NotYet(NotYet::NotLaunched));
    seen.hosts.insert(slot(2), HostSeen::NotYet(NotYet::NotLaunched));
    let mut three = simulate::apply(&spec, &seen, &Options::default());
    for index in [0, 2] {
        facts(&mut three, index).containers[0].labels.insert("dev.a3.config".into(), "1:old".into());
    }
    let plan = plan(&spec, &three, &Options::default());
    assert_eq!(kinds(&plan), ["run", "run"]);
    assert_eq!(plan.steps[1].after, [plan.steps[0].id]);
    spec.services["s2"].parallelism = 2;
    let plan = a3::plan::plan(&spec, &three, &Options::default());
    assert_eq!(plan.steps[1].after, []);
}

/// The new service takes the name and the port of the one that left: it waits for the removal.
#[test]
fn service_renamed() {
    let (mut spec, seen) = on_host();
    let mut service = spec.services.shift_remove("s2").unwrap();
    service.name = "music".into();
    spec.services.insert("music".into(), service);
    let mut seen = seen;
    let image = seen.images.shift_remove("s2").unwrap();
    seen.images.insert("music".into(), image);
    let files = seen.files.shift_remove("s2").unwrap();
    seen.files.insert("music".into(), files);
    let plan = planned("service_renamed", &spec, &seen);
    assert_eq!(kinds(&plan), ["remove_container", "run"]);
    assert_eq!(plan.steps[1].after, [plan.steps[0].id]);
}

#[test]
fn service_left_and_inactive_stays() {
    let (mut spec, mut seen) = on_host();
    spec.services.insert("other".into(), bare_service("other", "ghcr.io/me/other:1"));
    seen.images.insert("other".into(), seen.images["s2"].clone());
    seen.images["other"].source = None;
    let both = simulate::apply(&spec, &seen, &Options::default());
    spec.services.shift_remove("other");
    assert_eq!(kinds(&planned("service_left", &spec, &both)), ["remove_container"]);
    spec.inactive.push("other".into());
    assert!(plan(&spec, &both, &Options::default()).is_empty());
}

#[test]
fn empty_services_remove_nothing() {
    let (mut spec, mut seen) = on_host();
    spec.services.clear();
    (seen.images, seen.files) = (indexmap::IndexMap::new(), indexmap::IndexMap::new());
    assert!(planned("empty_services", &spec, &seen).is_empty());
}

#[test]
fn depends_on_sets_the_order() {
    let mut spec = host_spec();
    let mut first = bare_service("a", "ghcr.io/me/a:1");
    first.depends_on = vec!["s2".into()];
    spec.services.shift_insert(0, "a".into(), first);
    let mut seen = nothing(&spec);
    seen.images["a"].reference = RemoteSeen::Found(remote("a", None));
    let plan = planned("depends_on", &spec, &seen);
    let runs: Vec<_> = plan.steps.iter().filter(|step| step.action.kind() == "run").collect();
    assert_eq!(runs[0].address, "web/0/s2");
    assert!(runs[1].after.contains(&runs[0].id));
}

/// The old one stays under its name until the new one has proven itself: one step, a swap.
#[test]
fn container_name_changed() {
    let (mut spec, seen) = on_host();
    spec.services["s2"].container_name = "songs".into();
    let plan = planned("container_name_changed", &spec, &seen);
    assert_eq!(kinds(&plan), ["run"]);
    // Cut off half-way, both are there: the swap goes on, and the old one is not just removed.
    let after = simulate::apply_plan(&spec, &seen, &plan);
    let mut both = after.clone();
    let old = facts(&mut seen.clone(), 0).containers[0].clone();
    facts(&mut both, 0).containers.push(old);
    let plan = planned("container_name_changed_half", &spec, &both);
    assert_eq!(kinds(&plan), ["run"]);
    // Without the new one's image nothing happens to the old one.
    let mut away = seen;
    away.images["s2"].reference = RemoteSeen::Unreachable(super::away());
    away.images["s2"].source_tag = RemoteSeen::Unreachable(super::away());
    assert!(a3::plan::plan(&spec, &away, &Options::default()).steps.is_empty());
}

/// Two services take each other's name: one has to go first, and the plan says that it has no way back.
#[test]
fn container_names_exchanged() {
    let (mut spec, mut seen) = on_host();
    spec.services.insert("other".into(), bare_service("other", "ghcr.io/me/other:1"));
    seen.images.insert("other".into(), seen.images["s2"].clone());
    seen.images["other"].source = None;
    let both = simulate::apply(&spec, &seen, &Options::default());
    let names = ["s2", "other"].map(|name| spec.services[name].container_name.clone());
    spec.services["s2"].container_name.clone_from(&names[1]);
    spec.services["other"].container_name.clone_from(&names[0]);
    let plan = planned("container_names_exchanged", &spec, &both);
    assert_eq!(kinds(&plan), ["remove_container", "run", "run"]);
    assert_eq!(plan.notices.len(), 1);
}

/// `music` takes name and port of `s2`, and has to be built and pushed first.
fn renamed(count: u32) -> (Spec, Observed) {
    let (mut spec, mut seen) = on_host();
    let Machine::Host(addresses) = &mut spec.groups["web"].machine else { panic!() };
    let address = addresses[0].clone();
    addresses.resize(usize::try_from(count).unwrap(), address);
    for index in 0..count {
        seen.hosts.insert(slot(index), HostSeen::Ready(Box::new(fresh_host())));
    }
    let mut seen = simulate::apply(&spec, &seen, &Options::default());
    let mut service = spec.services.shift_remove("s2").unwrap();
    service.name = "music".into();
    spec.services.insert("music".into(), service);
    let mut image = seen.images.shift_remove("s2").unwrap();
    image.source = Some(digest("source 2"));
    (image.source_tag, image.local_source) = (RemoteSeen::Absent, Seen::Absent);
    seen.images.insert("music".into(), image);
    let files = seen.files.shift_remove("s2").unwrap();
    seen.files.insert("music".into(), files);
    (spec, seen)
}

/// The old one serves until the image of the new one is there, and machine by machine.
#[test]
fn what_left_goes_when_what_takes_its_place_is_ready() {
    let (spec, seen) = renamed(2);
    let plan = planned("service_renamed_and_built", &spec, &seen);
    let of = |kind: &'static str| plan.steps.iter().filter(move |step| step.action.kind() == kind);
    let push = of("push").next().unwrap().id;
    let (gone, runs): (Vec<_>, Vec<_>) = (of("remove_container").collect(), of("run").collect());
    assert_eq!((gone.len(), runs.len()), (2, 2));
    assert!(gone.iter().all(|step| step.after.contains(&push)), "{gone:?}");
    assert!(gone[1].after.contains(&runs[0].id), "{gone:?}");
    // And what is pulled is pulled before it goes.
    for step in gone {
        let a3::plan::step::Action::RemoveContainer { replaced_by, .. } = &step.action else { panic!() };
        assert!(replaced_by.is_some(), "{step:?}");
    }
}

/// Two services, `s2` at 30001 and `other` at 30009.
fn two() -> (Spec, Observed) {
    let (mut spec, mut seen) = on_host();
    let mut other = bare_service("other", "ghcr.io/me/other:1");
    other.ports = vec![port(30009)];
    spec.services.insert("other".into(), other);
    seen.images.insert("other".into(), seen.images["s2"].clone());
    seen.images["other"].source = None;
    let both = simulate::apply(&spec, &seen, &Options::default());
    (spec, both)
}

/// A port that one lets go of and another takes: the other waits for it, however they stand in the file.
#[test]
fn a_port_goes_from_one_service_to_another() {
    let (mut spec, both) = two();
    spec.services["other"].ports = vec![port(30002)];
    spec.services["s2"].ports = vec![port(30009)];
    let plan = planned("port_handed_over", &spec, &both);
    let runs: Vec<_> = plan.steps.iter().map(|step| step.address.as_str()).collect();
    assert_eq!(runs, ["web/0/other", "web/0/s2"]);
    assert!(plan.steps[1].after.contains(&plan.steps[0].id) && plan.notices.is_empty());
}

/// In an exchange one has to go before its successor is proven to work.
#[test]
fn two_services_exchange_their_ports() {
    let (mut spec, both) = two();
    let ports = ["s2", "other"].map(|name| spec.services[name].ports.clone());
    spec.services["s2"].ports.clone_from(&ports[1]);
    spec.services["other"].ports.clone_from(&ports[0]);
    let plan = planned("ports_exchanged", &spec, &both);
    assert_eq!(kinds(&plan), ["remove_container", "run", "run"]);
    assert_eq!(plan.notices.len(), 1);
}

/// What of ours stays has its name and ports: a service of another profile, and what a target leaves out.
#[test]
fn our_own_containers_in_the_way() {
    let (mut spec, mut seen) = renamed(1);
    spec.inactive.push("s2".into());
    let refused = planned("held_by_inactive", &spec, &seen);
    assert_eq!(ending(&refused), "refused");
    spec.inactive.clear();
    seen.images["music"].reference = RemoteSeen::Found(remote("music", None));
    let options = Options { target: ["music".to_owned()].into(), ..Options::default() };
    assert_eq!(ending(&planned_with("held_by_what_left", &spec, &seen, &options)), "refused");
    let (mut spec, both) = two();
    spec.services["other"].ports = vec![port(30002)];
    spec.services["s2"].ports = vec![port(30009)];
    let options = Options { target: ["s2".to_owned()].into(), ..Options::default() };
    assert_eq!(ending(&planned_with("held_by_what_a_target_leaves_out", &spec, &both, &options)), "refused");
}

/// On the way, too, a target keeps the rest out.
#[test]
fn a_target_is_kept_on_the_way() {
    let (spec, seen) = on_ec2();
    let mut stopped = seen.clone();
    let mut disk = facts(&mut stopped, 0).clone();
    let labels = disk.containers[0].labels.clone();
    disk.containers.push(ContainerSeen { labels: own_labels(&labels, "db"), ..foreign("db") });
    seen_stopped(&mut stopped);
    let options = Options { target: ["s2".to_owned()].into(), ..Options::default() };
    let first = plan(&spec, &stopped, &options);
    assert!(first.partial.contains(&slot(0)), "{first:?}");
    for (partial, expected) in [(true, &[][..]), (false, &["remove_container"][..])] {
        let mut answered = stopped.clone();
        answered.hosts.insert(slot(0), HostSeen::Ready(Box::new(disk.clone())));
        let settled = a3::plan::OnTheWay { images: &first.images, partial, first: 10 };
        assert_eq!(kinds(&a3::plan::plan_host(&spec, &answered, &slot(0), settled)), expected);
    }
}

fn own_labels(
    of: &std::collections::BTreeMap<String, String>,
    service: &str,
) -> std::collections::BTreeMap<String, String> {
    let mut labels = of.clone();
    labels.insert("dev.a3.service".into(), service.into());
    labels.insert("dev.a3.self".into(), a3::plan::names::own_mark("music-me", &slot(0), service, service));
    labels
}

fn seen_stopped(seen: &mut Observed) {
    instance(seen, 0).state = InstanceState::Stopped;
    seen.hosts.insert(slot(0), HostSeen::NotYet(NotYet::Stopped));
}

/// Services would have to share it; and a destroy is not kept from its end by it.
#[test]
fn foreign_network_and_volume() {
    let mut spec = host_spec();
    let store = a3::spec::VolumeSource::Named("store".into());
    spec.services["s2"].volumes.push(a3::spec::Volume {
        source: store,
        target: "/store".into(),
        read_only: false,
    });
    let mut seen = nothing(&spec);
    facts(&mut seen, 0).foreign_volumes = vec!["music-me_other".into(), "music-me_store".into()];
    assert_eq!(planned("foreign_volume", &spec, &seen).notices.len(), 1);
    spec.services["s2"].volumes[1].read_only = true;
    assert!(plan(&spec, &seen, &Options::default()).notices.is_empty());
    facts(&mut seen, 0).foreign_network = true;
    assert_eq!(ending(&planned("foreign_network", &spec, &seen)), "refused");
    let (spec, mut seen) = on_host();
    facts(&mut seen, 0).foreign_network = true;
    assert!(plan(&spec, &seen, &Options::default()).is_empty());
    let plan = plan_destroy(&spec, &seen, &Destroy::default());
    golden("destroy_beside_a_foreign_network", &plan);
    assert!(plan.kept.iter().any(|kept| kept.starts_with("network music-me_default on web/0")));
}

/// The others do not find it any more: a new container is on the network again.
#[test]
fn off_the_network() {
    let (spec, mut seen) = on_host();
    facts(&mut seen, 0).containers[0].networks = vec!["bridge".into()];
    let plan = planned("off_network", &spec, &seen);
    assert_eq!(kinds(&plan), ["run"]);
    assert!(plan.steps[0].is_drift());
    // A job that is done has nobody to find.
    let mut job = spec.clone();
    job.services["s2"].restart = Restart::No;
    let mut seen = deployed(&job);
    let one = &mut facts(&mut seen, 0).containers[0];
    (one.networks, one.state) = (Vec::new(), ContainerState::Exited(0));
    assert!(a3::plan::plan(&job, &seen, &Options::default()).is_empty());
}

/// What came of a variable is not shown, wherever a token may stand; nor what an earlier release had there.
#[test]
fn values_of_variables_are_not_shown() {
    let text = |value: &str| {
        format!(
            r##"
name: shop
registry: {{ server: ghcr.io, username: me, password: {{ env: GHCR }} }}
instances:
  web: {{ host: [192.0.2.0] }}
services:
  front:
    on: web
    image: ghcr.io/me/front:v1
    build: {{ context: front, args: {{ TOKEN: "{value}", STAGE: two }}, labels: {{ of: "{value}" }} }}
    command: [serve, --token, "{value}"]
    entrypoint: "sh -c {value}"
    labels: ["of={value}", plain=yes]
    healthcheck: {{ test: ["CMD", "true", "{value}"], interval: 5s }}
    logging: {{ driver: json-file, options: {{ tag: "{value}", labels: of }} }}
"##
        )
    };
    let secret = spec_of(&text("${LEVEL}"));
    let stage = Stage::nothing(&secret);
    let first = stage.plan(&secret);
    golden("interpolated", &first);
    let stage = promises::walk::to_the_end(&secret, &stage, &first);
    let spec = spec_of(&text("info"));
    let stage = stage.with(&spec);
    let second = stage.plan(&spec);
    golden("interpolated_before", &second);
    for plan in [&first, &second] {
        let json = PlanDocument::of(plan).to_text() + &canonical(plan).to_string();
        assert!(!json.contains(promises::stage::SECRET));
        assert!(!plan_text(plan, &Look::plain()).contains(promises::stage::SECRET));
    }
}
