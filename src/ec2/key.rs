//! The managed key pair: the public half of the person's own key, so that no private key ever
//! comes from EC2.

use aws_sdk_ec2::operation::import_key_pair::builders::ImportKeyPairFluentBuilder;
use aws_sdk_ec2::primitives::Blob;
use aws_sdk_ec2::types::{Filter, KeyPairInfo, ResourceType};

use super::{Cloud, CloudError, tags};
use crate::plan::names;

/// What a key pair name stands for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum KeySeen {
    Absent,
    /// With our mark; its fingerprint.
    Ours(String),
    /// With our name only.
    Foreign,
}

impl Cloud {
    /// Imports `public_key` (a line `ssh-ed25519 …` or `ssh-rsa …`) as `name`, marked as
    /// `deployment`'s, in the place of a pair of ours of another key: instances keep the key that they
    /// were launched with.
    ///
    /// Safe to repeat after a crash anywhere: a pair of that name, key and mark is taken as it is.
    ///
    /// # Errors
    /// A key type that EC2 does not take, a foreign pair of that name, or EC2's refusal.
    pub async fn import_key(
        &self,
        deployment: &str,
        group: &str,
        name: &str,
        public_key: &str,
    ) -> Result<(), CloudError> {
        tracing::debug!(group, name, "importing the public key");
        let call = self.new_key(deployment, name, public_key)?;
        let answer = call.clone().send().await.map_err(self.failed("ImportKeyPair"));
        match answer {
            Err(error) if error.code() == Some("InvalidKeyPair.Duplicate") => {
                match self.key_pair(deployment, name).await? {
                    KeySeen::Ours(known) if is_other(&known, public_key) => {
                        self.delete_key(name).await?;
                        call.send().await.map(drop).map_err(self.failed("ImportKeyPair"))
                    }
                    KeySeen::Ours(_) => Ok(()),
                    KeySeen::Foreign => Err(CloudError::Foreign { what: format!("key pair `{name}`") }),
                    KeySeen::Absent => Err(error),
                }
            }
            answer => answer.map(drop),
        }
    }

    /// The request that imports the pair, with its mark.
    pub(super) fn new_key(
        &self,
        deployment: &str,
        name: &str,
        public_key: &str,
    ) -> Result<ImportKeyPairFluentBuilder, CloudError> {
        let kind = public_key.split_whitespace().next().unwrap_or_default();
        if !matches!(kind, "ssh-ed25519" | "ssh-rsa") {
            return Err(CloudError::KeyType { kind: kind.to_owned() });
        }
        let marks = tags::specification(ResourceType::KeyPair, &tags::of_managed(deployment, name));
        let material = Blob::new(public_key.trim().as_bytes());
        let call = self.client.import_key_pair().key_name(name).public_key_material(material);
        Ok(call.tag_specifications(marks))
    }

    /// Deletes a key pair that carries our mark; one that is gone is fine.
    ///
    /// # Errors
    /// A pair without the mark, or EC2's refusal.
    pub async fn delete_key(&self, name: &str) -> Result<(), CloudError> {
        let Some(pair) = self.describe_key(name).await? else { return Ok(()) };
        if !tags::are_ours(pair.tags()) {
            return Err(CloudError::Foreign { what: format!("key pair `{name}`") });
        }
        let answer = self.client.delete_key_pair().key_name(name).send().await;
        answer.map(drop).map_err(self.failed("DeleteKeyPair"))
    }

    pub(super) async fn key_pair(&self, deployment: &str, name: &str) -> Result<KeySeen, CloudError> {
        Ok(match self.describe_key(name).await? {
            None => KeySeen::Absent,
            Some(pair) if tags::belong_to(pair.tags(), deployment) => KeySeen::Ours(fingerprint(&pair)),
            Some(_) => KeySeen::Foreign,
        })
    }

    async fn describe_key(&self, name: &str) -> Result<Option<KeyPairInfo>, CloudError> {
        let filter = Filter::builder().name("key-name").values(name).build();
        let call = self.client.describe_key_pairs().filters(filter).include_public_key(true);
        let answer = call.send().await.map_err(self.failed("DescribeKeyPairs"))?;
        // Key names are case-sensitive and a filter takes `*`: compare again.
        Ok(answer.key_pairs.unwrap_or_default().into_iter().find(|pair| pair.key_name() == Some(name)))
    }
}

/// Whether a pair's fingerprint says that it is of another key; EC2's own says nothing.
fn is_other(known: &str, public_key: &str) -> bool {
    known.starts_with("SHA256:") && names::key_fingerprint(public_key).is_some_and(|own| own != known)
}

/// `SHA256:…` as ssh-keygen shows it, where EC2 returns the public key; else EC2's own, which for an
/// imported RSA key is an MD5 of another encoding.
fn fingerprint(pair: &KeyPairInfo) -> String {
    let from_key = pair.public_key().and_then(names::key_fingerprint);
    from_key.unwrap_or_else(|| pair.key_fingerprint().or(pair.key_pair_id()).unwrap_or("unknown").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_is_ssh_keygens() {
        // ssh-keygen -lf of this line.
        let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl github";
        let pair = KeyPairInfo::builder().public_key(line).key_fingerprint("x").build();
        assert_eq!(fingerprint(&pair), "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");
        assert_eq!(fingerprint(&KeyPairInfo::builder().key_fingerprint("x").build()), "x");
    }
}
