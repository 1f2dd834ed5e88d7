//! What counts when an instance is launched and not after: its key, the price of spot, the newest AMI.

use super::asked::Origins;
use super::draft::{Draft, NewStep};
use super::machine::GroupContext;
use super::names;
use super::reason::{FieldChange, Origin, Reason, Shown};
use super::step::{Action, BlockedKind, Change, StepId};
use crate::observed::OwnedInstance;
use crate::spec::Ami;

/// What is known of the key that a machine was launched with, which is not the spec's.
enum LaunchedWith<'a> {
    /// The one of this fingerprint.
    Key(&'a str),
    /// Not the spec's, and not the managed pair's of now.
    Another,
    /// It does not say; the managed pair is of this one now.
    Perhaps(&'a str),
}

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

    /// The fingerprint of the managed pair's key, as it is when a machine is launched with it.
    pub(super) fn launch_key(&self) -> Option<&str> {
        let key = self.cloud.own_key.as_deref().or(self.cloud.key_pair.as_deref());
        key.filter(|key| key.starts_with("SHA256:") && self.ec2.key_name.is_none())
    }

    /// What the spec's key is, and what is known of another one that a machine was launched with.
    fn launched_with_other(&self, one: &OwnedInstance) -> Option<(&str, LaunchedWith<'_>)> {
        let own = self.cloud.own_key.as_deref().filter(|_| self.ec2.key_name.is_none())?;
        let origins = Origins::of(one);
        let pair = self.cloud.key_pair.as_deref();
        match origins.launched_with(own) {
            Some(true) => None,
            // The managed pair may be the one that it was launched with, or a later one.
            Some(false) => match pair.filter(|pair| origins.launched_with(pair) == Some(true)) {
                Some(pair) => Some((own, LaunchedWith::Key(pair))),
                None => Some((own, LaunchedWith::Another)),
            },
            None => self.other_key().map(|(known, own)| (own, LaunchedWith::Perhaps(known))),
        }
    }

    /// Of a machine that is replaced: which key lets in, before and after.
    pub(super) fn other_key_field(&self, one: &OwnedInstance) -> Option<FieldChange> {
        let managed = names::managed(&self.spec.name, &self.group.name);
        let (own, known) =
            self.launched_with_other(one).filter(|_| one.key_name.as_ref() == Some(&managed))?;
        let before = match known {
            LaunchedWith::Key(known) => Shown::text(known),
            LaunchedWith::Another | LaunchedWith::Perhaps(_) => Shown::NotKnown,
        };
        Some(FieldChange::changed("ssh.identity_file", before, Shown::text(own)))
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
        } else if let Some((own, known)) = self.launched_with_other(one).filter(|(own, _)| !self.admits(own))
        {
            let was = match known {
                LaunchedWith::Key(known) => format!("it was launched with {known}"),
                LaunchedWith::Another => "it was launched with another key".to_owned(),
                LaunchedWith::Perhaps(known) => {
                    format!(
                        "the key pair `{managed}` is of {known}, and it was launched with that or an earlier one"
                    )
                }
            };
            draft.notices.push(format!(
                "{slot}: ssh.identity_file is {own}, {was}; a key is set at launch only (a3 apply --replace {slot}; ssh.authorized_keys lets further ones in)"
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
