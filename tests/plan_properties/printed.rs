//! What is printed of a case that breaks a promise, is a golden scenario: one that was printed stands in
//! `tests/plan_golden/found.rs` as it was, and runs there.

use crate::case::Case;
use crate::draw::{Draw, Edit, GROUPS, OfGroup, OfService};
use crate::promises::accident::Accident;

fn group(index: usize, field: OfGroup, value: u8) -> Edit {
    Edit { of: u8::try_from(1 + index).unwrap(), field: field as u8, value }
}

fn service(index: usize, field: OfService, value: u8) -> Edit {
    Edit { of: u8::try_from(1 + GROUPS + index).unwrap(), field: field as u8, value }
}

/// A service moves from one host to another, and the engine of the first does not run any more.
fn moved() -> Case {
    let before = [
        group(0, OfGroup::Present, 255),
        group(1, OfGroup::Present, 255),
        service(0, OfService::Present, 255),
        service(1, OfService::Present, 255),
        service(1, OfService::On, 1),
    ];
    Case {
        draw: Draw::plain().edited(&before),
        edits: vec![service(1, OfService::On, 0)],
        releases: 1,
        accidents: vec![Accident::DockerStopped { at: 1 }],
        back: false,
        replace: None,
        target: None,
    }
}

#[test]
fn a_case_is_printed_as_a_golden_scenario() {
    let printed = moved().as_golden("promise::converges(&spec, &stage, &options)");
    let goldens = include_str!("../plan_golden/found.rs");
    assert!(goldens.contains(&printed), "{printed}");
}

#[test]
fn what_was_asked_for_is_printed_too() {
    let asked = Case { replace: Some(0), target: Some(2), accidents: Vec::new(), ..moved() };
    let ec2 = Case { draw: asked.draw.edited(&[group(0, OfGroup::Kind, 3)]), edits: Vec::new(), ..asked };
    let printed = ec2.as_golden("promise::converges(&spec, &stage, &options)");
    let options = "    let options = Options { replace: [Slot::new(\"web\", 0)].into(), target: [\"db/0\".into()].into(), ..Options::default() };\n";
    assert!(printed.contains(options), "{printed}");
    assert!(printed.contains("    let spec = before.clone();\n"), "{printed}");
    assert!(printed.contains("    let stage = Stage::lived(&before, 1);\n"), "{printed}");
}
