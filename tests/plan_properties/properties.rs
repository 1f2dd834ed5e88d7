//! The properties.

use a3::plan::{Destroy, plan};
use proptest::prelude::*;

use crate::case::Case;
use crate::promises::accident::AWAY;
use crate::promises::promise::{Tried, converges, destroys, goes_on, is_the_same_twice, leaves_alone, mends};
use crate::tally::Property;

#[test]
fn a_plan_that_is_applied_leaves_nothing_to_plan() {
    let property = Property { name: "a plan that is applied leaves nothing to plan", one_in: 1, least: 50 };
    let golden = |case: &Case| case.as_golden("promise::converges(&spec, &stage, &options)");
    property.holds(&Case::any(true), golden, |case| {
        let scene = case.scene();
        converges(&scene.spec, &scene.stage, &scene.options)
    });
}

#[test]
fn a_plan_is_told_truly() {
    let property = Property {
        name: "a plan is the same twice, shows no secret, and ends as its exit code",
        one_in: 1,
        least: 20,
    };
    let golden = |case: &Case| {
        case.as_golden("let plans = [0, 1].map(|_| plan(&spec, &stage.seen, &options));\n    promise::is_the_same_twice(&plans[0], &plans[1])")
    };
    property.holds(&Case::any(false), golden, |case| {
        let scene = case.scene();
        let planned = [0, 1].map(|_| plan(&scene.spec, &scene.stage.seen, &scene.options));
        is_the_same_twice(&planned[0], &planned[1]);
        let [planned, _] = planned;
        Tried {
            steps: planned.steps.len(),
            kinds: planned.steps.iter().map(|step| step.action.kind()).collect(),
            again: 1,
            blocked: !planned.blocked.is_empty(),
        }
    });
}

fn order() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![Just(Vec::new()), prop::collection::vec(any::<u8>(), 1..12)]
}

#[test]
fn every_place_to_crash_is_gone_on_from() {
    let property =
        Property { name: "every place at which an apply crashes is gone on from", one_in: 10, least: 50 };
    let inputs = (Case::any(true), order());
    let golden = |(case, order): &(Case, Vec<u8>)| {
        case.as_golden(&format!("promise::goes_on(&spec, &stage, &options, &{order:?})"))
    };
    property.holds(&inputs, golden, |(case, order)| {
        let scene = case.scene();
        goes_on(&scene.spec, &scene.stage, &scene.options, order)
    });
}

#[test]
fn a_step_that_fails_is_mended() {
    let property = Property {
        name: "a failed step skips what hangs on it, the rest goes on, the next plan mends it",
        one_in: 1,
        least: 50,
    };
    let fails = prop::collection::vec(prop::bool::weighted(0.3), 1..8);
    let inputs = (Case::any(true), order(), fails);
    let golden = |(case, order, fails): &(Case, Vec<u8>, Vec<bool>)| {
        case.as_golden(&format!("promise::mends(&spec, &stage, &{order:?}, &{fails:?})"))
    };
    property.holds(&inputs, golden, |(case, order, fails)| {
        let scene = case.scene();
        mends(&scene.spec, &scene.stage, order, fails)
    });
}

#[test]
fn what_is_away_is_left_alone() {
    let property = Property { name: "what is away is neither made nor ended", one_in: 1, least: 30 };
    let away = (0..AWAY.len(), 0..8u8).prop_map(|(kind, at)| AWAY[kind](at));
    let inputs = (Case::any(true), away);
    let golden = |(case, away): &(Case, crate::promises::accident::Away)| {
        case.as_golden(&format!("promise::leaves_alone(&spec, &stage, Away::{away:?})"))
    };
    property.holds(&inputs, golden, |(case, away)| {
        let scene = case.scene();
        leaves_alone(&scene.spec, &scene.stage, *away)
    });
}

#[test]
fn a_destroy_leaves_nothing_of_ours_and_all_that_is_foreign() {
    let property =
        Property { name: "a destroy leaves nothing of ours and all that is foreign", one_in: 1, least: 30 };
    let inputs = (Case::any(false), any::<bool>(), any::<bool>());
    let golden = |(case, images, volumes): &(Case, bool, bool)| {
        let wanted = format!("Destroy {{ images: {images}, volumes: {volumes}, ..Destroy::default() }}");
        case.as_golden(&format!("promise::destroys(&spec, &stage, &{wanted})"))
    };
    property.holds(&inputs, golden, |(case, images, volumes)| {
        let scene = case.scene();
        let wanted = Destroy { images: *images, volumes: *volumes, ..Destroy::default() };
        destroys(&scene.spec, &scene.stage, &wanted)
    });
}
