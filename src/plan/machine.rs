//! Instances on EC2: launch, start, change in place, replace, end.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::{Draft, NewStep};
use super::reason::{FieldChange, Forces, Reason, Shown};
use super::step::{Action, BlockedKind, Change, Cost, Launch, Modify, StepId};
use super::{Options, firewall, launch_hash, names};
use crate::id::Slot;
use crate::observed::{Cause, CloudSeen, InstanceState, OwnedInstance};
use crate::spec::{Ami, Ec2, Group, Spec};

/// The step after which a slot's machine can be reached; `None` where it can be already.
pub(crate) type Reach = BTreeMap<Slot, StepId>;

/// Plans a group's machines. Slots that are blocked get no entry and their services no steps.
pub(crate) fn plan(cx: &GroupContext<'_>, options: &Options, draft: &mut Draft) -> (Reach, BTreeSet<Slot>) {
    let mut reach = Reach::new();
    let mut blocked = BTreeSet::new();
    let before = cx.before_launch(draft);
    for index in 0..cx.ec2.count {
        let slot = Slot::new(cx.group.name.clone(), index);
        let live: Vec<&OwnedInstance> =
            cx.cloud.instances.iter().filter(|one| one.slot == slot && one.state.is_live()).collect();
        let step = match live.as_slice() {
            [] => cx.launch(&slot, &before, draft),
            [one] if options.replace.contains(&slot) => cx.replace(one, Vec::new(), &before, draft),
            [one] => match cx.keep(one, &before, draft) {
                Kept::AsIs => continue,
                Kept::Step(step) => Some(step),
                Kept::Blocked => None,
            },
            [first, second, ..] => {
                let why = format!(
                    "two live instances claim {slot}: {} ({}) and {} ({})",
                    first.id, first.name, second.id, second.name
                );
                let help = format!("a3 destroy --instance {}", second.id);
                draft.block(slot.to_string(), BlockedKind::Refused, why, Some(help));
                None
            }
        };
        match step {
            Some(step) => drop(reach.insert(slot, step)),
            None => drop(blocked.insert(slot)),
        }
    }
    (reach, blocked)
}

/// Ends the live instances whose slot or group left the spec.
pub(crate) fn plan_strays(spec: &Spec, instances: &[OwnedInstance], draft: &mut Draft) {
    let wanted: BTreeSet<Slot> = spec.slots().map(|(slot, _)| slot).collect();
    for one in instances.iter().filter(|one| one.state.is_live() && !wanted.contains(&one.slot)) {
        terminate(one, Reason::LeftSpec, draft);
    }
}

/// Ends one instance, or says why it cannot be.
pub(crate) fn terminate(one: &OwnedInstance, reason: Reason, draft: &mut Draft) -> Option<StepId> {
    if is_protected(one, draft) {
        return None;
    }
    let action = Action::Terminate { slot: one.slot.clone(), id: one.id.clone(), name: one.name.clone() };
    let step = NewStep::new(one.slot.to_string(), Change::Delete, action);
    Some(draft.add(step.because(reason).cost(Cost::DataAtRisk).fields(identity(one))))
}

fn is_protected(one: &OwnedInstance, draft: &mut Draft) -> bool {
    let protected = one.protected == Some(true);
    if protected {
        let why = format!("{} ({}) is protected from termination", one.id, one.name);
        let help = "set `disable_api_termination: false` and run a3 apply first".to_owned();
        draft.block(one.slot.to_string(), BlockedKind::Refused, why, Some(help));
    }
    protected
}

fn identity(one: &OwnedInstance) -> Vec<FieldChange> {
    let was = |field: &str, value: Shown| FieldChange::changed(field, value, Shown::Nothing);
    vec![
        was("id", Shown::text(&one.id)),
        was("name", Shown::text(&one.name)),
        was("instance_type", Shown::text(&one.instance_type)),
        was("public_ip", Shown::maybe(one.public_ip.as_ref())),
    ]
}

