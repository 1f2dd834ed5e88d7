//! What the steps on EC2 do: groups and their rules, instances from launch to end.

use a3::id::Slot;
use a3::observed::{
    CloudSeen, ContainerState, HostFacts, HostSeen, IngressRule, InstanceState, ManagedSeen, NotYet,
    OwnedInstance, SecurityGroup, Seen,
};
use a3::plan::names::label;
use a3::plan::step::{Firewall, Launch, Modify};
use a3::spec::{Machine, Restart};

use super::parts::{fresh_host, tagged};
use super::simulate::World;
use super::world;

impl World<'_> {
    pub(super) fn cloud(&mut self, group: &str) -> &mut CloudSeen {
        let Some(Seen::Present(cloud)) = self.seen.clouds.get_mut(group) else {
            panic!("no cloud of {group}")
        };
        cloud
    }

    /// Changes an instance wherever it is seen: a region is, once for each of its groups.
    pub(super) fn instance(&mut self, id: &str, change: impl Fn(&mut OwnedInstance)) {
        let mut found = false;
        for seen in self.seen.clouds.values_mut() {
            let Seen::Present(cloud) = seen else { continue };
            for one in cloud.instances.iter_mut().filter(|one| one.id == id) {
                change(one);
                found = true;
            }
        }
        assert!(found, "{id} is nowhere");
    }

    pub(super) fn firewall(&mut self, firewall: &Firewall) {
        let name = &firewall.group;
        let id = if name == "web" { "sg-0a3".to_owned() } else { format!("sg-{name}") };
        let group = &mut self.cloud(name).security_group;
        let group = group.get_or_insert_with(|| SecurityGroup { id, rules: Vec::new(), asked: None });
        group.asked = Some(firewall.asked.clone());
        group.rules.retain(|rule| !firewall.close.iter().any(|(id, _)| *id == rule.id));
        for rule in &firewall.open {
            let numbers = group.rules.iter().filter_map(|rule| rule.id.strip_prefix("sgr-")?.parse().ok());
            let id = format!("sgr-{}", numbers.max().map_or(0, |last: usize| last + 1));
            let (from_port, to_port) = (rule.port, rule.port);
            let (cidr, description) = (Some(as_ec2_shows(&rule.cidr)), rule.description.clone());
            let protocol = Some(rule.protocol);
            group.rules.push(IngressRule { id, protocol, from_port, to_port, cidr, description });
        }
        let behind =
            self.seen.hosts.iter().filter(|(slot, seen)| {
                slot.group == *name && matches!(seen, HostSeen::NotYet(NotYet::NoRule))
            });
        let behind: Vec<Slot> = behind.map(|(slot, _)| slot.clone()).collect();
        behind.iter().for_each(|slot| self.answer(slot));
    }

    pub(super) fn launch(&mut self, launch: &Launch) {
        if let Some(old) = &launch.replaces {
            self.replaced.push(launch.slot.clone());
            self.terminate(&launch.slot, old);
        }
        let cloud = self.cloud(&launch.slot.group);
        let managed = cloud.security_group.iter().map(|group| group.id.clone()).collect();
        let named = &launch.security_group_ids;
        let security_groups = if named.is_empty() { managed } else { named.clone() };
        let region = cloud.region.clone();
        let one = OwnedInstance {
            id: world::instance_id(&launch.slot, launch.generation, &region),
            slot: launch.slot.clone(),
            generation: launch.generation,
            name: launch.name.clone(),
            state: InstanceState::Running,
            launched: world::NOW,
            created: world::NOW,
            instance_type: launch.instance_type.clone(),
            arch: cloud.image.as_ref().unwrap().arch,
            image_id: launch.image_id.clone(),
            user: Some("ec2-user".into()),
            key_name: launch.key_name.clone(),
            subnet_id: launch.subnet_id.clone().or(Some("subnet-0".into())),
            vpc_id: cloud.vpc_id.clone(),
            security_groups,
            iam_instance_profile: launch.iam_instance_profile.clone(),
            hop_limit: Some(launch.hop_limit),
            tokens_required: Some(true),
            public_ip: Some(format!("203.0.113.{}", 10 * launch.generation + launch.slot.index)),
            private_ip: None,
            spot: launch.spot.is_some(),
            protected: Some(launch.protected),
            protection_unseen: None,
            hash: Some(launch.hash.clone()),
            host_key: None,
            deadline: None,
            tags: tagged(launch),
            state_reason: None,
        };
        let clouds = self.seen.clouds.values_mut();
        for seen in clouds {
            match seen {
                Seen::Present(cloud) if cloud.region == region => cloud.instances.push(one.clone()),
                _ => {}
            }
        }
        self.disks.remove(&launch.slot);
        let host = fresh_host(self.spec);
        self.seen.hosts.insert(launch.slot.clone(), HostSeen::Ready(Box::new(host)));
    }

    pub(super) fn modify(&mut self, modify: &Modify) {
        let managed = match self.seen.clouds.get(&modify.slot.group) {
            Some(Seen::Present(cloud)) => cloud.security_group.as_ref().map(|group| group.id.clone()),
            _ => None,
        };
        self.instance(&modify.id, |one| modified(one, modify, managed.as_deref()));
        if modify.instance_type.is_some()
            && let Some(HostSeen::Ready(facts)) = self.seen.hosts.get_mut(&modify.slot)
        {
            restarted(facts);
        }
    }

    /// Deletes what is left in a region, and else what the group there has.
    pub(super) fn delete(&mut self, (group, region): (&str, &str), forget: fn(&mut ManagedSeen)) {
        for (name, seen) in &mut self.seen.clouds {
            let Seen::Present(cloud) = seen else { continue };
            if cloud.region != region {
                continue;
            }
            cloud.left.iter_mut().filter(|left| left.group == *group).for_each(forget);
            if name != group {
                continue;
            }
            let mut own = ManagedSeen {
                security_group: cloud.security_group.as_ref().map(|group| group.id.clone()),
                key_pair: cloud.key_pair.take(),
                ..ManagedSeen::default()
            };
            forget(&mut own);
            cloud.security_group = cloud.security_group.take().filter(|_| own.security_group.is_some());
            cloud.key_pair = own.key_pair;
        }
    }

    pub(super) fn terminate(&mut self, slot: &Slot, id: &str) {
        let clouds = self.seen.clouds.iter().filter_map(|(name, seen)| Some((name, seen.present()?)));
        let shows = |cloud: &CloudSeen| cloud.instances.iter().any(|one| one.id == id);
        let names: Vec<&String> = clouds.filter(|(_, cloud)| shows(cloud)).map(|(name, _)| name).collect();
        // It may have been left in a region that the slot's group is not in (any more).
        let elsewhere = match self.spec.groups.get(&slot.group).map(|group| &group.machine) {
            Some(Machine::Ec2(_)) => !names.contains(&&slot.group),
            Some(Machine::Host(_) | Machine::Local) => true,
            None => names.iter().all(|name| name.starts_with("region ")),
        };
        self.instance(id, |one| {
            assert_ne!(one.protected, Some(true), "{id} is protected");
            one.state = InstanceState::Terminated;
        });
        if elsewhere {
            return;
        }
        if self.spec.slots().any(|(wanted, _)| wanted == *slot) {
            self.seen.hosts.insert(slot.clone(), HostSeen::NotYet(NotYet::NotLaunched));
        } else {
            self.seen.hosts.shift_remove(slot);
        }
    }
}

