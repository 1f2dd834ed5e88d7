//! Going back, and forward again past it.

use super::*;
use a3::plan::rollback::{Back, RollbackError, past};
use a3::record::Release;

/// Three releases: the first, an edited environment, another port.
fn three(spec: &mut Spec) -> Observed {
    let mut seen = deployed(spec);
    spec.services["s2"].environment.insert("LOG".into(), EnvValue::Plain("debug".into()));
    seen = simulate::apply(spec, &seen, &Options::default());
    spec.services["s2"].ports = vec![port(30002)];
    simulate::apply(spec, &seen, &Options::default())
}

fn back(to: Option<u64>) -> Back {
    Back { services: Vec::new(), to }
}

#[test]
fn back_and_forward_again() {
    let mut spec = host_spec();
    let mut seen = three(&mut spec);
    // Its registry is away, and every machine has the image.
    seen.images["s2"].reference = RemoteSeen::Unreachable(away());
    let old = past(&spec, &seen, &back(None)).unwrap().spec;
    assert_eq!(old.rollback.as_ref().unwrap().to, 2);
    assert_eq!(old.services["s2"].ports, vec![port(30001)]);
    assert!(matches!(&old.services["s2"].environment["LOG"], EnvValue::Plain(text) if text == "debug"));
    let mut on_old = seen.clone();
    on_old.images["s2"].source = None;
    on_old.files["s2"].clear();
    let there = plan(&old, &on_old, &Options::default());
    golden("rollback", &there);
    assert_eq!(kinds(&there), ["run"]);

    let mut after = simulate::apply_plan(&old, &on_old, &there);
    assert!(plan(&old, &after, &Options::default()).steps.is_empty());
    // Further down, not back to what was left.
    assert_eq!(past(&spec, &after, &back(None)).unwrap().spec.rollback.unwrap().to, 1);
    after.images = deployed(&host_spec()).images;
    after.files = seen.files.clone();
    let forward = planned("past_a_rollback", &spec, &after);
    assert_eq!(kinds(&forward), ["run", "prune"]);
    let again = simulate::apply_plan(&spec, &after, &forward);
    assert!(plan(&spec, &again, &Options::default()).notices.is_empty());
    // The newest below is the rollback, which is where it went.
    assert_eq!(past(&spec, &again, &back(None)).unwrap().spec.rollback.unwrap().to, 2);
}

#[test]
fn what_a_release_remembers_is_the_whole_container() {
    let spec = host_spec();
    let seen = deployed(&spec);
    let old = past(&spec, &seen, &back(Some(1))).unwrap().spec;
    let now = a3::plan::settings::Settings::of(&spec.name, &spec.services["s2"]);
    assert_eq!(a3::plan::settings::Settings::of(&old.name, &old.services["s2"]), now);
    assert_eq!(old.services["s2"].check, spec.services["s2"].check);
}

#[test]
fn no_way_back() {
    let spec = host_spec();
    let seen = nothing(&spec);
    assert!(matches!(past(&spec, &seen, &back(None)), Err(RollbackError::NoRelease(_))));
    let mut seen = deployed(&spec);
    assert!(matches!(past(&spec, &seen, &back(None)), Err(RollbackError::NothingBelow { below: 1 })));
    assert!(matches!(past(&spec, &seen, &back(Some(3))), Err(RollbackError::NotThere { .. })));
    seen.hosts.insert(slot(0), HostSeen::Unreachable(away()));
    assert!(matches!(past(&spec, &seen, &back(None)), Err(RollbackError::Unseen { .. })));
}