enum Kept {
    AsIs,
    Step(StepId),
    Blocked,
}

/// One group and everything that its decisions rest on.
#[derive(Clone, Copy)]
pub(crate) struct GroupContext<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) group: &'a Group,
    pub(crate) ec2: &'a Ec2,
    pub(crate) cloud: &'a CloudSeen,
}

impl GroupContext<'_> {
    /// Firewall and key pair, which launches wait for.
    fn before_launch(&self, draft: &mut Draft) -> Vec<StepId> {
        let firewall = firewall::plan(self.spec, self.group, self.ec2, self.cloud, draft);
        firewall.into_iter().chain(self.import_key(draft)).collect()
    }

    fn import_key(&self, draft: &mut Draft) -> Option<StepId> {
        let is_live = |one: &OwnedInstance| one.slot.group == self.group.name && one.state.is_live();
        let live = self.cloud.instances.iter().filter(|one| is_live(one)).count();
        let all_live = u32::try_from(live).is_ok_and(|live| live >= self.ec2.count);
        // The key is create-only: once every machine runs, a missing pair changes nothing.
        if self.ec2.key_name.is_some() || self.cloud.key_pair.is_some() || all_live {
            return None;
        }
        let name = names::managed(&self.spec.name, &self.group.name);
        let address = format!("{}.key", self.group.name);
        if self.cloud.foreign_key {
            let why = format!("a key pair named `{name}` exists and does not belong to this deployment");
            let help = "name it with `key_name`, or rename the deployment".to_owned();
            draft.block(address, BlockedKind::Refused, why, Some(help));
            return None;
        }
        let action = Action::ImportKey { group: self.group.name.clone(), name };
        Some(draft.add(NewStep::new(address, Change::Create, action).because(Reason::Missing)))
    }

    fn launch(&self, slot: &Slot, before: &[StepId], draft: &mut Draft) -> Option<StepId> {
        let launch = self.new_launch(slot, draft)?;
        let last = self.of_slot(slot).max_by_key(|one| one.generation);
        let reason = last.map_or(Reason::NoInstance, |one| Reason::InstanceGone { id: one.id.clone() });
        if !self.fits(slot, draft) {
            return None;
        }
        let fields = self.launch_fields(&launch);
        let step = NewStep::new(slot.to_string(), Change::Create, Action::Launch(Box::new(launch)));
        Some(draft.add(step.because(reason).fields(fields).after(before.iter().copied())))
    }

    fn of_slot(&self, slot: &Slot) -> impl Iterator<Item = &OwnedInstance> {
        self.cloud.instances.iter().filter(move |one| &one.slot == slot)
    }

    fn new_launch(&self, slot: &Slot, draft: &mut Draft) -> Option<Launch> {
        let Some(image) = &self.cloud.image else {
            let cause = Cause {
                message: format!("no AMI matches {} in {}", ami_text(&self.ec2.ami), self.cloud.region),
                help: Some("check `ami` and `region`: AMI ids differ by region".into()),
            };
            draft.impossible(slot.to_string(), &cause);
            return None;
        };
        let ec2 = self.ec2;
        let generation = self.of_slot(slot).map(|one| one.generation).max().unwrap_or(0) + 1;
        let key_name =
            ec2.key_name.clone().or_else(|| Some(names::managed(&self.spec.name, &self.group.name)));
        Some(Launch {
            slot: slot.clone(),
            generation,
            name: super::mnemonic::name(&self.spec.name, slot, generation),
            image_id: image.id.clone(),
            ami: ec2.ami.clone(),
            instance_type: ec2.instance_type.clone(),
            key_name,
            security_group_ids: ec2.vpc_security_group_ids.clone(),
            subnet_id: ec2.subnet_id.clone(),
            iam_instance_profile: ec2.iam_instance_profile.clone(),
            root_block_device: ec2.root_block_device.clone(),
            root_device: image.root_device.clone(),
            hop_limit: ec2.metadata_options.http_put_response_hop_limit,
            spot: ec2.spot.as_ref().map(|spot| spot.max_price.clone()),
            protected: ec2.disable_api_termination == Some(true),
            ttl: ec2.ttl,
            user_data: ec2.user_data.clone(),
            tags: ec2.tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            hash: launch_hash::to_tag(ec2),
            replaces: None,
        })
    }

    /// Preflight of a launch: architectures agree, EC2 would let us.
    fn fits(&self, slot: &Slot, draft: &mut Draft) -> bool {
        let blocked = draft.blocked.len();
        if let Some(image) = &self.cloud.image
            && !self.cloud.type_archs.is_empty()
            && !self.cloud.type_archs.contains(&image.arch)
        {
            let message = format!(
                "`{}` does not run {} images such as {} ({})",
                self.ec2.instance_type, image.arch, image.id, image.name
            );
            let help = Some("choose an AMI and an instance type of one architecture".to_owned());
            draft.impossible(slot.to_string(), &Cause { message, help });
        }
        for refusal in &self.cloud.refusals {
            draft.impossible(slot.to_string(), refusal);
        }
        draft.blocked.len() == blocked
    }

    fn launch_fields(&self, launch: &Launch) -> Vec<FieldChange> {
        let ami_name = self.cloud.image.as_ref().map(|image| format!("{} ({})", image.id, image.name));
        let mut fields = vec![
            FieldChange::new("name", Shown::text(&launch.name)),
            FieldChange::new("region", Shown::text(&self.cloud.region)),
            FieldChange::new("instance_type", Shown::text(&launch.instance_type)),
            FieldChange::new("ami", Shown::maybe(ami_name)),
            FieldChange::new("key_name", Shown::maybe(launch.key_name.as_ref())),
        ];
        let ttl = launch.ttl.map(|ttl| format!("{} s from first boot", ttl.as_secs()));
        fields.extend(ttl.map(|ttl| FieldChange::new("ttl", Shown::Text(ttl))));
        fields.push(FieldChange::new("id", Shown::KnownAfter("launch".into())));
        fields.push(FieldChange::new("public_ip", Shown::KnownAfter("launch".into())));
        fields
    }

    fn keep(&self, one: &OwnedInstance, before: &[StepId], draft: &mut Draft) -> Kept {
        let (forcing, in_place, modify) = self.compare(one);
        if !forcing.is_empty() {
            return self.replace(one, forcing, before, draft).map_or(Kept::Blocked, Kept::Step);
        }
        self.notice_create_only(one, draft);
        let stopped = matches!(one.state, InstanceState::Stopped | InstanceState::Stopping);
        let stop_start = modify.instance_type.is_some();
        let mut last = None;
        if !in_place.is_empty() {
            let cost = if stop_start { Cost::Restart { grace: 60 } } else { Cost::None };
            let step = NewStep::new(one.slot.to_string(), Change::Update, Action::Modify(modify));
            let step = step.because(Reason::FieldsChanged).fields(in_place).cost(cost);
            last = Some(draft.add(step.after(before.iter().copied())));
        }
        if stopped {
            let action = Action::Start { slot: one.slot.clone(), id: one.id.clone() };
            let step =
                NewStep::new(one.slot.to_string(), Change::Update, action).because(Reason::InstanceStopped);
            last = Some(draft.add(step.after(last.into_iter().chain(before.iter().copied()))));
        }
        match last {
            Some(step) => Kept::Step(step),
            None => {
                draft.unchanged.push(one.slot.to_string());
                // A missing ssh rule is opened first: its host is reached after that.
                before.first().map_or(Kept::AsIs, |step| Kept::Step(*step))
            }
        }
    }

    fn notice_create_only(&self, one: &OwnedInstance, draft: &mut Draft) {
        let wanted =
            self.ec2.key_name.clone().unwrap_or_else(|| names::managed(&self.spec.name, &self.group.name));
        if one.key_name.as_deref() != Some(&wanted) {
            let was = one.key_name.as_deref().unwrap_or("none");
            draft.notices.push(format!(
                "{}: key_name is `{was}`, the spec says `{wanted}`; a key is set at launch only (a3 apply --replace {})",
                one.slot, one.slot
            ));
        }
        if let (Ami::Newest { .. }, Some(newest)) = (&self.ec2.ami, &self.cloud.image)
            && newest.id != one.image_id
        {
            draft.notices.push(format!(
                "{}: a newer AMI matches, {} ({}); it runs {} (a3 apply --replace {} takes the newer)",
                one.slot, newest.id, newest.name, one.image_id, one.slot
            ));
        }
    }

    /// `-/+`: terminate, then launch the next generation.
    fn replace(
        &self,
        one: &OwnedInstance,
        fields: Vec<FieldChange>,
        before: &[StepId],
        draft: &mut Draft,
    ) -> Option<StepId> {
        if is_protected(one, draft) || !self.fits(&one.slot, draft) {
            return None;
        }
        let launch = self.new_launch(&one.slot, draft)?;
        let launch = Launch { replaces: Some(one.id.clone()), ..launch };
        let all = fields.into_iter().chain(self.launch_fields(&launch)).collect();
        let step = NewStep::new(one.slot.to_string(), Change::Replace, Action::Launch(Box::new(launch)));
        let step = step.because(Reason::FieldsChanged).fields(all).cost(Cost::ReplaceMachine);
        Some(draft.add(step.after(before.iter().copied())))
    }

    /// What forces a replacement, what changes in place, and how.
    fn compare(&self, one: &OwnedInstance) -> (Vec<FieldChange>, Vec<FieldChange>, Modify) {
        let mut forcing = self.compare_forcing(one);
        let mut modify = Modify::nothing(one);
        let mut fields = Vec::new();
        let ec2 = self.ec2;
        if one.instance_type != ec2.instance_type {
            let change = FieldChange::changed(
                "instance_type",
                Shown::text(&one.instance_type),
                Shown::text(&ec2.instance_type),
            );
            if self.cloud.type_archs.is_empty() || self.cloud.type_archs.contains(&one.arch) {
                fields.push(change.forcing(Forces::StopStart));
                modify.instance_type = Some(ec2.instance_type.clone());
            } else {
                forcing.push(change.forcing(Forces::Replacement));
            }
        }
        self.compare_tags(one, &mut fields, &mut modify);
        self.compare_groups(one, &mut fields, &mut modify);
        let hop_limit = ec2.metadata_options.http_put_response_hop_limit;
        if one.hop_limit.is_some_and(|found| found != hop_limit) {
            let (before, after) = (Shown::maybe(one.hop_limit), Shown::text(hop_limit));
            fields.push(FieldChange::changed("metadata_options.http_put_response_hop_limit", before, after));
            modify.hop_limit = Some(hop_limit);
        }
        if let (Some(wanted), Some(found)) = (ec2.disable_api_termination, one.protected)
            && wanted != found
        {
            fields.push(FieldChange::changed(
                "disable_api_termination",
                Shown::text(found),
                Shown::text(wanted),
            ));
            modify.protected = Some(wanted);
        }
        self.compare_ttl(one, &mut fields, &mut modify);
        (forcing, fields, modify)
    }

    fn compare_forcing(&self, one: &OwnedInstance) -> Vec<FieldChange> {
        let mut changes = Vec::new();
        let mut force = |field: &str, before: Shown, after: Shown| {
            changes.push(FieldChange::changed(field, before, after).forcing(Forces::Replacement));
        };
        let ec2 = self.ec2;
        if let Ami::Id(id) = &ec2.ami
            && *id != one.image_id
        {
            force("ami", Shown::text(&one.image_id), Shown::text(id));
        }
        if ec2.subnet_id.is_some() && ec2.subnet_id != one.subnet_id {
            force("subnet_id", Shown::maybe(one.subnet_id.as_ref()), Shown::maybe(ec2.subnet_id.as_ref()));
        }
        if ec2.iam_instance_profile != one.iam_instance_profile {
            let (before, after) = (one.iam_instance_profile.as_ref(), ec2.iam_instance_profile.as_ref());
            force("iam_instance_profile", Shown::maybe(before), Shown::maybe(after));
        }
        if ec2.spot.is_some() != one.spot {
            force("instance_market_options", Shown::text(one.spot), Shown::text(ec2.spot.is_some()));
        }
        let Some(recorded) = one.hash.as_deref().and_then(launch_hash::from_tag) else { return changes };
        for (field, hash) in launch_hash::of(ec2) {
            // An id is compared by itself above; only the form of an alias is known by hash.
            let by_id = field == "ami" && matches!(ec2.ami, Ami::Id(_));
            if !by_id && recorded.get(&field).is_some_and(|found| *found != hash) {
                let change = FieldChange::changed(field, Shown::NotKnown, Shown::Text("changed".into()));
                changes.push(change.forcing(Forces::Replacement));
            }
        }
        changes
    }

    fn compare_tags(&self, one: &OwnedInstance, fields: &mut Vec<FieldChange>, modify: &mut Modify) {
        for (key, value) in &self.ec2.tags {
            let found = one.tags.get(key);
            if found != Some(value) {
                let before = Shown::maybe(found);
                fields.push(FieldChange::changed(format!("tags.{key}"), before, Shown::text(value)));
                modify.set_tags.insert(key.clone(), value.clone());
            }
        }
    }

    fn compare_groups(&self, one: &OwnedInstance, fields: &mut Vec<FieldChange>, modify: &mut Modify) {
        let wanted: BTreeSet<String> = match &self.cloud.security_group {
            _ if !self.ec2.vpc_security_group_ids.is_empty() => {
                self.ec2.vpc_security_group_ids.iter().cloned().collect()
            }
            Some(managed) => [managed.id.clone()].into(),
            // Created by the firewall step; a machine without it is put into it by the next plan.
            None => return,
        };
        let found: BTreeSet<String> = one.security_groups.iter().cloned().collect();
        if wanted != found {
            let list =
                |ids: &BTreeSet<String>| Shown::Text(ids.iter().cloned().collect::<Vec<_>>().join(", "));
            fields.push(FieldChange::changed("vpc_security_group_ids", list(&found), list(&wanted)));
            modify.security_group_ids = Some(wanted.into_iter().collect());
        }
    }

    fn compare_ttl(&self, one: &OwnedInstance, fields: &mut Vec<FieldChange>, modify: &mut Modify) {
        let recorded = one.hash.as_deref().and_then(launch_hash::from_tag);
        let Some(found) = recorded.and_then(|hashes| hashes.get("ttl")?.parse::<u64>().ok()) else { return };
        let wanted = self.ec2.ttl.map_or(0, |ttl| ttl.as_secs());
        if found != wanted {
            let shown = |secs: u64| if secs == 0 { Shown::Nothing } else { Shown::Text(format!("{secs} s")) };
            fields.push(FieldChange::changed("ttl", shown(found), shown(wanted)));
            modify.ttl = Some(self.ec2.ttl);
            modify.set_tags.insert("a3:hash".into(), launch_hash::to_tag(self.ec2));
        }
    }
}

impl Modify {
    fn nothing(one: &OwnedInstance) -> Self {
        Self {
            slot: one.slot.clone(),
            id: one.id.clone(),
            set_tags: BTreeMap::new(),
            remove_tags: Vec::new(),
            security_group_ids: None,
            instance_type: None,
            hop_limit: None,
            protected: None,
            ttl: None,
        }
    }
}

fn ami_text(ami: &Ami) -> String {
    match ami {
        Ami::Id(id) => format!("`{id}`"),
        Ami::Newest { name, owner } => format!("name `{name}` by `{owner}`"),
    }
}
