//! One case: a file, what it became, and what has happened in between; and the golden that it becomes.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use a3::id::Slot;
use a3::plan::Options;
use a3::plan::rollback::{Back, past};
use a3::spec::Spec;
use proptest::prelude::*;

use crate::draw::{Draw, Edit};
use crate::promises::accident::{ACCIDENTS, Accident, MENDABLE, nth};
use crate::promises::stage::{Stage, spec_of};

/// As it is drawn, and as it shrinks.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) draw: Draw,
    pub(crate) edits: Vec<Edit>,
    pub(crate) releases: u32,
    pub(crate) accidents: Vec<Accident>,
    /// To the release before, where there is one.
    pub(crate) back: bool,
    pub(crate) replace: Option<u8>,
    pub(crate) target: Option<u8>,
}

/// What a promise is asked of.
pub(crate) struct Scene {
    pub(crate) before: String,
    pub(crate) after: String,
    pub(crate) spec: Spec,
    pub(crate) stage: Stage,
    pub(crate) options: Options,
    pub(crate) went_back: bool,
}

impl Case {
    /// `mendable`: of nothing that stops a plan by itself.
    pub(crate) fn any(mendable: bool) -> impl Strategy<Value = Self> {
        let edit = (any::<u8>(), any::<u8>(), any::<u8>());
        let edit = edit.prop_map(|(of, field, value)| Edit { of, field, value });
        let kinds = if mendable { MENDABLE } else { ACCIDENTS.len() };
        let accident = (0..kinds, 0..8u8).prop_map(|(kind, at)| ACCIDENTS[kind](at));
        let edits = prop::collection::vec(edit, 0..8);
        let accidents = prop::collection::vec(accident, 0..5);
        let rarely = |percent: f64| prop::option::weighted(percent, 0..8u8);
        let history = (0..3u32, prop::bool::weighted(0.1));
        let asked = (rarely(0.1), rarely(0.1));
        (Draw::any(), edits, history, accidents, asked).prop_map(
            |(draw, edits, (releases, back), accidents, (replace, target))| Self {
                draw,
                edits,
                releases,
                accidents,
                back,
                replace,
                target,
            },
        )
    }

    pub(crate) fn scene(&self) -> Scene {
        let (before, after) = (self.draw.yaml(), self.draw.edited(&self.edits).yaml());
        let old = spec_of(&before);
        let mut spec = if before == after { old.clone() } else { spec_of(&after) };
        let mut stage = Stage::lived(&old, self.releases).with(&spec);
        self.accidents.iter().for_each(|accident| stage.happens(*accident));
        let mut went_back = false;
        if self.back
            && let Ok(past) = past(&spec, &stage.seen, &Back::default())
        {
            spec = past.spec;
            stage = stage.with(&spec);
            went_back = true;
        }
        let mut options = Options::default();
        let slots: Vec<Slot> = spec.slots().map(|(slot, _)| slot).collect();
        if let Some(at) = self.replace {
            let is_ec2 = |slot: &Slot| stage.machine(&spec, slot).is_some_and(|id| id.starts_with("i-"));
            options.replace.extend(nth(slots.iter().filter(|slot| is_ec2(slot)).cloned(), at));
        }
        if let Some(at) = self.target {
            let names = spec.services.keys().chain(spec.groups.keys()).cloned();
            let names: BTreeSet<String> = names.chain(slots.iter().map(Slot::to_string)).collect();
            options.target.extend(nth(names.into_iter(), at));
        }
        Scene { before, after, spec, stage, options, went_back }
    }

    /// A golden scenario that can be pasted into tests/plan_golden, with the promise that was broken.
    pub(crate) fn as_golden(&self, promise: &str) -> String {
        let scene = self.scene();
        let mut code = String::from("\n#[test]\nfn found() {\n");
        let Scene { before, after, options, .. } = &scene;
        let quoted = |text: &str| format!("spec_of(\n        r##\"\n{text}\"##,\n    )");
        writeln!(code, "    let before = {};", quoted(before)).unwrap();
        let changed = scene.went_back || before != after;
        if before == after {
            writeln!(code, "    let spec = before.clone();").unwrap();
        } else {
            writeln!(code, "    let spec = {};", quoted(after)).unwrap();
        }
        let mutable = if self.accidents.is_empty() && !scene.went_back { "" } else { "mut " };
        let with = if changed { ".with(&spec)" } else { "" };
        writeln!(code, "    let {mutable}stage = Stage::lived(&before, {}){with};", self.releases).unwrap();
        for accident in &self.accidents {
            writeln!(code, "    stage.happens(Accident::{accident:?});").unwrap();
        }
        if scene.went_back {
            writeln!(code, "    let spec = a3::plan::rollback::past(&spec, &stage.seen, &Default::default()).unwrap().spec;").unwrap();
            writeln!(code, "    stage = stage.with(&spec);").unwrap();
        }
        let set = |values: Vec<String>| format!("[{}].into()", values.join(", "));
        let mut fields = Vec::new();
        if !options.replace.is_empty() {
            let slots =
                options.replace.iter().map(|slot| format!("Slot::new({:?}, {})", slot.group, slot.index));
            fields.push(format!("replace: {}", set(slots.collect())));
        }
        if !options.target.is_empty() {
            let names = options.target.iter().map(|name| format!("{name:?}.into()"));
            fields.push(format!("target: {}", set(names.collect())));
        }
        fields.push("..Options::default()".to_owned());
        let options = if fields.len() == 1 {
            "Options::default()".to_owned()
        } else {
            format!("Options {{ {} }}", fields.join(", "))
        };
        writeln!(code, "    let options = {options};").unwrap();
        writeln!(code, "    golden(\"found\", &plan(&spec, &stage.seen, &options));").unwrap();
        writeln!(code, "    {promise};\n}}").unwrap();
        code
    }
}
