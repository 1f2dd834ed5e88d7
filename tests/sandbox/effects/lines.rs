//! What was observed, as lines that the model's world and the real one have to share.
//!
//! Every field is named: one that is added does not compile until it is compared here, or put where it
//! says why not. What only reality knows (ids, digests, addresses, times) is compared as far as it was
//! known before: what was there stays the same one, what is made is new.

use std::collections::{BTreeMap, BTreeSet};

use a3::observed::{
    CloudSeen, ContainerSeen, FileSeen, Health, HostFacts, HostSeen, ImageSeen, IngressRule, KeptImage,
    LocalImage, ManagedSeen, Observed, OwnedInstance, RemoteImage, RemoteSeen, SecurityGroup, Seen,
};
use a3::plan::names::{label, repository};
use a3::plan::{asked, own_tags};
use a3::record::{Record, Release, ReleasedService, Stopped};

/// How both worlds are told alike.
pub(super) struct Names {
    /// Ids that were known before the apply.
    known: BTreeSet<String>,
    /// Digests by what they are of.
    digests: BTreeMap<String, String>,
}

impl Names {
    /// `seen` is the world after the apply, `before` the one before, `others` of which images are known
    /// from earlier.
    pub(super) fn of(seen: &Observed, before: &Observed) -> Self {
        let clouds = before.clouds.values().filter_map(Seen::present);
        let known = clouds.flat_map(|cloud| {
            let rules = cloud.security_group.iter().flat_map(|group| &group.rules);
            let groups = cloud.security_group.iter().map(|group| group.id.clone());
            let ids = cloud
                .instances
                .iter()
                .flat_map(|one| [one.id.clone()].into_iter().chain(one.security_groups.clone()));
            ids.chain(rules.map(|rule| rule.id.clone())).chain(groups).collect::<Vec<_>>()
        });
        let containers =
            before.hosts.values().filter_map(HostSeen::facts).flat_map(|facts| &facts.containers);
        let known = known.chain(containers.map(|one| one.id.clone())).collect();
        let mut digests = BTreeMap::new();
        for (service, image) in &seen.images {
            for found in [&image.reference, &image.source_tag].into_iter().filter_map(RemoteSeen::found) {
                if let Some(source) = &found.source {
                    digests
                        .insert(found.digest.to_string(), format!("<what was pushed of {}>", source.short()));
                }
            }
            for found in [&image.local_source, &image.local_reference].into_iter().filter_map(Seen::present) {
                if let Some(source) = &found.source {
                    digests
                        .insert(found.id.to_string(), format!("<{service} as built of {}>", source.short()));
                }
            }
        }
        Self { known, digests }
    }

    fn id<'a>(&self, id: &'a str) -> &'a str {
        if self.known.contains(id) { id } else { "new" }
    }

    /// Digests in a text by what they are.
    fn text(&self, text: &str) -> String {
        self.digests.iter().fold(text.to_owned(), |text, (digest, name)| text.replace(digest, name))
    }
}

/// All of it.
pub(super) fn of(deployment: &str, seen: &Observed, names: &Names) -> BTreeSet<String> {
    let Observed {
        // The clock of this machine, and what the scope line shows.
        now: _,
        scope: _,
        images,
        clouds,
        hosts,
        // What is here is no effect of a step, and both worlds saw the same.
        files: _,
        secrets: _,
        missing,
        unread,
        built,
    } = seen;
    let mut lines: BTreeSet<String> =
        images.iter().map(|(name, image)| format!("image {name}: {}", image_line(image, names))).collect();
    lines.insert(format!("missing {missing:?} {unread:?}"));
    let built = built.present().into_iter().flatten().flat_map(|image| &image.tags);
    // Other people's images are in the engine here as well.
    let own = [format!("{deployment}-"), format!("/{deployment}-")];
    let built = built.filter(|tag| tag.starts_with(&own[0]) || tag.contains(&own[1]));
    lines.extend(built.map(|tag| format!("built here {tag}")));
    for (name, cloud) in clouds {
        let Seen::Present(cloud) = cloud else { panic!("{name}: {cloud:?}") };
        lines.extend(cloud_lines(cloud, names).into_iter().map(|line| format!("cloud {name}: {line}")));
    }
    for (slot, host) in hosts {
        match host {
            HostSeen::Ready(facts) => {
                lines.extend(facts_lines(facts, names).into_iter().map(|line| format!("{slot}: {line}")));
            }
            HostSeen::NotYet(not_yet) => drop(lines.insert(format!("{slot}: {not_yet:?}"))),
            away => panic!("{slot}: {away:?}"),
        }
    }
    lines
}

