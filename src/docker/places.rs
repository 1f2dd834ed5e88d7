//! How far a swap came, read off the names that its containers can have. Pure: what is there goes in,
//! what is old, new and in the way comes out.

use super::container::ContainerDetail;
use super::create::NewContainer;
use crate::observed::ContainerState;
use crate::plan::names::{self, label};

/// The containers of one service and replica.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Under its own name.
    pub(super) current: Option<ContainerDetail>,
    /// Under `NAME.a3-old`, and under the names that the service had before, theirs with `.a3-old` too.
    pub(super) others: Vec<ContainerDetail>,
}

/// The same containers by what they are to this swap.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Roles {
    /// To be replaced, and what a failure goes back to.
    pub(super) old: Option<ContainerDetail>,
    /// Already what is wanted: an earlier try came so far.
    pub(super) new: Option<ContainerDetail>,
    /// Left by earlier swaps of something else, and never proven to work.
    pub(super) discard: Vec<ContainerDetail>,
    /// An earlier swap was cut off: whatever does not run was stopped by it.
    pub(super) interrupted: bool,
}

impl Places {
    /// Of two containers the one with the higher release is new; the name says how far it came.
    pub(super) fn roles(self, wanted: &NewContainer) -> Roles {
        let Self { current, mut others } = self;
        let found = others.len() + usize::from(current.is_some());
        let aside = others.iter().any(|other| other.seen.name.ends_with(names::OLD_SUFFIX));
        let mut roles = Roles { interrupted: found > 1 || aside, ..Roles::default() };
        // A swap removes what it replaced once the new one is proven: the lowest release is what worked.
        others.sort_by_key(ContainerDetail::release);
        let mut others = others.into_iter();
        let old = others.next();
        roles.discard = others.collect();
        match (current, old) {
            (None, old) => roles.old = old,
            // The last step of this very swap was to remove the old one.
            (Some(current), None) if is_wanted(&current, wanted) && same_release(&current, wanted) => {
                (roles.new, roles.interrupted) = (Some(current), true);
            }
            (Some(current), None) => roles.old = Some(current),
            (Some(current), Some(old)) => {
                if old.release() > current.release() && !old.seen.name.ends_with(names::OLD_SUFFIX) {
                    // Not a state that a swap leaves, unless the name was changed back meanwhile: trust what
                    // has the service's name. What a swap has set aside had worked, whatever the numbers say:
                    // they may have begun again after a lost record.
                    roles.old = Some(current);
                    roles.discard.push(old);
                } else if is_wanted(&current, wanted) && (has_run(&current) || same_release(&current, wanted))
                {
                    (roles.old, roles.new) = (Some(old), Some(current));
                } else {
                    roles.old = Some(old);
                    roles.discard.push(current);
                }
            }
        }
        roles
    }
}

/// Image and settings by their labels.
fn is_wanted(found: &ContainerDetail, wanted: &NewContainer) -> bool {
    [label::IMAGE, label::CONFIG]
        .iter()
        .all(|key| wanted.labels.contains_key(*key) && found.seen.labels.get(*key) == wanted.labels.get(*key))
}

fn same_release(found: &ContainerDetail, wanted: &NewContainer) -> bool {
    found.seen.labels.get(label::RELEASE) == wanted.labels.get(label::RELEASE)
}

