//! Instances on EC2.

use super::*;

#[test]
fn instance_stopped() {
    let (spec, mut seen) = on_ec2();
    instance(&mut seen, 0).state = InstanceState::Stopped;
    instance(&mut seen, 0).deadline = Some((NOW - 5).to_string());
    seen.hosts.insert(slot(0), HostSeen::NotYet(NotYet::Stopped));
    planned("instance_stopped", &spec, &seen);
}

#[test]
fn instance_gone() {
    let (spec, mut seen) = on_ec2();
    instance(&mut seen, 0).state = InstanceState::Terminated;
    seen.hosts.insert(slot(0), HostSeen::NotYet(NotYet::NotLaunched));
    let plan = planned("instance_gone", &spec, &seen);
    assert_eq!(kinds(&plan), ["launch", "copy", "login", "run"]);
    // A spot machine that EC2 took back: EC2 says so.
    let why = "Server.SpotInstanceTermination: Spot instance termination";
    instance(&mut seen, 0).state_reason = Some(why.into());
    let plan = planned("instance_taken_back", &spec, &seen);
    assert!(plan_text(&plan, &Look::plain()).contains(&format!("i-01 is terminated (EC2 says: {why})")));
}

#[test]
fn instance_boots() {
    let (spec, mut seen) = on_ec2();
    instance(&mut seen, 0).state = InstanceState::Pending;
    seen.hosts.insert(slot(0), HostSeen::NotYet(NotYet::Booting));
    let plan = plan(&spec, &seen, &Options::default());
    golden("instance_boots", &plan);
    assert!(plan.steps.iter().all(|step| step.provisional));
}

#[test]
fn two_live_instances() {
    let (spec, mut seen) = on_ec2();
    let mut second = instance(&mut seen, 0).clone();
    (second.id, second.name, second.generation) = ("i-0bb".into(), "eager_noether".into(), 2);
    cloud(&mut seen).instances.push(second);
    assert_eq!(ending(&planned("two_live_instances", &spec, &seen)), "refused");
}

#[test]
fn type_changed_within_the_architecture() {
    let (mut spec, seen) = on_ec2();
    edit_ec2(&mut spec, |ec2| ec2.instance_type = "t3.small".into());
    let plan = planned("type_changed", &spec, &seen);
    assert_eq!(kinds(&plan), ["modify", "start_container"]);
    assert!(plan.steps[1].provisional);
}

/// What is on the disk stays: a stop and start shows what the machine needs, not what a fresh one would.
#[test]
fn type_changed_with_more() {
    let (mut spec, mut seen) = on_ec2();
    spec.services
        .insert("job".into(), Service { restart: Restart::No, ..bare_service("job", "ghcr.io/me/job:1") });
    let mut image = seen.images["s2"].clone();
    (image.source, image.reference) = (None, RemoteSeen::Found(remote("job", None)));
    seen.images.insert("job".into(), image);
    let mut seen = simulate::apply(&spec, &seen, &Options::default());
    edit_ec2(&mut spec, |ec2| ec2.instance_type = "t3.small".into());
    spec.services["s2"].environment.insert("LOG".into(), EnvValue::Plain("debug".into()));
    spec.services["s2"].mem_limit = Some(256 << 20);
    spec.keep_releases = 1;
    seen.files["s2"][0].digest = digest("edited");
    let plan = planned("type_changed_with_more", &spec, &seen);
    assert_eq!(kinds(&plan), ["modify", "copy", "run", "start_container", "prune"]);
    assert!(plan.steps[1..].iter().all(|step| step.provisional && step.after.contains(&plan.steps[0].id)));
    // An engine that cannot be asked may be what the restart is for.
    facts(&mut seen, 0).engine = Seen::Unreachable(away());
    assert!(a3::plan::plan(&spec, &seen, &Options::default()).blocked.is_empty());
}

#[test]
fn ami_id_changed() {
    let (mut spec, mut seen) = on_ec2();
    edit_ec2(&mut spec, |ec2| ec2.ami = Ami::Id("ami-0bbb".into()));
    cloud(&mut seen).image = Some(machine_image("ami-0bbb"));
    let plan = planned("ami_id_changed", &spec, &seen);
    assert_eq!(kinds(&plan), ["launch", "copy", "login", "run"]);
    assert!(plan.ends_machines());
}

