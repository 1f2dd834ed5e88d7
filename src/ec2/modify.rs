//! Changing an instance in place, or while it is stopped for it.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_ec2::operation::modify_instance_attribute::builders::ModifyInstanceAttributeFluentBuilder;
use aws_sdk_ec2::types::{AttributeBooleanValue, AttributeValue, HttpTokensState, Instance, Tag};

use super::instances::{owned, state, state_name};
use super::{Cloud, CloudError, pace, tags};
use crate::event::Sink;
use crate::observed::InstanceState;
use crate::plan::asked;
use crate::plan::step::Modify;
use crate::wait::Found;

/// From StopInstances to stopped: the system shuts its services down first.
const STOPPED: Duration = Duration::from_secs(600);

const MODIFY: &str = "ModifyInstanceAttribute";

impl Cloud {
    /// Does what `modify` says. With a new type the instance is stopped, changed and started again (its
    /// public address changes); one that was stopped stays so.
    ///
    /// Of a changed `ttl` this does EC2's part, what a shutdown means. The host's file comes from
    /// [`super::ttl_script`]; the tag `a3:hash`, by which the next plan sees the change as done, is
    /// therefore left to the caller ([`Cloud::set_tag`]) when `modify.ttl` is there.
    ///
    /// Safe to repeat after a crash anywhere: everything is set to a value. The tag `a3:asked` comes last,
    /// since it says what has been asked for. A crash before it leaves the earlier value there: what was
    /// done stands, and a field that is changed outside a3 before the next change in place is told as an
    /// edit of the spec, as on an instance without the tag.
    ///
    /// # Errors
    /// An instance without our mark, or EC2's refusal.
    pub async fn modify(&self, modify: &Modify, sink: Sink<'_>) -> Result<(), CloudError> {
        let id = &modify.id;
        let one = self.our_instance(id).await?;
        // First: what the instance says is what the next plan looks at.
        Box::pin(self.tag_parts(&one, modify, sink)).await?;
        let mut set = modify.set_tags.clone();
        let asked = set.remove(asked::TAG);
        if modify.ttl.is_some() {
            set.remove(tags::HASH);
        }
        let id_alone = std::slice::from_ref(id);
        self.tag(id_alone, &set, &modify.remove_tags).await?;
        if let Some(groups) = &modify.security_group_ids {
            self.attribute(id, |call| call.set_groups(Some(groups.clone()))).await?;
        }
        if let Some(protected) = modify.protected {
            let value = AttributeBooleanValue::builder().value(protected).build();
            self.attribute(id, |call| call.disable_api_termination(value)).await?;
        }
        if modify.hop_limit.is_some() || modify.require_tokens {
            self.metadata(id, modify.hop_limit).await?;
        }
        if let Some(ttl) = modify.ttl {
            let shutdown = if ttl.is_some() { "terminate" } else { "stop" };
            let value = AttributeValue::builder().value(shutdown).build();
            self.attribute(id, |call| call.instance_initiated_shutdown_behavior(value)).await?;
        }
        if let Some(kind) = &modify.instance_type {
            Box::pin(self.change_type(id, kind, sink)).await?;
        }
        let asked = asked.map(|asked| (asked::TAG.to_owned(), asked)).into_iter().collect();
        self.tag(id_alone, &asked, &[]).await
    }

    /// Starts a stopped instance and waits until it runs; one on its way to stopped is awaited first.
    ///
    /// # Errors
    /// An instance without our mark or that ended, EC2's refusal, or 10 minutes without an answer.
    pub async fn start(&self, id: &str, sink: Sink<'_>) -> Result<(), CloudError> {
        let found = state(&self.our_instance(id).await?);
        if found == InstanceState::Stopping {
            self.wait_stopped(id, sink).await?;
        }
        if matches!(found, InstanceState::Stopping | InstanceState::Stopped) {
            let answer = self.client.start_instances().instance_ids(id).send().await;
            answer.map_err(self.failed("StartInstances"))?;
        }
        self.wait_running(id, sink).await.map(drop)
    }

    /// Sets one tag of an instance that carries our mark.
    ///
    /// # Errors
    /// An instance without our mark, or EC2's refusal.
    pub async fn set_tag(&self, id: &str, key: &str, value: &str) -> Result<(), CloudError> {
        self.our_instance(id).await?;
        self.tag(&[id.to_owned()], &[(key.to_owned(), value.to_owned())].into(), &[]).await
    }

    /// The instance, if it carries our mark.
    pub(super) async fn our_instance(&self, id: &str) -> Result<Instance, CloudError> {
        let foreign = || CloudError::Foreign { what: format!("instance {id}") };
        let one = self.instance(id).await?.ok_or_else(foreign)?;
        owned(&one, None).ok_or_else(foreign)?;
        Ok(one)
    }

