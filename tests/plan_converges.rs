//! Whatever was edited and whatever happened to the world, in any combination: a plan that can be
//! applied leads to a world whose plan is empty, touches nothing foreign, and never shows a secret.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "shared with the golden plans, which use the rest")]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use a3::id::Slot;
use a3::observed::{
    ContainerSeen, ContainerState, FileSeen, HostFacts, HostSeen, InstanceState, NotYet, Observed,
    RemoteSeen, Seen,
};
use a3::plan::step::{Action, BlockedKind, Plan, Step};
use a3::plan::{Destroy, Options, hash, names, plan, plan_destroy};
use a3::record::Stopped;
use a3::report::look::Look;
use a3::report::plan_json::PlanDocument;
use a3::report::plan_text::plan_text;
use a3::report::saved_plan;
use a3::spec::{Ami, DataFile, EnvValue, Group, HostAddress, Machine, Restart, SecretSource, Service, Spec};
use proptest::prelude::*;
use secrecy::SecretString;
use support::{simulate, world};

type Edit = (&'static str, fn(&mut Spec, &mut Observed));

/// What a person does to the file, and the world to the machines. Each may find the traces of
/// others.
const EDITS: [Edit; 37] = [
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
    ("instance type", |spec, _| world::edit_ec2(spec, |ec2| ec2.instance_type = "t3.medium".into())),
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
    ("stopped by a person", |_, seen| {
        on_hosts(seen, |facts| {
            for one in facts.containers.iter_mut().filter(|one| one.name != "foreign") {
                one.state = ContainerState::Exited(0);
                let (container, started) = (one.id.clone(), one.started);
                let stopped = Stopped { by: "you@laptop".into(), container, started };
                let service = one.labels.get(names::label::SERVICE).cloned().unwrap_or_default();
                facts.record.iter_mut().for_each(|record| {
                    record.stopped.insert(service.clone(), stopped.clone());
                });
            }
        });
    }),
    ("keys admitted", |spec, _| {
        spec.groups["web"].ssh.authorized_keys = vec!["ssh-ed25519 AAAA you@laptop".into()];
    }),
    ("keys admitted by hand", |_, seen| {
        on_hosts(seen, |facts| facts.admitted = vec!["ssh-ed25519 BBBB gone@laptop".into()]);
    }),
    ("many settings", |spec, _| {
        let service = first(spec);
        service.user = Some("1000".into());
        service.cap_drop = vec!["ALL".into()];
        service.tmpfs = vec!["/tmp".into()];
        service.hostname = Some("music".into());
        service.labels.insert("team".into(), "music".into());
        service.stop_grace_period = Duration::from_secs(3);
    }),
    ("a group of two hosts", |spec, seen| {
        let address = |host: &str| HostAddress { user: None, host: host.into(), port: None };
        let machine = Machine::Host(vec![address("192.0.2.1"), address("192.0.2.2")]);
        let group = Group { name: "box".into(), ..world::group(machine) };
        spec.groups.insert("box".into(), group);
        let service = Service { on: "box".into(), ..world::bare_service("cache", "ghcr.io/me/cache:1") };
        spec.services.insert("cache".into(), service);
        let mut image = seen.images.values().next().unwrap().clone();
        (image.source, image.reference) = (None, RemoteSeen::Found(world::remote("cache", None)));
        (image.source_tag, image.local_source) = (RemoteSeen::NotAsked, Seen::Absent);
        seen.images.insert("cache".into(), image);
        for index in 0..2 {
            let mut host = world::fresh_host();
            host.containers.push(foreign());
            seen.hosts.insert(Slot::new("box", index), HostSeen::Ready(Box::new(host)));
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
        in_place: None,
    }
}

fn converges(spec: &Spec, seen: &Observed, options: &Options, what: &str) -> Observed {
    let first = plan(spec, seen, options);
    let text = plan_text(&first, &Look::plain());
    assert!(first.blocked.is_empty(), "{what}:\n{text}");
    told_truly(&first, &text);
    told_alike(&first, &plan(spec, seen, options));
    let after = simulate::apply_plan(spec, seen, &first);
    one_instance_a_slot(&after);
    let second = plan(spec, &after, &Options::default());
    let again = plan_text(&second, &Look::plain());
    assert!(second.is_empty(), "after {what}:\n{text}\ncame\n{again}");
    told_truly(&second, &again);
    after
}

/// No secret in anything that leaves the plan, and the text ends as the exit code will.
fn told_truly(plan: &Plan, text: &str) {
    let saved = saved_plan::canonical(plan).to_string();
    assert!(!format!("{text}{}{saved}{plan:?}", PlanDocument::of(plan).to_text()).contains("hunter2"));
    assert_eq!(text.contains("No changes."), plan.steps.is_empty() && plan.blocked.is_empty(), "{text}");
    assert_eq!(text.contains("a3 will do this"), !plan.steps.is_empty(), "{text}");
}

/// Planning has no clock and no chance in it.
fn told_alike(one: &Plan, other: &Plan) {
    let told = |plan: &Plan| {
        let text = plan_text(plan, &Look::plain());
        (text, PlanDocument::of(plan).to_text(), serde_json::to_string(plan).unwrap())
    };
    assert_eq!(told(one), told(other));
}

fn one_instance_a_slot(seen: &Observed) {
    let clouds = seen.clouds.values().filter_map(Seen::present);
    let live = clouds.flat_map(|cloud| &cloud.instances).filter(|one| one.state.is_live());
    let mut slots = BTreeSet::new();
    for one in live {
        assert!(slots.insert(one.slot.clone()), "two live instances in {}", one.slot);
    }
}

/// What a deployment is, whichever way it came to be: without ids, generations, release numbers, and
/// the images and releases that are kept to go back to.
fn essence(seen: &Observed) -> String {
    let mut lines = Vec::new();
    for cloud in seen.clouds.values().filter_map(Seen::present) {
        for one in cloud.instances.iter().filter(|one| one.state.is_live()) {
            let tags = one.tags.iter().filter(|(key, _)| !key.starts_with("a3:") && *key != "Name");
            let tags: Vec<_> = tags.collect();
            let (slot, kind, image) = (&one.slot, &one.instance_type, &one.image_id);
            lines.push(format!("{slot} {kind} {image} {:?} {:?} {tags:?}", one.protected, one.hop_limit));
        }
        let rules = cloud.security_group.iter().flat_map(|group| &group.rules);
        lines.extend(rules.map(|rule| format!("{} {:?} {}", rule.from_port, rule.cidr, rule.description)));
    }
    for (slot, facts) in seen.hosts.iter().filter_map(|(slot, host)| Some((slot, host.facts()?))) {
        for one in facts.containers.iter().filter(|one| one.labels.contains_key(names::label::SERVICE)) {
            let config = one.labels.get(names::label::CONFIG);
            lines.push(format!("{slot} {} {} {config:?} {:?}", one.name, one.image_id, one.state));
        }
        lines.extend(facts.files.iter().map(|(path, file)| format!("{slot} {path} {file:?}")));
        lines.push(format!("{slot} {:?} {:?}", facts.admitted, facts.engine));
    }
    lines.sort();
    lines.join("\n")
}

/// What was last asked for in place, by machine and service. After a lost record it is known only of what
/// was made anew.
fn asked_in_place(seen: &Observed) -> BTreeMap<(Slot, String), String> {
    let facts = seen.hosts.iter().filter_map(|(slot, host)| Some((slot, host.facts()?.record.as_ref()?)));
    let all = facts.flat_map(|(slot, record)| record.in_place.iter().map(move |one| (slot.clone(), one)));
    all.map(|(slot, (service, settings))| ((slot, service.clone()), format!("{settings:?}"))).collect()
}

/// How many cases: `A3_PROPERTY_CASES`, and 512 where it is not set.
fn cases() -> u32 {
    std::env::var("A3_PROPERTY_CASES").ok().and_then(|number| number.parse().ok()).unwrap_or(512)
}

/// To where a test's own output is not captured.
fn tell(line: &str) {
    use std::io::Write as _;
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}

/// A deployment with some releases, foreign things beside it, and what has happened to it since.
fn happened(chosen: &[&str], earlier: u32) -> (Spec, Observed) {
    let mut spec = world::spec();
    let mut seen = world::nothing(&spec);
    for release in 0..earlier {
        seen.images["s2"].source = Some(world::digest(&format!("source of {release}")));
        (seen.images["s2"].source_tag, seen.images["s2"].local_source) = (RemoteSeen::Absent, Seen::Absent);
        seen = simulate::apply(&spec, &seen, &Options::default());
    }
    on_hosts(&mut seen, |facts| facts.containers.push(foreign()));
    for (_, edit) in EDITS.iter().filter(|(name, _)| chosen.contains(name)) {
        edit(&mut spec, &mut seen);
    }
    (spec, seen)
}

fn named(chosen: &BTreeSet<usize>) -> Vec<&'static str> {
    chosen.iter().map(|edit| EDITS[*edit].0).collect()
}

/// A case as it can be pasted below as a test: what proptest prints after it has shrunk one.
fn as_code(call: &str, chosen: &[&str], rest: &str) -> String {
    format!("\n#[test]\nfn found() {{\n    {call}(&{chosen:?}, {rest});\n}}\n")
}

fn held(code: &str, case: impl FnOnce() + std::panic::UnwindSafe) -> Result<(), TestCaseError> {
    std::panic::catch_unwind(case).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map_or("", String::as_str);
        TestCaseError::fail(format!("{text}\n{code}"))
    })
}

