//! What the properties found, as they print it (`cargo test --test plan_properties`); each with a name of
//! its own, but for the last.

use a3::observed::HostFacts;
use a3::record::{Release, ReleaseStatus};
use a3::spec::Group;

use super::*;

#[test]
fn found() {
    let before = spec_of(
        r##"
name: shop
registry:
  - { server: ghcr.io, username: me, password: { env: GHCR } }
  - { server: registry.test, username: me, password: { env: REGISTRY } }
instances:
  web:
    host: [192.0.2.0]
    ssh:
      user: me
  db:
    host: [192.0.2.10]
    ssh:
      user: me
services:
  api:
    on: web
    image: docker.io/others/api:v1
  front:
    on: db
    image: docker.io/others/front:v1
"##,
    );
    let spec = spec_of(
        r##"
name: shop
registry:
  - { server: ghcr.io, username: me, password: { env: GHCR } }
  - { server: registry.test, username: me, password: { env: REGISTRY } }
instances:
  web:
    host: [192.0.2.0]
    ssh:
      user: me
  db:
    host: [192.0.2.10]
    ssh:
      user: me
services:
  api:
    on: web
    image: docker.io/others/api:v1
  front:
    on: web
    image: docker.io/others/front:v1
"##,
    );
    let mut stage = Stage::lived(&before, 1).with(&spec);
    stage.happens(Accident::DockerStopped { at: 1 });
    let options = Options::default();
    golden("found", &plan(&spec, &stage.seen, &options));
    promise::converges(&spec, &stage, &options);
}

/// Only an ssh rule lets a machine answer that did not; one for a port explains nothing.
#[test]
fn a_machine_that_is_away_while_a_port_opens() {
    let (mut spec, mut seen) = on_ec2();
    spec.services["s2"].ports = vec![port(30002)];
    seen.hosts.insert(slot(0), HostSeen::Unreachable(away()));
    let plan = planned("away_while_a_port_opens", &spec, &seen);
    assert_eq!(kinds(&plan), ["firewall"]);
    assert_eq!(ending(&plan), "unreachable");
}

/// What a service needs is not known while its registry is away: its images stay.
#[test]
fn images_of_what_is_not_decided_stay() {
    let mut spec = host_spec();
    spec.services.insert("other".into(), bare_service("other", "ghcr.io/me/other:1"));
    let mut seen = nothing(&spec);
    seen.images["other"].reference = RemoteSeen::Found(remote("other", None));
    let mut seen = simulate::apply(&spec, &seen, &Options::default());
    let there = facts(&mut seen, 0);
    there.containers.clear();
    (there.record, there.key) = (None, None);
    let gone = planned("after_a_lost_record", &spec, &seen);
    assert!(!kinds(&gone).contains(&"prune"));
    (seen.images["s2"].reference, seen.images["s2"].source_tag) =
        (RemoteSeen::Unreachable(away()), RemoteSeen::Unreachable(away()));
    assert_eq!(kinds(&planned("not_decided", &spec, &seen)), ["run"]);
}

#[test]
fn a_destroy_after_a_lost_record_lets_go_of_images() {
    let (spec, mut seen) = on_host();
    let there = facts(&mut seen, 0);
    there.containers.clear();
    (there.record, there.key) = (None, None);
    let plan = plan_destroy(&spec, &seen, &Destroy::default());
    golden("destroy_after_a_lost_record", &plan);
    assert_eq!(kinds(&plan), ["clean_host"]);
}

/// Nothing says what runs on a machine without a record whose engine is away: not that nothing does.
#[test]
fn a_machine_without_services_that_does_not_say_what_runs() {
    let mut spec = host_spec();
    let mut seen = deployed(&spec);
    spec.groups.insert("db".into(), Group { name: "db".into(), ..spec.groups["web"].clone() });
    let there = facts(&mut seen, 0).clone();
    let engine = Seen::Unreachable(away());
    let silent = HostFacts { engine, record: None, key: None, containers: Vec::new(), ..there.clone() };
    seen.hosts.insert(Slot::new("db", 0), HostSeen::Ready(Box::new(silent.clone())));
    let plan = planned("no_services_and_no_record", &spec, &seen);
    assert_eq!((kinds(&plan).len(), ending(&plan)), (0, "nothing"));
    assert_eq!(plan.not_checked[0].addresses, ["db/0"]);

    // What a failed release was to replace may run there still.
    let mut record = there.record.unwrap();
    let last = record.releases.last_mut().unwrap();
    let failed = Release { number: 2, status: ReleaseStatus::Failed, services: [].into(), ..last.clone() };
    record.releases.push(failed);
    let silent = HostFacts { record: Some(record), ..silent };
    seen.hosts.insert(Slot::new("db", 0), HostSeen::Ready(Box::new(silent)));
    let plan = planned("no_services_and_a_failed_release", &spec, &seen);
    assert_eq!(ending(&plan), "unreachable");
}

/// Its service left the spec while nobody could ask the machine: one apply is enough all the same.
#[test]
fn what_is_left_on_a_machine_that_answers_on_the_way() {
    let text = |services: &str| {
        format!(
            r##"
name: shop
instances:
  web: {{ host: [192.0.2.0] }}
  jobs:
    ssh: {{ user: ec2-user, identity_file: /home/me/.ssh/id_ed25519 }}
    ec2: {{ instance_type: t2.micro, ami: {{ name: "al2023-ami-2023.*-x86_64", owner: amazon }} }}
services:
  queue: {{ on: web, image: docker.io/others/queue:v1 }}
{services}"##
        )
    };
    let before = spec_of(&text("  api: { on: jobs, image: \"docker.io/others/api:v1\" }\n"));
    let spec = spec_of(&text(""));
    let mut stage = Stage::lived(&before, 1).with(&spec);
    stage.happens(Accident::RuleRemoved { at: 0 });
    let options = Options::default();
    let plan = plan(&spec, &stage.seen, &options);
    golden("left_on_a_machine_that_is_not_asked_yet", &plan);
    assert_eq!(kinds(&plan), ["firewall"]);
    promise::converges(&spec, &stage, &options);
}
