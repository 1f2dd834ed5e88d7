//! Every EC2 group at once.

use futures_util::future::join_all;
use indexmap::IndexMap;

use super::World;
use crate::explain::Explain as _;
use crate::observed::{CloudSeen, Seen};
use crate::spec::{Group, Machine, Spec};

/// By group, in the order of the spec.
pub(crate) async fn observe(spec: &Spec, world: &World) -> IndexMap<String, Seen<CloudSeen>> {
    let asked = spec.groups.values().map(async |group| {
        let seen = observe_group(spec, world, group).await?;
        Some((group.name.clone(), seen))
    });
    join_all(asked).await.into_iter().flatten().collect()
}

async fn observe_group(spec: &Spec, world: &World, group: &Group) -> Option<Seen<CloudSeen>> {
    let Machine::Ec2(ec2) = &group.machine else { return None };
    let seen = match world.clouds.get(&group.name)? {
        Err(cause) => Seen::Unreachable(cause.clone()),
        Ok(cloud) => match cloud.observe(spec, group, ec2, &world.caller_id(cloud)).await {
            Ok(seen) => Seen::Present(seen),
            Err(error) => Seen::Unreachable(error.cause()),
        },
    };
    Some(seen)
}