/// Three machines in two groups, after two releases; what happens is to the machine of that number.
fn two_groups(happens: &[Accident]) -> (Spec, Stage) {
    let spec = spec_of(
        r##"
name: shop
instances:
  db: { host: [192.0.2.10] }
  web: { host: [192.0.2.0, 192.0.2.1] }
services:
  front: { on: web, image: "docker.io/others/front:v1", environment: { PORT: "80" } }
  cache: { on: db, image: "docker.io/others/cache:v1" }
"##,
    );
    let mut edited = spec.clone();
    edited.services["front"].environment.insert("PORT".into(), EnvValue::Plain("81".into()));
    let stage = Stage::lived(&spec, 1).with(&edited);
    let mut stage = promises::walk::to_the_end(&edited, &stage, &stage.plan(&edited)).with(&edited);
    happens.iter().for_each(|accident| stage.happens(*accident));
    (edited, stage)
}

#[test]
fn a_machine_that_forgot_gets_what_its_group_ran() {
    let (spec, stage) = two_groups(&[Accident::RecordLost { at: 2 }]);
    let old = past(&spec, &stage.seen, &back(None)).unwrap();
    assert_eq!(old.notices, ["web/1 does not remember release 1; it gets what web/0 ran then"]);
    let plan = stage.with(&old.spec).plan(&old.spec);
    assert_eq!(kinds(&plan), ["run", "run"]);
}

/// Left out of what is gone back to, its service would be removed.
#[test]
fn a_group_that_forgot_everything_goes_nowhere() {
    let (spec, stage) = two_groups(&[Accident::RecordLost { at: 0 }]);
    let error = past(&spec, &stage.seen, &back(None)).unwrap_err();
    assert!(matches!(error, RollbackError::Lost { .. }), "{error}");
    let only = Back { services: vec!["front".into()], to: None };
    let old = past(&spec, &stage.seen, &only).unwrap().spec;
    let options = Options { target: ["front".into()].into(), ..Options::default() };
    let plan = plan(&old, &stage.with(&old).seen, &options);
    golden("rollback_of_one_beside_a_lost_record", &plan);
    assert_eq!(kinds(&plan), ["run", "run"]);
}

/// Two services on one machine, deployed.
fn two_services() -> (Spec, Stage) {
    let spec = spec_of(
        r##"
name: shop
instances: { web: { host: [192.0.2.0] } }
services:
  front: { image: "docker.io/others/front:v1", mem_limit: 256m, environment: { PORT: "80" } }
  cache: { image: "docker.io/others/cache:v1" }
"##,
    );
    let stage = Stage::lived(&spec, 1).with(&spec);
    (spec, stage)
}

/// What the first machine of a group remembers.
fn releases<'a>(stage: &'a mut Stage, group: &str) -> &'a mut [Release] {
    let Some(HostSeen::Ready(facts)) = stage.seen.hosts.get_mut(&Slot::new(group, 0)) else { panic!() };
    &mut facts.record.as_mut().unwrap().releases
}

fn applied(spec: &Spec, stage: &Stage) -> Stage {
    promises::walk::to_the_end(spec, stage, &stage.plan(spec)).with(spec)
}

fn set_port(spec: &mut Spec, to: &str) {
    spec.services["front"].environment.insert("PORT".into(), EnvValue::Plain(to.into()));
}

/// The history begins again with all that runs, so that nothing is taken for a service that came later.
#[test]
fn a_history_that_begins_again_names_what_runs() {
    let (mut spec, mut stage) = two_services();
    stage.happens(Accident::RecordLost { at: 0 });
    set_port(&mut spec, "81");
    let stage = applied(&spec, &stage.with(&spec));
    assert!(stage.plan(&spec).is_empty());
    let error = past(&spec, &stage.seen, &back(None)).unwrap_err();
    assert!(matches!(error, RollbackError::NothingBelow { .. }), "{error}");
    set_port(&mut spec, "82");
    let stage = applied(&spec, &stage.with(&spec));
    let old = past(&spec, &stage.seen, &back(None)).unwrap().spec;
    assert_eq!(kinds(&stage.with(&old).plan(&old)), ["run"]);
}

