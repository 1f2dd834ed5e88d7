//! Releases that are kept on a machine, and images that leave with those that are not: exactly these,
//! and nothing of anybody else.

use crate::cloud::host_docker;
use crate::deployment::Deployment;
use crate::place::{docker, remove_images, variable};
use crate::pool::web;

/// Deploys `/version` as this.
fn release(deployment: &Deployment, before: &str, version: &str) {
    deployment.edit("app/serve.sh", &format!("printf '{before}'"), &format!("printf '{version}'"));
    deployment.apply();
    assert_eq!(deployment.get(30001, "/version"), version);
    deployment.is_converged();
}

fn tags(id: &str) -> Vec<String> {
    let listed = host_docker(id, "images --format '{{.Repository}}:{{.Tag}}' --filter reference='a3/*/*'");
    let mut tags: Vec<String> = listed.lines().map(str::to_owned).collect();
    tags.sort();
    tags
}

fn images(id: &str) -> usize {
    host_docker(id, "images --all --quiet --no-trunc")
        .lines()
        .collect::<std::collections::BTreeSet<_>>()
        .len()
}

fn keeps_three_releases(web: &Deployment) {
    let name = &web.name;
    web.apply();
    let id = web.id();
    // The first release's image has a name of somebody's, the second's is used by their container.
    host_docker(&id, &format!("tag a3/{name}/s2:1 theirs:1"));
    release(web, "v1", "v2");
    host_docker(&id, &format!("run -d --name theirs a3/{name}/s2:2 sleep 3600"));
    release(web, "v2", "v3");
    release(web, "v3", "v4");
    let tag = |release: u64| format!("a3/{name}/s2:{release}");
    assert_eq!(tags(&id), [tag(2), tag(3), tag(4)]);
    assert!(!host_docker(&id, "images --quiet theirs:1").is_empty(), "named by others");

    let applied = {
        web.edit("app/serve.sh", "printf 'v4'", "printf 'v5'");
        web.apply()
    };
    let applied = applied.says("forget release 2 on web/0");
    assert!(!applied.all().contains("prune images"), "it is used: {applied}");
    web.is_converged();
    assert_eq!(tags(&id), [tag(2), tag(3), tag(4), tag(5)]);
    assert_eq!(images(&id), 5);

    host_docker(&id, "rm --force theirs");
    web.a3(&["plan"]).ok().says("no release that stays needs them");
    web.apply();
    web.is_converged();
    assert_eq!(tags(&id), [tag(3), tag(4), tag(5)]);
    assert_eq!(images(&id), 4, "three releases and theirs");

    web.edit("deploy.yaml", "services:", "keep_releases: 1\nservices:");
    web.apply();
    web.is_converged();
    assert_eq!(tags(&id), [tag(5)]);
    assert_eq!(images(&id), 2);
    web.a3(&["rollback", "--yes"]).ended(1).says("there is nothing to go back to");
    web.destroy();
}

#[test]
fn three_releases_stay_and_nothing_foreign_goes() {
    let web = web("keep");
    remove_images(&["keep-*", &format!("{}/*/keep-*", variable("A3_SANDBOX_GHCR"))]);
    keeps_three_releases(&web);
}

#[test]
fn the_containerd_store_keeps_the_same_images() {
    let web = web("store-keeps");
    let newest = "ami: { name: \"al2023-ami-2023.*-x86_64\", owner: amazon }";
    web.edit("deploy.yaml", newest, &format!("ami: {}", variable("A3_SANDBOX_AMI_CONTAINERD")));
    web.edit("deploy.yaml", "ssh: { ", "ssh: { user: ec2-user, ");
    keeps_three_releases(&web);
}

#[test]
fn the_only_release_that_is_kept_is_the_one_that_runs() {
    let web = web("only-one");
    web.edit("deploy.yaml", "services:", "keep_releases: 1\nservices:");
    // The machine is new, so it is planned once more when it answers: this very release has begun by then.
    assert!(!web.apply().all().contains("forget release"));
    web.a3(&["history"]).ok().says("complete");
    assert_eq!(tags(&web.id()), ["a3/only-one/s2:1"]);
    release(&web, "v1", "v2");
    assert_eq!(tags(&web.id()), ["a3/only-one/s2:2"]);
    web.destroy();
}

/// Here, where the machine is this one.
#[test]
fn images_and_volumes_here_go_when_asked_for() {
    let name = "take-all";
    let tiny = variable("A3_SANDBOX_TINY");
    let spec = format!(
        "name: {name}\nservices:\n  s2:\n    build: {{ context: app, args: {{ BASE: \"{tiny}\" }} }}\n    \
         volumes: [\"data:/data\"]\n    environment: {{ LEVEL: one }}\n    stop_grace_period: 1s\n"
    );
    let here = Deployment::new(name, &spec);
    let dockerfile = format!(
        "ARG BASE\nFROM ${{BASE}}\nRUN echo {} >/mark\nCMD [\"sleep\", \"3600\"]\n",
        std::process::id()
    );
    here.write("app/Dockerfile", &dockerfile);
    here.apply();
    here.edit("app/Dockerfile", "/mark", "/marked");
    here.apply();
    here.a3(&["rollback", "--yes"]).ok();
    assert_eq!(docker(&["exec", &format!("{name}-s2-1"), "ls", "/mark"]), "/mark");
    here.a3(&["plan"]).ok().says("is a rollback to release 1");
    let volumes = || docker(&["volume", "ls", "--quiet", "--filter", &format!("name={name}_")]);
    let images = || {
        docker(&[
            "images",
            "--format",
            "{{.Repository}}:{{.Tag}}",
            "--filter",
            &format!("reference=*{name}*"),
        ])
    };
    here.a3(&["destroy", "--yes"]).ok().says("volume take-all_data");
    assert_eq!(volumes(), format!("{name}_data"));
    assert!(images().contains("take-all-s2:src-"), "{}", images());
    docker(&["tag", &format!("{name}-s2:latest"), &format!("{name}-theirs:1")]);
    here.a3(&["destroy", "--images", "--volumes", "--yes"])
        .ok()
        .says("data at risk")
        .says("Nothing is left of");
    assert_eq!((volumes(), images()), (String::new(), format!("{name}-theirs:1")));
    docker(&["rmi", &format!("{name}-theirs:1")]);
}
