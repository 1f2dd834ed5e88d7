//! Teammates' public keys on a machine (`ssh.authorized_keys`).

use super::draft::{Draft, NewStep};
use super::host::HostContext;
use super::reason::{FieldChange, Reason, Shown};
use super::step::{Action, Change, StepId};
use crate::spec::Machine;

/// Plans who else may log in; only the part of `authorized_keys` that is this deployment's counts.
pub(crate) fn plan(cx: &HostContext<'_>, draft: &mut Draft) {
    if matches!(cx.group.machine, Machine::Local) {
        return;
    }
    let wanted = &cx.group.ssh.authorized_keys;
    let none = Vec::new();
    let there = cx.facts.map_or(&none, |facts| &facts.admitted);
    if there == wanted {
        if !wanted.is_empty() {
            draft.unchanged.push(address(cx));
        }
        return;
    }
    let change = match (there.is_empty(), wanted.is_empty()) {
        (true, _) => Change::Create,
        (false, true) => Change::Delete,
        (false, false) => Change::Update,
    };
    let reason = match cx.facts {
        None => cx.unseen(),
        Some(_) if wanted.is_empty() => Reason::LeftSpec,
        Some(_) => Reason::KeysDiffer,
    };
    add(cx, (change, wanted.clone()), reason, draft);
}

/// Takes away what is there.
pub(crate) fn remove(cx: &HostContext<'_>, draft: &mut Draft) -> Option<StepId> {
    let there = cx.facts.map(|facts| &facts.admitted).filter(|keys| !keys.is_empty());
    there.map(|_| add(cx, (Change::Delete, Vec::new()), Reason::Destroy, draft))
}

fn address(cx: &HostContext<'_>) -> String {
    format!("{}.authorized_keys", cx.slot)
}

fn add(
    cx: &HostContext<'_>,
    (change, keys): (Change, Vec<String>),
    reason: Reason,
    draft: &mut Draft,
) -> StepId {
    let none = Vec::new();
    let there = cx.facts.map_or(&none, |facts| &facts.admitted);
    let gone = there.iter().filter(|key| !keys.contains(key));
    let gone = gone.map(|key| FieldChange::changed("key", Shown::Text(short(key)), Shown::Nothing));
    let new = keys.iter().filter(|key| !there.contains(key));
    let fields = gone.chain(new.map(|key| FieldChange::new("key", Shown::Text(short(key))))).collect();
    let action = Action::Admit { slot: cx.slot.clone(), keys };
    let step = NewStep::new(address(cx), change, action).because(reason).fields(fields);
    draft.add(step.after(cx.reach).provisional(cx.late))
}

/// `ssh-ed25519 …YLio ann@laptop`.
fn short(key: &str) -> String {
    let mut parts = key.splitn(3, ' ');
    let (kind, data) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let end = data.get(data.len().saturating_sub(8)..).unwrap_or(data);
    format!("{kind} …{end} {}", parts.next().unwrap_or_default()).trim_end().to_owned()
}
