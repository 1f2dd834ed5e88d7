//! Whatever was edited and whatever happened to the world, in any combination: a plan that can be
//! applied leads to a world whose plan is empty, touches nothing foreign, and never shows a secret.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "shared with the golden plans, which use the rest")]
mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use a3::id::Slot;
use a3::observed::{
    ContainerSeen, ContainerState, FileSeen, HostFacts, HostSeen, InstanceState, NotYet, Observed,
    RemoteSeen, Seen,
};
use a3::plan::{Destroy, Options, hash, plan, plan_destroy};
use a3::report::look::Look;
use a3::report::plan_json::PlanDocument;
use a3::report::plan_text::plan_text;
use a3::spec::{Ami, DataFile, EnvValue, Restart, SecretSource, Spec};
use proptest::prelude::*;
use secrecy::SecretString;
use support::{simulate, world};

type Edit = (&'static str, fn(&mut Spec, &mut Observed));

/// What a person does to the file, and the world to the machines. Each may find the traces of
/// others.
const EDITS: [Edit; 31] = [
    ("source", |_, seen| {
        let image = &mut seen.images["s2"];
        image.source = Some(world::digest("source 2"));
        (image.source_tag, image.local_source) = (RemoteSeen::Absent, Seen::Absent);
    }),
    ("reference moved", |_, seen| {
        seen.images["s2"].reference = RemoteSeen::Found(world::remote("someone's", None));
    }),
    ("registry emptied", |_, seen| {
        (seen.images["s2"].reference, seen.images["s2"].source_tag) =
            (RemoteSeen::Absent, RemoteSeen::Absent);
    }),
    ("local images pruned", |_, seen| {
        (seen.images["s2"].local_source, seen.images["s2"].local_reference) = (Seen::Absent, Seen::Absent);
    }),
    ("another service", |spec, seen| {
        let service = world::bare_service("other", "ghcr.io/me/other:1");
        spec.services.insert("other".into(), service);
        let mut image = seen.images["s2"].clone();
        (image.source, image.reference) = (None, RemoteSeen::Found(world::remote("other", None)));
        seen.images.insert("other".into(), image);
    }),
    ("service renamed", |spec, seen| {
        let Some(mut service) = spec.services.shift_remove("s2") else { return };
        service.name = "music".into();
        spec.services.insert("music".into(), service);
        let image = seen.images["s2"].clone();
        seen.images.insert("music".into(), image);
        let files = seen.files["s2"].clone();
        seen.files.insert("music".into(), files);
    }),
    ("port", |spec, _| first(spec).ports = vec![world::port(30002)]),
    ("environment", |spec, _| {
        first(spec).environment.insert("LOG".into(), EnvValue::Plain("debug".into()));
    }),
    ("secret", |spec, seen| {
        let source = SecretSource::Env("TOKEN".into());
        seen.secrets.values.insert(hash::source_key(&source), SecretString::from("hunter2".to_owned()));
        first(spec).environment.insert("TOKEN".into(), EnvValue::Secret(source));
    }),
    ("restart policy", |spec, _| first(spec).restart = Restart::OnFailure(2)),
    ("memory", |spec, _| first(spec).mem_limit = Some(1 << 28)),
    ("parallelism", |spec, _| first(spec).parallelism = 2),
    ("data edited here", |_, seen| {
        seen.files.values_mut().flatten().for_each(|file| file.digest = world::digest("edited"));
    }),
    ("mode", |_, seen| seen.files.values_mut().flatten().for_each(|file| file.mode = 0o600)),
    ("data gone from the spec", |spec, seen| {
        first(spec).files = Vec::<DataFile>::new();
        seen.files.values_mut().for_each(Vec::clear);
    }),
    ("data edited there", |_, seen| {
        let file = FileSeen::File { digest: world::digest("there"), mode: 0o644 };
        on_hosts(seen, |facts| {
            drop(facts.files.insert("/home/ec2-user/music/music.csv".into(), file.clone()))
        });
    }),
    ("killed", |_, seen| {
        on_hosts(seen, |facts| {
            facts.containers.iter_mut().for_each(|one| one.state = ContainerState::Exited(137));
        });
    }),
    ("removed", |_, seen| on_hosts(seen, |facts| facts.containers.clear())),
    ("swap interrupted", |_, seen| {
        on_hosts(seen, |facts| {
            facts.containers.iter_mut().for_each(|one| one.name = format!("{}.a3-old", one.name));
        });
    }),
    ("pruned there", |_, seen| on_hosts(seen, |facts| facts.repo_digests.clear())),
    ("fewer releases kept", |spec, _| spec.keep_releases = 1),
    ("kept images named by others", |_, seen| {
        on_hosts(seen, |facts| facts.kept.iter_mut().for_each(|image| image.tags.push("others:1".into())));
    }),
    ("an old image used by others", |_, seen| {
        on_hosts(seen, |facts| {
            let image_id = facts.kept.first().map(|image| image.id.clone()).unwrap_or_default();
            facts.containers.push(ContainerSeen { image_id, name: "user".into(), ..foreign() });
        });
    }),
    ("record lost", |_, seen| on_hosts(seen, |facts| (facts.record, facts.key) = (None, None))),
    ("rule removed", |_, seen| {
        let group = &mut world::cloud(seen).security_group;
        group.iter_mut().for_each(|group| drop(group.rules.pop()));
    }),
    ("address moved", |_, seen| {
        world::cloud(seen).caller_cidrs = vec!["198.51.100.99/32".into()];
        for host in seen.hosts.values_mut().filter(|host| host.facts().is_some()) {
            *host = HostSeen::NotYet(NotYet::NoRule);
        }
    }),
    ("key pair removed", |_, seen| world::cloud(seen).key_pair = None),
    ("stopped", |_, seen| {
        for one in world::cloud(seen).instances.iter_mut().filter(|one| one.state.is_live()) {
            one.state = InstanceState::Stopped;
        }
        seen.hosts.values_mut().for_each(|host| *host = HostSeen::NotYet(NotYet::Stopped));
    }),
    ("terminated", |_, seen| {
        world::cloud(seen).instances.iter_mut().for_each(|one| one.state = InstanceState::Terminated);
        seen.hosts.values_mut().for_each(|host| *host = HostSeen::NotYet(NotYet::NotLaunched));
    }),
    ("machine", |spec, seen| {
        world::edit_ec2(spec, |ec2| {
            ec2.ami = Ami::Id("ami-0bbb".into());
            ec2.disable_api_termination = Some(false);
            ec2.instance_type = "t3.small".into();
        });
        world::cloud(seen).image = Some(world::machine_image("ami-0bbb"));
        world::cloud(seen).instances.iter_mut().for_each(|one| one.protected = Some(true));
    }),
    ("tags, ttl, count", |spec, seen| {
        world::edit_ec2(spec, |ec2| {
            ec2.tags.insert("team".into(), "music".into());
            ec2.ttl = Some(Duration::from_secs(60));
            ec2.count = 3;
        });
        for index in 0..3 {
            let not_yet = HostSeen::NotYet(NotYet::NotLaunched);
            seen.hosts.entry(Slot::new("web", index)).or_insert(not_yet);
        }
    }),
];

fn first(spec: &mut Spec) -> &mut a3::spec::Service {
    let named = |service: &&mut a3::spec::Service| service.name != "other";
    spec.services.values_mut().find(named).unwrap()
}

fn on_hosts(seen: &mut Observed, edit: impl Fn(&mut HostFacts)) {
    for host in seen.hosts.values_mut() {
        if let HostSeen::Ready(facts) = host {
            edit(facts);
        }
    }
}

fn foreign() -> ContainerSeen {
    ContainerSeen {
        id: "foreign".into(),
        name: "foreign".into(),
        image_id: "sha256:foreign".into(),
        labels: std::collections::BTreeMap::new(),
        state: ContainerState::Running,
        started: None,
        restarts: 0,
        health: None,
        ports: Vec::new(),
        mounts: Vec::new(),
    }
}

fn converges(spec: &Spec, seen: &Observed, options: &Options, what: &str) -> Observed {
    let first = plan(spec, seen, options);
    let text = plan_text(&first, &Look::plain());
    assert!(first.blocked.is_empty(), "{what}:\n{text}");
    assert!(!format!("{text}{}{first:?}", PlanDocument::of(&first).to_text()).contains("hunter2"));
    let after = simulate::apply_plan(spec, seen, &first);
    let second = plan(spec, &after, &Options::default());
    let again = plan_text(&second, &Look::plain());
    assert!(second.is_empty(), "after {what}:\n{text}\ncame\n{again}");
    after
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn any_edits_and_accidents(
        chosen in prop::collection::btree_set(0..EDITS.len(), 0..7),
        replace in any::<bool>(),
        earlier in 1..6,
    ) {
        let mut spec = world::spec();
        let mut seen = world::nothing(&spec);
        for release in 0..earlier {
            seen.images["s2"].source = Some(world::digest(&format!("source of {release}")));
            (seen.images["s2"].source_tag, seen.images["s2"].local_source) = (RemoteSeen::Absent, Seen::Absent);
            seen = simulate::apply(&spec, &seen, &Options::default());
        }
        on_hosts(&mut seen, |facts| facts.containers.push(foreign()));
        for edit in &chosen {
            EDITS[*edit].1(&mut spec, &mut seen);
        }
        let what = chosen.iter().map(|edit| EDITS[*edit].0).collect::<Vec<_>>().join(", ");
        let slots = if replace { BTreeSet::from([world::slot(0)]) } else { BTreeSet::new() };
        let options = Options { replace: slots, ..Options::default() };
        let foreign_before = count_foreign(&seen);
        let after = converges(&spec, &seen, &options, &what);
        // A machine that ends takes what is on it along; nothing else may.
        if !plan(&spec, &seen, &options).ends_machines() {
            prop_assert!(count_foreign(&after) >= foreign_before);
            prop_assert_eq!(named_by_others(&after), named_by_others(&seen));
        }
        prop_assert!(ways_back_have_their_images(&after));

        let destroy = plan_destroy(&spec, &after, &Destroy::default());
        prop_assert!(destroy.blocked.is_empty());
        let gone = simulate::apply_plan(&spec, &after, &destroy);
        prop_assert!(plan_destroy(&spec, &gone, &Destroy::default()).is_empty());
        converges(&spec, &gone, &Options::default(), "destroy");
    }
}

fn count_foreign(seen: &Observed) -> usize {
    let containers = seen.hosts.values().filter_map(HostSeen::facts).flat_map(|facts| &facts.containers);
    containers.filter(|one| one.name == "foreign").count()
}

fn named_by_others(seen: &Observed) -> usize {
    let kept = seen.hosts.values().filter_map(HostSeen::facts).flat_map(|facts| &facts.kept);
    kept.filter(|image| image.tags.iter().any(|tag| tag == "others:1")).count()
}

/// Every release that is remembered can be gone back to without a registry, unless somebody has
/// pruned by hand.
fn ways_back_have_their_images(seen: &Observed) -> bool {
    seen.hosts.values().filter_map(HostSeen::facts).all(|facts| {
        let releases = facts.record.iter().flat_map(|record| &record.releases);
        let mut images = releases.flat_map(|release| release.services.values());
        images.all(|released| facts.kept.iter().any(|kept| kept.is(&released.image)))
    })
}
