//! What the properties' model says that each step does, held against what it really does: observe,
//! plan, let the model apply the plan to what was observed, apply it for real, observe again, compare.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use a3::apply::{Job, Stop, apply};
use a3::load::load;
use a3::observe::secrets::Consent;
use a3::observe::{Need, World, observe};
use a3::observed::{ContainerSeen, FileSeen, HostFacts, HostSeen, ImageSeen, Observed, OwnedInstance, Seen};
use a3::plan::names::label;
use a3::plan::{Destroy, Options, plan, plan_destroy};
use a3::record::Record;

use crate::cloud::host_docker;
use crate::place::{beside_others, variable};
use crate::pool::{web, web_service};
use crate::process::{figure, run};
use crate::support::simulate;

/// The folder of the deployment, for the process that does the work.
const FOLDER: &str = "A3_TEST_EFFECTS";

#[test]
fn steps_do_what_the_model_says() {
    let deployment = web("effects");
    let _beside = beside_others();
    // A process of its own: only there are the folders of a3 another person's.
    let mut inner = Command::new(std::env::current_exe().unwrap());
    inner.args(["--ignored", "--exact", "effects::every_step_on_the_sandbox", "--nocapture"]);
    inner.env(FOLDER, deployment.path(".")).current_dir(deployment.path("."));
    inner.env("XDG_STATE_HOME", deployment.path("state")).env("XDG_CACHE_HOME", deployment.path("cache"));
    let said = run(&mut inner).ok();
    print!("{}", said.stdout);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by the test above, in a folder of its own"]
async fn every_step_on_the_sandbox() {
    let mut stage = Stage { folder: variable(FOLDER).into(), machine: String::new(), kinds: BTreeSet::new() };
    stage.goes("from nothing", false).await;
    stage.write("music.csv", "Song,Artist\nTwo,Somebody\n");
    stage.edit("restart: unless-stopped", "restart: always\n    mem_limit: 128m");
    stage.goes("a data file and settings in place", false).await;
    stage.edit("GREETING: hello", "GREETING: other");
    stage.edit("30001:8080", "30005:8080");
    stage.edit(
        "      instance_type:",
        "      tags: { team: music }\n      disable_api_termination: false\n      instance_type:",
    );
    stage.edit("[\"./music.csv:music/\"]", "[\"./music.csv:music/\", \"./app/serve.sh:tools/\"]");
    stage.goes("a port, a tag, a file", false).await;
    let second = web_service("effects").replace("  s2:\n", "  front:\n").replace("30001", "30002");
    let second = second.replace("container_name: s2", "container_name: front");
    stage.edit(", \"./app/serve.sh:tools/\"", "");
    stage.edit("services:\n", &format!("services:\n{second}"));
    stage.edit("name: effects\n", "name: effects\nkeep_releases: 1\n");
    stage.goes("another service, a file less, fewer releases", false).await;
    stage.edit(&second, "");
    stage.goes("a service less", false).await;
    host_docker(&stage.machine, "stop --time 1 s2");
    stage.goes("a container that was stopped", false).await;
    stage.goes("everything", true).await;
    let kinds: Vec<&str> = stage.kinds.iter().map(String::as_str).collect();
    figure(&format!("effects: {} step kinds do what the model says: {}", kinds.len(), kinds.join(", ")));
    assert!(kinds.len() >= 15, "{kinds:?}");
}

struct Stage {
    folder: PathBuf,
    /// The id of the instance that was last seen.
    machine: String,
    kinds: BTreeSet<String>,
}

impl Stage {
    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.join(name), text).unwrap();
    }

    fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.folder.join("deploy.yaml")).unwrap();
        assert!(text.contains(from), "no `{from}` in {text}");
        self.write("deploy.yaml", &text.replace(from, to));
    }

    /// Once around: the model and the sandbox come to the same.
    async fn goes(&mut self, what: &str, destroy: bool) {
        let spec = load(&[self.folder.join("deploy.yaml")], &[]).unwrap().spec;
        let need = if destroy { Need::Machines } else { Need::Everything };
        let world = World::open(&spec, need, Consent { commands: false }).await;
        let seen = observe(&spec, &world).await;
        let planned = match destroy {
            true => plan_destroy(&spec, &seen, &Destroy::default()),
            false => plan(&spec, &seen, &Options::default()),
        };
        assert!(planned.blocked.is_empty(), "{what}: {:?}", planned.blocked);
        assert!(!planned.steps.is_empty(), "{what}");
        // What is planned again on the way may come out as nothing.
        let firm = planned.steps.iter().filter(|step| !step.provisional);
        self.kinds.extend(firm.map(|step| step.action.kind().to_owned()));
        let model = simulate::apply_plan(&spec, &seen, &planned);
        let stop = Stop::on_signals().unwrap();
        let (events, confirm) = (|_| {}, |_: &_, _: &[_]| true);
        let job = Job {
            spec: &spec,
            observed: &seen,
            plan: &planned,
            world: &world,
            stop: &stop,
            events: &events,
            confirm: &confirm,
        };
        let summary = apply(job).await;
        assert_eq!((summary.failed, summary.skipped), (0, 0), "{what}: {summary:?}");
        let world = World::open(&spec, need, Consent { commands: false }).await;
        let real = observe(&spec, &world).await;
        let clouds = real.clouds.values().filter_map(Seen::present);
        let live = clouds.flat_map(|cloud| &cloud.instances).find(|one| one.state.is_live());
        self.machine = live.map(|one| one.id.clone()).unwrap_or_default();
        let real = lines(&real);
        let model = lines(&model);
        let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>();
        let (invented, missed) = (only(&model, &real), only(&real, &model));
        assert!(
            invented.is_empty() && missed.is_empty(),
            "{what}:\nthe model only: {invented:#?}\nreality only: {missed:#?}"
        );
    }
}

