//! Instances as EC2 shows them, and which of them are ours.

use std::collections::BTreeMap;

use aws_sdk_ec2::primitives::DateTime;
use aws_sdk_ec2::types::{Filter, HttpTokensState, Instance, InstanceStateName};

use super::{Cloud, CloudError, tags};
use crate::id::{Arch, Slot};
use crate::observed::{InstanceState, OwnedInstance};

/// A DescribeInstances answer has at most 1000 instances a page; more pages than this are no fleet
/// of a3's but an answer that never ends.
const PAGES: usize = 100;

const DESCRIBE: &str = "DescribeInstances";

impl Cloud {
    /// One instance, whoever's it is; `None` where EC2 does not show it (yet, or any more).
    pub(super) async fn instance(&self, id: &str) -> Result<Option<Instance>, CloudError> {
        let answer = self.client.describe_instances().instance_ids(id).send().await;
        match answer.map_err(self.failed(DESCRIBE)) {
            Ok(answer) => {
                let mut all = answer.reservations.unwrap_or_default().into_iter();
                Ok(all.find_map(|reservation| reservation.instances.unwrap_or_default().into_iter().next()))
            }
            Err(error) if error.code() == Some("InvalidInstanceID.NotFound") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every instance that matches, all pages.
    pub(super) async fn instances(&self, filters: Vec<Filter>) -> Result<Vec<Instance>, CloudError> {
        let mut found = Vec::new();
        let mut next = None;
        for _ in 0..PAGES {
            let call = self.client.describe_instances().set_filters(Some(filters.clone()));
            let answer = call.set_next_token(next).max_results(1000).send().await;
            let answer = answer.map_err(self.failed(DESCRIBE))?;
            let reservations = answer.reservations.unwrap_or_default().into_iter();
            found.extend(reservations.flat_map(|one| one.instances.unwrap_or_default()));
            next = answer.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(found);
            }
        }
        Err(CloudError::Incomplete { action: DESCRIBE, what: "last page" })
    }
}

/// A filter by tag.
pub(super) fn by_tag(key: &str, value: &str) -> Filter {
    Filter::builder().name(format!("tag:{key}")).values(value).build()
}

/// The instance as ours, if it carries the whole mark of `deployment` (any deployment for `None`):
/// all tags readable, and `a3:self` its own client token, which a copy of the tags cannot have.
pub(super) fn owned(instance: &Instance, deployment: Option<&str>) -> Option<OwnedInstance> {
    let tags = tags::from_sdk(instance.tags());
    let token = instance.client_token().filter(|token| !token.is_empty())?;
    if tags.get(tags::OWN).map(String::as_str) != Some(token) {
        return None;
    }
    let found = tags.get(tags::DEPLOYMENT)?;
    if deployment.is_some_and(|wanted| wanted != found) {
        return None;
    }
    let slot: Slot = tags.get(tags::INSTANCE)?.parse().ok()?;
    let generation = tags.get(tags::GENERATION)?.parse().ok()?;
    Some(describe(instance, slot, generation, tags))
}

fn describe(
    instance: &Instance,
    slot: Slot,
    generation: u32,
    tags: BTreeMap<String, String>,
) -> OwnedInstance {
    let text = |value: Option<&str>| value.filter(|value| !value.is_empty()).map(str::to_owned);
    let arch = instance.architecture().and_then(|arch| arch.as_str().parse().ok());
    let metadata = instance.metadata_options();
    let hop_limit = metadata.and_then(|options| options.http_put_response_hop_limit());
    let tokens = metadata.and_then(|options| options.http_tokens());
    OwnedInstance {
        id: instance.instance_id().unwrap_or_default().to_owned(),
        slot,
        generation,
        name: tags.get("Name").cloned().unwrap_or_default(),
        state: state(instance),
        launched: seconds(instance.launch_time()),
        created: created(instance),
        instance_type: instance.instance_type().map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
        arch: arch.unwrap_or(Arch::Amd64),
        image_id: instance.image_id().unwrap_or_default().to_owned(),
        user: None,
        key_name: text(instance.key_name()),
        subnet_id: text(instance.subnet_id()),
        vpc_id: text(instance.vpc_id()),
        security_groups: groups(instance),
        iam_instance_profile: profile(instance),
        hop_limit: hop_limit.and_then(|limit| limit.try_into().ok()),
        tokens_required: tokens.map(|tokens| *tokens == HttpTokensState::Required),
        public_ip: text(instance.public_ip_address()),
        private_ip: text(instance.private_ip_address()),
        spot: instance.instance_lifecycle().is_some_and(|kind| kind.as_str() == "spot"),
        protected: None,
        protection_unseen: None,
        hash: tags.get(tags::HASH).cloned(),
        host_key: tags.get(tags::HOST_KEY).cloned(),
        deadline: tags.get(tags::DEADLINE).cloned(),
        state_reason: reason(instance),
        tags,
    }
}

fn seconds(time: Option<&DateTime>) -> u64 {
    time.and_then(|time| time.secs().try_into().ok()).unwrap_or(0)
}

/// EC2's launch time is that of the last start. What it was launched with is attached since the first.
fn created(instance: &Instance) -> u64 {
    let disks = instance.block_device_mappings().iter().filter_map(|disk| disk.ebs()?.attach_time());
    let cards = instance.network_interfaces().iter().filter_map(|card| card.attachment()?.attach_time());
    let times = disks.chain(cards).chain(instance.launch_time());
    times.map(|time| seconds(Some(time))).min().unwrap_or(0)
}

/// Its state; one that EC2 invents later counts as running, so that it is not launched a second time.
pub(super) fn state(instance: &Instance) -> InstanceState {
    let name = instance.state().and_then(|state| state.name());
    match name {
        Some(InstanceStateName::Pending) => InstanceState::Pending,
        Some(InstanceStateName::ShuttingDown) => InstanceState::ShuttingDown,
        Some(InstanceStateName::Stopped) => InstanceState::Stopped,
        Some(InstanceStateName::Stopping) => InstanceState::Stopping,
        Some(InstanceStateName::Terminated) => InstanceState::Terminated,
        _ => InstanceState::Running,
    }
}

/// `shutting-down`, as EC2 spells it.
pub(super) fn state_name(state: InstanceState) -> &'static str {
    match state {
        InstanceState::Pending => "pending",
        InstanceState::Running => "running",
        InstanceState::Stopping => "stopping",
        InstanceState::Stopped => "stopped",
        InstanceState::ShuttingDown => "shutting-down",
        InstanceState::Terminated => "terminated",
    }
}

