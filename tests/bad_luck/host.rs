//! What is on a machine already: other people's containers, folders and rights.

use std::process::Command;

use crate::stage::{Stage, beside_others, fault, load_tiny, on, run, variable};

#[test]
fn foreign_containers_in_the_way_stay() {
    let _beside = beside_others();
    let mut stage = Stage::new("foreign");
    stage.over("services: !reset null\n");
    stage.deploy();
    let (_, address) = stage.instance();
    load_tiny(&address);
    let tiny = variable("A3_SANDBOX_TINY");
    on(&address, &format!("docker run -d --name squatter -p 8080:80 {tiny} sleep 1000"));
    on(&address, &format!("docker create --name taken {tiny} sleep 1000"));
    let there = || {
        on(
            &address,
            "docker ps -a --no-trunc --format '{{.ID}} {{.Names}} {{.Status}}' | sed 's/ Up.*/ Up/' | sort",
        )
    };
    let before = there();

    stage.over("x-nothing: 1\n");
    for command in [&["plan"][..], &["apply", "-y"]] {
        let seen = stage.a3(command).ends(73);
        let seen = seen.says(&[
            "web/0/app",
            "port 8080/tcp is held by the container `squatter`",
            "does not belong to this deployment",
        ]);
        seen.helps(&["another port", "docker stop squatter"]);
    }
    stage.over("services: { app: { container_name: taken, ports: !override [\"8081:80\"] } }\n");
    let seen = stage.a3(&["apply", "-y"]).ends(73);
    let seen = seen.says(&["web/0/app", "a container named `taken` exists", "nothing was done"]);
    seen.helps(&["container_name", "docker rm -f taken"]);
    assert_eq!(there(), before, "a foreign container was touched");
    assert_eq!(on(&address, "docker images -q | sort -u | wc -l"), "1", "something was pulled");

    stage.over("services: { app: { ports: !override [\"8081:80\"] } }\n");
    stage.deploy().says(&[":8081"]);
    assert!(there().contains("squatter Up") && there().contains("app Up"), "{}", there());
    for line in before.lines() {
        assert!(there().contains(line), "{line} was touched");
    }
}

/// A user without sudo, let in with the same key.
const GUEST: &str = "sudo useradd -m -s /bin/sh -p '*' guest && sudo mkdir -p /home/guest/.ssh && \
    sudo cp ~/.ssh/authorized_keys /home/guest/.ssh/ && sudo chown -R guest /home/guest/.ssh && \
    sudo chmod 700 /home/guest/.ssh";

#[test]
fn somebody_else_s_folder_is_refused() {
    let _beside = beside_others();
    let mut stage = Stage::new("guest");
    stage.deploy();
    let (_, address) = stage.instance();
    let folder = format!("/var/lib/a3/{}", stage.name);
    on(&address, GUEST);
    stage.over("instances: { web: { ssh: { user: guest } } }\n");
    for command in [&["plan"][..], &["apply", "-y"]] {
        let seen = stage.a3(command).ends(73);
        seen.says(&["web/0", &address, &folder, "not yours to write"]).helps(&["ask its owner", &folder]);
    }
    // Who may use the engine may use the folder.
    on(&address, "sudo usermod -aG docker guest");
    stage.plan().ends(0).says(&["No changes"]);

    // Without the folder, the container still says where its records were.
    on(&address, &format!("sudo mv {folder} {folder}.away"));
    for command in [&["plan"][..], &["apply", "-y"]] {
        let seen = stage.a3(command).ends(73);
        seen.says(&["`app` on web/0 was deployed with a3's folder", &folder, "/home/guest/.a3/"])
            .helps(&["ssh.user"]);
    }
    on(&address, &format!("sudo mv {folder}.away {folder}"));
    stage.over("x-nothing: 1\n");
    stage.plan().ends(0).says(&["No changes"]);
}

