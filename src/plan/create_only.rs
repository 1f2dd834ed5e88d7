//! What counts when an instance is launched and not after: its key, the price of spot, the newest AMI.

use super::asked::Origins;
use super::draft::{Draft, NewStep};
use super::machine::GroupContext;
use super::names;
use super::reason::{FieldChange, Origin, Reason, Shown};
use super::step::{Action, BlockedKind, Change, StepId};
use crate::observed::OwnedInstance;
use crate::spec::Ami;

impl GroupContext<'_> {
    /// The key is create-only: only a launch needs the pair, and it is to be of the spec's key then.
    pub(super) fn import_key(&self, draft: &mut Draft) -> Option<StepId> {
        if self.ec2.key_name.is_some() {
            return None;
        }
        let name = names::managed(&self.spec.name, &self.group.name);
        let address = format!("{}.key", self.group.name);
        if self.cloud.key_pair.is_none() && self.cloud.foreign_key {
            let why = format!("a key pair named `{name}` exists and does not belong to this deployment");
            let help = "name it with `key_name`, or rename the deployment".to_owned();
            draft.block(address, BlockedKind::Refused, why, Some(help));
            return None;
        }
        let action = Action::ImportKey { group: self.group.name.clone(), name: name.clone() };
        if let Some((known, own)) = self.other_key() {
            let change = FieldChange::changed("ssh.identity_file", Shown::text(known), Shown::text(own));
            let step = NewStep::new(address, Change::Replace, action).because(Reason::FieldsChanged);
            return Some(draft.add(step.fields(vec![change.by(Origin::Spec)])));
        }
        if self.cloud.key_pair.is_some() {
            return None;
        }
        // EC2 keeps with an instance which pair it was launched with.
        let live = self.cloud.instances.iter().filter(|one| one.state.is_live());
        let had = live.filter(|one| one.slot.group == self.group.name);
        let had = had.filter_map(|one| one.key_name.as_ref()).any(|key| *key == name);
        let reason = if had { Reason::Gone } else { Reason::Missing };
        Some(draft.add(NewStep::new(address, Change::Create, action).because(reason)))
    }

    /// The managed pair's fingerprint and that of the spec's key, where they are of two keys. What EC2
    /// calls a fingerprint itself cannot be compared.
    fn other_key(&self) -> Option<(&str, &str)> {
        let own = self.cloud.own_key.as_deref()?;
        let known = self.cloud.key_pair.as_deref().filter(|known| known.starts_with("SHA256:"))?;
        (known != own && self.ec2.key_name.is_none()).then_some((known, own))
    }

    pub(super) fn notice_create_only(&self, one: &OwnedInstance, draft: &mut Draft) {
        let slot = &one.slot;
        let managed = names::managed(&self.spec.name, &self.group.name);
        let wanted = self.ec2.key_name.as_ref().unwrap_or(&managed);
        if one.key_name.as_ref() != Some(wanted) {
            let was = one.key_name.as_deref().unwrap_or("none");
            draft.notices.push(format!(
                "{slot}: key_name is `{was}`, the spec says `{wanted}`; a key is set at launch only (a3 apply --replace {slot})"
            ));
        } else if let Some((known, own)) = self.other_key().filter(|(_, own)| !self.admits(own)) {
            draft.notices.push(format!(
                "{slot}: ssh.identity_file is {own}, it was launched with {known}; a key is set at launch only (a3 apply --replace {slot}; ssh.authorized_keys lets further ones in)"
            ));
        }
        if self.ec2.spot.is_some() && Origins::of(one).other_price(self.ec2) {
            draft.notices.push(format!(
                "{slot}: spot_options.max_price is set at launch only, and takes effect with the next instance (a3 apply --replace {slot})"
            ));
        }
        if let (Ami::Newest { .. }, Some(newest)) = (&self.ec2.ami, &self.cloud.image)
            && newest.id != one.image_id
        {
            draft.notices.push(format!(
                "{slot}: a newer AMI matches, {} ({}); it runs {} (a3 apply --replace {slot} takes the newer)",
                newest.id, newest.name, one.image_id
            ));
        }
    }

    /// Whether a teammate's key is let in by `ssh.authorized_keys`.
    fn admits(&self, fingerprint: &str) -> bool {
        let mut keys = self.group.ssh.authorized_keys.iter();
        keys.any(|line| names::key_fingerprint(line).is_some_and(|known| known == fingerprint))
    }
}
