//! Every EC2 group at once.

use futures_util::future::join_all;
use futures_util::join;
use indexmap::IndexMap;

use super::{Need, World};
use crate::ec2::Cloud;
use crate::explain::Explain as _;
use crate::observed::{CloudSeen, ManagedSeen, OwnedInstance, Seen};
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
    let (asked, remembered, managed) = join!(join_all(asked), join_all(remembered), managed(spec, world));
    let mut clouds = asked.into_iter().chain(remembered).flatten().collect();
    for (cloud, managed) in managed {
        keep_left(spec, &mut clouds, cloud, managed);
    }
    clouds
}

/// The security groups and key pairs of the deployment, region by region.
async fn managed<'a>(spec: &Spec, world: &'a World) -> Vec<(&'a Cloud, Vec<ManagedSeen>)> {
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
    // What a group of the spec asks there fails in the same way, and says so.
    let asked = regions
        .into_iter()
        .map(async |cloud| (cloud, cloud.managed(Some(&spec.name)).await.unwrap_or_default()));
    join_all(asked).await
}

/// Keeps what belongs to no group of the spec that is in this region: its group has left the spec, or
/// moved to another region or network.
fn keep_left(
    spec: &Spec,
    clouds: &mut IndexMap<String, Seen<CloudSeen>>,
    here: &Cloud,
    managed: Vec<ManagedSeen>,
) {
    let is_here = |cloud: &CloudSeen| cloud.region == here.region && cloud.account == here.account;
    let left = managed.into_iter().filter_map(|one| {
        let is_ec2 = |group: &Group| matches!(group.machine, Machine::Ec2(_));
        let seen = spec.groups.get(&one.group).filter(|group| is_ec2(group)).and(clouds.get(&one.group));
        let (own_group, own_key) = match seen {
            None => (false, false),
            Some(Seen::Present(cloud)) if is_here(cloud) => {
                (one.security_group == cloud.security_group.as_ref().map(|found| found.id.clone()), true)
            }
            Some(Seen::Present(_)) => (false, false),
            // Nobody knows where that group is.
            Some(Seen::Absent | Seen::Unreachable(_)) => (true, true),
        };
        let security_group = one.security_group.filter(|_| !own_group);
        let key_pair = one.key_pair.filter(|_| !own_key);
        let left = security_group.is_some() || key_pair.is_some();
        left.then_some(ManagedSeen { security_group, key_pair, ..one })
    });
    let left: Vec<ManagedSeen> = left.collect();
    let place = clouds.values_mut().find_map(|seen| match seen {
        Seen::Present(cloud) if is_here(cloud) => Some(cloud),
        _ => None,
    });
    if let Some(cloud) = place {
        cloud.left = left;
    }
}

/// A region in which nothing was asked (yet).
pub(super) fn nothing(world: &World, cloud: &Cloud) -> CloudSeen {
    CloudSeen {
        account: cloud.account.clone(),
        region: cloud.region.clone(),
        image: None,
        type_archs: Vec::new(),
        instances: Vec::new(),
        vpc_id: None,
        security_group: None,
        held_by: Vec::new(),
        foreign_group: None,
        key_pair: None,
        foreign_key: false,
        caller_cidrs: Vec::new(),
        caller_id: world.caller_id(cloud),
        refusals: Vec::new(),
        unchecked: Vec::new(),
        left: Vec::new(),
    }
}

/// A region that this machine remembers and the spec does not name (any more): only what is left there
/// is of interest.
async fn observe_remembered(spec: &Spec, world: &World, name: &str) -> Option<Seen<CloudSeen>> {
    let cloud = match world.remembered.get(name)? {
        Ok(cloud) => cloud,
        Err(cause) => return Some(Seen::Unreachable(cause.clone())),
    };
    let is_ours = |one: &OwnedInstance| one.deployment() == spec.name;
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
