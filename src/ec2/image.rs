//! AMIs and instance types: what a launch would take, and what it runs on.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{Filter, Image, InstanceType};
use futures_util::future::join_all;

use super::{Cloud, CloudError};
use crate::id::Arch;
use crate::observed::MachineImage;
use crate::spec::Ami;

/// Owners publish hundreds of versions under one glob, not tens of thousands.
const PAGES: usize = 20;

const DESCRIBE: &str = "DescribeImages";

impl Cloud {
    /// The AMI that a launch would take: by id, or the newest whose name matches. `None` where there
    /// is none, or none for an architecture that a3 knows.
    pub(super) async fn image(&self, ami: &Ami) -> Result<Option<MachineImage>, CloudError> {
        let found = match ami {
            Ami::Id(id) => self.images_by_id([id.clone()].into()).await?,
            Ami::Newest { name, owner } => self.images_by_name(name, owner).await?,
        };
        // Two of one second: the id decides, so that everyone takes the same.
        let newest = found.iter().max_by_key(|image| (image.creation_date(), image.image_id()));
        Ok(newest.and_then(to_ours))
    }

    /// The users that images let in, by image id; those that are not known are left out.
    pub(super) async fn users(&self, ids: BTreeSet<String>) -> Result<BTreeMap<String, String>, CloudError> {
        let images = self.images_by_id(ids).await?;
        let known = images.iter().filter_map(|image| Some((image.image_id()?, user(image.name()?)?)));
        Ok(known.map(|(id, user)| (id.to_owned(), user.to_owned())).collect())
    }

    /// One call an id: an id that is gone fails the whole call, and a filter would search every
    /// public image.
    async fn images_by_id(&self, ids: BTreeSet<String>) -> Result<Vec<Image>, CloudError> {
        let mut found = Vec::new();
        for answer in join_all(ids.iter().map(|id| self.image_by_id(id))).await {
            found.extend(answer?);
        }
        Ok(found)
    }

    async fn image_by_id(&self, id: &str) -> Result<Option<Image>, CloudError> {
        let answer = self.client.describe_images().image_ids(id).include_deprecated(true).send().await;
        match answer.map_err(self.failed(DESCRIBE)) {
            Ok(answer) => Ok(answer.images.unwrap_or_default().into_iter().next()),
            Err(error) if error.code().is_some_and(|code| code.starts_with("InvalidAMIID")) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn images_by_name(&self, name: &str, owner: &str) -> Result<Vec<Image>, CloudError> {
        let mut found = Vec::new();
        let mut next = None;
        for _ in 0..PAGES {
            let filter = |key: &str, value: &str| Filter::builder().name(key).values(value).build();
            let call = self.client.describe_images().owners(owner).filters(filter("name", name));
            let call = call.filters(filter("state", "available")).set_next_token(next).max_results(1000);
            let answer = call.send().await.map_err(self.failed(DESCRIBE))?;
            found.extend(answer.images.unwrap_or_default());
            next = answer.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(found);
            }
        }
        Err(CloudError::Incomplete { action: DESCRIBE, what: "last page; make `ami.name` narrower" })
    }

    /// The architectures that an instance type runs.
    pub(super) async fn type_archs(&self, instance_type: &str) -> Result<Vec<Arch>, CloudError> {
        let kind = InstanceType::from(instance_type);
        let answer = self.client.describe_instance_types().instance_types(kind).send().await;
        let answer = answer.map_err(self.failed("DescribeInstanceTypes"))?;
        let processors = answer.instance_types().iter().filter_map(|kind| kind.processor_info());
        let names = processors.flat_map(|processor| processor.supported_architectures());
        Ok(names.filter_map(|name| name.as_str().parse().ok()).collect())
    }
}

fn to_ours(image: &Image) -> Option<MachineImage> {
    let name = image.name().unwrap_or_default();
    Some(MachineImage {
        id: image.image_id()?.to_owned(),
        name: name.to_owned(),
        arch: image.architecture()?.as_str().parse().ok()?,
        user: user(name).map(str::to_owned),
        root_device: image.root_device_name().map(str::to_owned),
        root_size: root_size(image),
    })
}

/// GiB of what its first device is made from.
fn root_size(image: &Image) -> Option<u64> {
    let root = image.root_device_name();
    let mut devices = image.block_device_mappings().iter();
    let device = devices.find(|device| device.device_name() == root)?;
    device.ebs()?.volume_size()?.try_into().ok()
}

/// The user that an AMI lets in, from its name, as the publishers document them
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/managing-users.html>).
fn user(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    let known = [
        ("al2023", "ec2-user"),
        ("amzn", "ec2-user"),
        ("amazon-linux", "ec2-user"),
        ("ubuntu", "ubuntu"),
        ("debian", "admin"),
        ("rhel", "ec2-user"),
        ("suse", "ec2-user"),
        ("fedora", "fedora"),
    ];
    known.into_iter().find(|(part, _)| name.contains(part)).map(|(_, user)| user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_known_from_names() {
        assert_eq!(user("al2023-ami-2023.9.20251117.1-kernel-6.1-x86_64"), Some("ec2-user"));
        assert_eq!(user("amzn2-ami-hvm-2.0.20200207.1-x86_64-gp2"), Some("ec2-user"));
        assert_eq!(
            user("ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20251001"),
            Some("ubuntu")
        );
        assert_eq!(user("debian-13-amd64-20251117-2299"), Some("admin"));
        assert_eq!(user("golden-image-7"), None);
    }

    #[test]
    fn an_architecture_that_a3_does_not_know_is_no_image() {
        let image = Image::builder().image_id("ami-1").name("x");
        assert!(to_ours(&image.clone().architecture("i386".into()).build()).is_none());
        assert_eq!(to_ours(&image.architecture("arm64".into()).build()).unwrap().arch, Arch::Arm64);
    }
}
