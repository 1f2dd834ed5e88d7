//! The RunInstances request: one instance, all its tags, IMDSv2.

use aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder;
use aws_sdk_ec2::types::{
    BlockDeviceMapping, EbsBlockDevice, HttpTokensState, IamInstanceProfileSpecification,
    InstanceMarketOptionsRequest, InstanceMetadataEndpointState, InstanceMetadataOptionsRequest,
    InstanceType, MarketType, ResourceType, ShutdownBehavior, SpotInstanceType, SpotMarketOptions,
};

use super::{Cloud, CloudError, tags, user_data};
use crate::plan::step::Launch;
use crate::spec::RootBlockDevice;

impl Cloud {
    /// The request of a launch, without its token and tags.
    pub(super) fn run_instances(
        &self,
        deployment: &str,
        launch: &Launch,
        managed_group: Option<&str>,
    ) -> Result<RunInstancesFluentBuilder, CloudError> {
        let groups = match managed_group {
            Some(group) if launch.security_group_ids.is_empty() => vec![group.to_owned()],
            _ => launch.security_group_ids.clone(),
        };
        let ends = launch.ttl.map(|_| ShutdownBehavior::Terminate);
        let profile = launch.iam_instance_profile.as_ref();
        let profile = profile.map(|name| IamInstanceProfileSpecification::builder().name(name).build());
        let call = self.client.run_instances().min_count(1).max_count(1);
        let call = call.image_id(&launch.image_id).instance_type(InstanceType::from(&*launch.instance_type));
        let call = call.set_key_name(launch.key_name.clone()).set_subnet_id(launch.subnet_id.clone());
        let call = call.set_security_group_ids((!groups.is_empty()).then_some(groups));
        let call = call.set_iam_instance_profile(profile).metadata_options(metadata(launch.hop_limit));
        let call =
            call.set_block_device_mappings(root_disk(launch)).set_instance_market_options(spot(launch));
        let call = call.set_instance_initiated_shutdown_behavior(ends);
        let call = call.set_disable_api_termination(launch.protected.then_some(true));
        Ok(call.set_user_data(user_data::encode(deployment, launch)?))
    }

    /// The request of one attempt, whole.
    pub(super) fn run_instances_once(
        &self,
        deployment: &str,
        launch: &Launch,
        managed_group: Option<&str>,
        token: &str,
    ) -> Result<RunInstancesFluentBuilder, CloudError> {
        let tags = tags::of_launch(deployment, launch, token);
        let kinds = [ResourceType::Instance, ResourceType::Volume, ResourceType::NetworkInterface];
        let marks = kinds.map(|kind| tags::specification(kind, &tags)).to_vec();
        let call = self.run_instances(deployment, launch, managed_group)?;
        Ok(call.client_token(token).set_tag_specifications(Some(marks)))
    }
}

/// IMDSv2 only.
fn metadata(hop_limit: u32) -> InstanceMetadataOptionsRequest {
    let hops = i32::try_from(hop_limit).unwrap_or(i32::MAX);
    let options = InstanceMetadataOptionsRequest::builder().http_put_response_hop_limit(hops);
    let options = options.http_endpoint(InstanceMetadataEndpointState::Enabled);
    options.http_tokens(HttpTokensState::Required).build()
}

/// Only what the spec says about the first disk; the AMI has the rest.
fn root_disk(launch: &Launch) -> Option<Vec<BlockDeviceMapping>> {
    let wanted = &launch.root_block_device;
    if *wanted == RootBlockDevice::default() {
        return None;
    }
    let disk = EbsBlockDevice::builder()
        .set_volume_size(wanted.volume_size.map(|size| i32::try_from(size).unwrap_or(i32::MAX)))
        .set_volume_type(wanted.volume_type.as_deref().map(Into::into))
        .set_encrypted(wanted.encrypted)
        .delete_on_termination(true)
        .build();
    let device = launch.root_device.as_deref().unwrap_or("/dev/xvda");
    Some(vec![BlockDeviceMapping::builder().device_name(device).ebs(disk).build()])
}

/// One-time spot: a persistent request would launch again by itself what a3 ended.
fn spot(launch: &Launch) -> Option<InstanceMarketOptionsRequest> {
    let max_price = launch.spot.as_ref()?;
    let options = SpotMarketOptions::builder().spot_instance_type(SpotInstanceType::OneTime);
    let options = options.set_max_price(max_price.clone()).build();
    let market = InstanceMarketOptionsRequest::builder().market_type(MarketType::Spot);
    Some(market.spot_options(options).build())
}