/// Whatever happened, a plan leads to where the next one is empty, and touches nothing foreign.
fn arrives(chosen: &[&str], replace: bool, earlier: u32) {
    let (spec, seen) = happened(chosen, earlier);
    let options = asked(replace);
    let after = converges(&spec, &seen, &options, &chosen.join(", "));
    // A machine that ends takes what is on it along; nothing else may.
    if !plan(&spec, &seen, &options).ends_machines() {
        assert!(count_foreign(&after) >= count_foreign(&seen));
        assert_eq!(named_by_others(&after), named_by_others(&seen));
    }
    assert!(ways_back_have_their_images(&after));
    let destroy = plan_destroy(&spec, &after, &Destroy::default());
    assert!(destroy.blocked.is_empty());
    let gone = simulate::apply_plan(&spec, &after, &destroy);
    assert!(plan_destroy(&spec, &gone, &Destroy::default()).is_empty());
    converges(&spec, &gone, &Options::default(), "destroy");
}

/// From a crash after any step, the next plan leads to the same world.
fn goes_on(chosen: &[&str], replace: bool, earlier: u32, crash: usize) {
    let (spec, seen) = happened(chosen, earlier);
    let options = asked(replace);
    let first = plan(&spec, &seen, &options);
    let whole = simulate::apply_plan(&spec, &seen, &first);
    let cut = simulate::apply_prefix(&spec, &seen, &first, crash % (first.steps.len() + 1));
    one_instance_a_slot(&cut);
    let after = converges(&spec, &cut, &options, &format!("{} and a crash", chosen.join(", ")));
    assert_eq!(essence(&after), essence(&whole), "{}", plan_text(&first, &Look::plain()));
    let whole = asked_in_place(&whole);
    for (at, settings) in asked_in_place(&after) {
        assert!(whole.get(&at).is_none_or(|known| *known == settings), "{at:?}: {settings}");
    }
}