/// EC2 clears what a network's bits do not cover.
fn as_ec2_shows(cidr: &str) -> String {
    let (address, bits) = cidr.split_once('/').unwrap();
    let Ok(address) = address.parse::<std::net::Ipv4Addr>() else { return cidr.to_owned() };
    let host = (1_u64 << (32 - bits.parse::<u32>().unwrap())) - 1;
    let network = address.to_bits() & !u32::try_from(host).unwrap();
    format!("{}/{bits}", std::net::Ipv4Addr::from_bits(network))
}

fn modified(one: &mut OwnedInstance, modify: &Modify, managed: Option<&str>) {
    for (key, value) in &modify.set_tags {
        if key == "a3:hash" {
            one.hash = Some(value.clone());
        } else {
            one.tags.insert(key.clone(), value.clone());
        }
    }
    modify.remove_tags.iter().for_each(|key| drop(one.tags.remove(key)));
    match &modify.security_group_ids {
        Some(ids) if ids.is_empty() => one.security_groups = vec![managed.unwrap().to_owned()],
        Some(ids) => one.security_groups.clone_from(ids),
        None => {}
    }
    one.instance_type = modify.instance_type.clone().unwrap_or(one.instance_type.clone());
    one.hop_limit = modify.hop_limit.or(one.hop_limit);
    if modify.require_tokens {
        one.tokens_required = Some(true);
    }
    one.protected = modify.protected.or(one.protected);
    // Written down on the machine, and then as a tag.
    if let Some(ttl) = modify.ttl {
        one.deadline = Some(ttl.map_or_else(String::new, |ttl| (one.created + ttl.as_secs()).to_string()));
    }
}

/// A machine was stopped and started: what its restart policy starts runs again, the rest does not.
pub(crate) fn restarted(facts: &mut HostFacts) {
    for one in &mut facts.containers {
        // Others' come back as they have seen to it.
        if !one.labels.contains_key(label::SERVICE) {
            continue;
        }
        let policy = one.in_place.as_ref().map(|set| set.restart);
        let comes_back = matches!(policy, Some(Restart::Always | Restart::UnlessStopped));
        if one.state == ContainerState::Running && !comes_back {
            (one.state, one.ports) = (ContainerState::Exited(143), Vec::new());
        }
    }
}
