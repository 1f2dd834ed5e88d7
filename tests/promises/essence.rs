//! What a deployment is, whichever way it came to be; and what in it is not ours.

use std::collections::{BTreeMap, BTreeSet};

use a3::id::Slot;
use a3::observed::{ContainerSeen, FileSeen, HostFacts, HostSeen, Seen};
use a3::plan::names::{kept_by, label};
use a3::plan::settings::{Env, Settings};
use a3::plan::{one_off_service, owned_service};
use a3::spec::Spec;

use super::stage::Stage;

/// Without ids, generations and release numbers, and without the images and releases that are kept to go
/// back to.
pub(crate) fn essence(spec: &Spec, stage: &Stage) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for (name, region) in &stage.regions {
        for one in region.instances.iter().filter(|one| one.state.is_live()) {
            let tags = one.tags.iter().filter(|(key, _)| !key.starts_with("a3:") && *key != "Name");
            let tags: Vec<_> = tags.collect();
            let metadata = (one.hop_limit, one.tokens_required);
            let set = (&one.instance_type, &one.image_id, one.protected, metadata, one.spot, &one.hash);
            let groups = (&one.security_groups, &one.key_name, &one.subnet_id, &one.iam_instance_profile);
            lines.insert(format!("{name} {} {:?} {set:?} {groups:?} {tags:?}", one.slot, one.state));
        }
        for (group, kept) in &region.groups {
            let rules = kept.security_group.iter().flat_map(|group| &group.rules);
            lines.extend(rules.map(|rule| {
                let what = (rule.protocol, rule.from_port, rule.to_port, &rule.cidr, &rule.description);
                format!("{name} {group} {what:?}")
            }));
            lines.insert(format!("{name} {group} key {:?} {}", kept.key_pair, kept.security_group.is_some()));
        }
    }
    for (slot, seen) in &stage.seen.hosts {
        match seen {
            HostSeen::Ready(facts) => host(spec, slot, facts, &mut lines),
            other => drop(lines.insert(format!("{slot} {other:?}"))),
        }
    }
    lines
}

fn host(spec: &Spec, slot: &Slot, facts: &HostFacts, lines: &mut BTreeSet<String>) {
    for one in facts.containers.iter().filter(|one| owned_service(spec, slot, one).is_some()) {
        let (config, image) = (one.labels.get(label::CONFIG), one.labels.get(label::IMAGE));
        let ports: BTreeSet<String> = one.ports.iter().map(|port| format!("{port:?}")).collect();
        lines.insert(format!(
            "{slot} {} {image:?} {config:?} {:?} {:?} {ports:?} {:?}",
            one.name, one.state, one.health, one.networks
        ));
    }
    let there = facts.files.iter().filter(|(_, file)| **file != FileSeen::Absent);
    lines.extend(there.map(|(path, file)| format!("{slot} {path} {file:?}")));
    let copied = facts.record.iter().flat_map(|record| record.files.keys());
    lines.extend(copied.map(|path| format!("{slot} copied {path}")));
    lines.insert(format!("{slot} admits {:?}, engine {:?}", facts.admitted, facts.engine));
}

/// What was last asked for in place, by machine and service. After a lost record it is known only of what
/// was made anew.
pub(crate) fn asked_in_place(spec: &Spec, stage: &Stage) -> BTreeMap<(Slot, String), String> {
    let facts =
        stage.seen.hosts.iter().filter_map(|(slot, host)| Some((slot, host.facts()?.record.as_ref()?)));
    let all = facts.flat_map(|(slot, record)| record.in_place.iter().map(move |one| (slot.clone(), one)));
    let wanted = all.filter(|(slot, (service, _))| {
        spec.services.get(*service).is_some_and(|service| service.on == slot.group)
    });
    wanted.map(|(slot, (service, settings))| ((slot, service.clone()), format!("{settings:?}"))).collect()
}

/// Where nothing is left to plan, the newest release is what runs, to the last setting: going back to it
/// changes nothing. A record without a release was lost.
pub(crate) fn is_written_down(spec: &Spec, stage: &Stage) {
    let facts = stage.seen.hosts.iter().filter_map(|(slot, host)| Some((slot, host.facts()?)));
    for (slot, facts) in facts {
        let Some(newest) = facts.record.as_ref().and_then(|record| record.releases.last()) else { continue };
        for one in &facts.containers {
            let Some(service) = owned_service(spec, slot, one) else { continue };
            let Some(wanted) = spec.services.get(service).filter(|wanted| wanted.on == slot.group) else {
                continue;
            };
            let known = newest.services.get(service);
            let known = known.unwrap_or_else(|| panic!("{slot}: {service} is not in {newest:#?}"));
            let is = [label::IMAGE, label::CONFIG].map(|key| one.labels.get(key));
            assert_eq!(is, [Some(&known.image), Some(&known.config)], "{slot}: {service}");
            let settings = serde_json::from_value(known.settings.clone()).unwrap();
            assert_eq!(
                without_sources(settings),
                without_sources(Settings::of(&spec.name, wanted)),
                "{slot}"
            );
        }
    }
}