/// What cannot be reached is neither made nor ended, and what does not rest on it is planned as ever.
fn leaves_alone(chosen: &[&str], earlier: u32, what: usize) {
    let (spec, mut seen) = happened(chosen, earlier);
    let usual = plan(&spec, &seen, &Options::default());
    let cause = world::cause("cannot reach it", "check the network");
    let rests: fn(&Action) -> bool = match what % 3 {
        0 => {
            seen.clouds.insert("web".into(), Seen::Unreachable(cause));
            |action| !matches!(action, Action::Build(_) | Action::Tag(_) | Action::Push(_))
        }
        1 => {
            seen.hosts.insert(world::slot(0), HostSeen::Unreachable(cause));
            on_slot_0
        }
        _ => {
            for image in seen.images.values_mut() {
                image.reference = RemoteSeen::Unreachable(cause.clone());
                image.source_tag = RemoteSeen::Unreachable(cause.clone());
            }
            |action| matches!(action, Action::Push(_) | Action::Tag(_) | Action::Run(_))
        }
    };
    let plan = plan(&spec, &seen, &Options::default());
    let text = plan_text(&plan, &Look::plain());
    told_truly(&plan, &text);
    let on_web = |step: &&Step| step.address.starts_with("web") || step.address.ends_with("image");
    let touched = plan.steps.iter().filter(on_web).find(|step| rests(&step.action));
    // A machine that has to be launched, started or let in anyway was not the one that is away.
    let moves = |step: &Step| {
        matches!(
            step.action,
            Action::Launch(_) | Action::Start { .. } | Action::Modify(_) | Action::Firewall(_)
        )
    };
    if what % 3 == 1 && usual.steps.iter().any(moves) {
        return;
    }
    assert!(touched.is_none(), "{touched:?}\n{text}");
    assert!(plan.blocked.iter().any(|one| one.kind == BlockedKind::Unreachable), "{text}");
}

