//! One instance against the spec, field by field: what forces a new one, what changes in place.

use std::collections::{BTreeMap, BTreeSet};

use super::asked::{self, Origins};
use super::deadline::ttl_text;
use super::launch_hash;
use super::machine::GroupContext;
use super::mnemonic;
use super::own_tags;
use super::reason::{FieldChange, Forces, Origin, Shown};
use super::step::Modify;
use crate::observed::OwnedInstance;
use crate::spec::Ami;

impl GroupContext<'_> {
    /// What forces a replacement, what changes in place, and how.
    pub(super) fn compare(&self, one: &OwnedInstance) -> (Vec<FieldChange>, Vec<FieldChange>, Modify) {
        let mut forcing = self.compare_forcing(one);
        let mut modify = Modify::nothing(one);
        let mut fields = Vec::new();
        let (ec2, origins) = (self.ec2, Origins::of(one));
        if one.instance_type != ec2.instance_type {
            let (before, after) = (Shown::text(&one.instance_type), Shown::text(&ec2.instance_type));
            let origin = origins.plain("type", &ec2.instance_type, &one.instance_type);
            let change = FieldChange::changed("instance_type", before, after).by(origin);
            // A one-time spot instance cannot be stopped.
            let runs_it = self.cloud.type_archs.is_empty() || self.cloud.type_archs.contains(&one.arch);
            if runs_it && !one.spot {
                fields.push(change.forcing(Forces::StopStart));
                modify.instance_type = Some(ec2.instance_type.clone());
            } else {
                forcing.push(change.forcing(Forces::Replacement));
            }
        }
        self.compare_tags((one, &origins), &mut fields, &mut modify);
        self.compare_groups((one, &origins), &mut fields, &mut modify);
        self.compare_attributes((one, &origins), &mut fields, &mut modify);
        self.compare_ttl(one, &mut fields, &mut modify);
        if let (true, Ami::Newest { name, owner }) = (self.is_new_alias(one), &ec2.ami) {
            // The same image under another name: from now on it is known by that one.
            let same = Shown::Text(format!("{} by another name", one.image_id));
            let after = Shown::Text(format!("{}, the newest `{name}` by `{owner}`", one.image_id));
            fields.push(FieldChange::changed("ami", same, after).by(Origin::Spec));
            modify.set_tags.insert("a3:hash".into(), launch_hash::to_tag(ec2));
        }
        if !fields.is_empty() {
            modify.set_tags.insert(asked::TAG.into(), asked::after_change(one, ec2));
        }
        (forcing, fields, modify)
    }

    fn compare_attributes(
        &self,
        (one, origins): (&OwnedInstance, &Origins<'_>),
        fields: &mut Vec<FieldChange>,
        modify: &mut Modify,
    ) {
        let hop_limit = self.ec2.metadata_options.http_put_response_hop_limit;
        if let Some(found) = one.hop_limit.filter(|found| *found != hop_limit) {
            let (before, after) = (Shown::text(found), Shown::text(hop_limit));
            let change = FieldChange::changed("metadata_options.http_put_response_hop_limit", before, after);
            fields.push(change.by(origins.plain("hops", &hop_limit.to_string(), &found.to_string())));
            modify.hop_limit = Some(hop_limit);
        }
        // Every launch asks for version 2 alone, whatever the spec says.
        if one.tokens_required == Some(false) {
            let (before, after) = (Shown::text("optional"), Shown::text("required"));
            let change = FieldChange::changed("metadata_options.http_tokens", before, after);
            fields.push(change.by(Origin::World));
            modify.require_tokens = true;
        }
        if let (Some(wanted), Some(found)) = (self.ec2.disable_api_termination, one.protected)
            && wanted != found
        {
            let (before, after) = (Shown::text(found), Shown::text(wanted));
            let change = FieldChange::changed("disable_api_termination", before, after);
            fields.push(change.by(origins.protection(wanted, found)));
            modify.protected = Some(wanted);
        }
    }

    fn compare_forcing(&self, one: &OwnedInstance) -> Vec<FieldChange> {
        let mut changes = Vec::new();
        // What nobody can change there, the spec must have.
        let mut force = |field: &str, before: Shown, after: Shown, origin: Origin| {
            let change = FieldChange::changed(field, before, after).by(origin);
            changes.push(change.forcing(Forces::Replacement));
        };
        let ec2 = self.ec2;
        if let Ami::Id(id) = &ec2.ami
            && *id != one.image_id
        {
            force("ami", Shown::text(&one.image_id), Shown::text(id), Origin::Spec);
        }
        if ec2.subnet_id.is_some() && ec2.subnet_id != one.subnet_id {
            let (before, after) = (one.subnet_id.as_ref(), ec2.subnet_id.as_ref());
            force("subnet_id", Shown::maybe(before), Shown::maybe(after), Origin::Spec);
        }
        if ec2.iam_instance_profile != one.iam_instance_profile {
            let (before, after) = (one.iam_instance_profile.as_deref(), ec2.iam_instance_profile.as_deref());
            let origin = Origins::of(one).profile(after, before);
            force("iam_instance_profile", Shown::maybe(before), Shown::maybe(after), origin);
        }
        if ec2.spot.is_some() != one.spot {
            let (before, after) = (Shown::text(one.spot), Shown::text(ec2.spot.is_some()));
            force("instance_market_options", before, after, Origin::Spec);
        }
        let Some(recorded) = one.hash.as_deref().and_then(launch_hash::from_tag) else { return changes };
        for (field, hash) in launch_hash::of(ec2) {
            // An id is compared by itself above; only the form of an alias is known by hash.
            let by_id = field == "ami" && (matches!(ec2.ami, Ami::Id(_)) || self.is_new_alias(one));
            if !by_id && recorded.get(&field).is_some_and(|found| *found != hash) {
                let change = FieldChange::changed(field, Shown::NotKnown, Shown::Text("changed".into()));
                let change = change.by(Origin::Spec);
                changes.push(change.forcing(Forces::Replacement));
            }
        }
        changes
    }

    /// Whether the spec names the image in another way than the launch did, and it is the same one.
    fn is_new_alias(&self, one: &OwnedInstance) -> bool {
        let recorded = one.hash.as_deref().and_then(launch_hash::from_tag);
        let differs = recorded.is_some_and(|recorded| {
            recorded.get("ami").is_some_and(|found| launch_hash::of(self.ec2).get("ami") != Some(found))
        });
        let same = self.cloud.image.as_ref().is_some_and(|image| image.id == one.image_id);
        matches!(self.ec2.ami, Ami::Newest { .. }) && differs && same
    }

    fn compare_tags(
        &self,
        (one, origins): (&OwnedInstance, &Origins<'_>),
        fields: &mut Vec<FieldChange>,
        modify: &mut Modify,
    ) {
        for (key, value) in &self.ec2.tags {
            let found = one.tags.get(key);
            if found != Some(value) {
                let change =
                    FieldChange::changed(format!("tags.{key}"), Shown::maybe(found), Shown::text(value));
                fields.push(change.by(origins.tag(key, Some(value))));
                modify.set_tags.insert(key.clone(), value.clone());
            }
        }
        let recorded = one.tags.get(own_tags::TAG).map_or("", String::as_str);
        let left = |key: &&String| !self.ec2.tags.contains_key(*key) && own_tags::names(recorded, key);
        for key in one.tags.keys().filter(left) {
            let before = Shown::maybe(one.tags.get(key));
            // Without one of the person's own, an instance is called as a3 calls it.
            let name = (key == "Name").then(|| mnemonic::name(&self.spec.name, &one.slot, one.generation));
            let change = FieldChange::changed(format!("tags.{key}"), before, Shown::maybe(name.as_ref()));
            fields.push(change.by(origins.tag(key, None)));
            match name {
                Some(name) => drop(modify.set_tags.insert(key.clone(), name)),
                None => modify.remove_tags.push(key.clone()),
            }
        }
        if modify.set_tags.is_empty() && modify.remove_tags.is_empty() {
            return;
        }
        match own_tags::to_tag(self.ec2.tags.keys().map(String::as_str)) {
            Some(tag) => drop(modify.set_tags.insert(own_tags::TAG.to_owned(), tag)),
            None => modify.remove_tags.push(own_tags::TAG.to_owned()),
        }
    }

    fn compare_groups(
        &self,
        (one, origins): (&OwnedInstance, &Origins<'_>),
        fields: &mut Vec<FieldChange>,
        modify: &mut Modify,
    ) {
        let found: BTreeSet<String> = one.security_groups.iter().cloned().collect();
        let list = |ids: &BTreeSet<String>| Shown::Text(ids.iter().cloned().collect::<Vec<_>>().join(", "));
        let named = &self.ec2.vpc_security_group_ids;
        let wanted: BTreeSet<String> = match &self.cloud.security_group {
            _ if !named.is_empty() => named.iter().cloned().collect(),
            Some(managed) => [managed.id.clone()].into(),
            None => BTreeSet::new(),
        };
        if wanted != found {
            let after = if wanted.is_empty() { Shown::KnownAfter("firewall".into()) } else { list(&wanted) };
            let managed = self
                .cloud
                .security_group
                .as_ref()
                .is_some_and(|group| one.security_groups == [group.id.as_str()]);
            let origin = origins.groups(named, &one.security_groups, managed);
            fields.push(FieldChange::changed("vpc_security_group_ids", list(&found), after).by(origin));
            modify.security_group_ids = Some(wanted.into_iter().collect());
        }
    }

    fn compare_ttl(&self, one: &OwnedInstance, fields: &mut Vec<FieldChange>, modify: &mut Modify) {
        let recorded = one.hash.as_deref().and_then(launch_hash::from_tag);
        let Some(found) = recorded.and_then(|hashes| hashes.get("ttl")?.parse::<u64>().ok()) else { return };
        let wanted = self.ec2.ttl.map_or(0, |ttl| ttl.as_secs());
        if found != wanted {
            let shown = |secs: u64| if secs == 0 { Shown::Nothing } else { Shown::Text(ttl_text(secs)) };
            fields.push(FieldChange::changed("ttl", shown(found), shown(wanted)).by(Origin::Spec));
            modify.ttl = Some(self.ec2.ttl);
            modify.set_tags.insert("a3:hash".into(), launch_hash::to_tag(self.ec2));
        }
    }
}

impl Modify {
    pub(super) fn nothing(one: &OwnedInstance) -> Self {
        Self {
            slot: one.slot.clone(),
            id: one.id.clone(),
            set_tags: BTreeMap::new(),
            remove_tags: Vec::new(),
            security_group_ids: None,
            instance_type: None,
            hop_limit: None,
            require_tokens: false,
            protected: None,
            ttl: None,
        }
    }
}