/// The key pair was deleted: the machine that runs does not mind, its successor would.
#[test]
fn replaced_with_a_missing_key() {
    let (spec, mut seen) = on_ec2();
    cloud(&mut seen).key_pair = None;
    assert!(plan(&spec, &seen, &Options::default()).is_empty());
    let options = Options { replace: [slot(0)].into(), ..Options::default() };
    let plan = planned_with("replace_asked", &spec, &seen, &options);
    assert_eq!(kinds(&plan), ["import_key", "launch", "copy", "login", "run"]);
}

#[test]
fn user_data_changed() {
    let (mut spec, seen) = on_ec2();
    edit_ec2(&mut spec, |ec2| ec2.user_data = Some("#cloud-config\npassword: hunter2\n".into()));
    let plan = planned("user_data_changed", &spec, &seen);
    assert!(!PlanDocument::of(&plan).to_text().contains("hunter2"));
}

#[test]
fn newer_ami_is_a_notice() {
    let (spec, mut seen) = on_ec2();
    cloud(&mut seen).image = Some(machine_image("ami-0ccc"));
    assert!(planned("newer_ami", &spec, &seen).is_empty());
}

/// From an id to an alias of the same image and back: no machine ends for that.
#[test]
fn another_name_for_the_same_ami() {
    let (mut spec, seen) = on_ec2();
    edit_ec2(&mut spec, |ec2| ec2.ami = Ami::Newest { name: "al2023-*".into(), owner: "amazon".into() });
    assert_eq!(kinds(&planned("ami_alias_renamed", &spec, &seen)), ["modify"]);
    edit_ec2(&mut spec, |ec2| ec2.ami = Ami::Id("ami-0aaa".into()));
    assert!(plan(&spec, &seen, &Options::default()).is_empty());
}

#[test]
fn key_name_is_create_only() {
    let (mut spec, seen) = on_ec2();
    edit_ec2(&mut spec, |ec2| ec2.key_name = Some("KEY-FILE".into()));
    assert!(planned("key_name_changed", &spec, &seen).is_empty());
}

#[test]
fn protected() {
    let (mut spec, mut seen) = on_ec2();
    instance(&mut seen, 0).protected = Some(true);
    edit_ec2(&mut spec, |ec2| ec2.ami = Ami::Id("ami-0bbb".into()));
    cloud(&mut seen).image = Some(machine_image("ami-0bbb"));
    assert_eq!(ending(&planned("protected", &spec, &seen)), "refused");
    edit_ec2(&mut spec, |ec2| ec2.disable_api_termination = Some(false));
    let plan = planned("protection_lifted", &spec, &seen);
    assert_eq!(kinds(&plan), ["modify", "launch", "copy", "login", "run"]);
}

#[test]
fn tags_groups_and_ttl_change_in_place() {
    let (mut spec, seen) = on_ec2();
    edit_ec2(&mut spec, |ec2| {
        ec2.tags.insert("team".into(), "music".into());
        ec2.ttl = Some(std::time::Duration::from_secs(3600));
        ec2.metadata_options.http_put_response_hop_limit = 2;
    });
    assert_eq!(kinds(&planned("changed_on_the_instance", &spec, &seen)), ["modify"]);
}

#[test]
fn a_tag_that_left_is_removed_and_a_foreign_one_stays() {
    let (mut spec, seen) = on_ec2();
    edit_ec2(&mut spec, |ec2| {
        ec2.tags.extend([("team".into(), "music".into()), ("Name".into(), "jukebox".into())]);
    });
    let mut seen = simulate::apply(&spec, &seen, &Options::default());
    instance(&mut seen, 0).tags.insert("patch-group".into(), "tuesday".into());
    edit_ec2(&mut spec, |ec2| ec2.tags.clear());
    let plan = planned("tags_left", &spec, &seen);
    let a3::plan::step::Action::Modify(modify) = &plan.steps[0].action else { panic!("{plan:?}") };
    assert_eq!(modify.remove_tags, ["team", "a3:tags"]);
    assert_eq!(modify.set_tags["Name"], a3::plan::mnemonic::name(&spec.name, &slot(0), 1));
    let mut after = simulate::apply(&spec, &seen, &Options::default());
    let kept = instance(&mut after, 0).tags.clone();
    assert!(kept.contains_key("patch-group") && !kept.contains_key("team"), "{kept:?}");
}

#[test]
fn count_raised_and_lowered() {
    let (mut spec, seen) = on_ec2();
    edit_ec2(&mut spec, |ec2| ec2.count = 3);
    let mut more = seen.clone();
    more.hosts.insert(slot(1), HostSeen::NotYet(NotYet::NotLaunched));
    more.hosts.insert(slot(2), HostSeen::NotYet(NotYet::NotLaunched));
    planned("count_raised", &spec, &more);
    let three = simulate::apply(&spec, &more, &Options::default());
    edit_ec2(&mut spec, |ec2| ec2.count = 1);
    let plan = planned("count_lowered", &spec, &three);
    assert_eq!(kinds(&plan), ["terminate", "terminate"]);
}