/// All that a plan rests on but what only reality knows: ids, times, digests, addresses, free disk.
fn lines(seen: &Observed) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for (name, image) in &seen.images {
        lines.insert(format!("image {name}: {}", image_line(image)));
    }
    for (name, cloud) in &seen.clouds {
        let Seen::Present(cloud) = cloud else { panic!("{name}: {cloud:?}") };
        let live = cloud.instances.iter().filter(|one| one.state.is_live());
        lines.extend(live.map(|one| format!("cloud {name}: {}", instance_line(one))));
        lines.insert(format!("cloud {name}: key {}", cloud.key_pair.is_some()));
        lines.insert(format!("cloud {name}: group {}", cloud.security_group.is_some()));
        for rule in cloud.security_group.iter().flat_map(|group| &group.rules) {
            let what = (rule.protocol, rule.from_port, rule.to_port, &rule.cidr, &rule.description);
            lines.insert(format!("cloud {name}: rule {what:?}"));
        }
    }
    for (slot, host) in &seen.hosts {
        match host {
            HostSeen::Ready(facts) => lines.extend(facts_lines(facts).map(|line| format!("{slot}: {line}"))),
            HostSeen::NotYet(not_yet) => drop(lines.insert(format!("{slot}: {not_yet:?}"))),
            away => panic!("{slot}: {away:?}"),
        }
    }
    lines
}

fn image_line(image: &ImageSeen) -> String {
    let remote = |seen: &a3::observed::RemoteSeen| seen.found().map(|found| found.source.clone());
    let local = |seen: &Seen<a3::observed::LocalImage>| seen.present().map(|found| found.source.clone());
    let (reference, source) = (remote(&image.reference), remote(&image.source_tag));
    format!(
        "{:?} in the registry {reference:?} {source:?}, here {:?}",
        image.source,
        local(&image.local_source)
    )
}

fn instance_line(one: &OwnedInstance) -> String {
    let own = |key: &&String| !key.starts_with("a3:") && *key != "Name";
    let tags: Vec<(&String, &String)> = one.tags.iter().filter(|(key, _)| own(key)).collect();
    let (slot, name) = (&one.slot, &one.name);
    let set = (&one.state, &one.instance_type, &one.image_id, &one.key_name, one.hop_limit, one.spot);
    let more = (one.protected, one.security_groups.len(), &one.hash, one.arch);
    format!("{slot} {name} {} {set:?} {more:?} {tags:?}", one.generation)
}

fn facts_lines(facts: &HostFacts) -> impl Iterator<Item = String> {
    let mut lines = vec![
        format!("engine {}", facts.engine.present().is_some()),
        format!("a key {}", facts.key.is_some()),
        format!("admitted {:?}", facts.admitted),
        format!("volumes {:?}", facts.volumes),
    ];
    lines.extend(facts.containers.iter().map(container_line));
    let there = facts.files.iter().filter(|(_, file)| **file != FileSeen::Absent);
    lines.extend(there.map(|(target, file)| format!("file {target} {file:?}")));
    let tags = facts.kept.iter().flat_map(|kept| &kept.tags).filter(|tag| tag.starts_with("a3/"));
    lines.extend(tags.map(|tag| format!("kept {tag}")));
    lines.extend(facts.record.iter().flat_map(record_lines));
    lines.into_iter()
}

fn container_line(one: &ContainerSeen) -> String {
    let labels = [label::DEPLOYMENT, label::SERVICE, label::OWN, label::CONFIG, label::RELEASE];
    let labels = labels.map(|name| one.labels.get(name));
    let ports: BTreeSet<_> =
        one.ports.iter().map(|port| (port.published, port.target, port.protocol.as_str())).collect();
    format!("container {} {:?} {labels:?} {ports:?}", one.name, one.state)
}

fn record_lines(record: &Record) -> Vec<String> {
    let mut lines: Vec<String> =
        record.files.iter().map(|(target, file)| format!("copied {target} {file:?}")).collect();
    lines.extend(record.in_place.iter().map(|(service, set)| format!("in place {service} {set:?}")));
    lines.extend(record.stopped.keys().map(|service| format!("stopped {service}")));
    for release in &record.releases {
        let (number, status) = (release.number, release.status);
        lines.push(format!("release {number} {status:?}"));
        for (name, service) in &release.services {
            let what = (&service.config, &service.settings, &service.check);
            lines.push(format!("release {number} {name} {what:?}"));
        }
    }
    lines
}
