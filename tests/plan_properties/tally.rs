//! How many cases a property has, and what they were: one whose cases are nearly all trivial proves
//! nothing, so the shares are held, too.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::promises::promise::Tried;

/// A property, and what its cases have to be.
pub(crate) struct Property {
    pub(crate) name: &'static str,
    /// Of so many cases that are asked for, one is tried: for a property whose cases are dear.
    pub(crate) one_in: u32,
    /// Of a hundred cases, how many at least have a plan with steps that is not stopped.
    pub(crate) least: usize,
}

/// The same cases every time, so that what fails, fails again; `A3_PROPERTY_SEED`, a number, asks others.
fn rng() -> TestRng {
    let seed = std::env::var("A3_PROPERTY_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.unwrap_or(0).to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

#[derive(Default)]
struct Tally {
    cases: usize,
    full: usize,
    blocked: usize,
    steps: usize,
    again: usize,
    kinds: BTreeMap<&'static str, usize>,
}

impl Property {
    /// Asks all cases; the first that breaks the promise shrinks, and is printed by `golden`.
    pub(crate) fn holds<S: Strategy>(
        &self,
        inputs: &S,
        golden: impl Fn(&S::Value) -> String,
        promise: impl Fn(&S::Value) -> Tried,
    ) {
        let tally = RefCell::new(Tally::default());
        let cases = (cases() / self.one_in).max(1);
        let config = ProptestConfig {
            failure_persistence: None,
            max_shrink_iters: 4000,
            max_shrink_time: 20_000,
            ..ProptestConfig::with_cases(cases)
        };
        let outcome = TestRunner::new_with_rng(config, rng()).run(inputs, |input| {
            let tried = catch_unwind(AssertUnwindSafe(|| promise(&input))).map_err(|panic| {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                TestCaseError::fail(format!("{}\n{}", text.unwrap_or_default(), golden(&input)))
            })?;
            tally.borrow_mut().add(&tried);
            Ok(())
        });
        match outcome {
            Ok(()) => {}
            Err(TestError::Fail(why, _)) => panic!("{}: BROKEN {why}", self.name),
            Err(error) => panic!("{}: {error}", self.name),
        }
        tally.into_inner().tell(self);
    }
}

impl Tally {
    fn add(&mut self, tried: &Tried) {
        self.cases += 1;
        self.full += usize::from(tried.steps > 0 && !tried.blocked);
        self.blocked += usize::from(tried.blocked);
        self.steps += tried.steps;
        self.again += tried.again;
        for kind in &tried.kinds {
            *self.kinds.entry(kind).or_default() += 1;
        }
    }

    fn tell(self, property: &Property) {
        let Self { cases, full, blocked, steps, again, kinds } = self;
        let share = full * 100 / cases;
        let mut kinds: Vec<(&str, usize)> = kinds.into_iter().collect();
        kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        tell(&format!(
            "figure: property: {}: {cases} cases, {share} % with steps and not stopped ({} % stopped), {steps} \
             steps, {again} worlds planned again; {}",
            property.name,
            blocked * 100 / cases,
            kinds.join(", ")
        ));
        assert!(share >= property.least, "{}: only {share} % of the cases say anything", property.name);
    }
}

/// How many cases: `A3_PROPERTY_CASES`, and 256 where it is not set.
fn cases() -> u32 {
    std::env::var("A3_PROPERTY_CASES").ok().and_then(|number| number.parse().ok()).unwrap_or(256)
}

/// To where a test's own output is not captured.
fn tell(line: &str) {
    use std::io::Write as _;
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}
