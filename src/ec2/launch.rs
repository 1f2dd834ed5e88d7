//! Launching once: one slot and generation never become two instances, whoever crashes where.
//!
//! The client token is derived from who and what is launched, not how: EC2 answers a second request
//! with it by the first one's instance, for a day after that has ended.

use std::time::Duration;

use aws_sdk_ec2::types::{Filter, Instance};
use sha2::Digest as _;

use super::instances::{by_tag, owned, state, state_name};
use super::{Cloud, CloudError, pace, tags};
use crate::event::{Activity, Sink};
use crate::observed::{InstanceState, OwnedInstance};
use crate::plan::step::Launch;
use crate::wait::Found;

/// Launches of one generation that ended within the day that EC2 remembers tokens; each costs one
/// call.
const ATTEMPTS: u32 = 64;

/// How long an instance that a lost answer launched may stay invisible.
const MISMATCH: Duration = Duration::from_secs(120);

/// Reads by tag see a launch after about this long; decides only where a subnet is named.
const VISIBLE: Duration = Duration::from_secs(6);

/// A group or key pair made just before may not be known to RunInstances yet.
const PREREQUISITES: Duration = Duration::from_secs(30);

/// From RunInstances to running.
const RUNNING: Duration = Duration::from_secs(600);

/// What is launched, for whom.
#[derive(Clone, Copy)]
struct Order<'a> {
    deployment: &'a str,
    launch: &'a Launch,
    managed_group: Option<&'a str>,
}

/// How one attempt ended.
enum Attempt {
    /// This is the slot's instance.
    Launched(String),
    /// The token is bound to an ended instance or a failed launch.
    UsedUp,
}

impl Cloud {
    /// Launches the slot's instance, or finds that it has been, and gives its id. Does not wait for it
    /// to run.
    ///
    /// Assumes that key pair and groups exist. With `launch.replaces` that instance is terminated
    /// first; the launch begins when it is shutting down. Safe to repeat after a crash anywhere: the
    /// client token or, where a subnet is named (a token counts per zone there), the read by tag finds
    /// what the earlier try launched. An instance of an earlier try with other settings is adopted with
    /// a warning; the next plan compares it.
    ///
    /// # Errors
    /// EC2's refusals (capacity, quota, permission), or nothing but ended instances under every token.
    pub async fn launch(
        &self,
        deployment: &str,
        launch: &Launch,
        managed_group: Option<&str>,
        sink: Sink<'_>,
    ) -> Result<String, CloudError> {
        if let Some(old) = &launch.replaces {
            self.end(old, &[InstanceState::ShuttingDown, InstanceState::Terminated], sink).await?;
        }
        if launch.subnet_id.is_some()
            && let Some(id) = self.launched_before(deployment, launch).await?
        {
            return Ok(id);
        }
        let order = Order { deployment, launch, managed_group };
        for attempt in 0..ATTEMPTS {
            let token = token(deployment, &self.account, launch, attempt);
            match self.attempt(order, &token, sink).await? {
                Attempt::Launched(id) => return Ok(id),
                Attempt::UsedUp => {}
            }
        }
        let (slot, generation) = (launch.slot.to_string(), launch.generation);
        Err(CloudError::TokensUsed { slot, generation, attempts: ATTEMPTS })
    }

    /// The live instance of this slot and generation, after the time that a read may be behind.
    async fn launched_before(&self, deployment: &str, launch: &Launch) -> Result<Option<String>, CloudError> {
        for wait in [Duration::ZERO, VISIBLE / 2, VISIBLE / 2] {
            tokio::time::sleep(wait).await;
            let filters = vec![
                by_tag(tags::DEPLOYMENT, deployment),
                by_tag(tags::INSTANCE, &launch.slot.to_string()),
                by_tag(tags::GENERATION, &launch.generation.to_string()),
            ];
            let found = self.instances(filters).await?;
            let mut ours = found.iter().filter_map(|one| owned(one, Some(deployment)));
            if let Some(live) = ours.find(|one| one.state.is_live()) {
                return Ok(Some(live.id));
            }
        }
        Ok(None)
    }

