//! Releases that are kept, and images that go with those that are not.

use super::*;
use a3::plan::step::Action;

/// As many releases, each of a source of its own.
fn releases(spec: &Spec, count: u32) -> Observed {
    (1..=count).fold(nothing(spec), |mut seen, number| {
        source(&mut seen, number);
        simulate::apply(spec, &seen, &Options::default())
    })
}

fn source(seen: &mut Observed, number: u32) {
    let image = &mut seen.images["s2"];
    image.source = Some(digest(&format!("source {number}")));
    (image.source_tag, image.local_source) = (RemoteSeen::Absent, Seen::Absent);
}

fn numbers(seen: &mut Observed) -> Vec<u64> {
    facts(seen, 0).record.as_ref().unwrap().releases.iter().map(|release| release.number).collect()
}

fn tags(seen: &mut Observed) -> Vec<String> {
    facts(seen, 0).kept.iter().flat_map(|image| image.tags.clone()).collect()
}

#[test]
fn the_fourth_release_pushes_the_first_out() {
    let spec = host_spec();
    let mut seen = releases(&spec, 3);
    assert_eq!(numbers(&mut seen), [1, 2, 3]);
    source(&mut seen, 4);
    let plan = planned("prune", &spec, &seen);
    assert_eq!(kinds(&plan), ["build", "tag", "push", "run", "prune"]);
    assert_eq!(plan.steps[4].after, [plan.steps[3].id], "only once the new one works");
    let mut after = simulate::apply_plan(&spec, &seen, &plan);
    assert_eq!(numbers(&mut after), [2, 3, 4]);
    let kept = ["a3/music-me/s2:2", "a3/music-me/s2:3", "a3/music-me/s2:4"];
    assert_eq!(tags(&mut after), kept);
}

#[test]
fn fewer_releases_are_kept() {
    let mut spec = host_spec();
    let seen = releases(&spec, 3);
    spec.keep_releases = 1;
    let plan = planned("prune_fewer", &spec, &seen);
    assert_eq!(kinds(&plan), ["prune"]);
    let mut after = simulate::apply_plan(&spec, &seen, &plan);
    assert_eq!((numbers(&mut after), tags(&mut after)), (vec![3], vec!["a3/music-me/s2:3".to_owned()]));
}

#[test]
fn what_others_use_or_have_named_stays() {
    let mut spec = host_spec();
    let mut seen = releases(&spec, 3);
    spec.keep_releases = 1;
    let image_id = facts(&mut seen, 0).kept[0].id.clone();
    facts(&mut seen, 0).kept[1].tags.extend(["mine:1".to_owned(), "a3/other/s2:7".to_owned()]);
    facts(&mut seen, 0).containers.push(ContainerSeen { image_id, ..foreign("theirs") });
    let plan = planned("prune_shared", &spec, &seen);
    let Action::Prune { releases, tags: gone, .. } = &plan.steps[0].action else { panic!("{plan:?}") };
    assert_eq!(
        (releases.as_slice(), gone.as_slice()),
        ([1, 2].as_slice(), ["a3/music-me/s2:2".to_owned()].as_slice())
    );
    let mut after = simulate::apply_plan(&spec, &seen, &plan);
    assert_eq!(tags(&mut after), ["a3/music-me/s2:1", "mine:1", "a3/other/s2:7", "a3/music-me/s2:3"]);
    // Once nobody uses it any more, it goes too.
    facts(&mut after, 0).containers.retain(|one| one.name != "theirs");
    assert_eq!(kinds(&a3::plan::plan(&spec, &after, &Options::default())), ["prune"]);
}

/// A kept release may run an image that an earlier one brought.
#[test]
fn an_image_that_a_kept_release_shares_stays() {
    let mut spec = host_spec();
    let mut seen = deployed(&spec);
    for level in ["a", "b", "c", "d"] {
        spec.services["s2"].environment.insert("LOG".into(), EnvValue::Plain(level.into()));
        seen = simulate::apply(&spec, &seen, &Options::default());
    }
    assert_eq!(numbers(&mut seen), [3, 4, 5]);
    assert_eq!(tags(&mut seen).len(), 5, "all of one image");
}

/// On `local` the machine is this one: what was built for a release that goes, goes with it.
#[test]
fn built_images_go_with_their_release() {
    let spec = local_spec();
    let mut seen = releases(&spec, 3);
    let built = &mut facts(&mut seen, 0).kept;
    built[0].tags.extend(["music-me-s2:src-0123456789ab".to_owned(), "music-me-s2:mine".to_owned()]);
    source(&mut seen, 4);
    let plan = planned("prune_local", &spec, &seen);
    let Some(Action::Prune { tags, .. }) = plan.steps.last().map(|step| &step.action) else {
        panic!("{plan:?}")
    };
    assert_eq!(tags.as_slice(), ["a3/music-me/s2:1", "music-me-s2:src-0123456789ab"]);
}