fn image_line(image: &ImageSeen, names: &Names) -> String {
    let ImageSeen { platform, source, context, reference, source_tag, local_source, local_reference } = image;
    let remote = |seen: &RemoteSeen| match seen {
        RemoteSeen::Found(found) => {
            // The size is the registry's; a manifest and a configuration belong to their digest.
            let RemoteImage { digest, manifest_digest: _, config_digest: _, source, size: _ } = found;
            format!("{} of {source:?}", names.text(&digest.to_string()))
        }
        other => format!("{other:?}"),
    };
    let local = |seen: &Seen<LocalImage>| match seen {
        Seen::Present(found) => {
            // By which digests registries know it is asked only of what is not built; what it was built
            // for is in the platform.
            let LocalImage { id, repo_digests: _, source, arch: _ } = found;
            format!("{} of {source:?}", names.text(&id.to_string()))
        }
        other => format!("{other:?}"),
    };
    let there = [remote(reference), remote(source_tag)].join(", ");
    let here = [local(local_source), local(local_reference)].join(", ");
    format!("{platform} {source:?} {context:?} in the registry {there}; here {here}")
}

fn cloud_lines(cloud: &CloudSeen, names: &Names) -> Vec<String> {
    let CloudSeen {
        account,
        region,
        image,
        type_archs,
        instances,
        vpc_id,
        security_group,
        held_by,
        foreign_group,
        key_pair,
        foreign_key,
        own_key,
        caller_cidrs,
        caller_id,
        own_groups,
        no_such_type,
        refusals,
        // What could not be seen for a next launch, which depends on whether there is one.
        unchecked: _,
        // Words for a person.
        notes: _,
        left,
    } = cloud;
    let mut lines = vec![
        format!("{account} {region} {image:?} {type_archs:?} {vpc_id:?} {caller_cidrs:?} {caller_id}"),
        format!("foreign {foreign_group:?} {foreign_key} refusals {refusals:?} held by {held_by:?}"),
        format!("key {} own {own_key:?} groups {own_groups:?} {no_such_type:?}", key_pair.is_some()),
    ];
    if let Some(SecurityGroup { id, rules, asked }) = security_group {
        lines.push(format!("group {} {asked:?}", names.id(id)));
        lines.extend(rules.iter().map(|rule| {
            let IngressRule { id, protocol, from_port, to_port, cidr, description } = rule;
            format!("rule {} {:?}", names.id(id), (protocol, from_port, to_port, cidr, description))
        }));
    }
    let managed = security_group.as_ref().map(|group| group.id.as_str());
    lines.extend(instances.iter().map(|one| instance_line(one, managed, names)));
    for ManagedSeen { deployment, group, security_group, key_pair } in left {
        let what = (security_group.is_some(), key_pair.is_some());
        if what != (false, false) {
            lines.push(format!("left {deployment} {group} {what:?}"));
        }
    }
    lines
}

fn instance_line(one: &OwnedInstance, managed: Option<&str>, names: &Names) -> String {
    let OwnedInstance {
        id,
        slot,
        generation,
        name,
        state,
        // The clock of EC2.
        launched: _,
        created,
        instance_type,
        arch,
        image_id,
        user,
        key_name,
        subnet_id,
        vpc_id,
        security_groups,
        iam_instance_profile,
        hop_limit,
        tokens_required,
        public_ip,
        // How it is dialled is not planned.
        private_ip: _,
        spot,
        protected,
        // Words for a person.
        protection_unseen: _,
        hash,
        // How it is known again is not planned.
        host_key: _,
        deadline,
        tags,
        // Words for a person.
        state_reason: _,
    } = one;
    if !state.is_live() {
        // All that the next launch wants of it.
        return format!("ended {} {slot} {generation}", names.id(id));
    }
    let of_old = names.known.contains(id);
    let created = of_old.then_some(created);
    let deadline = if of_old { deadline.clone() } else { deadline.as_ref().map(|_| "some".to_owned()) };
    let subnet = of_old.then_some(subnet_id);
    let own = |key: &&String| {
        !key.starts_with("a3:") && *key != "Name" || [own_tags::TAG, asked::TAG].contains(&key.as_str())
    };
    let tags: Vec<(&String, &String)> = tags.iter().filter(|(key, _)| own(key)).collect();
    let group = |id: &String| if managed == Some(id) { "managed" } else { "another" };
    let groups: Vec<&str> = security_groups.iter().map(group).collect();
    let what = (state, instance_type, arch, image_id, user, key_name, vpc_id);
    let more = (iam_instance_profile, hop_limit, tokens_required, public_ip.is_some(), spot, protected, hash);
    format!(
        "{} {slot} {generation} {name} {what:?} {groups:?} {more:?} {created:?} {deadline:?} {subnet:?} {tags:?}",
        names.id(id)
    )
}

