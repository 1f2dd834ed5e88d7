//! Every EC2 group at once.

use futures_util::future::join_all;
use futures_util::join;
use indexmap::IndexMap;

use super::World;
use crate::explain::Explain as _;
use crate::observed::{CloudSeen, OwnedInstance, Seen};
use crate::spec::{Group, Machine, Spec};

/// By group, in the order of the spec.
pub(crate) async fn observe(spec: &Spec, world: &World) -> IndexMap<String, Seen<CloudSeen>> {
    let asked = spec.groups.values().map(async |group| {
        let seen = observe_group(spec, world, group).await?;
        Some((group.name.clone(), seen))
    });
    let remembered = world.remembered.keys().map(async |name| {
        let seen = observe_remembered(spec, world, name).await?;
        Some((name.clone(), seen))
    });
    let (asked, remembered) = join!(join_all(asked), join_all(remembered));
    asked.into_iter().chain(remembered).flatten().collect()
}

/// A region that this machine remembers and the spec does not name (any more): only what is left there
/// is of interest.
async fn observe_remembered(spec: &Spec, world: &World, name: &str) -> Option<Seen<CloudSeen>> {
    let cloud = match world.remembered.get(name)? {
        Ok(cloud) => cloud,
        Err(cause) => return Some(Seen::Unreachable(cause.clone())),
    };
    let is_ours = |one: &OwnedInstance| one.tags.get("a3:deployment") == Some(&spec.name);
    Some(match cloud.list_all().await {
        Ok(instances) => Seen::Present(CloudSeen {
            account: cloud.account.clone(),
            region: cloud.region.clone(),
            image: None,
            type_archs: Vec::new(),
            instances: instances.into_iter().filter(is_ours).collect(),
            vpc_id: None,
            security_group: None,
            foreign_group: None,
            key_pair: None,
            foreign_key: false,
            caller_cidrs: Vec::new(),
            caller_id: world.caller_id(cloud),
            refusals: Vec::new(),
            unchecked: Vec::new(),
        }),
        Err(error) => Seen::Unreachable(error.cause()),
    })
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
