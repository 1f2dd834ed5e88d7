//! The way to a machine, before it is reached: configuration, jump hosts, keys.

use std::process::Command;

use crate::stage::{Stage, beside_others, ec2, run, variable};

/// The deployment of `stage` on a machine of this name, where nothing answers.
fn at(stage: &mut Stage, host: &str) {
    let text = std::fs::read_to_string(stage.path("deploy.yaml")).unwrap();
    let (before, rest) = text.split_once("    ec2:\n").unwrap();
    let (_, after) = rest.split_once("services:").unwrap();
    stage.write("deploy.yaml", &format!("{before}    host: {host}\nservices:{after}"));
    let key = variable("A3_SANDBOX_SSH_KEY");
    stage.write("home/.ssh/keys", &format!("IdentityFile {key}\n"));
}

#[test]
fn a_configuration_that_ssh_does_not_understand_or_nobody_can_read() {
    let _beside = beside_others();
    let mut stage = Stage::new("config");
    at(&mut stage, "box");
    stage.write("home/.ssh/config", "Host box\n  HostNmae 127.0.69.9\n");
    let seen = stage.plan().ends(69);
    seen.says(&["web/0", "the ssh configuration for box", "line 2: Bad configuration option: hostnmae"])
        .helps(&["ssh -G box"]);

    // No `ssh` command: that is said, not passed over.
    std::fs::create_dir(stage.path("bin")).unwrap();
    let bin = stage.path("bin").display().to_string();
    stage.set("PATH", Some(&bin));
    let seen = stage.plan().ends(69);
    seen.says(&["home/.ssh/config", "there is no `ssh` command"]).helps(&["openssh-client"]);
    // Without a configuration, none is needed.
    std::fs::remove_file(stage.path("home/.ssh/config")).unwrap();
    at_address(&mut stage);
    stage.plan().ends(69).never_says(&["there is no `ssh` command"]);
}

fn at_address(stage: &mut Stage) {
    let text = std::fs::read_to_string(stage.path("deploy.yaml")).unwrap();
    stage.write("deploy.yaml", &text.replace("host: box", "host: root@127.0.69.9"));
}

#[test]
fn jump_hosts_that_lead_nowhere() {
    let _beside = beside_others();
    let mut stage = Stage::new("jumps");
    at(&mut stage, "inner");
    let include = format!("Include {}\n", stage.path("home/.ssh/keys").display());
    let closed = "Host inner\n  ProxyJump outer\nHost outer\n  HostName 127.0.69.9\n  Port 1\n";
    stage.write("home/.ssh/config", &format!("{include}{closed}"));
    let seen = stage.plan().ends(69).within(30);
    seen.says(&[
        "web/0",
        "cannot get to inner through the jump host outer: outer (127.0.69.9:1) refuses connections",
    ])
    .helps(&["ssh -p 1", "outer"]);

    let circle = "Host inner\n  ProxyJump outer\nHost outer\n  ProxyJump inner\n";
    stage.write("home/.ssh/config", &format!("{include}{circle}"));
    let seen = stage.plan().ends(69).within(30);
    seen.says(&["web/0", "it leads in circles"]).helps(&["ProxyJump", "ssh -G"]);

    stage.over("instances: { web: { ssh: { proxy_jump: \"outer:x\" } } }\n");
    let seen = stage.plan().ends(69);
    seen.says(&["inner is behind `outer:x`", "[USER@]HOST[:PORT]"]).helps(&["ssh.proxy_jump"]);
}

#[test]
fn a_key_that_nobody_opens_is_found_before_anything_is_launched() {
    let _beside = beside_others();
    let stage = Stage::new("locked");
    let key = stage.path("key").display().to_string();
    run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "open sesame", "-f", &key]));
    stage.over(&format!("instances: {{ web: {{ ssh: {{ identity_file: \"{key}\" }} }} }}\n"));
    // The public half can be read without: the plan is as always.
    stage.plan().ends(0).says(&["web/0"]);
    let seen = stage.a3(&["apply", "-y"]).ends(1);
    seen.says(&[&key, "has a passphrase"]).helps(&["ssh-add", &key]);
    let count = "print(sum(len(r['Instances']) for r in ec2.describe_instances(Filters=[{'Name': 'tag:a3:deployment', \
                 'Values': [a[0]]}])['Reservations']))";
    assert_eq!(ec2(count, &[&stage.name]), "0");
}
