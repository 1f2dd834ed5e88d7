//! Instances on EC2: launch, start, change in place, replace, end.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

use super::asked::{self, Origins};
use super::deadline::{take_ttl, ttl_text};
use super::draft::{Draft, NewStep};
use super::reason::{self, FieldChange, Reason, Shown};
use super::step::{Action, BlockedKind, Change, Cost, Launch, Modify, StepId};
use super::{Options, firewall, launch_hash, names};
use crate::id::Slot;
use crate::observed::{Cause, CloudSeen, HostSeen, InstanceState, OwnedInstance, Unchecked};
use crate::spec::{Ami, Ec2, Group, Machine, Spec};

/// The step that a slot's machine waits for, for slots that have one.
pub(crate) type Reach = BTreeMap<Slot, Reached>;

/// The step after which a machine can be worked on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reached {
    pub(crate) step: StepId,
    pub(crate) how: How,
}

/// What that step makes of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// A new one: whatever was seen in the slot before does not count.
    New,
    /// The same one, which answers only then.
    Answers,
    /// The same one, stopped and started: what was seen is of before.
    Restarts,
    /// The same one, which should answer already.
    Same,
}

/// Plans a group's machines. Slots that are blocked get no entry and their services no steps.
pub(crate) fn plan(cx: &GroupContext<'_>, options: &Options, draft: &mut Draft) -> (Reach, BTreeSet<Slot>) {
    let mut reach = Reach::new();
    let mut blocked = BTreeSet::new();
    let slots = (0..cx.ec2.count).map(|index| Slot::new(cx.group.name.clone(), index));
    let slots: Vec<Slot> = slots.filter(|slot| options.wants_machine(cx.spec, slot)).collect();
    let before = cx.before_launch(&slots, options, draft);
    for slot in slots {
        let live: Vec<&OwnedInstance> =
            cx.cloud.instances.iter().filter(|one| one.slot == slot && one.state.is_live()).collect();
        let kept = match live.as_slice() {
            [] => cx.launch(&slot, &before, draft),
            [one] if options.replace.contains(&slot) => cx.replace(one, Vec::new(), &before, draft),
            [one] => cx.keep(one, &before, draft),
            [first, second, ..] => {
                let why = format!(
                    "two live instances claim {slot}: {} ({}) and {} ({})",
                    first.id, first.name, second.id, second.name
                );
                let help = format!("a3 destroy --instance {}", second.id);
                draft.block(slot.to_string(), BlockedKind::Refused, why, Some(help));
                Kept::Blocked
            }
        };
        match kept {
            Kept::AsIs => {}
            Kept::Step(step, how) => drop(reach.insert(slot, Reached { step, how })),
            Kept::Blocked => drop(blocked.insert(slot)),
        }
    }
    (reach, blocked)
}

/// Ends the live instances whose slot or group left the spec, or moved to another region: `groups` are
/// those that belong to where the instances are.
pub(crate) fn plan_strays(
    spec: &Spec,
    (region, instances, groups): (&str, &[OwnedInstance], &BTreeSet<&str>),
    options: &Options,
    draft: &mut Draft,
) -> Vec<StepId> {
    let here = |slot: &Slot| groups.contains(slot.group.as_str());
    let wanted: BTreeSet<Slot> = spec.slots().map(|(slot, _)| slot).filter(here).collect();
    let strays = instances
        .iter()
        .filter(|one| one.state.is_live() && !wanted.contains(&one.slot) && options.wants_slot(&one.slot));
    let moved = |one: &OwnedInstance| spec.slots().any(|(slot, _)| slot == one.slot).then_some(region);
    strays.filter_map(|one| terminate(spec, (one, moved(one)), Reason::LeftSpec, draft)).collect()
}

/// Ends one instance, or says why it cannot be. `elsewhere` is its region where the spec has the slot in
/// another one: the two machines are two things.
pub(crate) fn terminate(
    spec: &Spec,
    (one, elsewhere): (&OwnedInstance, Option<&str>),
    reason: Reason,
    draft: &mut Draft,
) -> Option<StepId> {
    let lifted = lift_protection(spec, one, draft)?;
    let action = Action::Terminate { slot: one.slot.clone(), id: one.id.clone(), name: one.name.clone() };
    let at = elsewhere.map(|region| format!(" in {region}")).unwrap_or_default();
    let step = NewStep::new(format!("{}{at}", one.slot), Change::Delete, action);
    let step = step.because(reason).cost(Cost::DataAtRisk).fields(identity(one)).after(lifted);
    Some(draft.add(step))
}