    pub(super) async fn tag(
        &self,
        ids: &[String],
        set: &BTreeMap<String, String>,
        remove: &[String],
    ) -> Result<(), CloudError> {
        if !set.is_empty() {
            let call =
                self.client.create_tags().set_resources(Some(ids.to_vec())).set_tags(Some(tags::to_sdk(set)));
            call.send().await.map_err(self.failed("CreateTags"))?;
        }
        if !remove.is_empty() {
            let keys = remove.iter().map(|key| Tag::builder().key(key).build()).collect();
            let call = self.client.delete_tags().set_resources(Some(ids.to_vec())).set_tags(Some(keys));
            call.send().await.map_err(self.failed("DeleteTags"))?;
        }
        Ok(())
    }

    /// One attribute a call, as EC2 wants it.
    async fn attribute(
        &self,
        id: &str,
        set: impl FnOnce(ModifyInstanceAttributeFluentBuilder) -> ModifyInstanceAttributeFluentBuilder,
    ) -> Result<(), CloudError> {
        let call = set(self.client.modify_instance_attribute().instance_id(id));
        call.send().await.map(drop).map_err(self.failed(MODIFY))
    }

    async fn metadata(&self, id: &str, hops: Option<u32>) -> Result<(), CloudError> {
        let hops = hops.map(|hops| i32::try_from(hops).unwrap_or(i32::MAX));
        let call = self.client.modify_instance_metadata_options().instance_id(id);
        let call = call.http_tokens(HttpTokensState::Required).set_http_put_response_hop_limit(hops);
        call.send().await.map(drop).map_err(self.failed("ModifyInstanceMetadataOptions"))
    }

    /// A running instance is stopped for it, and started. Where that fails half-way it is started with the
    /// type that it had: a machine that ran does not stay stopped for an edit that cannot be made.
    async fn change_type(&self, id: &str, wanted: &str, sink: Sink<'_>) -> Result<(), CloudError> {
        let before = self.our_instance(id).await?;
        if !matches!(state(&before), InstanceState::Pending | InstanceState::Running) {
            self.wait_stopped(id, sink).await?;
            return self.set_type(id, wanted).await;
        }
        let kind = before.instance_type().map(|kind| kind.as_str().to_owned()).unwrap_or_default();
        let answer = self.client.stop_instances().instance_ids(id).send().await;
        answer.map_err(self.failed("StopInstances"))?;
        let changed = Box::pin(async {
            self.wait_stopped(id, sink).await?;
            self.set_type(id, wanted).await?;
            self.start(id, sink).await
        });
        let source = match changed.await {
            Ok(()) => return Ok(()),
            Err(ended @ CloudError::Ended { .. }) => return Err(ended),
            Err(error) => Box::new(error),
        };
        let (id, wanted) = (id.to_owned(), wanted.to_owned());
        match Box::pin(self.start_as(&id, &kind, sink)).await {
            Ok(true) => Err(CloudError::StartedAgain { id, kind, wanted, source }),
            Ok(false) => Err(*source),
            Err(back) => {
                let back = crate::explain::chain(&back);
                Err(CloudError::LeftStopped { id, kind, wanted, back, source })
            }
        }
    }

    /// Starts a stopped instance with the type that it had; false where it does not stand still.
    async fn start_as(&self, id: &str, kind: &str, sink: Sink<'_>) -> Result<bool, CloudError> {
        let found = self.our_instance(id).await?;
        match state(&found) {
            InstanceState::Stopped => {}
            InstanceState::Stopping => self.wait_stopped(id, sink).await?,
            _ => return Ok(false),
        }
        if found.instance_type().is_none_or(|found| found.as_str() != kind) {
            self.set_type(id, kind).await?;
        }
        self.start(id, sink).await.map(|()| true)
    }

    async fn set_type(&self, id: &str, kind: &str) -> Result<(), CloudError> {
        let value = AttributeValue::builder().value(kind).build();
        self.attribute(id, |call| call.instance_type(value)).await
    }

    async fn wait_stopped(&self, id: &str, sink: Sink<'_>) -> Result<(), CloudError> {
        pace::until(&format!("{id} to stop"), STOPPED, sink, async || {
            let one = self.our_instance(id).await?;
            match state(&one) {
                InstanceState::Stopped => Ok(Found::Ready(())),
                ended @ (InstanceState::ShuttingDown | InstanceState::Terminated) => Err(CloudError::Ended {
                    id: id.to_owned(),
                    state: state_name(ended).to_owned(),
                    on: "stopping".to_owned(),
                    reason: super::instances::reason(&one),
                }),
                other => Ok(Found::NotYet(state_name(other).to_owned())),
            }
        })
        .await
    }
}
