//! Every region of an account: what any deployment of a3 has there. The forgotten one costs money.

use aws_sdk_ec2::types::{Filter, Instance};
use futures_util::StreamExt as _;
use futures_util::stream;

use super::instances::{owned, state};
use super::{Cloud, CloudError, tags};
use crate::observed::{ForeignInstance, ManagedSeen, OwnedInstance};

/// Regions asked at once; each is asked three things.
const AT_ONCE: usize = 8;

/// What there is of a3 in one region.
#[derive(Clone, Debug, Default)]
pub struct RegionSeen {
    /// With a whole mark, all states, of every deployment.
    pub instances: Vec<OwnedInstance>,
    /// Live ones with a part of the mark: a3 did not launch them, and never ends them.
    pub foreign: Vec<ForeignInstance>,
    /// Security groups and key pairs, of every deployment.
    pub managed: Vec<ManagedSeen>,
}

impl Cloud {
    /// Asks every region that the account has enabled, sorted by name. A region that does not answer
    /// keeps none of the others from answering.
    ///
    /// # Errors
    /// The list of regions could not be had.
    pub async fn everywhere(&self) -> Result<Vec<(Self, Result<RegionSeen, CloudError>)>, CloudError> {
        let here: Vec<Self> = self.regions().await?.iter().map(|name| self.in_region(name)).collect();
        let asked = stream::iter(here).map(async |cloud| {
            let seen = cloud.whole_region().await;
            (cloud, seen)
        });
        let mut found: Vec<_> = asked.buffer_unordered(AT_ONCE).collect().await;
        found.sort_by(|(one, _), (other, _)| one.region.cmp(&other.region));
        Ok(found)
    }

    async fn whole_region(&self) -> Result<RegionSeen, CloudError> {
        let (marked, managed) = futures_util::join!(self.marked(), self.managed(None));
        let (mut instances, foreign) = marked?;
        self.protections(&mut instances).await;
        Ok(RegionSeen { instances, foreign, managed: managed? })
    }

    /// Those with a whole mark, all states, and live ones with a part of it.
    pub(super) async fn marked(&self) -> Result<(Vec<OwnedInstance>, Vec<ForeignInstance>), CloudError> {
        let with_tag = Filter::builder().name("tag-key").values(tags::DEPLOYMENT).build();
        let found = self.instances(vec![with_tag]).await?;
        let mut ours: Vec<OwnedInstance> = found.iter().filter_map(|one| owned(one, None)).collect();
        ours.sort_by_key(|one| (one.slot.clone(), one.generation, one.id.clone()));
        let others = found.iter().filter(|one| owned(one, None).is_none() && state(one).is_live());
        Ok((ours, others.map(foreign).collect()))
    }
}

fn foreign(one: &Instance) -> ForeignInstance {
    let found = tags::from_sdk(one.tags());
    ForeignInstance {
        id: one.instance_id().unwrap_or_default().to_owned(),
        name: found.get("Name").cloned().unwrap_or_default(),
        deployment: found.get(tags::DEPLOYMENT).cloned().unwrap_or_default(),
        state: state(one),
        launched: one.launch_time().and_then(|time| time.secs().try_into().ok()).unwrap_or(0),
        instance_type: one.instance_type().map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
    }
}