/// Only `disable_api_termination: false` in the spec lifts the protection: `Some(None)` when there
/// is none, the step that lifts it, or `None` when it stays and the instance with it.
#[expect(clippy::option_option, reason = "blocked, nothing to do, and a step are three answers")]
fn lift_protection(spec: &Spec, one: &OwnedInstance, draft: &mut Draft) -> Option<Option<StepId>> {
    protection_unchecked(one, draft);
    if one.protected != Some(true) {
        return Some(None);
    }
    let wish = match spec.groups.get(&one.slot.group).map(|group| &group.machine) {
        Some(Machine::Ec2(ec2)) => ec2.disable_api_termination,
        _ => None,
    };
    if wish != Some(false) {
        let why = format!("{} ({}) is protected from termination", one.id, one.name);
        let help = format!("set `disable_api_termination: false` in group `{}`", one.slot.group);
        draft.block(one.slot.to_string(), BlockedKind::Refused, why, Some(help));
        return None;
    }
    let set_tags = asked::unprotected(one).into_iter().map(|value| (asked::TAG.to_owned(), value)).collect();
    let modify = Modify { protected: Some(false), set_tags, ..Modify::nothing(one) };
    let step = NewStep::new(one.slot.to_string(), Change::Update, Action::Modify(modify));
    let change = FieldChange::changed("disable_api_termination", Shown::text(true), Shown::text(false));
    let fields = vec![change.by(Origins::of(one).protection(false, true))];
    Some(Some(draft.add(step.reasons(reason::of_fields(&fields)).fields(fields))))
}

/// A protection that EC2 did not tell of may keep a machine that is to end.
fn protection_unchecked(one: &OwnedInstance, draft: &mut Draft) {
    if let Some(Cause { message, help }) = one.protection_unseen.clone() {
        let what = "whether it is protected from termination".to_owned();
        draft.not_checked(one.slot.to_string(), Unchecked { what, why: message, help });
    }
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
    Step(StepId, How),
    Blocked,
}

/// What is made before a machine.
#[derive(Clone, Copy)]
struct Before {
    firewall: Option<StepId>,
    /// Whether a machine that does not answer may do so after that: it opens ssh for us.
    lets_in: bool,
    key: Option<StepId>,
}

impl Before {
    fn steps(self) -> impl Iterator<Item = StepId> {
        self.firewall.into_iter().chain(self.key)
    }
}

/// One group and everything that its decisions rest on.
#[derive(Clone, Copy)]
pub(crate) struct GroupContext<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) group: &'a Group,
    pub(crate) ec2: &'a Ec2,
    pub(crate) cloud: &'a CloudSeen,
    /// Seconds since 1970.
    pub(crate) now: u64,
    /// What the machines of the group say.
    pub(crate) hosts: &'a IndexMap<Slot, HostSeen>,
}

