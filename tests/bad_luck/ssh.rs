//! The way to a machine: keys, host keys, a console that says nothing.

use std::fs::File;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::stage::{Stage, alone, beside_others, ec2, fault, run};

const TAG: &str = "
tags = ec2.describe_instances(InstanceIds=[a[0]])['Reservations'][0]['Instances'][0]['Tags']
print(next(t['Value'] for t in tags if t['Key'] == 'a3:ssh-host-key'))
";

const SET_TAG: &str = "ec2.create_tags(Resources=[a[0]], Tags=[{'Key': 'a3:ssh-host-key', 'Value': a[1]}])";

/// `SHA256:…` of a public key.
fn fingerprint(stage: &Stage, key: &str) -> String {
    stage.write("key.pub", key);
    let said = run(Command::new("ssh-keygen").arg("-lf").arg(stage.path("key.pub")));
    said.split(' ').nth(1).unwrap().to_owned()
}

/// `ssh-ed25519 AAAA…`, as the machine shows it.
fn shown(address: &str) -> String {
    let said = run(Command::new("ssh-keyscan").args(["-t", "ed25519", address]));
    said.split_once(' ').unwrap().1.to_owned()
}

#[test]
fn a_wrong_key_and_another_host_key() {
    let _beside = beside_others();
    let mut stage = Stage::new("keys");
    stage.deploy();
    let (id, address) = stage.instance();

    stage.over("instances: { web: { ssh: { identity_file: \"${A3_SANDBOX_SSH_KEY_RSA}\" } } }\n");
    for command in [&["plan"][..], &["apply", "-y"]] {
        let seen = stage.a3(command).ends(69).within(30);
        seen.says(&["web/0", &address, "refuses to log in `ec2-user`", "rsa.pem"])
            .helps(&["ssh.identity_file"]);
    }
    stage.over("instances: { web: { ssh: { identity_file: ~/.ssh/none.pem } } }\n");
    stage.plan().ends(69).says(&["none.pem", "No such file"]).helps(&["ssh.identity_file"]);
    stage.over("instances: { web: { ssh: { user: root } } }\n");
    stage.plan().ends(69).says(&["refuses to log in `root`"]).helps(&["ssh.user"]);
    stage.over("x-nothing: 1\n");
    stage.plan().ends(0).says(&["No changes"]);

    let before = fingerprint(&stage, &shown(&address));
    fault(&["host-key", &format!("instance={id}")]);
    let after = fingerprint(&stage, &shown(&address));
    assert_ne!(before, after);
    for command in [&["plan"][..], &["apply", "-y"]] {
        let seen = stage.a3(command).ends(73);
        seen.says(&["web/0", &address, &before, &after]).helps(&["fingerprint"]);
    }
    stage.a3(&["status"]).ends(69).says(&[&id, &before, &after]);
    // Ending it needs EC2 only.
    let seen = stage.a3(&["destroy", "-y"]).ends(0);
    seen.says(&["web/0: whether somebody is at work there was not checked", "Nothing is left"]);
}

#[test]
fn a_key_accepted_at_first_contact_is_held_against_the_console() {
    let alone = alone();
    let mut stage = Stage::new("contact");
    alone.fault(&["console-silent"]);
    stage.deploy().says(&["web/0: the console showed no host key in time", "first contact"]);
    let (id, address) = stage.instance();
    let key = shown(&address);
    assert_eq!(ec2(TAG, &[&id]), format!("first-contact {key}"));
    stage.plan().ends(0).says(&["No changes"]);
    alone.clear();
    drop(alone);
    let _beside = beside_others();

    // A plan writes nothing; an apply that works there anyway writes that the console agrees.
    stage.plan().ends(0).says(&["No changes"]);
    assert_eq!(ec2(TAG, &[&id]), format!("first-contact {key}"));
    stage.over("services: { app: { environment: { A: b } } }\n");
    stage.deploy();
    assert_eq!(ec2(TAG, &[&id]), format!("console {key}"));
    stage.plan().ends(0).says(&["No changes"]);

    // Another machine had answered first: it goes on showing its key, the console shows the true one.
    fault(&["host-key", &format!("instance={id}")]);
    let other = shown(&address);
    ec2(SET_TAG, &[&id, &format!("first-contact {other}")]);
    let (true_one, false_one) = (fingerprint(&stage, &key), fingerprint(&stage, &other));
    let seen = stage.plan().ends(73);
    seen.says(&["web/0", &id, "at first contact", &true_one, &false_one])
        .helps(&["get-console-output", "destroy"]);
}

#[test]
fn strict_waits_for_the_console_until_it_is_interrupted() {
    let alone = alone();
    let mut stage = Stage::new("strict");
    stage.makes();
    stage.over("instances: { web: { ssh: { strict: true } } }\n");
    alone.fault(&["console-silent"]);
    let err = stage.path("stderr");
    let mut command = stage.command(&["apply", "-y"]);
    let mut child = command
        .stdout(File::create(stage.path("stdout")).unwrap())
        .stderr(File::create(&err).unwrap())
        .spawn()
        .unwrap();
    let said = || std::fs::read_to_string(&err).unwrap();
    let began = Instant::now();
    while !said().contains("waiting for the host keys on the console of web/0 (ssh.strict)") {
        if began.elapsed() > Duration::from_secs(60) || child.try_wait().unwrap().is_some() {
            child.kill().ok();
            child.wait().unwrap();
            panic!("it does not wait: {}", said());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let interrupted = Instant::now();
    run(Command::new("kill").args(["-INT", &child.id().to_string()]));
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if interrupted.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it does not end: {}", said());
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(status.code(), Some(130), "{}", said());
    assert!(said().contains("nterrupted"), "{}", said());
    // The instance is there, strict goes on where it was.
    alone.clear();
    stage.deploy();
    let (id, address) = stage.instance();
    assert_eq!(ec2(TAG, &[&id]), format!("console {}", shown(&address)));
}
