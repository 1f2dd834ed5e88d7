//! From nothing through every overlay and back to nothing: what there was of ids before is what there
//! is after.

use std::collections::BTreeSet;
use std::process::Command;

use crate::cloud::{console, live_instances, on_host};
use crate::deployment::Deployment;
use crate::place::{Alone, checkout, docker, images_like, remove_images, variable};
use crate::process::{figure, run};
use crate::story::own_images;

/// The ids of everything that is not the registries': in EC2, in this machine's engine, and the files of
/// the deployment's folder but a3's own.
fn ids(deployment: &Deployment) -> BTreeSet<String> {
    let line = "live = ['pending', 'running', 'stopping', 'stopped']\n\
        found = ec2.describe_instances(Filters=[{'Name': 'instance-state-name', 'Values': live}])['Reservations']\n\
        ids = [i['InstanceId'] for r in found for i in r['Instances']]\n\
        ids += [g['GroupId'] for g in ec2.describe_security_groups()['SecurityGroups']]\n\
        ids += [k['KeyPairId'] for k in ec2.describe_key_pairs()['KeyPairs']]\n\
        ids += [v['VolumeId'] for v in ec2.describe_volumes()['Volumes']]\n\
        ids += [a['AllocationId'] for a in ec2.describe_addresses()['Addresses']]\n\
        ids += [n['NetworkInterfaceId'] for n in ec2.describe_network_interfaces()['NetworkInterfaces']]\n\
        print(json.dumps(ids))";
    let mut ids: BTreeSet<String> = serde_json::from_value(console(line, &[])).unwrap();
    let mut add = |text: &str, kind: &str| ids.extend(text.lines().map(|id| format!("{kind} {id}")));
    let containers = not_of_another(&docker(&["ps", "--all", "--no-trunc", "--format", WHOSE]));
    for container in &containers {
        add(&docker(&["inspect", "--format", "{{range .Mounts}}{{.Name}} {{end}}", container]), "mounts");
    }
    add(&docker(&["volume", "ls", "--quiet", "--filter", "dangling=true"]), "volume");
    add(&containers.join("\n"), "container");
    let networks = docker(&["network", "ls", "--no-trunc", "--format", WHOSE]);
    add(&not_of_another(&networks).join("\n"), "network");
    add(&images_like(&format!("{}/learner/*", variable("A3_SANDBOX_GHCR"))).join("\n"), "image");
    let files = "find . -path ./state -prune -o -path ./cache -prune -o -type f -print";
    add(&run(Command::new("sh").args(["-c", files]).current_dir(deployment.path("."))).ok().stdout, "file");
    ids
}

/// An id, and the number of the sandbox that it belongs to, if it does to one.
const WHOSE: &str = "{{.ID}} {{.Label \"a3-sandbox\"}}";

/// Those that are not of the sandbox of another checkout, which may come and go at any time.
fn not_of_another(listed: &str) -> Vec<String> {
    let ghcr = variable("A3_SANDBOX_GHCR");
    let own = |number: &str| number.is_empty() || ghcr.starts_with(&format!("ghcr-{number}."));
    let split = listed.lines().map(|line| line.split_once(' ').unwrap_or((line, "")));
    split.filter(|(_, number)| own(number)).map(|(id, _)| id.to_owned()).collect()
}

/// The seed's own files, on the sandbox.
fn music(name: &str) -> Deployment {
    let mut music = Deployment::new(name, "name: replaced-below\n");
    for part in ["deploy.yaml", "examples"] {
        run(Command::new("cp").args(["-r", "-T"]).arg(checkout().join(part)).arg(music.path(part))).ok();
    }
    music.edit(
        "deploy.yaml",
        "name: music-${REGID:?your GitHub user id, lower case}",
        &format!("name: {name}"),
    );
    // The next assignment's image goes to the registry that the sandbox has.
    music.edit(
        "examples/a4.yaml",
        "ghcr.io/${REGID}/",
        &format!("${{A3_SANDBOX_GHCR}}/{}", own_images(name)),
    );
    music.edit("examples/sandbox.yaml", "${A3_SANDBOX_GHCR_USER}/", &own_images(name));
    music.set("REGID", "learner");
    music
}

fn shows(music: &Deployment, port: u16, song: &str) {
    let songs = music.get(port, "/api/v1/music/");
    assert!(songs.contains(song), "{songs}");
}

#[test]
fn every_overlay_in_turn_and_nothing_is_left() {
    let name = "turns";
    let mut music = music(name);
    // What others make meanwhile would be in the sets.
    let _alone = Alone::begin();
    let built = ["turns-*", "*/learner/turns-*"];
    remove_images(&built);
    let before = ids(&music);
    let base = "deploy.yaml:examples/sandbox.yaml";
    let turns = [
        (base.to_owned(), 30001, "Maple Leaf Rag", 1),
        (format!("{base}:examples/odd.yaml"), 30002, "Vexations", 1),
        (format!("{base}:examples/a4.yaml"), 30001, "Maple Leaf Rag", 2),
        (base.to_owned(), 30001, "Maple Leaf Rag", 1),
    ];
    let mut machines = Vec::new();
    for (files, port, song, count) in turns {
        music.set("A3_FILE", &files);
        music.a3(&["apply", "--yes", "--allow-terminate"]).ok();
        music.is_converged();
        shows(&music, port, song);
        machines = music.ids();
        assert_eq!(machines.len(), count, "{files}");
    }
    let during = ids(&music);
    assert!(during.len() > before.len(), "{during:?}");
    on_host(&machines[0], "test -d /var/lib/a3/turns");
    music.destroy();
    assert!(live_instances(name).is_empty());
    // What was built here is kept for the next time; it goes when that is asked for.
    remove_images(&built);
    let after = ids(&music);
    figure(&format!("life cycle: {} ids before, {} after", before.len(), after.len()));
    let differs: Vec<&String> = after.symmetric_difference(&before).collect();
    assert!(differs.is_empty(), "{differs:?}");
}
