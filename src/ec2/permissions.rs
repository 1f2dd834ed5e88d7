//! What the caller may do, asked without doing it: EC2's `DryRun` says whether a call would be let
//! through. What wants the id of something that exists is not asked: that would have to be real.

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::primitives::Blob;
use futures_util::join;

use super::Cloud;
use crate::spec::Ec2;

/// A key that nobody has the private half of.
const NOBODYS_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio a3-doctor";

/// What would be made by a call that ignored `DryRun`.
const NAME: &str = "a3-doctor";

/// The calls that make something.
const MAKES: [&str; 3] = ["ec2:CreateSecurityGroup", "ec2:ImportKeyPair", "ec2:RunInstances"];

/// Whether a call is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permission {
    /// It would be let through.
    Allowed,
    /// The caller may not.
    Denied,
    /// EC2 did not say, and why.
    NotChecked(String),
}

/// An IAM action, `ec2:RunInstances`, and whether it is allowed.
pub type Asked = (&'static str, Permission);

impl Cloud {
    /// Asks about every call that needs no id of an instance, side by side.
    pub async fn permissions(&self, ec2: &Ec2) -> Vec<Asked> {
        let (looks, more, writes) = join!(self.may_look(), self.may_look_further(), self.may_make(ec2));
        looks.into_iter().chain(more).chain(writes).collect()
    }

    async fn may_look(&self) -> Vec<Asked> {
        let (images, types, instances, keys, regions) = join!(
            self.client.describe_images().dry_run(true).send(),
            self.client.describe_instance_types().dry_run(true).send(),
            self.client.describe_instances().dry_run(true).send(),
            self.client.describe_key_pairs().dry_run(true).send(),
            self.client.describe_regions().dry_run(true).send(),
        );
        vec![
            judge("ec2:DescribeImages", images),
            judge("ec2:DescribeInstanceTypes", types),
            judge("ec2:DescribeInstances", instances),
            judge("ec2:DescribeKeyPairs", keys),
            judge("ec2:DescribeRegions", regions),
        ]
    }

    async fn may_look_further(&self) -> Vec<Asked> {
        let (rules, groups, subnets, tags, vpcs) = join!(
            self.client.describe_security_group_rules().dry_run(true).send(),
            self.client.describe_security_groups().dry_run(true).send(),
            self.client.describe_subnets().dry_run(true).send(),
            self.client.describe_tags().dry_run(true).send(),
            self.client.describe_vpcs().dry_run(true).send(),
        );
        vec![
            judge("ec2:DescribeSecurityGroupRules", rules),
            judge("ec2:DescribeSecurityGroups", groups),
            judge("ec2:DescribeSubnets", subnets),
            judge("ec2:DescribeTags", tags),
            judge("ec2:DescribeVpcs", vpcs),
        ]
    }

    /// What would be made by an endpoint that passes `DryRun` over is not asked there.
    async fn may_make(&self, ec2: &Ec2) -> Vec<Asked> {
        if let Some(why) = self.dry_run().await.against() {
            return MAKES.map(|action| (action, Permission::NotChecked(why.clone()))).into();
        }
        let [make_group, import_key, _] = MAKES;
        let group = self.client.create_security_group().group_name(NAME).description(NAME).dry_run(true);
        let key = Blob::new(NOBODYS_KEY.as_bytes());
        let key = self.client.import_key_pair().key_name(NAME).public_key_material(key).dry_run(true);
        let (group, key, launch) = join!(group.send(), key.send(), self.may_run_instances(ec2));
        vec![judge(make_group, group), judge(import_key, key), launch]
    }

    async fn may_run_instances(&self, ec2: &Ec2) -> Asked {
        let [.., action] = MAKES;
        let image = match self.image(&ec2.ami).await {
            Ok(Some(image)) => image.id,
            Ok(None) => return (action, Permission::NotChecked("no AMI fits".to_owned())),
            Err(error) => return (action, Permission::NotChecked(error.to_string())),
        };
        let kind = aws_sdk_ec2::types::InstanceType::from(ec2.instance_type.as_str());
        let launch = self.client.run_instances().image_id(image).instance_type(kind);
        judge(action, launch.min_count(1).max_count(1).dry_run(true).send().await)
    }
}

/// The codes are those of <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>.
fn judge<T, E>(action: &'static str, answer: Result<T, SdkError<E>>) -> Asked
where
    E: ProvideErrorMetadata,
{
    let permission = match answer {
        Ok(_) => Permission::NotChecked("EC2 ignores DryRun".to_owned()),
        Err(error) => match error.as_service_error().and_then(ProvideErrorMetadata::code) {
            Some("DryRunOperation") => Permission::Allowed,
            Some("UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException") => Permission::Denied,
            Some(code) => Permission::NotChecked(code.to_owned()),
            None => Permission::NotChecked("no answer".to_owned()),
        },
    };
    (action, permission)
}
