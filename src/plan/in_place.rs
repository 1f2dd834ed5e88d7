//! What `docker update` can change: what the spec wants, what a3 last asked for, what the engine has.

use super::diff;
use super::reason::{FieldChange, Origin};
use crate::record::{InPlace, InPlaceSeen};
use crate::spec::Service;

/// What the spec wants.
pub(super) fn wanted(service: &Service) -> InPlace {
    InPlace { restart: service.restart, mem_limit: service.mem_limit, nano_cpus: service.nano_cpus }
}

/// What differs, and who made it so. After a lost record only the engine knows what it has.
pub(super) fn compare(
    wanted: &InPlace,
    recorded: Option<&InPlace>,
    seen: Option<&InPlaceSeen>,
) -> Vec<FieldChange> {
    let Some(asked) = recorded else {
        return seen.map_or_else(Vec::new, |seen| diff::in_place(&seen.beside(wanted), wanted));
    };
    let now = seen.map_or_else(|| asked.clone(), |seen| seen.since(asked));
    let rows = diff::in_place_rows(wanted).into_iter().zip(diff::in_place_rows(asked));
    let rows = rows.zip(diff::in_place_rows(&now));
    let changes = rows.filter_map(|(((key, wanted), (_, asked)), (_, now))| {
        let change = |before, origin| Some(FieldChange::changed(key, before, wanted.clone()).by(origin));
        match (wanted == asked, now == asked) {
            (true, true) => None,
            (true, false) => change(now, Origin::World),
            (false, true) => change(asked, Origin::Spec),
            // Somebody has done it by hand, or a crash came before it was written down.
            (false, false) if now == wanted => change(asked, Origin::Spec),
            (false, false) => change(now, Origin::Both { asked }),
        }
    });
    changes.collect()
}
