//! Whether what a machine is asked to be goes together: AMI, instance type, disk, network.

use super::draft::Draft;
use super::machine::GroupContext;
use crate::id::Slot;
use crate::observed::{Cause, Unchecked};

impl GroupContext<'_> {
    /// What speaks against a launch, and what could not be checked of it. The launch stays in the plan
    /// beside it: EC2 is still asked about the rest, so that everything is said at once.
    pub(crate) fn preflight(&self, slot: &Slot, draft: &mut Draft) {
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
        self.disk_fits(slot, draft);
        self.type_exists(slot, draft);
        self.groups_fit(slot, self.cloud.vpc_id.as_deref(), draft);
        for refusal in &self.cloud.refusals {
            draft.impossible(slot.to_string(), refusal);
        }
        self.profile_unchecked(slot, draft);
        for what in &self.cloud.unchecked {
            draft.not_checked(slot.to_string(), what.clone());
        }
    }

    /// EC2 does not show instance profiles; IAM does, to those who may ask it.
    fn profile_unchecked(&self, slot: &Slot, draft: &mut Draft) {
        let Some(profile) = &self.ec2.iam_instance_profile else { return };
        let what = format!("the instance profile `{profile}`");
        let why = "whether it exists is IAM's to say, and a dry run may leave it out".to_owned();
        let help = format!("aws iam get-instance-profile --instance-profile-name {profile}");
        draft.not_checked(slot.to_string(), Unchecked { what, why, help: Some(help) });
    }

    pub(crate) fn type_exists(&self, slot: &Slot, draft: &mut Draft) {
        if let Some(cause) = &self.cloud.no_such_type {
            draft.impossible(slot.to_string(), cause);
        }
    }

    /// What could not be found out about another type for a machine that is there.
    pub(crate) fn type_unchecked(&self, slot: &Slot, draft: &mut Draft) {
        if self.cloud.no_such_type.is_some() {
            return;
        }
        for what in &self.cloud.unchecked {
            draft.not_checked(slot.to_string(), what.clone());
        }
        let (kind, region) = (&self.ec2.instance_type, &self.cloud.region);
        let what = format!("whether `{kind}` can be started there");
        let why =
            "EC2 says so when it starts; if it cannot, the machine is started again as it was".to_owned();
        let help = format!(
            "aws ec2 describe-instance-type-offerings --location-type availability-zone --region {region} --filters Name=instance-type,Values={kind}"
        );
        draft.not_checked(slot.to_string(), Unchecked { what, why, help: Some(help) });
    }

    /// The security groups that a person names exist, in the VPC that the machine is in.
    pub(crate) fn groups_fit(&self, slot: &Slot, vpc: Option<&str>, draft: &mut Draft) {
        let Some(found) = &self.cloud.own_groups else { return };
        let region = &self.cloud.region;
        for id in &self.ec2.vpc_security_group_ids {
            let (message, help) = match (found.get(id), vpc) {
                (None, _) => (
                    format!("there is no security group `{id}` in {region}"),
                    format!(
                        "check `vpc_security_group_ids` and `region`: aws ec2 describe-security-groups --region {region}"
                    ),
                ),
                (Some(of), Some(vpc)) if of != vpc => (
                    format!("security group `{id}` is in {of}, the machine is in {vpc}"),
                    format!(
                        "name groups of {vpc}, or a `subnet_id` of {of}: aws ec2 describe-subnets --region {region} --filters Name=vpc-id,Values={of}"
                    ),
                ),
                _ => continue,
            };
            draft.impossible(slot.to_string(), &Cause { message, help: Some(help) });
        }
    }

    /// A disk holds at least what the AMI's is made from.
    fn disk_fits(&self, slot: &Slot, draft: &mut Draft) {
        let asked = self.ec2.root_block_device.volume_size.map(u64::from);
        let least = self.cloud.image.as_ref().and_then(|image| image.root_size);
        if let (Some(asked), Some(least), Some(image)) = (asked, least, &self.cloud.image)
            && asked < least
        {
            let message = format!("a disk of {asked} GiB is too small for {} ({least} GiB)", image.id);
            let help = Some(format!("set `root_block_device.volume_size` to {least} or more"));
            draft.impossible(slot.to_string(), &Cause { message, help });
        }
    }
}