#[test]
fn an_engine_that_is_stopped() {
    let _beside = beside_others();
    let mut stage = Stage::new("engine");
    stage.deploy();
    let (id, address) = stage.instance();
    fault(&["engine-dead", &format!("instance={id}")]);
    stage.over("instances: { web: { install_docker: false } }\n");
    for command in [&["plan"][..], &["apply", "-y"]] {
        let seen = stage.a3(command).ends(69).within(60);
        seen.says(&["web/0", &address, "Docker engine"]).helps(&["docker version"]);
    }
    stage.a3(&["status"]).ends(69).says(&[&id, "Docker engine"]);
    // Where a3 sees to Docker, it starts it, and the container with it.
    stage.over("x-nothing: 1\n");
    stage.plan().ends(0).says(&["start docker on web/0", "Docker is installed there and does not run"]);
    stage.deploy().says(&["start docker on web/0"]);
    stage.plan().ends(0).says(&["No changes"]);
}

#[test]
fn an_engine_that_is_not_for_this_user() {
    let _beside = beside_others();
    let mut stage = Stage::new("group");
    stage.makes();
    stage.over("instances: { web: { ec2: { ami: \"${A3_SANDBOX_AMI_NOGROUP}\" }, sudo: false, ssh: { user: ec2-user } } }\n");
    let seen = stage.a3(&["apply", "-y"]).ends(1).within(60);
    seen.says(&["web/0", "permission denied"]).helps(&["sudo usermod -aG docker"]);
    // With sudo it is reached all the same.
    stage.over(
        "instances: { web: { ec2: { ami: \"${A3_SANDBOX_AMI_NOGROUP}\" }, ssh: { user: ec2-user } } }\n",
    );
    stage.deploy();
}

/// The deployment of `stage`, on a machine that is there.
fn on_host(stage: &Stage, address: &str) {
    let text = std::fs::read_to_string(stage.path("deploy.yaml")).unwrap();
    let (before, rest) = text.split_once("    ec2:\n").unwrap();
    let (_, after) = rest.split_once("    ssh:").unwrap();
    stage.write("deploy.yaml", &format!("{before}    host: ec2-user@{address}\n    ssh:{after}"));
}

#[test]
fn a_host_that_nobody_knows_and_one_that_is_away_while_destroying() {
    let _beside = beside_others();
    let mut cloud = Stage::new("box");
    cloud.over("services: !reset null\n");
    cloud.deploy();
    let (id, address) = cloud.instance();
    let mut stage = Stage::new("known");
    on_host(&stage, &address);
    let seen = stage.plan().ends(73);
    seen.says(&["web/0", &address, "host key", "not known"]).helps(&[&format!("ssh ec2-user@{address}")]);
    let known = || run(Command::new("ssh-keyscan").args(["-t", "ed25519", &address]));
    stage.write("home/.ssh/known_hosts", &format!("{}\n", known()));
    stage.deploy().says(&[":8080"]);

    fault(&["host-key", &format!("instance={id}")]);
    for command in [&["plan"][..], &["apply", "-y"], &["destroy", "-y"]] {
        let seen = stage.a3(command).ends(73);
        seen.says(&["web/0", "shows the host key", "expected"]).helps(&["ssh-keygen -R", &address]);
    }
    stage.write("home/.ssh/known_hosts", &format!("{}\n", known()));

    // What can be reached is removed, what cannot is listed.
    stage.over(
        "instances: { here: { local: {} } }\nservices: { app: { on: web }, near: { on: here, image: NAME-near:v1, build: { \
         context: app, args: { BASE: \"${A3_SANDBOX_TINY}\" } } } }\n",
    );
    stage.deploy();
    fault(&["sshd-dead", &format!("instance={id}")]);
    let seen = stage.a3(&["destroy", "-y"]).ends(69);
    let seen = seen.says(&["web/0", &address, "still there"]);
    let near =
        run(Command::new("docker").args(["ps", "-aq", "--filter", &format!("name={}-near", stage.name)]));
    assert_eq!(near, "", "what could be reached was not removed: {seen}");
    fault(&["sshd-back", &format!("instance={id}")]);
    stage.a3(&["destroy", "-y"]).ends(0).says(&["Nothing is left"]);
}
