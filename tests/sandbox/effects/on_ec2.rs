//! The steps of a deployment whose machines a3 launches.

use std::collections::BTreeSet;
use std::path::PathBuf;

use a3::id::Slot;
use a3::plan::{Destroy, Options, Verb};

use super::FOLDER;
use super::stage::{Stage, Wish};
use crate::cloud::{console, foreign_group, host_docker, on_host, stop};
use crate::place::variable;
use crate::pool::{group, web_service};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by the test beside it, in a folder of its own"]
async fn every_step_of_a_service() {
    let mut stage = Stage::new(PathBuf::from(variable(FOLDER)));
    containers(&mut stage).await;
    orders(&mut stage).await;
    images(&mut stage).await;
    stage.ends();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by the test beside it, in a folder of its own"]
async fn every_step_of_a_machine() {
    let mut stage = Stage::new(PathBuf::from(variable(FOLDER)));
    stage.applies("a machine and its service").await;
    machines(&mut stage).await;
    stage.goes("everything", Wish::Destroy(Destroy::default())).await;
    stage.ends();
}

const SERVICES: &str = "services:\n";

fn music() -> String {
    web_service("effects-ec2")
}

/// What is on a machine.
async fn containers(stage: &mut Stage) {
    let service = format!("{SERVICES}{}", music());
    stage.edit(&service, "");
    stage.applies("a machine alone").await;
    stage.append(&service);
    stage.applies("its first service").await;
    stage.write("music.csv", "Song,Artist\nTwo,Somebody\n");
    stage.edit("restart: unless-stopped", "restart: always\n    mem_limit: 128m");
    stage.applies("a data file and settings in place").await;
    stage.edit("GREETING: hello", "GREETING: other, HIDDEN: { file: token }");
    stage.write("token", "one\n");
    stage.edit("30001:8080", "30005:8080");
    stage.edit("[\"./music.csv:music/\"]", "[\"./music.csv:music/\", \"./app/serve.sh:tools/\"]");
    // Whoever puts the file there makes it ill, until it starts anew.
    let healthcheck =
        "healthcheck: { test: \"! test -e /dev/shm/ill\", interval: 1s, retries: 1 }\n    restart: always";
    stage.edit("restart: always", healthcheck);
    stage.applies("a port, a secret, a file").await;
    host_docker(&stage.machine, "exec s2 touch /dev/shm/ill");
    let is_ill = || host_docker(&stage.machine, "inspect -f {{.State.Health.Status}} s2") == "unhealthy";
    assert!((0..100).any(|_| is_ill() || {
        std::thread::sleep(std::time::Duration::from_millis(100));
        false
    }));
    stage.applies("a container that is ill").await;

    let second = music().replace("  s2:\n", "  front:\n").replace("30001", "30002");
    let second = second.replace("container_name: s2", "container_name: front");
    let second =
        second.replace("[\"./music:/data\"]", "[\"./music:/data\", \"cache:/cache\", \"/anonymous\"]");
    stage.edit(", \"./app/serve.sh:tools/\"", "");
    stage.edit(SERVICES, &format!("{SERVICES}{second}"));
    stage.edit("name: effects-ec2\n", "name: effects-ec2\nkeep_releases: 1\n");
    stage.applies("another service, a file less, fewer releases").await;
    let named = second.replace("container_name: front", "container_name: behind");
    stage.edit(&second, &named);
    stage.applies("another name").await;
    let exchanged = named.replace("container_name: behind", "container_name: s2");
    stage.edit(&named, "NAMED\n");
    stage.edit("container_name: s2", "container_name: behind");
    stage.edit("NAMED\n", &exchanged);
    stage.applies("names exchanged").await;
    stage.edit(&exchanged, "");
    stage.edit("container_name: behind", "container_name: s2");
    stage.applies("a service less").await;
    stage.edit("keep_releases: 1\n", "");
}

/// What a person does, with a3 and without.
async fn orders(stage: &mut Stage) {
    let of = |verb: Verb| Wish::Order(verb, vec!["s2".to_owned()]);
    host_docker(&stage.machine, "stop --time 1 s2");
    stage.applies("a container that was stopped").await;
    stage.goes("a stop", of(Verb::Stop)).await;
    stage.goes("a start", of(Verb::Start)).await;
    stage.goes("a restart", of(Verb::Restart)).await;
    stage.goes("another stop", of(Verb::Stop)).await;
    stage.applies("what a person stopped").await;
    stage.goes("a removal", of(Verb::Remove)).await;
    stage.applies("what a person removed").await;
    host_docker(&stage.machine, "network disconnect effects-ec2_default s2");
    stage.applies("what a person took off the network").await;
    // As a crash between the two halves of a swap leaves it.
    host_docker(&stage.machine, "rename s2 s2.a3-old");
    stage.applies("a swap that was interrupted").await;
    // As a crash between a swap and its record leaves it.
    let record = "/var/lib/a3/effects-ec2/record.json";
    on_host(&stage.machine, &format!("sed -i 's/\"config\": *\"1:/\"config\":\"1:0/' {record}"));
    stage.applies("a swap that was not written down").await;

    let (key, rsa) = (variable("A3_SANDBOX_SSH_KEY"), variable("A3_SANDBOX_SSH_KEY_RSA"));
    let (alone, both) =
        (format!("ssh: {{ identity_file: {key}"), format!("[{{ file: {rsa}.pub }}, {{ file: {key}.pub }}]"));
    let one = format!("[{{ file: {rsa}.pub }}]");
    let with = |keys: &str| format!("{alone}, authorized_keys: {keys}");
    stage.edit(&alone, &with(&one));
    stage.applies("a teammate").await;
    stage.edit(&with(&one), &with(&both));
    stage.applies("another teammate").await;
    stage.edit(&with(&both), &alone);
    stage.applies("no teammate").await;
}

/// Images, releases, and the way back.
async fn images(stage: &mut Stage) {
    stage.edit("-s2:v1", "-s2:v2");
    stage.applies("another name for the same image").await;
    stage.edit("password: {", "persist_login: true, password: {");
    stage.edit("args: { BASE", "args: { MARK: second, BASE");
    stage.applies("another image, and a credential that stays").await;
    stage.goes("the way back", Wish::Back).await;
    stage.applies("forward again").await;
    stage.write("token", "two\n");
    stage.applies("another secret").await;
    stage.edit("name: effects-ec2\n", "name: effects-ec2\nkeep_releases: 1\n");
    stage.applies("fewer releases").await;
    stage.edit("restart: always\n", "auto_remove: true\n");
    stage.applies("a container that removes itself").await;
    stage.goes("its stop", Wish::Order(Verb::Stop, Vec::new())).await;
    stage.applies("what removed itself").await;
}

/// The machines themselves.
async fn machines(stage: &mut Stage) {
    let settings = "      tags: { team: music, cost: \"7\" }\n      metadata_options: { http_put_response_hop_limit: 3 }\n      \
        disable_api_termination: true\n      allow_from: [10.9.8.7/8, 0.0.0.0/0]\n";
    stage.edit("      instance_type:", &format!("{settings}      instance_type:"));
    stage.applies("settings of a machine").await;
    let optional = "ec2.modify_instance_metadata_options(InstanceId=sys.argv[1], HttpTokens='optional')";
    console(optional, &[&stage.machine]);
    stage.applies("a metadata service without tokens").await;
    let theirs = foreign_group(&format!("effects-theirs-{}", std::process::id()));
    let other = format!(
        "      tags: {{ cost: \"8\" }}\n      disable_api_termination: false\n      ttl: 9h\n      \
        vpc_security_group_ids: [{theirs}]\n"
    );
    stage.edit(settings, &other);
    stage.applies("other settings of a machine").await;
    let own = other.replace(&format!("      vpc_security_group_ids: [{theirs}]\n"), "").replace("9h", "8h");
    stage.edit(&other, &own);
    stage.edit("instance_type: t2.micro", "instance_type: t3.small");
    stage.applies("another type").await;
    console("ec2.delete_security_group(GroupId=sys.argv[1])", &[&theirs]);
    stop(&stage.machine);
    stage.applies("a machine that was stopped").await;
    let more = group("more");
    stage.edit("    container_name", "    on: web\n    container_name");
    stage.edit(SERVICES, &format!("{more}    count: 2\n{SERVICES}"));
    stage.applies("another group").await;
    stage.edit("    count: 2\n", "");
    stage.applies("a machine less").await;
    stage.edit(&more, "");
    stage.applies("a group less").await;
    // It takes along what the spec does not have any more.
    stage.edit("  s2:\n", "  songs:\n");
    let replace = BTreeSet::from([Slot::new("web", 0)]);
    stage.goes("another machine", Wish::Apply(Options { replace, ..Options::default() })).await;
}
