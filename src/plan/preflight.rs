//! What was found out about a plan before any of it is done: EC2's answers to the calls that it would
//! make, and what could not be checked. Pure, as the plan is: the answers are plain data.

use super::step::{Blocked, BlockedKind, NotChecked, Plan, StepId};
use crate::observed::{CallSaid, CallSeen, Cause, Unchecked};

/// Writes what EC2 said to a plan's calls into the plan: a refusal stops it, as any decision that could
/// not be made does, and what was not asked is listed.
///
/// Neither is a part of a plan's canonical form: it is about who looks. Who approves a plan and who
/// applies it may be two, and the rights of whoever applies it are asked again then.
pub fn settle(plan: &mut Plan, answers: Vec<(StepId, CallSeen)>) {
    // What is known to be wrong is not said a second time in EC2's words; a missing right is.
    let wrong: Vec<String> = plan.blocked.iter().map(|blocked| blocked.address.clone()).collect();
    let mut unasked: Vec<(String, Vec<(&'static str, String)>)> = Vec::new();
    for (step, seen) in answers {
        let Some(address) = plan.steps.iter().find(|one| one.id == step).map(|one| one.address.clone())
        else {
            continue;
        };
        match seen.said {
            CallSaid::Allowed => {}
            CallSaid::Refused { missing_right: false, .. } if wrong.contains(&address) => {}
            CallSaid::Refused { cause, .. } => refuse(plan, address, cause),
            CallSaid::NotChecked(why) => match unasked.iter_mut().find(|(other, _)| *other == why) {
                Some((_, calls)) => calls.push((seen.action, address)),
                None => unasked.push((why, vec![(seen.action, address)])),
            },
        }
    }
    for (why, calls) in unasked {
        list(plan, why, &calls);
    }
}

fn refuse(plan: &mut Plan, address: String, cause: Cause) {
    let refused = Blocked { address, why: cause.message, help: cause.help, kind: BlockedKind::Impossible };
    if !plan.blocked.contains(&refused) {
        plan.blocked.push(refused);
    }
}

/// One entry a reason, with every call and every step: which rights it is about fits on a line.
fn list(plan: &mut Plan, why: String, calls: &[(&'static str, String)]) {
    let mut actions: Vec<&str> = calls.iter().map(|(action, _)| *action).collect();
    actions.sort_unstable();
    actions.dedup();
    let mut addresses: Vec<String> = Vec::new();
    for (_, address) in calls {
        if !addresses.contains(address) {
            addresses.push(address.clone());
        }
    }
    let help = plan.scope.caller.as_deref().and_then(principal).map(|principal| {
        let actions = actions.join(" ");
        format!("aws iam simulate-principal-policy --policy-source-arn {principal} --action-names {actions}")
    });
    plan.not_checked.push(NotChecked { addresses, what: actions.join(", "), why, help });
}

/// Whose policies a caller acts under, as a word of a shell: a user, or the role of a session. A session's
/// name lacks its role's path (IAM Identity Center's roles have one), so that is asked for on the way. An
/// account's root user has none.
fn principal(caller: &str) -> Option<String> {
    let parts: Vec<&str> = caller.splitn(6, ':').collect();
    let [_, _, service, _, _, what] = parts.as_slice() else { return None };
    let mut words = what.split('/');
    match (*service, words.next()?, words.next()) {
        ("iam", "user", Some(_)) => Some(caller.to_owned()),
        ("sts", "assumed-role", Some(role)) => {
            Some(format!("\"$(aws iam get-role --role-name {role} --query Role.Arn --output text)\""))
        }
        _ => None,
    }
}

/// Adds to a list; what is the same for several steps is said once.
pub(super) fn note(list: &mut Vec<NotChecked>, address: String, one: Unchecked) {
    let Unchecked { what, why, help } = one;
    let same = |other: &&mut NotChecked| (&other.what, &other.why, &other.help) == (&what, &why, &help);
    match list.iter_mut().find(same) {
        Some(known) if known.addresses.contains(&address) => {}
        Some(known) => known.addresses.push(address),
        None => list.push(NotChecked { addresses: vec![address], what, why, help }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_acts_under_its_role() {
        let user = "arn:aws:iam::1:user/a/me";
        assert_eq!(principal(user).as_deref(), Some(user));
        for role in ["deploy", "AWSReservedSSO_Admins_0123456789abcdef"] {
            let session = format!("arn:aws-cn:sts::1:assumed-role/{role}/me@laptop");
            let asked = format!("\"$(aws iam get-role --role-name {role} --query Role.Arn --output text)\"");
            assert_eq!(principal(&session), Some(asked), "its path is not in the session's name");
        }
        assert_eq!(principal("arn:aws:iam::1:root"), None);
        assert_eq!(principal("me"), None);
    }
}