/// Why it is in its state, in EC2's words.
pub(super) fn reason(instance: &Instance) -> Option<String> {
    let said = instance.state_reason().and_then(|reason| reason.message());
    said.or(instance.state_transition_reason()).filter(|said| !said.is_empty()).map(str::to_owned)
}

fn groups(instance: &Instance) -> Vec<String> {
    instance.security_groups().iter().filter_map(|group| Some(group.group_id()?.to_owned())).collect()
}

/// `arn:aws:iam::1:instance-profile/path/NAME` → `NAME`.
fn profile(instance: &Instance) -> Option<String> {
    let arn = instance.iam_instance_profile()?.arn()?;
    arn.rsplit('/').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::{
        EbsInstanceBlockDevice, IamInstanceProfile, InstanceBlockDeviceMapping, InstanceState as SdkState,
        Tag,
    };

    use super::*;

    fn tagged(tags: &[(&str, &str)]) -> Instance {
        let tags = tags.iter().map(|(key, value)| Tag::builder().key(*key).value(*value).build()).collect();
        let profile = IamInstanceProfile::builder().arn("arn:aws:iam::1:instance-profile/p/web").build();
        let state = SdkState::builder().name(InstanceStateName::Stopped).build();
        let instance = Instance::builder().instance_id("i-1").client_token("token").set_tags(Some(tags));
        instance.iam_instance_profile(profile).state(state).build()
    }

    const MARK: [(&str, &str); 5] = [
        (tags::DEPLOYMENT, "music"),
        (tags::INSTANCE, "web/0"),
        (tags::GENERATION, "2"),
        (tags::OWN, "token"),
        ("Name", "furious_raman"),
    ];

    #[test]
    fn the_whole_mark_makes_it_ours() {
        let found = owned(&tagged(&MARK), Some("music")).unwrap();
        assert_eq!((found.id.as_str(), found.generation), ("i-1", 2));
        assert_eq!(found.slot, Slot::new("web", 0));
        assert_eq!(found.state, InstanceState::Stopped);
        assert_eq!(found.iam_instance_profile.as_deref(), Some("web"));
        assert_eq!(found.name, "furious_raman");
    }

    #[test]
    fn a_restart_does_not_make_it_younger() {
        let at = DateTime::from_secs;
        let disk = EbsInstanceBlockDevice::builder().attach_time(at(1_000)).build();
        let disk = InstanceBlockDeviceMapping::builder().ebs(disk).build();
        let started = Instance::builder().launch_time(at(5_000));
        assert_eq!(created(&started.clone().build()), 5_000);
        assert_eq!(created(&started.block_device_mappings(disk).build()), 1_000);
    }

    #[test]
    fn copied_or_partial_marks_are_foreign() {
        assert!(owned(&tagged(&MARK), Some("other")).is_none());
        let mut copied = MARK;
        copied[3].1 = "another instance's token";
        assert!(owned(&tagged(&copied), Some("music")).is_none());
        for left_out in 0..4 {
            let mut partial = MARK.to_vec();
            partial.remove(left_out);
            assert!(owned(&tagged(&partial), Some("music")).is_none(), "{left_out}");
        }
        let without_token = Instance::builder().client_token("").build();
        assert!(owned(&without_token, None).is_none());
    }
}
