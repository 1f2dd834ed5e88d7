//! Taking a deployment away.

use super::*;

#[test]
fn destroy_all_on_ec2() {
    let (spec, seen) = on_ec2();
    let plan = plan_destroy(&spec, &seen, &Destroy::default());
    golden("destroy_ec2", &plan);
    assert_eq!(kinds(&plan), ["terminate", "delete_firewall", "delete_key"]);
    let after = simulate::apply_plan(&spec, &seen, &plan);
    let again = plan_destroy(&spec, &after, &Destroy::default());
    golden("destroy_nothing", &again);
    assert!(again.is_empty());
}

#[test]
fn destroy_all_on_a_host() {
    let (mut spec, _) = on_host();
    spec.services["s2"].volumes[0].source = a3::spec::VolumeSource::Named("data".into());
    let mut seen = deployed(&spec);
    facts(&mut seen, 0).volumes = vec!["music-me_data".into()];
    let plan = plan_destroy(&spec, &seen, &Destroy::default());
    golden("destroy_host", &plan);
    assert_eq!(kinds(&plan), ["remove_container", "remove_files", "clean_host"]);
    let after = simulate::apply_plan(&spec, &seen, &plan);
    assert!(plan_destroy(&spec, &after, &Destroy::default()).is_empty());
}

/// What is there of a machine's and this machine's images.
fn with_data(seen: &mut Observed) {
    facts(seen, 0).volumes = vec!["music-me_data".into()];
    let image = |tags: &[&str]| KeptImage {
        id: digest(tags[0]).to_string(),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        digests: Vec::new(),
    };
    seen.built = Seen::Present(vec![
        image(&["music-me-s2:src-0123456789ab", "ghcr.io/me/s2-standalone:v0.75", "mine:1"]),
        image(&["music-me-s2:src-ba9876543210"]),
        image(&["music-me-other:src-0123456789ab"]),
        image(&["music-me-s2:latest"]),
    ]);
}

#[test]
fn destroy_with_images_and_volumes() {
    let (spec, mut seen) = on_host();
    with_data(&mut seen);
    let wanted = Destroy { images: true, volumes: true, ..Destroy::default() };
    let plan = plan_destroy(&spec, &seen, &wanted);
    golden("destroy_images_and_volumes", &plan);
    let expected = [
        "remove_container",
        "remove_files",
        "remove_images",
        "remove_volumes",
        "clean_host",
        "remove_images",
    ];
    assert_eq!(kinds(&plan), expected);
    let after = simulate::apply_plan(&spec, &seen, &plan);
    assert!(plan_destroy(&spec, &after, &wanted).is_empty());
    // After a destroy that kept them, they can still be asked for.
    let first = simulate::apply_plan(&spec, &seen, &plan_destroy(&spec, &seen, &Destroy::default()));
    let late = plan_destroy(&spec, &first, &wanted);
    assert_eq!(kinds(&late), ["remove_volumes", "clean_host", "remove_images"]);
}

#[test]
fn destroy_by_name() {
    let (mut spec, seen) = on_ec2();
    edit_ec2(&mut spec, |ec2| ec2.count = 2);
    let mut more = seen.clone();
    more.hosts.insert(slot(1), HostSeen::NotYet(NotYet::NotLaunched));
    let mut two = simulate::apply(&spec, &more, &Options::default());
    let name = instance(&mut two, 1).name.clone();
    let wanted = Destroy { instances: [name].into(), ..Destroy::default() };
    let plan = plan_destroy(&spec, &two, &wanted);
    golden("destroy_by_name", &plan);
    assert_eq!(kinds(&plan), ["terminate"]);
    let wanted = Destroy { instances: ["web/7".to_owned()].into(), ..Destroy::default() };
    golden("destroy_unknown_name", &plan_destroy(&spec, &two, &wanted));
}

#[test]
fn destroy_what_cannot_be_seen_or_is_protected() {
    let (spec, mut seen) = on_ec2();
    instance(&mut seen, 0).protected = Some(true);
    let plan = plan_destroy(&spec, &seen, &Destroy::default());
    golden("destroy_protected", &plan);
    assert!(plan.steps.is_empty());

    let (spec, mut seen) = on_host();
    facts(&mut seen, 0).engine = Seen::Unreachable(away());
    let plan = plan_destroy(&spec, &seen, &Destroy::default());
    golden("destroy_unreachable", &plan);
    assert_eq!(ending(&plan), "unreachable");
}

#[test]
fn destroy_takes_one_off_containers_along_and_apply_leaves_them_alone() {
    use a3::plan::names::{self, label};
    let (spec, _) = on_host();
    let mut seen = deployed(&spec);
    let containers = &mut facts(&mut seen, 0).containers;
    let mut once = containers[0].clone();
    once.name = names::one_off(&spec.name, "s2", "1");
    once.ports.clear();
    once.labels.remove(label::OWN);
    let mark = names::one_off_mark(&spec.name, &slot(0), "s2", &once.name);
    once.labels.insert(label::ONE_OFF.to_owned(), mark);
    // The same labels under another name: somebody's copy, or an image that was made of it.
    let mut copy = once.clone();
    copy.name = "copy".to_owned();
    containers.extend([once, copy]);
    assert!(plan(&spec, &seen, &Options::default()).steps.is_empty());
    let plan = plan_destroy(&spec, &seen, &Destroy::default());
    golden("destroy_one_offs", &plan);
    assert_eq!(kinds(&plan), ["remove_container", "remove_container", "remove_files", "clean_host"]);
    let after = simulate::apply_plan(&spec, &seen, &plan);
    assert_eq!(after.hosts[&slot(0)].facts().unwrap().containers.len(), 1, "the copy stays");
}