fn has_run(found: &ContainerDetail) -> bool {
    found.seen.state != ContainerState::Created
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::create::tests::bare;
    use crate::docker::inspect::tests::detail_with;

    fn found(id: &str, release: u64, config: &str, status: &str) -> Option<ContainerDetail> {
        let mut detail = detail_with(status, 0, "no", None);
        detail.seen.id = id.into();
        detail.seen.labels = labels(release, config);
        Some(detail)
    }

    fn labels(release: u64, config: &str) -> std::collections::BTreeMap<String, String> {
        [(label::RELEASE, release.to_string()), (label::CONFIG, config.into()), (label::IMAGE, "i".into())]
            .map(|(key, value)| (key.to_owned(), value))
            .into()
    }

    /// Old, new and discarded by id, for a swap to release 6 with configuration `c`.
    fn roles(current: Option<ContainerDetail>, old: Option<ContainerDetail>) -> [Option<String>; 3] {
        let wanted = NewContainer { labels: labels(6, "c"), ..bare() };
        let roles = Places { current, others: old.into_iter().collect() }.roles(&wanted);
        assert!(roles.discard.len() < 2);
        [roles.old, roles.new, roles.discard.into_iter().next()].map(|found| found.map(|found| found.seen.id))
    }

    #[test]
    fn another_name_before_is_what_a_failure_goes_back_to() {
        let wanted = NewContainer { labels: labels(6, "c"), ..bare() };
        let named = |id: &str, release: u64, name: &str| {
            let mut one = found(id, release, "b", "exited").unwrap();
            one.seen.name = name.into();
            one
        };
        let roles = |current: Option<ContainerDetail>, others: Vec<ContainerDetail>| {
            let roles = Places { current, others }.roles(&wanted);
            let discard: Vec<String> = roles.discard.into_iter().map(|found| found.seen.id).collect();
            let [old, new] = [roles.old, roles.new].map(|found| found.map(|found| found.seen.id));
            (old, new, discard, roles.interrupted)
        };
        let some = |id: &str| Some(id.to_owned());
        // Stopped by somebody before the name changed: it stays so if this goes back.
        let before = vec![named("x", 5, "x")];
        assert_eq!(roles(None, before.clone()), (some("x"), None, Vec::new(), false));
        let new = found("n", 6, "c", "created");
        assert_eq!(roles(new, before), (some("x"), some("n"), Vec::new(), true));
        // Its own swap was cut off, and then the name changed: what was set aside had been proven.
        let both = vec![named("n", 5, "x"), named("x", 4, "x.a3-old")];
        assert_eq!(roles(None, both), (some("x"), None, vec!["n".into()], true));
        // The name changed there and back again.
        let there = vec![named("y", 6, "y")];
        assert_eq!(roles(found("a", 5, "b", "exited"), there), (some("a"), None, vec!["y".into()], true));
    }

    /// An earlier a3 counted from 1 again after a lost record.
    #[test]
    fn what_was_set_aside_had_worked_whatever_its_number() {
        let aside = || {
            let mut old = found("a", 7, "b", "exited").unwrap();
            old.seen.name = "s2.a3-old".into();
            Some(old)
        };
        assert_eq!(roles(found("n", 1, "c", "running"), aside()), ids([Some("a"), Some("n"), None]));
        assert_eq!(roles(found("n", 1, "x", "running"), aside()), ids([Some("a"), None, Some("n")]));
    }

    fn ids(ids: [Option<&str>; 3]) -> [Option<String>; 3] {
        ids.map(|id| id.map(Into::into))
    }

    #[test]
    fn every_state_that_a_swap_can_be_cut_off_in() {
        assert_eq!(roles(None, None), ids([None, None, None]));
        // Nothing done yet, and the old one renamed.
        assert_eq!(roles(found("a", 5, "b", "running"), None), ids([Some("a"), None, None]));
        assert_eq!(roles(None, found("a", 5, "b", "running")), ids([Some("a"), None, None]));
        // The new one created, and started; this swap's own, and the same of an earlier release.
        let old = || found("a", 4, "b", "exited");
        assert_eq!(roles(found("n", 6, "c", "created"), old()), ids([Some("a"), Some("n"), None]));
        assert_eq!(roles(found("n", 6, "c", "running"), old()), ids([Some("a"), Some("n"), None]));
        assert_eq!(roles(found("n", 5, "c", "running"), old()), ids([Some("a"), Some("n"), None]));
        assert_eq!(roles(found("n", 5, "c", "created"), old()), ids([Some("a"), None, Some("n")]));
        // The old one removed.
        assert_eq!(roles(found("n", 6, "c", "running"), None), ids([None, Some("n"), None]));
        assert_eq!(roles(found("n", 5, "c", "running"), None), ids([Some("n"), None, None]));
    }

    #[test]
    fn what_an_earlier_swap_of_something_else_left_is_discarded() {
        let old = || found("a", 4, "b", "exited");
        assert_eq!(roles(found("n", 5, "x", "running"), old()), ids([Some("a"), None, Some("n")]));
        assert_eq!(roles(found("n", 5, "x", "created"), old()), ids([Some("a"), None, Some("n")]));
    }

    #[test]
    fn the_name_wins_over_a_higher_release_on_the_side() {
        let stray = found("s", 7, "c", "running");
        assert_eq!(roles(found("a", 4, "b", "running"), stray), ids([Some("a"), None, Some("s")]));
    }
}
