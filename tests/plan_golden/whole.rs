//! Whole deployments, and what stops them.

use a3::plan::summary::{Ending, Summary};
use a3::plan::{Order, Verb, plan_order};

use super::*;

#[test]
fn fresh_on_ec2() {
    let spec = spec();
    let plan = planned("fresh_on_ec2", &spec, &nothing(&spec));
    assert_eq!(
        kinds(&plan),
        ["build", "tag", "push", "firewall", "import_key", "launch", "copy", "login", "run"]
    );
}

#[test]
fn no_changes() {
    let (spec, seen) = on_ec2();
    assert!(planned("no_changes", &spec, &seen).is_empty());
}

#[test]
fn fresh_on_local() {
    let spec = local_spec();
    let plan = planned("fresh_on_local", &spec, &nothing(&spec));
    assert_eq!(kinds(&plan), ["build", "tag", "copy", "run"]);
    assert!(planned("no_changes_on_local", &spec, &deployed(&spec)).is_empty());
}

#[test]
fn ec2_unreachable() {
    let (spec, mut seen) = on_ec2();
    seen.clouds.insert("web".into(), Seen::Unreachable(away()));
    let plan = planned("ec2_unreachable", &spec, &seen);
    assert_eq!((ending(&plan), kinds(&plan).len()), ("unreachable", 0));
}

#[test]
fn host_unreachable() {
    let (spec, mut seen) = on_ec2();
    seen.hosts.insert(slot(0), HostSeen::Unreachable(away()));
    let plan = planned("host_unreachable", &spec, &seen);
    assert_eq!((ending(&plan), kinds(&plan).len()), ("unreachable", 0));
}

#[test]
fn host_refused() {
    let (spec, mut seen) = on_ec2();
    seen.hosts.insert(slot(0), HostSeen::Refused(away()));
    let refused = plan(&spec, &seen, &Options::default());
    assert_eq!((ending(&refused), kinds(&refused).len()), ("refused", 0));
    // Ending it needs EC2 only.
    let options = Options { replace: [slot(0)].into(), ..Options::default() };
    assert_eq!(ending(&plan(&spec, &seen, &options)), "changes");
}

/// A change of the machine that does not restart it says nothing about why it does not answer.
#[test]
fn host_unreachable_while_a_tag_changes() {
    let (mut spec, mut seen) = on_ec2();
    edit_ec2(&mut spec, |ec2| drop(ec2.tags.insert("team".into(), "music".into())));
    seen.hosts.insert(slot(0), HostSeen::Unreachable(away()));
    assert_eq!(ending(&plan(&spec, &seen, &Options::default())), "unreachable");
    // Replacing it needs EC2 only.
    let options = Options { replace: [slot(0)].into(), ..Options::default() };
    assert_eq!(ending(&plan(&spec, &seen, &options)), "changes");
}

#[test]
fn disk_too_small() {
    let spec = host_spec();
    let mut seen = nothing(&spec);
    let image = remote("large", Some("source 1"));
    seen.images["s2"].reference = RemoteSeen::Found(image.clone());
    seen.images["s2"].source_tag = RemoteSeen::Found(image);
    facts(&mut seen, 0).disk_free = Some(100_000_000);
    assert_eq!(ending(&planned("disk_too_small", &spec, &seen)), "impossible");
}

#[test]
fn architectures_differ() {
    let mut spec = spec();
    spec.services["s2"].platform = Some(Platform(Arch::Arm64));
    let mut seen = nothing(&spec);
    seen.images["s2"].platform = Platform(Arch::Arm64);
    assert_eq!(ending(&planned("image_for_another_architecture", &spec, &seen)), "impossible");
    cloud(&mut seen).type_archs = vec![Arch::Arm64];
    assert_eq!(ending(&planned("ami_for_another_architecture", &spec, &seen)), "impossible");
}

#[test]
fn preflight_and_missing_files() {
    let spec = spec();
    let mut seen = nothing(&spec);
    cloud(&mut seen).refusals.push(cause("not authorised to RunInstances", "ask for ec2:RunInstances"));
    let what =
        Unchecked { what: "free addresses".into(), why: "denied".into(), help: Some("look it up".into()) };
    cloud(&mut seen).unchecked.push(what);
    let gone = cause("cluster/ghcr.io-token.txt: no such file", "create it, 0600");
    seen.missing.push(Missing { cause: gone, of: ["s2".into()].into() });
    planned("preflight", &spec, &seen);
}

/// A target keeps everything else out: other services, their files, strays, other groups.
#[test]
fn target() {
    let (mut spec, mut seen) = on_host();
    let mut other = spec.services["s2"].clone();
    (other.name, other.container_name, other.ports) = ("other".into(), "other".into(), vec![port(30009)]);
    other.files[0].target = "elsewhere/".into();
    spec.services.insert("other".into(), other);
    seen.images.insert("other".into(), seen.images["s2"].clone());
    let mut file = seen.files["s2"][0].clone();
    file.target = "elsewhere/music.csv".into();
    seen.files.insert("other".into(), vec![file]);
    spec.groups.insert("away".into(), spec.groups["web"].clone());
    spec.groups["away"].name = "away".into();
    seen.hosts.insert(Slot::new("away", 0), HostSeen::Unreachable(away()));
    facts(&mut seen, 0).containers[0].state = ContainerState::Exited(1);
    let options = Options { target: ["s2".to_owned()].into(), ..Options::default() };
    assert_eq!(kinds(&planned_with("target", &spec, &seen, &options)), ["start_container"]);
}