/// Where a secret comes from may change, as long as it stays the same secret.
fn without_sources(mut settings: Settings) -> Settings {
    for value in settings.environment.values_mut().filter(|value| matches!(value, Env::Secret(_))) {
        *value = Env::Resolved;
    }
    settings
}

/// What is not ours, by the machine or region that it is on: containers, files, rules, security
/// groups, key pairs, tags.
pub(crate) fn foreign(spec: &Spec, stage: &Stage) -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (slot, seen) in &stage.seen.hosts {
        let (Some(machine), HostSeen::Ready(facts)) = (stage.machine(spec, slot), seen) else { continue };
        all.entry(machine).or_default().extend(foreign_there(spec, slot, facts));
    }
    for (name, region) in &stage.regions {
        let lines = all.entry(name.clone()).or_default();
        for (group, kept) in &region.groups {
            if kept.foreign_key || kept.foreign_group.is_some() {
                lines.insert(format!("{group}: {:?} {}", kept.foreign_group, kept.foreign_key));
            }
            let rules = kept.security_group.iter().flat_map(|group| &group.rules);
            // With the group itself they go; nobody else's rule is ever moved.
            let theirs = rules.filter(|rule| rule.description == "ssh ann@desk");
            lines.extend(theirs.map(|rule| format!("{group}: {rule:?}")));
        }
        for one in region.instances.iter().filter(|one| one.state.is_live()) {
            if let Some(value) = one.tags.get("by-hand") {
                all.entry(one.id.clone()).or_default().insert(format!("by-hand={value}"));
            }
        }
    }
    all
}

fn foreign_there(spec: &Spec, slot: &Slot, facts: &HostFacts) -> Vec<String> {
    let theirs = |one: &&ContainerSeen| {
        owned_service(spec, slot, one).is_none() && one_off_service(spec, slot, one).is_none()
    };
    let mut lines: Vec<String> = facts
        .containers
        .iter()
        .filter(theirs)
        .map(|one| format!("{} {:?} {:?}", one.name, one.state, one.ports))
        .collect();
    lines.extend(facts.foreign_network.then(|| "network".to_owned()));
    let record = facts.record.as_ref();
    let ours = |path: &String| record.is_some_and(|record| record.files.contains_key(path));
    let files = facts
        .files
        .iter()
        .filter(|(path, file)| path.ends_with("notes.txt") && !ours(path) && **file != FileSeen::Absent);
    lines.extend(files.map(|(path, file)| format!("{path} {file:?}")));
    lines
}

/// Fails where two live instances are in one slot of one region.
pub(crate) fn one_instance_a_slot(stage: &Stage) {
    for region in stage.regions.values() {
        let mut slots = BTreeSet::new();
        for one in region.instances.iter().filter(|one| one.state.is_live()) {
            assert!(slots.insert(one.slot.clone()), "two live instances in {}", one.slot);
        }
    }
}

/// What of the deployment is there, as far as a destroy has to take it away.
pub(crate) fn owned(spec: &Spec, stage: &Stage, all: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for seen in stage.seen.clouds.values().filter_map(Seen::present) {
        let live = seen.instances.iter().filter(|one| one.state.is_live());
        lines.extend(live.map(|one| format!("instance {}", one.id)));
        lines.extend(seen.security_group.iter().map(|group| format!("group {}", group.id)));
        lines.extend(seen.key_pair.iter().map(|key| format!("key {key}")));
        lines.extend(seen.left.iter().map(|left| format!("{left:?}")));
    }
    for (slot, facts) in stage.seen.hosts.iter().filter_map(|(slot, seen)| Some((slot, seen.facts()?))) {
        let ours = |one: &&ContainerSeen| {
            owned_service(spec, slot, one).is_some() || one_off_service(spec, slot, one).is_some()
        };
        lines
            .extend(facts.containers.iter().filter(ours).map(|one| format!("{slot} container {}", one.name)));
        lines.extend(facts.record.iter().map(|_| format!("{slot} record")));
        lines.extend(facts.admitted.iter().map(|key| format!("{slot} admits {key}")));
        let tags =
            facts.kept.iter().flat_map(|kept| &kept.tags).filter(|tag| kept_by(&spec.name, tag).is_some());
        lines.extend(tags.map(|tag| format!("{slot} {tag}")));
        if all {
            lines.extend(facts.volumes.iter().map(|volume| format!("{slot} volume {volume}")));
        }
    }
    lines
}
