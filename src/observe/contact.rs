//! A host key that was accepted at first contact is held against the instance's console, until that
//! answers or for a day.

use super::{Approach, World, now};
use crate::observed::{Cause, HostSeen, NotYet, OwnedInstance};
use crate::record::{HostKeyTag, KeySource};
use crate::spec::Group;
use crate::ssh::Pin;

/// Seconds after the launch in which the console is asked: its output is kept for the instance's
/// life, but what it has not shown in a day it will not show.
const ASKED_FOR: u64 = 24 * 3600;

/// What the console says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Contact {
    /// Nothing, or the key is not of a first contact.
    Open,
    /// It is the machine's own key: the tag that says so.
    Confirmed(HostKeyTag),
    /// It is another machine's.
    Denied(Cause),
}

/// Asks the console of a machine whose key was accepted at first contact.
pub(crate) async fn check(world: &World, group: &Group, one: &OwnedInstance) -> Contact {
    let tag = one.host_key.as_deref().and_then(|tag| tag.parse::<HostKeyTag>().ok());
    let Some(tag) = tag.filter(|tag| tag.source == KeySource::FirstContact) else { return Contact::Open };
    if now().saturating_sub(one.launched) > ASKED_FOR {
        return Contact::Open;
    }
    let Some(Ok(cloud)) = world.clouds.get(&group.name) else { return Contact::Open };
    // The console is a help, not a need: whatever keeps it from answering, the next plan asks again.
    match cloud.console_host_keys(&one.id).await {
        Ok(lines) => judge(&tag, &lines, one),
        Err(_) => Contact::Open,
    }
}

/// A machine whose key nobody has tagged yet is known by its console, where that shows it: the tag that
/// says so.
pub(crate) async fn pin(
    world: &World,
    group: &Group,
    one: &OwnedInstance,
    approach: &mut Approach,
) -> Option<HostKeyTag> {
    let cloud = world.clouds.get(&group.name)?.as_ref().ok()?;
    let lines = cloud.console_host_keys(&one.id).await.ok()?;
    let tag = HostKeyTag::from_console(&lines)?;
    // A key that makes no sense pins nothing.
    approach.pin(&tag).ok()?;
    Some(tag)
}

/// With `ssh.strict`, nothing is sent to a machine that its console does not vouch for.
pub(crate) fn silent_console(one: &OwnedInstance, boots: bool) -> HostSeen {
    if boots {
        return HostSeen::NotYet(NotYet::Booting);
    }
    HostSeen::Unreachable(Cause {
        message: format!("the console of {} ({}) does not show its host keys", one.slot, one.id),
        help: Some("wait for it, or leave out `ssh.strict`".to_owned()),
    })
}

fn judge(tag: &HostKeyTag, lines: &[String], one: &OwnedInstance) -> Contact {
    let Ok(accepted) = tag.key.parse::<Pin>() else { return Contact::Open };
    let console: Vec<Pin> = lines.iter().filter_map(|line| line.parse().ok()).collect();
    if console.is_empty() {
        return Contact::Open;
    }
    if console.iter().any(|key| key.is(&accepted)) {
        return Contact::Confirmed(HostKeyTag { source: KeySource::Console, ..tag.clone() });
    }
    let shown: Vec<String> = console.iter().map(Pin::shown).collect();
    Contact::Denied(Cause {
        message: format!(
            "{} ({}) showed the host key {} at first contact, its console says {}",
            one.slot,
            one.id,
            accepted.shown(),
            shown.join(" or ")
        ),
        help: Some(format!(
            "someone else may have answered. Compare: aws ec2 get-console-output --latest --instance-id {}; \
             if in doubt, a3 destroy --instance {} and apply anew",
            one.id, one.slot
        )),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Arch, Slot};
    use crate::observed::InstanceState;

    const OWN: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";
    const OTHER: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBG1eSysVIdb3SKIX/gfM0fGybAxsscybguqqMQk7BvMcmN5QPyugLM82GjDJHpnPwzNaEqFiHbkU1YB2JYyWK+0=";

    fn instance() -> OwnedInstance {
        OwnedInstance {
            id: "i-1".into(),
            slot: Slot::new("web", 0),
            generation: 1,
            name: "furious_curie".into(),
            state: InstanceState::Running,
            launched: 0,
            created: 0,
            instance_type: "t2.micro".into(),
            arch: Arch::Amd64,
            image_id: "ami-1".into(),
            user: None,
            key_name: None,
            subnet_id: None,
            vpc_id: None,
            security_groups: Vec::new(),
            iam_instance_profile: None,
            hop_limit: None,
            tokens_required: None,
            public_ip: None,
            private_ip: None,
            spot: false,
            protected: None,
            protection_unseen: None,
            hash: None,
            host_key: None,
            deadline: None,
            tags: std::collections::BTreeMap::new(),
            state_reason: None,
        }
    }

    fn judged(tag: &str, console: &[&str]) -> Contact {
        let lines: Vec<String> = console.iter().map(|line| format!("{line} root@ip-10-0-0-1")).collect();
        judge(&tag.parse().unwrap(), &lines, &instance())
    }

    #[test]
    fn the_console_confirms_denies_or_says_nothing() {
        let tag = format!("first-contact {OWN}");
        assert_eq!(judged(&tag, &[]), Contact::Open);
        let confirmed = Contact::Confirmed(format!("console {OWN}").parse().unwrap());
        assert_eq!(judged(&tag, &[OTHER, OWN]), confirmed);
        let Contact::Denied(cause) = judged(&tag, &[OTHER]) else { panic!("not denied") };
        let (own, other) = (OWN.parse::<Pin>().unwrap().shown(), OTHER.parse::<Pin>().unwrap().shown());
        assert!(cause.message.contains(&own) && cause.message.contains(&other), "{}", cause.message);
        let fingerprint = own.split(' ').next_back().unwrap();
        let tag = format!("first-contact {fingerprint}");
        assert!(matches!(judged(&tag, &[OWN]), Contact::Confirmed(_)), "a fingerprint is the same key");
    }
}