    async fn attempt(&self, order: Order<'_>, token: &str, sink: Sink<'_>) -> Result<Attempt, CloudError> {
        let Order { deployment, launch, managed_group } = order;
        let ask = async || {
            let call = self.run_instances_once(deployment, launch, managed_group, token)?;
            match call.send().await.map_err(self.failed("RunInstances")) {
                Ok(answer) => Ok(Found::Ready(Ok(answer.instances.unwrap_or_default()))),
                Err(error) if is_not_known_yet(&error) => Ok(Found::NotYet(error.to_string())),
                Err(error) => Ok(Found::Ready(Err(error))),
            }
        };
        let answer = pace::until("the new group and key pair", PREREQUISITES, sink, ask).await?;
        match answer {
            Ok(instances) => launched(&instances),
            Err(error) => match error.code() {
                Some("IdempotentInstanceTerminated") => Ok(Attempt::UsedUp),
                Some("IdempotentParameterMismatch") => self.adopt(launch, token, sink).await,
                _ => Err(error),
            },
        }
    }

    /// Another request bound the token: its live instance is ours, an ended one or none (a launch that
    /// failed on capacity binds it too) uses it up.
    async fn adopt(&self, launch: &Launch, token: &str, sink: Sink<'_>) -> Result<Attempt, CloudError> {
        let on = format!("the instance that an earlier apply launched for {}", launch.slot);
        let ask = async || {
            let filter = Filter::builder().name("client-token").values(token).build();
            let found = self.instances(vec![filter]).await?;
            if let Some(live) = found.iter().find(|one| state(one).is_live()) {
                return Ok(Found::Ready(Some(id_of(live)?)));
            }
            Ok(if found.is_empty() { Found::NotYet("not visible".into()) } else { Found::Ready(None) })
        };
        match pace::until(&on, MISMATCH, sink, ask).await {
            Ok(Some(id)) => {
                let message = format!(
                    "{}: {id} was launched by an earlier apply with other settings; it is taken as it is, \
                     the next plan shows what differs",
                    launch.slot
                );
                sink(Activity::Warning { message });
                Ok(Attempt::Launched(id))
            }
            Ok(None) | Err(CloudError::TimedOut { .. }) => Ok(Attempt::UsedUp),
            Err(error) => Err(error),
        }
    }

    /// Waits until the instance runs.
    ///
    /// # Errors
    /// It ended instead (EC2's reason is in the message), or 10 minutes have passed. That EC2 does not
    /// know it right after its launch is normal.
    pub async fn wait_running(&self, id: &str, sink: Sink<'_>) -> Result<OwnedInstance, CloudError> {
        let on = format!("{id} to run");
        let instance = pace::until(&on, RUNNING, sink, async || {
            let Some(one) = self.instance(id).await? else {
                return Ok(Found::NotYet("not visible yet".into()));
            };
            match state(&one) {
                InstanceState::Running => Ok(Found::Ready(one)),
                ended @ (InstanceState::ShuttingDown | InstanceState::Terminated) => Err(CloudError::Ended {
                    id: id.to_owned(),
                    state: state_name(ended).to_owned(),
                    on: "running".to_owned(),
                    reason: super::instances::reason(&one),
                }),
                other => Ok(Found::NotYet(state_name(other).to_owned())),
            }
        });
        let instance = instance.await?;
        let mut one =
            owned(&instance, None).ok_or_else(|| CloudError::Foreign { what: format!("instance {id}") })?;
        let users = self.users([one.image_id.clone()].into()).await.unwrap_or_default();
        one.user = users.get(&one.image_id).cloned();
        Ok(one)
    }
}