/// As an earlier a3 has left it: the release is all that is remembered, and one of two services is not in it.
#[test]
fn what_a_release_leaves_out_and_ran_then_is_not_removed() {
    let (mut spec, stage) = two_services();
    set_port(&mut spec, "81");
    let mut stage = applied(&spec, &stage.with(&spec));
    for release in releases(&mut stage, "web") {
        release.services.remove("cache");
    }
    let error = past(&spec, &stage.seen, &back(None)).unwrap_err();
    assert!(matches!(&error, RollbackError::Unnamed { service, .. } if service == "cache"), "{error}");
    let only = Back { services: vec!["front".into()], to: None };
    assert!(past(&spec, &stage.seen, &only).is_ok());
    // One that is known to have come later goes, as ever.
    let (mut spec, _) = two_services();
    let cache = spec.services.shift_remove("cache").unwrap();
    let stage = Stage::lived(&spec, 1).with(&spec);
    spec.services.insert("cache".into(), cache);
    let stage = applied(&spec, &stage.with(&spec));
    let old = past(&spec, &stage.seen, &back(None)).unwrap().spec;
    assert_eq!(kinds(&stage.with(&old).plan(&old)), ["remove_container"]);
}

/// What is changed in place belongs to the release that runs, and those after it.
#[test]
fn what_changed_in_place_is_not_undone_by_going_back() {
    let (mut spec, stage) = two_services();
    let limit = |spec: &mut Spec, bytes: u64| spec.services["front"].mem_limit = Some(bytes);
    limit(&mut spec, 1 << 30);
    let stage = applied(&spec, &stage.with(&spec));
    spec.services["cache"].command = Some(vec!["serve".into()]);
    let stage = applied(&spec, &stage.with(&spec));
    let old = past(&spec, &stage.seen, &back(None)).unwrap().spec;
    assert_eq!(old.services["front"].mem_limit, Some(1 << 30));
    let plan = stage.with(&old).plan(&old);
    assert_eq!(kinds(&plan), ["run"]);
    assert_eq!(plan.steps[0].address, "web/0/cache");
}

/// A service of a profile that is not active is left alone, and is no reason to refuse.
#[test]
fn an_inactive_service_is_not_missed() {
    let (mut spec, mut stage) = two_groups(&[]);
    releases(&mut stage, "db")[0].number = 2;
    let error = past(&spec, &stage.seen, &back(Some(1))).unwrap_err();
    assert!(matches!(error, RollbackError::Lacks { .. }), "{error}");
    spec.services.shift_remove("cache");
    spec.inactive.push("cache".into());
    let old = past(&spec, &stage.seen, &back(Some(1))).unwrap().spec;
    assert_eq!(old.services.keys().collect::<Vec<_>>(), ["front"]);
}

#[test]
fn a_value_from_an_env_file_has_to_be_there_still() {
    let mut spec = host_spec();
    let secret = EnvValue::Resolved(SecretString::from("hunter2".to_owned()));
    spec.services["s2"].environment.insert("TOKEN".into(), secret);
    let mut seen = three(&mut spec);
    assert!(past(&spec, &seen, &back(Some(1))).is_ok());
    let record = format!("{:?}", facts(&mut seen, 0).record);
    assert!(!record.contains("hunter2"), "{record}");
    spec.services["s2"].environment.shift_remove("TOKEN");
    let error = past(&spec, &seen, &back(Some(1))).unwrap_err();
    assert!(error.to_string().contains("`environment.TOKEN`"), "{error}");
}

#[test]
fn an_image_that_is_gone_is_said_so() {
    let mut spec = host_spec();
    let mut seen = three(&mut spec);
    let old = past(&spec, &seen, &back(None)).unwrap().spec;
    facts(&mut seen, 0).repo_digests.clear();
    (seen.images["s2"].source, seen.images["s2"].reference) = (None, RemoteSeen::Absent);
    let plan = plan(&old, &seen, &Options::default());
    golden("rollback_image_gone", &plan);
    assert_eq!(ending(&plan), "impossible");
}
