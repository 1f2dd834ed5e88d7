//! Every EC2 group at once.

use futures_util::future::join_all;
use futures_util::join;
use indexmap::IndexMap;

use super::{Need, World};
use crate::ec2::{Cloud, Managed};
use crate::explain::Explain as _;
use crate::observed::{CloudSeen, OwnedInstance, SecurityGroup, Seen};
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
    let (asked, remembered, left) = join!(join_all(asked), join_all(remembered), left_behind(spec, world));
    asked.into_iter().chain(remembered).flatten().chain(left).collect()
}

/// Security groups and key pairs of instance groups that left the spec, as groups with nothing else.
async fn left_behind(spec: &Spec, world: &World) -> Vec<(String, Seen<CloudSeen>)> {
    if !matches!(world.need, Need::Everything | Need::Machines) {
        return Vec::new();
    }
    let mut regions: Vec<&Cloud> = Vec::new();
    for cloud in world.clouds.values().chain(world.remembered.values()).flatten() {
        let known = |other: &&Cloud| other.region == cloud.region && other.account == cloud.account;
        if !regions.iter().any(known) {
            regions.push(cloud);
        }
    }
    let is_in_spec = |group: &str| {
        let machine = spec.groups.get(group).map(|group| &group.machine);
        matches!(machine, Some(Machine::Ec2(_)))
    };
    let asked = regions.into_iter().map(async |cloud| match cloud.managed(&spec.name).await {
        Ok(managed) => {
            let left = managed.into_iter().filter(|one| !is_in_spec(&one.group));
            left.map(|one| (one.group.clone(), Seen::Present(only_managed(world, cloud, &one)))).collect()
        }
        // What a group of the spec asks there fails in the same way, and says so.
        Err(_) => Vec::new(),
    });
    join_all(asked).await.into_iter().flatten().collect()
}

fn only_managed(world: &World, cloud: &Cloud, managed: &Managed) -> CloudSeen {
    let security_group = managed.security_group.clone().map(|id| SecurityGroup { id, rules: Vec::new() });
    CloudSeen { security_group, key_pair: managed.key_pair.clone(), ..nothing(world, cloud) }
}

/// A region in which nothing was asked (yet).
fn nothing(world: &World, cloud: &Cloud) -> CloudSeen {
    CloudSeen {
        account: cloud.account.clone(),
        region: cloud.region.clone(),
        image: None,
        type_archs: Vec::new(),
        instances: Vec::new(),
        vpc_id: None,
        security_group: None,
        foreign_group: None,
        key_pair: None,
        foreign_key: false,
        caller_cidrs: Vec::new(),
        caller_id: world.caller_id(cloud),
        refusals: Vec::new(),
        unchecked: Vec::new(),
    }
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
            instances: instances.into_iter().filter(is_ours).collect(),
            ..nothing(world, cloud)
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