#[test]
fn group_left() {
    let (mut spec, seen) = on_ec2();
    spec.groups.clear();
    spec.services.clear();
    let mut seen = seen;
    seen.images.clear();
    seen.hosts.clear();
    let there = cloud(&mut seen);
    there.left = vec![ManagedSeen {
        deployment: spec.name.clone(),
        group: "web".into(),
        security_group: there.security_group.take().map(|group| group.id),
        key_pair: there.key_pair.take(),
    }];
    let plan = planned("group_left", &spec, &seen);
    assert_eq!(kinds(&plan), ["terminate", "delete_firewall", "delete_key"]);
}

/// What its group kept where it was before goes too, and what it has now stays.
#[test]
fn group_moved_to_another_region() {
    let (spec, mut seen) = on_ec2();
    let mut before = cloud(&mut seen).clone();
    before.region = "eu-north-1".into();
    before.left = vec![ManagedSeen {
        deployment: spec.name.clone(),
        group: "web".into(),
        security_group: Some("sg-0old".into()),
        key_pair: before.key_pair.take(),
    }];
    before.security_group = None;
    before.instances.truncate(1);
    before.instances[0].id = "i-0old".into();
    seen.clouds.insert("region eu-north-1".into(), Seen::Present(before));
    let plan = planned("group_moved", &spec, &seen);
    assert_eq!(kinds(&plan), ["terminate", "delete_firewall", "delete_key"]);
    let gone = plan_destroy(&spec, &seen, &Destroy::default());
    golden("group_moved_destroy", &gone);
    let (there, here) = (["terminate"; 2], ["delete_firewall", "delete_key"].repeat(2));
    assert_eq!(kinds(&gone), [&there[..], &here].concat());
}

/// A new ttl that has passed already would end the machine: that is not an edit in place.
#[test]
fn ttl_that_has_passed() {
    let (mut spec, mut seen) = on_ec2();
    instance(&mut seen, 0).created -= 7200;
    edit_ec2(&mut spec, |ec2| ec2.ttl = Some(std::time::Duration::from_secs(3600)));
    assert_eq!(ending(&planned("ttl_passed", &spec, &seen)), "refused");
    edit_ec2(&mut spec, |ec2| ec2.ttl = None);
    assert_eq!(kinds(&planned("ttl_taken_away", &spec, &seen)), ["modify"]);
}

/// A one-time spot instance cannot be stopped for its new type.
#[test]
fn spot_of_another_type() {
    let (mut spec, mut seen) = on_ec2();
    edit_ec2(&mut spec, |ec2| {
        ec2.spot = Some(a3::spec::Spot { max_price: Some("0.01".into()) });
        ec2.instance_type = "t3.small".into();
        ec2.root_block_device.volume_size = Some(20);
        ec2.subnet_id = Some("subnet-0123".into());
        ec2.tags.insert("team".into(), "music".into());
    });
    let one = instance(&mut seen, 0);
    one.spot = true;
    one.subnet_id = Some("subnet-0123".into());
    one.hash = None;
    one.tags.insert("team".into(), "music".into());
    let plan = planned("spot_of_another_type", &spec, &seen);
    assert_eq!(kinds(&plan)[0], "launch");
    golden("spot_launched", &plan_of_new(&spec));
    // Its successor needs the key pair as any launch does: one that is missing, and one of another key.
    for key in [None, Some("SHA256:another".to_owned())] {
        cloud(&mut seen).key_pair = key;
        let plan = a3::plan::plan(&spec, &seen, &Options::default());
        assert_eq!(kinds(&plan)[..2], ["import_key", "launch"]);
        assert!(plan.steps[1].after.contains(&plan.steps[0].id));
    }
}

fn plan_of_new(spec: &Spec) -> Plan {
    plan(spec, &nothing(spec), &Options::default())
}

#[test]
fn ami_does_not_exist() {
    let mut spec = spec();
    edit_ec2(&mut spec, |ec2| ec2.ami = Ami::Id("ami-0fff".into()));
    let mut seen = nothing(&spec);
    cloud(&mut seen).image = None;
    assert_eq!(ending(&planned("ami_missing", &spec, &seen)), "impossible");
}