fn facts_lines(facts: &HostFacts, names: &Names) -> Vec<String> {
    let HostFacts {
        arch,
        base,
        home,
        folder,
        sudo,
        // Bytes, and the clock there.
        disk_free: _,
        now: _,
        engine,
        engine_stopped,
        distribution,
        listening,
        ports_known,
        containers,
        admitted,
        files,
        repo_digests,
        kept,
        volumes,
        foreign_volumes,
        foreign_network,
        record,
        key,
        lease,
    } = facts;
    // Nothing is decided by which version of the engine it is.
    let engine = match engine {
        Seen::Present(_) => "there",
        Seen::Absent => "missing",
        Seen::Unreachable(_) => "away",
    };
    let (has_key, is_leased) = (key.is_some(), lease.is_some());
    let mut lines = vec![
        format!("{arch} {base} {home} {folder} {sudo} {distribution:?}"),
        format!(
            "engine {engine}, stopped {engine_stopped}; a key {has_key}; leased {is_leased}; ports {ports_known}"
        ),
        format!("admitted {admitted:?}"),
        format!("of others: volumes {foreign_volumes:?}, network {foreign_network}"),
    ];
    lines.extend(volumes.iter().map(|volume| format!("volume {volume}")));
    lines.extend(containers.iter().map(|one| container_line(one, kept, names)));
    let there = files.iter().filter(|(_, file)| **file != FileSeen::Absent);
    lines.extend(there.map(|(target, file)| format!("file {target} {file:?}")));
    // Docker listens for containers; sshd and the resolver of a machine that is a container are its own.
    let ports: Vec<_> = containers.iter().flat_map(|one| &one.ports).collect();
    let free = |port: u16| port != 22 && !ports.iter().any(|held| held.published == port);
    let held: BTreeSet<String> = listening
        .iter()
        .filter(|held| free(held.port) && held.ip.as_deref() != Some("127.0.0.11"))
        .map(|held| format!("a process holds {:?} {:?} {}", held.protocol, held.ip, held.port))
        .collect();
    lines.extend(held);
    lines.extend(repo_digests.iter().map(|digest| format!("has {}", names.text(digest))));
    for KeptImage { id: _, tags, digests } in kept {
        let mut tags = tags.clone();
        tags.sort();
        let digests: BTreeSet<String> = digests.iter().map(|digest| names.text(digest)).collect();
        lines.push(format!("kept {tags:?} {digests:?}"));
    }
    lines.extend(record.iter().flat_map(|record| record_lines(record, containers, names)));
    lines
}

fn container_line(one: &ContainerSeen, kept: &[KeptImage], names: &Names) -> String {
    let ContainerSeen {
        id,
        name,
        image_id,
        labels,
        state,
        // The clock there; status says how often it restarted, no step follows from it.
        started: _,
        restarts: _,
        health,
        ports,
        // Where things are on the disk is asked of the spec, not of the container.
        mounts: _,
        networks,
        in_place,
    } = one;
    let ours = labels.iter().filter(|(key, _)| key.starts_with("dev.a3."));
    // An image brings labels of its own.
    let ours = ours.filter(|(key, _)| ![label::SOURCE, label::HASH].contains(&key.as_str()));
    let ours: Vec<(&String, String)> = ours.map(|(key, value)| (key, names.text(value))).collect();
    // The engine's id of an image is reality's; which one it is is not.
    let image = kept.iter().find(|kept| kept.is(image_id)).map(|kept| {
        let mut tags = kept.tags.clone();
        tags.sort();
        tags
    });
    let ports: BTreeSet<_> = ports
        .iter()
        .map(|port| (&port.host_ip, port.published, port.target, port.protocol.as_str()))
        .collect();
    let unhealthy = *health == Some(Health::Unhealthy);
    let what = (state, unhealthy, image, ours, ports, networks, in_place);
    format!("container {} {name} {what:?}", names.id(id))
}

fn record_lines(record: &Record, containers: &[ContainerSeen], names: &Names) -> Vec<String> {
    let Record { version, files, in_place, releases, stopped } = record;
    let mut lines: Vec<String> =
        files.iter().map(|(target, file)| format!("copied {target} {file:?}")).collect();
    lines.push(format!("record of version {version}"));
    lines.extend(in_place.iter().map(|(service, set)| format!("in place {service} {set:?}")));
    // By whom is a person's name, and since when the clock there; the container is known by its name.
    for (service, Stopped { by: _, container, started: _ }) in stopped {
        let one = containers.iter().find(|one| one.id == *container);
        lines.push(format!("stopped {service} {:?}", one.map(|one| &one.name)));
    }
    for release in releases {
        let Release { number, status, by: _, at: _, services, rollback } = release;
        lines.push(format!("release {number} {status:?} {rollback:?}"));
        for (name, service) in services {
            let ReleasedService { image, config, settings, check, platform, interpolated } = service;
            let what = (config, settings, check, platform, interpolated);
            let image = names.text(image);
            lines.push(format!("release {number} {name} {image} in {} {what:?}", repository(&image)));
        }
    }
    lines
}
