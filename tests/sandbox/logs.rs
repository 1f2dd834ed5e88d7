//! `a3 logs` while things happen: nothing is lost, nothing comes twice.

use std::collections::BTreeMap;

use crate::cloud::{host_docker, on_host};
use crate::deployment::Deployment;
use crate::place::{Alone, docker, variable};
use crate::pool::{group, registry};
use crate::process::Output;

/// Counts on both channels until it is told to end.
const COUNT: &str = "trap 'echo \"bye $G\"; exit 0' TERM\n\
    i=0\n\
    while :; do i=$((i+1)); echo \"out $G $i\"; echo \"err $G $i\" >&2; usleep 5000; done\n";

const DOCKERFILE: &str = "ARG BASE\nFROM ${BASE}\nCOPY count.sh /\nCMD [\"/bin/sh\", \"/count.sh\"]\n";

fn write_sources(deployment: &Deployment) {
    deployment.write("app/Dockerfile", DOCKERFILE);
    deployment.write("app/count.sh", &format!("# {} {}\n{COUNT}", deployment.name, std::process::id()));
}

/// The numbers of each source, channel and container generation follow each other from 1; how many
/// there are of each.
#[track_caller]
fn counted(seen: &Output) -> BTreeMap<String, u64> {
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    let mut out_of_order = Vec::new();
    for line in seen.stdout.lines() {
        let Some((key, number)) = line.rsplit_once(' ') else { continue };
        let Ok(number) = number.parse::<u64>() else { continue };
        let before = last.insert(key.to_owned(), number).unwrap_or(0);
        if number != before + 1 {
            out_of_order.push(format!("{key}: {number} after {before}"));
        }
    }
    assert!(out_of_order.is_empty(), "{out_of_order:?}\n{}", seen.stderr);
    last
}

#[test]
fn two_hosts_are_followed_through_a_cut_a_redeploy_and_their_end() {
    let _alone = Alone::begin();
    let name = "talkers";
    let (server, user, tiny) =
        (variable("A3_SANDBOX_GHCR"), variable("A3_SANDBOX_GHCR_USER"), variable("A3_SANDBOX_TINY"));
    let spec = format!(
        "name: {name}\n{}instances:\n{}    count: 2\nservices:\n  talk:\n    image: {server}/{user}/{name}-talk:v1\n    \
         build: {{ context: app, args: {{ BASE: \"{tiny}\" }} }}\n    environment: {{ G: one }}\n    \
         stop_grace_period: 3s\n",
        registry(),
        group("web")
    );
    let talkers = Deployment::new(name, &spec);
    write_sources(&talkers);
    talkers.apply();
    let ids = talkers.ids();
    let mut follow = talkers.start(&["logs", "-f", "--patience", "20s"]);
    follow.hears("web/0/talk | out one 20\n");
    follow.hears("web/1/talk | out one 20\n");

    // The process at the host's end of the connection, by its number: a3's are the only ones there.
    on_host(&ids[0], "for p in $(pgrep -f 'sshd-session: ec2-[u]ser'); do kill \"$p\"; done");
    follow.wait_for("web/0 is reached again");

    talkers.edit("deploy.yaml", "G: one", "G: two");
    talkers.apply();
    follow.hears("web/0/talk | out two 20\n");
    follow.hears("web/1/talk | out two 20\n");
    follow.wait_for("web/1/talk was replaced");

    let container = format!("{name}-talk-1");
    host_docker(&ids[1], &format!("restart -t 3 {container}"));
    talkers.destroy();
    let seen = follow.end().ok();
    for source in ["web/0/talk", "web/1/talk"] {
        assert!(seen.stdout.contains(&format!("{source} | bye one\n")), "{seen}");
    }
    // The restarted one begins at 1 again.
    let (before, after) = seen.stdout.split_once("web/1/talk | bye two\n").unwrap();
    let first = Output { code: None, stdout: before.to_owned(), stderr: seen.stderr.clone() };
    assert_eq!(counted(&first).len(), 8, "two hosts, two channels, two containers: {}", seen.stderr);
    assert!(after.contains("web/1/talk | out two 1\n"), "{}", seen.stderr);
}

#[test]
fn a_stopped_container_says_what_it_wrote_and_why_it_died() {
    let _alone = Alone::begin();
    let name = "late-talker";
    let spec = format!(
        "name: {name}\nservices:\n  talk:\n    image: {name}-talk:v1\n    build: {{ context: app, args: {{ BASE: \
         \"{}\" }} }}\n    environment: {{ G: one }}\n    stop_grace_period: 3s\n",
        variable("A3_SANDBOX_TINY")
    );
    let talker = Deployment::new(name, &spec);
    write_sources(&talker);
    talker.apply();
    let mut follow =
        talker.start(&["--file", "deploy.yaml", "logs", "-f", "talk", "--grep", "^out", "-n", "2"]);
    follow.hears("out one ");
    follow.signal("INT");
    let seen = follow.end().ended(130);
    assert!(!seen.stdout.contains("err"), "{seen}");

    docker(&["kill", &format!("{name}-talk-1")]);
    let seen = talker.a3(&["logs", "talk", "-t", "--tail", "4", "--grep", "^err one"]).ok();
    assert_eq!(seen.stdout.lines().count(), 4, "{seen}");
    assert!(seen.stdout.lines().all(|line| line.contains("Z err one ")), "{seen}");
    assert!(seen.stderr.contains("talk exited (137) at 20") && seen.stderr.contains("killed"), "{seen}");
    let seen = talker.a3(&["logs"]).ok();
    assert!(counted(&seen)["out one"] > 20, "{seen}");
    talker.a3(&["logs", "--since", "1h", "--until", "2h"]).ended(64).says("later than");
    talker.destroy();
}
