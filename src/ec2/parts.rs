//! What was launched with an instance: its volumes and network interfaces, which a launch gives the same
//! tags, and a change of the person's tags too.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{Filter, Instance};

use super::{Cloud, CloudError, tags};
use crate::event::{Activity, Sink};
use crate::plan::step::Modify;

impl Cloud {
    /// Sets and removes the person's tags on them. Somebody else's volume stays as it is: only what carries
    /// the instance's own mark was launched with it.
    ///
    /// A caller who may not see the tags gets a warning, and the instance its tags: a right that launches do
    /// without is no reason to refuse them.
    pub(super) async fn tag_parts(
        &self,
        one: &Instance,
        modify: &Modify,
        sink: Sink<'_>,
    ) -> Result<(), CloudError> {
        let (set, remove) = persons(modify);
        if set.is_empty() && remove.is_empty() {
            return Ok(());
        }
        match self.parts(one).await {
            Ok(parts) if parts.is_empty() => Ok(()),
            Ok(parts) => self.tag(&parts, &set, &remove).await,
            Err(error @ CloudError::Denied { .. }) => {
                let slot = &modify.slot;
                let message =
                    format!("{slot}: its volumes and interfaces keep the tags that they have: {error}");
                sink(Activity::Warning { message });
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The ids of those that are attached and carry its mark.
    pub(super) async fn parts(&self, one: &Instance) -> Result<Vec<String>, CloudError> {
        let Some(token) = one.client_token().filter(|token| !token.is_empty()) else { return Ok(Vec::new()) };
        let filter = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
        let call =
            self.client.describe_tags().filters(filter("key", tags::OWN)).filters(filter("value", token));
        let answer = call.send().await.map_err(self.failed("DescribeTags"))?;
        let marked: BTreeSet<&str> = answer.tags().iter().filter_map(|tag| tag.resource_id()).collect();
        let volumes = one.block_device_mappings().iter().filter_map(|disk| disk.ebs()?.volume_id());
        let cards = one.network_interfaces().iter().filter_map(|card| card.network_interface_id());
        Ok(volumes.chain(cards).filter(|id| marked.contains(id)).map(str::to_owned).collect())
    }
}

/// What a change sets and removes of the person's; a3's own say how it knows the instance.
pub(super) fn persons(modify: &Modify) -> (BTreeMap<String, String>, Vec<String>) {
    let own = |key: &str| key.starts_with("a3:");
    let set = modify.set_tags.iter().filter(|(key, _)| !own(key));
    let removed = modify.remove_tags.iter().filter(|key| !own(key));
    (set.map(|(key, value)| (key.clone(), value.clone())).collect(), removed.cloned().collect())
}