/// RunInstances' answer: a repeated token may be answered with an instance that has ended.
fn launched(instances: &[Instance]) -> Result<Attempt, CloudError> {
    let missing = CloudError::Incomplete { action: "RunInstances", what: "instance" };
    let one = instances.first().ok_or(missing)?;
    if state(one).is_live() { Ok(Attempt::Launched(id_of(one)?)) } else { Ok(Attempt::UsedUp) }
}

fn id_of(instance: &Instance) -> Result<String, CloudError> {
    let missing = CloudError::Incomplete { action: "RunInstances", what: "instance id" };
    instance.instance_id().map(str::to_owned).ok_or(missing)
}

/// What was made a moment ago may not be known everywhere.
fn is_not_known_yet(error: &CloudError) -> bool {
    matches!(error.code(), Some("InvalidGroup.NotFound" | "InvalidKeyPair.NotFound"))
}

/// `base32(sha256(deployment ‖ account ‖ slot ‖ generation ‖ attempt))`, 52 characters; each part
/// with its length, so that no two lists of parts read the same. No launch setting is in it.
fn token(deployment: &str, account: &str, launch: &Launch, attempt: u32) -> String {
    let mut hash = sha2::Sha256::new();
    let numbers = [launch.generation.to_string(), attempt.to_string()];
    for part in [deployment, account, &launch.slot.to_string(), &numbers[0], &numbers[1]] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    data_encoding::BASE32_NOPAD.encode(&hash.finalize()).to_lowercase()
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use aws_sdk_ec2::types::{InstanceState as SdkState, InstanceStateName};

    use super::*;
    use crate::id::Slot;
    use crate::spec::{Ami, RootBlockDevice};

    pub(in crate::ec2) fn launch() -> Launch {
        Launch {
            slot: Slot::new("web", 0),
            generation: 1,
            name: "furious_raman".into(),
            image_id: "ami-1".into(),
            ami: Ami::Id("ami-1".into()),
            instance_type: "t2.micro".into(),
            key_name: None,
            security_group_ids: Vec::new(),
            subnet_id: None,
            iam_instance_profile: None,
            root_block_device: RootBlockDevice::default(),
            root_device: None,
            hop_limit: 1,
            spot: None,
            protected: false,
            ttl: None,
            user_data: None,
            tags: BTreeMap::new(),
            hash: "1 ami=0".into(),
            asked: "1 type=t2.micro".into(),
            replaces: None,
        }
    }

    #[test]
    fn a_token_depends_on_who_and_what_and_on_nothing_else() {
        let one = launch();
        let base = token("music", "1", &one, 0);
        assert_eq!(base.len(), 52);
        assert!(base.len() <= 64 && base.is_ascii(), "EC2's limit");
        assert_ne!(base, token("musi", "c1", &one, 0));
        assert_ne!(base, token("music", "2", &one, 0));
        assert_ne!(base, token("music", "1", &one, 1));
        assert_ne!(base, token("music", "1", &Launch { generation: 2, ..launch() }, 0));
        assert_ne!(base, token("music", "1", &Launch { slot: Slot::new("web", 1), ..launch() }, 0));
        let other = Launch { instance_type: "t3.large".into(), user_data: Some("x".into()), ..launch() };
        assert_eq!(base, token("music", "1", &other, 0));
    }

    #[test]
    fn an_ended_instance_as_answer_uses_the_token_up() {
        let instance = |name| {
            let state = SdkState::builder().name(name).build();
            Instance::builder().instance_id("i-1").state(state).build()
        };
        let live = launched(&[instance(InstanceStateName::Pending)]).unwrap();
        assert!(matches!(live, Attempt::Launched(id) if id == "i-1"));
        for ended in [InstanceStateName::ShuttingDown, InstanceStateName::Terminated] {
            assert!(matches!(launched(&[instance(ended)]).unwrap(), Attempt::UsedUp));
        }
        assert!(launched(&[]).is_err());
    }
}
