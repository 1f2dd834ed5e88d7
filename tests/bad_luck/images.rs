//! Images: engines that are away, builds that fail, platforms and disks that do not fit.

use crate::stage::{Stage, alone, beside_others, fault, run, variable};
use std::process::Command;

const DEAD: &str = "unix:///run/a3-no-such-engine.sock";

#[test]
fn what_the_registry_has_needs_no_engine_here() {
    let beside = beside_others();
    let mut stage = Stage::new("laptop");
    stage.over("services: { app: { platform: linux/amd64 } }\n");
    stage.a3(&["push"]).ends(0);

    stage.set("DOCKER_HOST", Some(DEAD));
    stage.plan().ends(0).says(&["launch", "run"]).never_says(&["build"]);
    stage.deploy().says(&[":8080"]).never_says(&["build"]);
    stage.plan().ends(0).says(&["No changes"]);

    // A new source needs the engine, and nothing is done without it.
    stage.write("app/index.html", "new\n");
    for command in [&["plan"][..], &["apply", "-y"]] {
        let seen = stage.a3(command).ends(69);
        seen.says(&["app.image", "cannot reach the Docker engine", "a3-no-such-engine.sock"])
            .helps(&["docker version"]);
    }
    stage.write("app/index.html", &format!("{}\n", stage.name));
    stage.plan().ends(0).says(&["No changes"]);
    drop(beside);
    the_registry_and_sshd_are_away_too(&mut stage);
}

/// Goes on with a deployment that has nothing to do.
fn the_registry_and_sshd_are_away_too(stage: &mut Stage) {
    let alone = alone();
    let (id, _) = stage.instance();
    alone.fault(&["registry-down", "place=ghcr"]);
    // Whether the reference still names what runs is not known: that is said, and nothing guessed.
    let seen = stage.plan().ends(69);
    seen.says(&["app.image", &variable("A3_SANDBOX_GHCR")]).never_says(&["Plan: 1", "push app", "pull"]);
    stage.a3(&["status"]).ends(0).says(&[&id, "app"]);
    stage.a3(&["logs", "app"]).ends(0);
    fault(&["sshd-dead", &format!("instance={id}")]);
    let seen = stage.a3(&["destroy", "-y"]).ends(0).within(60);
    seen.says(&["web/0: whether somebody is at work there was not checked", "Nothing is left"]);
}

#[test]
fn a_failing_build_shows_its_step_and_the_last_lines() {
    let _beside = beside_others();
    let mut stage = Stage::local("build", 9811);
    stage.makes();
    stage.write(
        "app/Dockerfile",
        "ARG BASE\nFROM ${BASE}\nRUN echo fine\nRUN for i in $(seq 1 40); do echo \"line $i of it\"; done; exit 7\n",
    );
    for command in [&["build"][..], &["apply", "-y"]] {
        let seen = stage.a3(command).ends(1);
        let seen =
            seen.says(&["RUN for i in", "line 40 of it", "line 30 of it", "7"]).never_says(&["line 3 of it"]);
        assert!(seen.err.contains("build"), "{seen}");
    }
    stage.write("app/Dockerfile", "FROM a3.test/no/such:image\n");
    stage.a3(&["build"]).ends(1).says(&["a3.test/no/such:image"]);
    stage.write("app/Dockerfile", "ARG BASE\nFROM ${BASE}\nCOPY nothing.txt /\n");
    stage.a3(&["build"]).ends(1).says(&["nothing.txt"]);
    std::fs::remove_file(stage.path("app/Dockerfile")).unwrap();
    stage.a3(&["build"]).ends(1).says(&["Dockerfile"]);
}

#[test]
fn an_image_for_another_platform() {
    let _beside = beside_others();
    let stage = Stage::new("platform");
    stage.over("services: { app: { platform: linux/amd64 } }\n");
    stage.a3(&["push"]).ends(0);
    stage.over(
        "instances: { web: { ec2: { ami: \"${A3_SANDBOX_AMI_ARM64}\", instance_type: t4g.micro } } }\nservices: { app: { build: !reset null } }\n",
    );
    let seen = stage.plan().ends(1);
    seen.says(&["app.image", "linux/arm64", "linux/amd64"]).helps(&["platform"]);
}

#[test]
fn a_disk_that_is_too_small() {
    let _beside = beside_others();
    let mut stage = Stage::new("disk");
    stage.makes();
    stage.over("instances: { web: { ec2: { ami: \"${A3_SANDBOX_AMI_SMALLDISK}\" } } }\n");
    // Who may log in is not known of an AMI with such a name: said before it is launched.
    stage.plan().ends(1).says(&["web/0", "nothing says which user"]).helps(&["instances.web.ssh.user"]);
    stage.over(
        "instances: { web: { ec2: { ami: \"${A3_SANDBOX_AMI_SMALLDISK}\" }, ssh: { user: ec2-user } } }\n",
    );
    stage.write(
        "app/Dockerfile",
        "ARG BASE\nFROM ${BASE}\nCOPY . /www/\nCMD [\"httpd\", \"-f\", \"-p\", \"80\", \"-h\", \"/www\"]\n",
    );
    let big = stage.path("app/big");
    run(Command::new("dd")
        .args(["if=/dev/urandom", "bs=1M", "count=48"])
        .arg(format!("of={}", big.display())));
    // Nothing is known of the machine when this is planned; the pull is where it shows.
    let seen = stage.a3(&["apply", "-y"]).ends(1);
    seen.says(&["web/0", "the disk is full"]).helps(&["docker image prune", "root_block_device.volume_size"]);
    // By now both are known, and the plan says it.
    let seen = stage.plan().ends(1);
    seen.says(&["web/0/app", "the disk has", "MiB free"]).helps(&["root_block_device.volume_size"]);
}