/// What is asked for stands beside what could not be decided, which keeps apply from doing it; and ending a
/// machine needs EC2 only.
#[test]
fn asked_for_beside_what_is_not_decided() {
    let (mut spec, mut seen) = on_ec2();
    edit_ec2(&mut spec, |ec2| ec2.count = 2);
    seen.hosts.insert(slot(1), HostSeen::NotYet(NotYet::NotLaunched));
    let mut seen = simulate::apply(&spec, &seen, &Options::default());
    seen.hosts.insert(slot(1), HostSeen::Unreachable(away()));
    let replace = |index| Options { replace: [slot(index)].into(), ..Options::default() };
    let plan = planned_with("replace_beside_blocked", &spec, &seen, &replace(0));
    assert_eq!((kinds(&plan)[0], ending(&plan)), ("launch", "unreachable"));
    let rebuild = Options { rebuild: ["s2".to_owned()].into(), ..Options::default() };
    let plan = planned_with("rebuild_beside_blocked", &spec, &seen, &rebuild);
    assert_eq!((kinds(&plan)[0], ending(&plan)), ("build", "unreachable"));
    // The one that is away is the one that goes; and a target leaves it out.
    assert_eq!(ending(&a3::plan::plan(&spec, &seen, &replace(1))), "changes");
    let options = Options { target: ["web/0".to_owned()].into(), ..replace(0) };
    assert_eq!(ending(&a3::plan::plan(&spec, &seen, &options)), "changes");
}

/// Text, JSON and exit code are made of one value, whatever kind of plan it is.
#[test]
fn only_notices_are_no_changes() {
    let (spec, mut seen) = on_ec2();
    cloud(&mut seen).image = Some(machine_image("ami-0bbb"));
    let plan = a3::plan::plan(&spec, &seen, &Options::default());
    assert!(!plan.notices.is_empty());
    agrees(&plan, Ending::Nothing);
    let destroyed = simulate::apply_plan(&spec, &seen, &plan_destroy(&spec, &seen, &Destroy::default()));
    let plan = plan_destroy(&spec, &destroyed, &Destroy::default());
    agrees(&plan, Ending::Nothing);
    let order =
        Order { verb: Verb::Start, services: [].into(), slots: [slot(0)].into(), stop: false, timeout: None };
    agrees(&plan_order(&spec, &seen, &order), Ending::Nothing);
    let order = Order { verb: Verb::Stop, ..order.clone() };
    agrees(&plan_order(&spec, &seen, &order), Ending::Changes);
    let none = Observed { hosts: [(slot(0), HostSeen::NotYet(NotYet::Stopped))].into(), ..seen.clone() };
    let plan = plan_order(&spec, &none, &order);
    assert!(!plan.notices.is_empty());
    agrees(&plan, Ending::Nothing);
    agrees(&plan_order(&spec, &none, &Order { verb: Verb::Start, ..order }), Ending::Impossible);
}

fn agrees(plan: &Plan, ending: Ending) {
    let text = plan_text(plan, &Look::plain());
    let json: serde_json::Value = serde_json::from_str(&PlanDocument::of(plan).to_text()).unwrap();
    assert_eq!(Ending::of(plan), ending, "{text}");
    assert_eq!(json["ending"], serde_json::to_value(ending).unwrap(), "{text}");
    assert_eq!(json["summary"], serde_json::to_value(Summary::of(plan)).unwrap(), "{text}");
    assert_eq!(text.contains("No changes."), ending == Ending::Nothing, "{text}");
    assert_eq!(text.contains("Plan: "), ending != Ending::Nothing, "{text}");
    assert!(plan.notices.iter().all(|notice| text.contains(notice)), "{text}");
}

/// With colour and in a narrow terminal.
#[test]
fn narrow_and_coloured() {
    let (mut spec, mut seen) = on_ec2();
    edit_ec2(&mut spec, |ec2| ec2.ami = Ami::Id("ami-0bbb".into()));
    cloud(&mut seen).image = Some(machine_image("ami-0bbb"));
    let plan = plan(&spec, &seen, &Options::default());
    let text = plan_text(&plan, &Look { colour: true, width: Some(50) });
    insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "../golden", omit_expression => true }, {
        insta::assert_snapshot!("narrow_and_coloured", text);
    });
    assert_eq!(console::strip_ansi_codes(&text), plan_text(&plan, &Look { colour: false, width: Some(50) }));
}

/// What a service needs and others do not is not in the way of the others.
#[test]
fn what_is_missing_for_another_is_left_out_with_it() {
    let (mut spec, mut seen) = on_host();
    spec.services.insert("other".into(), bare_service("other", "ghcr.io/me/other:1"));
    seen.images.insert("other".into(), seen.images["s2"].clone());
    let gone = cause("token.txt: no such file", "create it, 0600");
    seen.missing.push(Missing { cause: gone, of: ["other".into()].into() });
    assert_eq!(ending(&plan(&spec, &seen, &Options::default())), "impossible");
    let only = |name: &str| Options { target: [name.into()].into(), ..Options::default() };
    assert_eq!(ending(&plan(&spec, &seen, &only("s2"))), "nothing");
    assert_eq!(ending(&plan(&spec, &seen, &only("other"))), "impossible");
    assert_eq!(ending(&plan(&spec, &seen, &only("web/0"))), "impossible");
}