impl GroupContext<'_> {
    /// Firewall and key pair, which launches wait for.
    fn before_launch(&self, slots: &[Slot], options: &Options, draft: &mut Draft) -> Before {
        let firewall = firewall::plan(self, draft);
        let lets_in =
            draft.steps.last().is_some_and(|step| firewall == Some(step.id) && firewall::lets_in(step));
        let launches = slots.iter().any(|slot| {
            let mut live = self.of_slot(slot).filter(|one| one.state.is_live());
            options.replace.contains(slot) || live.next().is_none_or(|one| !self.compare(one).0.is_empty())
        });
        let key = if launches { self.import_key(draft) } else { None };
        Before { firewall, lets_in, key }
    }

    fn launch(&self, slot: &Slot, before: &Before, draft: &mut Draft) -> Kept {
        let Some(launch) = self.new_launch(slot, draft) else { return Kept::Blocked };
        let last = self.of_slot(slot).max_by_key(|one| one.generation);
        let reason = last.map_or(Reason::NoInstance, |one| Reason::InstanceGone {
            id: one.id.clone(),
            why: one.state_reason.clone(),
        });
        self.preflight(slot, draft);
        self.notice_hop_limit(slot, draft);
        let fields = self.launch_fields(&launch);
        let step = NewStep::new(slot.to_string(), Change::Create, Action::Launch(Box::new(launch)));
        Kept::Step(draft.add(step.because(reason).fields(fields).after(before.steps())), How::New)
    }

    /// Containers on a bridge are one hop further away than the machine.
    fn notice_hop_limit(&self, slot: &Slot, draft: &mut Draft) {
        let limit = self.ec2.metadata_options.http_put_response_hop_limit;
        let has_services = self.spec.services_on(&self.group.name).next().is_some();
        if let (Some(profile), 1, true) = (&self.ec2.iam_instance_profile, limit, has_services) {
            draft.notices.push(format!(
                "{slot}: containers cannot use the instance profile `{profile}`: set `metadata_options: {{ http_put_response_hop_limit: 2 }}` if they shall"
            ));
        }
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
        if self.group.ssh.user.is_none() && image.user.is_none() {
            let cause = Cause {
                message: format!("nothing says which user {} ({}) lets in", image.id, image.name),
                help: Some(format!("set instances.{}.ssh.user", self.group.name)),
            };
            draft.impossible(slot.to_string(), &cause);
            return None;
        }
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
            asked: asked::to_tag(ec2, self.launch_key()),
            replaces: None,
        })
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
        fields.extend(optional_fields(launch));
        let ttl = launch.ttl.map(|ttl| format!("{} from first boot", ttl_text(ttl.as_secs())));
        fields.extend(ttl.map(|ttl| FieldChange::new("ttl", Shown::Text(ttl))));
        // It may hold anything, secrets too, so only its size is shown.
        let user_data = launch.user_data.as_ref().map(|data| format!("{} bytes", data.len()));
        fields.extend(user_data.map(|size| FieldChange::new("user_data", Shown::Text(size))));
        fields.push(FieldChange::new("id", Shown::KnownAfter("launch".into())));
        fields.push(FieldChange::new("public_ip", Shown::KnownAfter("launch".into())));
        fields
    }

    fn keep(&self, one: &OwnedInstance, before: &Before, draft: &mut Draft) -> Kept {
        let (forcing, mut in_place, mut modify) = self.compare(one);
        if !forcing.is_empty() {
            return self.replace(one, forcing, before, draft);
        }
        if self.ends_at_once(one, &modify, draft) {
            return Kept::Blocked;
        }
        if modify.instance_type.is_some() {
            self.type_exists(&one.slot, draft);
            self.type_unchecked(&one.slot, draft);
        }
        if modify.security_group_ids.is_some() {
            self.groups_fit(&one.slot, one.vpc_id.as_deref(), draft);
        }
        if self.ec2.disable_api_termination.is_some() {
            protection_unchecked(one, draft);
        }
        self.notice_create_only(one, draft);
        self.notice_end(one, &modify, draft);
        let stopped = matches!(one.state, InstanceState::Stopped | InstanceState::Stopping);
        // The deadline lives on the machine, which has to run for it to move.
        let later = if stopped { take_ttl(one, &mut modify, &mut in_place) } else { None };
        let stop_start = modify.instance_type.is_some();
        let mut kept = Kept::AsIs;
        if !in_place.is_empty() {
            let cost = if stop_start && !stopped { Cost::StopStart } else { Cost::None };
            let step = NewStep::new(one.slot.to_string(), Change::Update, Action::Modify(modify));
            let step = step.reasons(reason::of_fields(&in_place)).fields(in_place).cost(cost);
            let how = if stop_start { How::Restarts } else { How::Same };
            kept = Kept::Step(draft.add(step.after(before.steps())), how);
        }
        if stopped {
            let action = Action::Start { slot: one.slot.clone(), id: one.id.clone() };
            let step =
                NewStep::new(one.slot.to_string(), Change::Update, action).because(Reason::InstanceStopped);
            let modified = if let Kept::Step(step, _) = kept { Some(step) } else { None };
            let step = step.after(modified.into_iter().chain(before.steps()));
            let mut last = draft.add(step);
            if let Some((modify, fields)) = later {
                let step = NewStep::new(one.slot.to_string(), Change::Update, Action::Modify(modify));
                last = draft.add(step.reasons(reason::of_fields(&fields)).fields(fields).after([last]));
            }
            kept = Kept::Step(last, How::Answers);
        }
        match (kept, before.firewall) {
            (Kept::AsIs, firewall) => {
                draft.unchanged.push(one.slot.to_string());
                // A missing ssh rule is opened first: its host is reached after that.
                let how = if before.lets_in { How::Answers } else { How::Same };
                firewall.map_or(Kept::AsIs, |step| Kept::Step(step, how))
            }
            // The change itself waits for the rule.
            (Kept::Step(step, How::Same), Some(_)) if before.lets_in => Kept::Step(step, How::Answers),
            (kept, _) => kept,
        }
    }

    /// `-/+`: terminate, then launch the next generation.
    fn replace(
        &self,
        one: &OwnedInstance,
        fields: Vec<FieldChange>,
        before: &Before,
        draft: &mut Draft,
    ) -> Kept {
        self.preflight(&one.slot, draft);
        let Some(launch) = self.new_launch(&one.slot, draft) else { return Kept::Blocked };
        let Some(lifted) = lift_protection(self.spec, one, draft) else { return Kept::Blocked };
        self.notice_hop_limit(&one.slot, draft);
        let launch = Launch { replaces: Some(one.id.clone()), ..launch };
        let reasons = if fields.is_empty() { vec![Reason::ReplaceAsked] } else { reason::of_fields(&fields) };
        let all = self.replaced_fields(one, &launch, fields);
        let step = NewStep::new(one.slot.to_string(), Change::Replace, Action::Launch(Box::new(launch)));
        let step = step.reasons(reasons).fields(all).cost(Cost::ReplaceMachine);
        Kept::Step(draft.add(step.after(before.steps().chain(lifted))), How::New)
    }

    /// What forces the replacement first, then what else a new machine has anew; what stays is not
    /// shown.
    fn replaced_fields(
        &self,
        one: &OwnedInstance,
        launch: &Launch,
        forcing: Vec<FieldChange>,
    ) -> Vec<FieldChange> {
        let was = |field: &str| match field {
            "id" => Shown::text(&one.id),
            "name" => Shown::text(&one.name),
            "public_ip" => Shown::maybe(one.public_ip.as_ref()),
            "instance_type" => Shown::text(&one.instance_type),
            "key_name" => Shown::maybe(one.key_name.as_ref()),
            "ami" => Shown::text(&one.image_id),
            _ => Shown::Nothing,
        };
        let known = ["id", "name", "public_ip", "instance_type", "key_name"];
        let new_image = launch.image_id != one.image_id;
        let rest = self.launch_fields(launch).into_iter().filter(|field| {
            !forcing.iter().any(|forced| forced.field == field.field)
                && (known.contains(&field.field.as_str()) || (field.field == "ami" && new_image))
        });
        let rest = rest.map(|field| FieldChange { before: was(&field.field), ..field });
        let rest: Vec<FieldChange> = rest.filter(|field| field.before != field.after).collect();
        forcing.into_iter().chain(rest).chain(self.other_key_field(one)).collect()
    }
}

