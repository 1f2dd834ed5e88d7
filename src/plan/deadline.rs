//! When instances end themselves: the ttl in a plan.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::draft::Draft;
use super::launch_hash::ends_at;
use super::machine::GroupContext;
use super::reason::FieldChange;
use super::step::{BlockedKind, Modify};
use crate::observed::{InstanceState, OwnedInstance};

impl GroupContext<'_> {
    /// A ttl that would have passed already ends the machine as soon as it is written down there. That
    /// is a destroy, and has to be said as one.
    pub(super) fn ends_at_once(&self, one: &OwnedInstance, modify: &Modify, draft: &mut Draft) -> bool {
        let Some(end) = new_end(one, modify).flatten().filter(|end| *end <= self.now) else { return false };
        let why = format!(
            "with its new `ttl`, {} ({}) would have ended at {}: it would be gone at once",
            one.id,
            one.name,
            moment(end)
        );
        let help = format!("choose a longer ttl; or, to end it: a3 destroy --instance {}", one.slot);
        draft.block(one.slot.to_string(), BlockedKind::Refused, why, Some(help));
        true
    }

    /// Says when it ends, also where nothing changes. A ttl goes on while an instance is stopped.
    pub(super) fn notice_end(&self, one: &OwnedInstance, modify: &Modify, draft: &mut Draft) {
        let stopped = matches!(one.state, InstanceState::Stopped | InstanceState::Stopping);
        let passed = ends_at(one).filter(|end| *end <= self.now);
        let slot = &one.slot;
        if stopped && passed.is_some() {
            draft.notices.push(format!(
                "{slot}: its ttl passed while it was stopped, so it ends itself as soon as it starts (a3 apply --replace {slot})"
            ));
            return;
        }
        let notice = match (new_end(one, modify), ends_at(one)) {
            (Some(Some(end)), _) => format!("{slot} will then end itself at {}", moment(end)),
            (Some(None), _) => format!("{slot} will then not end itself any more"),
            (None, Some(end)) if end <= self.now => {
                format!(
                    "{slot}: its ttl passed at {}, and it still runs (a3 destroy --instance {slot})",
                    moment(end)
                )
            }
            (None, Some(end)) => format!("{slot} ends itself at {}", moment(end)),
            (None, None) => return,
        };
        draft.notices.push(notice);
    }
}

/// When it ends by the ttl that is written down next: `None` where that stays, `Some(None)` for never.
#[expect(clippy::option_option, reason = "as it is, never, and a time are three answers")]
fn new_end(one: &OwnedInstance, modify: &Modify) -> Option<Option<u64>> {
    modify.ttl.map(|ttl| ttl.map(|ttl| one.created.saturating_add(ttl.as_secs())))
}

/// Seconds since 1970 as `2026-11-25T09:03:12Z`.
pub fn moment(at: u64) -> String {
    let time = i64::try_from(at).ok().and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

/// The part of a change that a machine has to run for.
pub(super) fn take_ttl(
    one: &OwnedInstance,
    modify: &mut Modify,
    fields: &mut Vec<FieldChange>,
) -> Option<(Modify, Vec<FieldChange>)> {
    let ttl = modify.ttl.take()?;
    let mut later = Modify::nothing(one);
    later.ttl = Some(ttl);
    later.set_tags.extend(modify.set_tags.remove("a3:hash").map(|hash| ("a3:hash".to_owned(), hash)));
    let (moved, kept) = fields.drain(..).partition(|field| field.field == "ttl");
    *fields = kept;
    Some((later, moved))
}

/// As `ttl` is written: `8h`, `90m`, `45s`.
pub(super) fn ttl_text(seconds: u64) -> String {
    match seconds {
        0 => "none".into(),
        _ if seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
        _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_spans_are_written_as_people_do() {
        assert_eq!(moment(1_764_061_392), "2025-11-25T09:03:12Z");
        assert_eq!([28_800, 5_400, 45, 0].map(ttl_text), ["8h", "90m", "45s", "none"]);
    }
}