fn on_slot_0(action: &Action) -> bool {
    match action {
        Action::Run(run) => run.slot == world::slot(0),
        Action::Copy { slot, .. }
        | Action::RemoveFiles { slot, .. }
        | Action::RemoveContainer { slot, .. }
        | Action::Restart { slot, .. }
        | Action::Prune { slot, .. }
        | Action::Terminate { slot, .. } => *slot == world::slot(0),
        _ => false,
    }
}

fn asked(replace: bool) -> Options {
    let slots = if replace { BTreeSet::from([world::slot(0)]) } else { BTreeSet::new() };
    Options { replace: slots, ..Options::default() }
}

fn property<S: Strategy>(name: &str, inputs: &S, holds: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases()) };
    let outcome = proptest::test_runner::TestRunner::new(config).run(inputs, holds);
    if let Err(error) = outcome {
        panic!("{name}: {error}");
    }
    tell(&format!("figure: property: {name}: {} cases", cases()));
}

fn chosen() -> impl Strategy<Value = BTreeSet<usize>> {
    prop::collection::btree_set(0..EDITS.len(), 0..7)
}

#[test]
fn any_edits_and_accidents() {
    let inputs = (chosen(), any::<bool>(), 1..6u32);
    property("a plan that is applied leaves nothing to plan", &inputs, |(chosen, replace, earlier)| {
        let chosen = named(&chosen);
        let code = as_code("arrives", &chosen, &format!("{replace}, {earlier}"));
        held(&code, || arrives(&chosen, replace, earlier))
    });
}

#[test]
fn any_crash() {
    let inputs = (chosen(), any::<bool>(), 1..4u32, 0..40usize);
    property("a crash after any step is gone on from", &inputs, |(chosen, replace, earlier, crash)| {
        let chosen = named(&chosen);
        let code = as_code("goes_on", &chosen, &format!("{replace}, {earlier}, {crash}"));
        held(&code, || goes_on(&chosen, replace, earlier, crash))
    });
}

#[test]
fn anything_away() {
    let inputs = (chosen(), 1..3u32, 0..3usize);
    property("what is away is left alone", &inputs, |(chosen, earlier, what)| {
        let chosen = named(&chosen);
        let code = as_code("leaves_alone", &chosen, &format!("{earlier}, {what}"));
        held(&code, || leaves_alone(&chosen, earlier, what))
    });
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
/// pruned by hand, or it was made on the machine that this one replaced.
fn ways_back_have_their_images(seen: &Observed) -> bool {
    let clouds = seen.clouds.values().filter_map(Seen::present);
    let all: Vec<_> = clouds.flat_map(|cloud| &cloud.instances).filter(|one| one.state.is_live()).collect();
    seen.hosts.iter().filter_map(|(slot, host)| Some((slot, host.facts()?))).all(|(slot, facts)| {
        let is_first = !all.iter().any(|one| one.slot == *slot && one.generation > 1);
        let kept = facts.kept.iter().flat_map(|kept| &kept.tags);
        let made = kept.filter_map(|tag| names::kept_by(&world::spec().name, tag)).map(|(_, number)| number);
        let first = made.min().filter(|_| !is_first).unwrap_or(0);
        let releases = facts.record.iter().flat_map(|record| &record.releases);
        let releases = releases.filter(|release| release.number >= first);
        let mut images = releases.flat_map(|release| release.services.values());
        images.all(|released| facts.kept.iter().any(|kept| kept.is(&released.image)))
    })
}