/// What a launch asks for beside what it always does.
fn optional_fields(launch: &Launch) -> Vec<FieldChange> {
    let disk = &launch.root_block_device;
    let spot = launch.spot.as_ref().map(|price| match price {
        Some(price) => format!("spot, at most {price} dollars an hour"),
        None => "spot, at most the on-demand price".to_owned(),
    });
    let text = |value: &dyn std::fmt::Display| Some(value.to_string());
    let fields = [
        ("subnet_id", launch.subnet_id.clone()),
        ("iam_instance_profile", launch.iam_instance_profile.clone()),
        ("root_block_device.volume_size", disk.volume_size.and_then(|size| text(&format!("{size} GiB")))),
        ("root_block_device.volume_type", disk.volume_type.clone()),
        ("root_block_device.encrypted", disk.encrypted.and_then(|flag| text(&flag))),
        ("instance_market_options", spot),
        (
            "metadata_options.http_put_response_hop_limit",
            text(&launch.hop_limit).filter(|_| launch.hop_limit != 1),
        ),
        ("disable_api_termination", text(&true).filter(|_| launch.protected)),
    ];
    let fields = fields.into_iter().filter_map(|(field, value)| Some((field, value?)));
    let mut fields: Vec<FieldChange> =
        fields.map(|(field, value)| FieldChange::new(field, Shown::Text(value))).collect();
    let tags = launch.tags.iter().map(|(key, value)| (format!("tags.{key}"), value));
    fields.extend(tags.map(|(field, value)| FieldChange::new(field, Shown::text(value))));
    fields
}

fn ami_text(ami: &Ami) -> String {
    match ami {
        Ami::Id(id) => format!("`{id}`"),
        Ami::Newest { name, owner } => format!("name `{name}` by `{owner}`"),
    }
}
