//! Data files.

use super::*;

#[test]
fn file_edited_here() {
    let (spec, mut seen) = on_ec2();
    seen.files["s2"][0].digest = digest("music.csv 2");
    let plan = planned("file_edited_here", &spec, &seen);
    assert_eq!(kinds(&plan), ["copy", "restart"]);
    assert!(!plan.steps[0].reasons[0].is_drift());
}

#[test]
fn file_edited_on_the_machine() {
    let (spec, mut seen) = on_ec2();
    let edited = FileSeen::File { digest: digest("edited there"), mode: 0o644 };
    facts(&mut seen, 0).files.insert("/home/ec2-user/music/music.csv".into(), edited);
    let plan = planned("file_edited_there", &spec, &seen);
    assert_eq!(kinds(&plan), ["copy", "restart"]);
    assert!(plan.steps[0].reasons[0].is_drift());
}

#[test]
fn file_mode_differs() {
    let (mut spec, mut seen) = on_ec2();
    spec.services["s2"].files[0].on_change = OnChange::None;
    let file = FileSeen::File { digest: digest("music.csv 1"), mode: 0o600 };
    facts(&mut seen, 0).files.insert("/home/ec2-user/music/music.csv".into(), file);
    let plan = planned("file_mode_differs", &spec, &seen);
    assert_eq!(kinds(&plan), ["copy"]);
    assert!(plan.steps[0].reasons[0].is_drift());
    seen.files["s2"][0].mode = 0o640;
    let wished = a3::plan::plan(&spec, &seen, &Options::default());
    assert!(!wished.steps[0].reasons[0].is_drift());
}

#[test]
fn a_file_and_a_folder_in_the_way() {
    let spec = host_spec();
    let mut seen = nothing(&spec);
    let target = "/home/ec2-user/music/music.csv";
    let file = FileSeen::File { digest: digest("somebody's"), mode: 0o644 };
    facts(&mut seen, 0).files.insert(target.into(), file);
    planned("file_not_ours", &spec, &seen);
    facts(&mut seen, 0).files.insert(target.into(), FileSeen::Other);
    assert_eq!(ending(&planned("folder_in_the_way", &spec, &seen)), "refused");
}

#[test]
fn file_left_the_spec() {
    let (mut spec, mut seen) = on_ec2();
    spec.services["s2"].files.clear();
    seen.files["s2"].clear();
    let plan = planned("file_left", &spec, &seen);
    assert_eq!(kinds(&plan), ["remove_files"]);
}

/// Two services with one file: `s2` and `front`, which wants `content` in it.
fn shared(content: &str) -> (Spec, Observed) {
    let mut spec = host_spec();
    let mut front = spec.services["s2"].clone();
    front.name = "front".into();
    front.container_name = "front".into();
    front.ports.clear();
    spec.services.insert("front".into(), front);
    let mut seen = nothing(&spec);
    seen.files["front"][0].digest = digest(content);
    (spec, seen)
}

#[test]
fn a_file_of_two_services_is_copied_once_and_both_wait_for_it() {
    let (spec, seen) = shared("music.csv 1");
    let plan = a3::plan::plan(&spec, &seen, &Options::default());
    assert_eq!(kinds(&plan).iter().filter(|kind| **kind == "copy").count(), 1, "{plan:?}");
    let copy = plan.steps.iter().find(|step| step.action.kind() == "copy").unwrap().id;
    let runs: Vec<_> = plan.steps.iter().filter(|step| step.action.kind() == "run").collect();
    assert_eq!(runs.len(), 2);
    assert!(runs.iter().all(|run| run.after.contains(&copy)), "{runs:?}");
}

#[test]
fn different_files_for_one_place_are_refused() {
    let (spec, seen) = shared("another");
    let plan = a3::plan::plan(&spec, &seen, &Options::default());
    assert!(plan.blocked[0].why.contains("`s2` and `front` copy different files"), "{:?}", plan.blocked);
}

/// What serves reads the old ones until its new container works, and again if that fails.
#[test]
fn the_old_place_is_cleared_after_what_reads_the_new_one() {
    let (mut spec, mut seen) = on_host();
    let service = &mut spec.services["s2"];
    service.files[0].target = "data/".into();
    service.volumes[0].source = a3::spec::VolumeSource::Bind("./data".into());
    seen.files["s2"][0].target = "data/music.csv".into();
    let plan = planned("file_moved", &spec, &seen);
    assert_eq!(kinds(&plan), ["copy", "run", "remove_files"]);
    assert_eq!(plan.steps[2].after, [plan.steps[0].id, plan.steps[1].id]);
}
