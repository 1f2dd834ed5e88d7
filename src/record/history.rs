//! The releases of a deployment, put together from what its machines remember.

use std::collections::BTreeMap;

use super::{Record, Release, ReleaseStatus, ReleasedService};
use crate::id::Slot;
use crate::spec::Rollback;

/// What every machine remembers.
#[derive(Clone, Debug, Default)]
pub struct History<'a> {
    /// By number.
    releases: BTreeMap<u64, BTreeMap<&'a Slot, &'a Release>>,
    /// Every machine that has a record, one without a release too.
    slots: Vec<&'a Slot>,
}

impl<'a> History<'a> {
    /// Puts the records of machines together.
    pub fn of(records: impl IntoIterator<Item = (&'a Slot, &'a Record)>) -> Self {
        let mut history = Self::default();
        for (slot, record) in records {
            history.slots.push(slot);
            for release in &record.releases {
                history.releases.entry(release.number).or_default().insert(slot, release);
            }
        }
        history
    }

    /// The numbers that any machine remembers, in order.
    pub fn numbers(&self) -> impl DoubleEndedIterator<Item = u64> {
        self.releases.keys().copied()
    }

    /// The machines that remember anything.
    pub fn slots(&self) -> &[&'a Slot] {
        &self.slots
    }

    /// A release as each machine that took part remembers it.
    pub fn release(&self, number: u64) -> impl Iterator<Item = (&'a Slot, &'a Release)> {
        self.releases.get(&number).into_iter().flatten().map(|(slot, release)| (*slot, *release))
    }

    /// Whether it ended well on every machine that took part.
    pub fn is_complete(&self, number: u64) -> bool {
        let mut statuses = self.release(number).map(|(_, release)| release.status).peekable();
        statuses.peek().is_some() && statuses.all(|status| status == ReleaseStatus::Complete)
    }

    /// The highest complete release.
    pub fn last_complete(&self) -> Option<u64> {
        self.numbers().rev().find(|number| self.is_complete(*number))
    }

    /// What a release went back to.
    pub fn rollback(&self, number: u64) -> Option<&'a Rollback> {
        self.release(number).find_map(|(_, release)| release.rollback.as_ref())
    }

    /// What a machine ran when a release was the newest: as that release left it, or, where it took no
    /// part, as the last complete one before left it. `None` where it remembers none so early.
    pub fn services_at(
        &self,
        slot: &Slot,
        number: u64,
    ) -> Option<(u64, &'a BTreeMap<String, ReleasedService>)> {
        let earlier = self.releases.range(..=number).rev();
        let mut of_slot = earlier.filter_map(|(number, on)| Some((*number, *on.get(slot)?)));
        let found = of_slot.find(|(_, release)| release.status == ReleaseStatus::Complete);
        found.map(|(number, release)| (number, &release.services))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(number: u64, status: ReleaseStatus) -> Release {
        Release { number, status, by: "me@here".into(), at: 0, services: BTreeMap::new(), rollback: None }
    }

    #[test]
    fn a_release_is_complete_where_all_that_took_part_say_so() {
        use ReleaseStatus::{Complete, Failed};
        let (a, b) = (Slot::new("web", 0), Slot::new("web", 1));
        let first = Record {
            releases: vec![release(1, Complete), release(2, Complete), release(3, Failed)],
            ..Record::default()
        };
        let second =
            Record { releases: vec![release(1, Complete), release(3, Complete)], ..Record::default() };
        let history = History::of([(&a, &first), (&b, &second)]);
        assert_eq!(history.numbers().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(history.last_complete(), Some(2));
        assert_eq!(history.services_at(&b, 2).map(|(number, _)| number), Some(1));
        assert_eq!(history.services_at(&a, 3).map(|(number, _)| number), Some(2));
        assert!(history.services_at(&a, 0).is_none());
    }
}
