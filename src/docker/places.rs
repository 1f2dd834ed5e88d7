//! How far a swap came, read off the two names that its containers can have. Pure: what is there goes
//! in, what is old, new and in the way comes out.

use super::container::ContainerDetail;
use super::create::NewContainer;
use crate::observed::ContainerState;
use crate::plan::names::label;

/// The containers of one service and replica.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Under its own name.
    pub(super) current: Option<ContainerDetail>,
    /// Under `NAME.a3-old`.
    pub(super) old: Option<ContainerDetail>,
}

/// The same containers by what they are to this swap.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Roles {
    /// To be replaced, and what a failure goes back to.
    pub(super) old: Option<ContainerDetail>,
    /// Already what is wanted: an earlier try came so far.
    pub(super) new: Option<ContainerDetail>,
    /// Left by an earlier swap of something else, and never proven to work.
    pub(super) discard: Option<ContainerDetail>,
    /// An earlier swap was cut off: whatever does not run was stopped by it.
    pub(super) interrupted: bool,
}

impl Places {
    /// Of two containers the one with the higher release is new; the name says how far it came.
    pub(super) fn roles(self, wanted: &NewContainer) -> Roles {
        match (self.current, self.old) {
            (None, old) => Roles { interrupted: old.is_some(), old, ..Roles::default() },
            // The last step of this very swap was to remove the old one.
            (Some(current), None) if is_wanted(&current, wanted) && same_release(&current, wanted) => {
                Roles { new: Some(current), interrupted: true, ..Roles::default() }
            }
            (Some(current), None) => Roles { old: Some(current), ..Roles::default() },
            (Some(current), Some(old)) => {
                let mut roles = Roles { interrupted: true, ..Roles::default() };
                if old.release() > current.release() {
                    // Not a state that a swap leaves: trust what has the service's name.
                    (roles.old, roles.discard) = (Some(current), Some(old));
                } else if is_wanted(&current, wanted) && (has_run(&current) || same_release(&current, wanted))
                {
                    (roles.old, roles.new) = (Some(old), Some(current));
                } else {
                    (roles.old, roles.discard) = (Some(old), Some(current));
                }
                roles
            }
        }
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
        let roles = Places { current, old }.roles(&wanted);
        [roles.old, roles.new, roles.discard].map(|found| found.map(|found| found.seen.id))
    }

    fn ids<'a>(ids: [Option<&'a str>; 3]) -> [Option<String>; 3] {
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
