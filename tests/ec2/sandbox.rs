//! What only real hosts can show: booting, console keys, a ttl that ends them, an EC2 whose answers
//! get lost. `sandbox/up && . sandbox/.run/env`, then
//! `cargo test --test ec2 -- --ignored --test-threads=1`: settings and faults are the sandbox's, not
//! a test's.

use std::time::{Duration, Instant};

use a3::ec2::Cloud;
use a3::event::Activity;
use a3::observed::{CloudSeen, InstanceState};
use a3::plan::step::Launch;
use a3::spec::{Ami, Ec2};

use crate::wire;

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: . sandbox/.run/env"))
}

fn ec2() -> Ec2 {
    let ami = Ami::Newest { name: "al2023-ami-2023.*-x86_64".into(), owner: "amazon".into() };
    Ec2 { ami, allow_ssh_from: None, address_url: Some(variable("A3_SANDBOX_ADDRESS_URL")), ..wire::ec2() }
}

async fn control(path: &str) {
    let url = format!("{}/{path}", variable("A3_SANDBOX_CONTROL_URL"));
    let answer = reqwest::Client::new().post(url).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
}

/// Lines of the taps' log that are writes to EC2.
fn writes() -> usize {
    let log = std::fs::read_to_string(variable("A3_SANDBOX_TAPS")).unwrap();
    log.lines().filter(|line| line.contains(r#""place": "ec2""#) && line.contains(r#""write": true"#)).count()
}

fn quiet(_: Activity) {}

async fn launched(name: &str, change: impl FnOnce(&mut Launch)) -> (Cloud, String) {
    let cloud = Cloud::connect(&ec2()).await.unwrap();
    let seen = look(&cloud, name).await;
    let mut launch = Launch { ttl: None, ..wire::launch(&seen) };
    change(&mut launch);
    let id = cloud.launch(name, &launch, None, &quiet).await.unwrap();
    (cloud, id)
}

async fn look(cloud: &Cloud, name: &str) -> CloudSeen {
    wire::look(cloud, name, &ec2()).await
}

#[tokio::test]
#[ignore = "needs the sandbox"]
async fn a_host_boots_shows_its_keys_and_ends() {
    let name = "ec2-boots";
    let cloud = Cloud::connect(&ec2()).await.unwrap();
    let before = writes();
    let seen = look(&cloud, name).await;
    assert_eq!(writes(), before, "looking writes nothing");
    assert_eq!((seen.refusals.as_slice(), seen.caller_cidrs.len()), (&[][..], 1));
    let key = std::fs::read_to_string(format!("{}.pub", variable("A3_SANDBOX_SSH_KEY"))).unwrap();
    cloud.import_key(name, "web", "a3-ec2-boots-web", &key).await.unwrap();
    let ssh = vec![wire::rule(22, "ssh me")];
    let group = cloud.firewall(name, &wire::firewall(name, seen.vpc_id.clone(), ssh)).await.unwrap();
    let launch = Launch { key_name: Some("a3-ec2-boots-web".into()), ttl: None, ..wire::launch(&seen) };
    let id = cloud.launch(name, &launch, Some(&group), &quiet).await.unwrap();
    assert_eq!(look(&cloud, name).await.instances[0].state, InstanceState::Pending);
    let one = cloud.wait_running(&id, &quiet).await.unwrap();
    assert_eq!((one.user.as_deref(), one.public_ip.is_some()), (Some("ec2-user"), true));

    let began = Instant::now();
    let keys = loop {
        let keys = cloud.console_host_keys(&id).await.unwrap();
        if !keys.is_empty() {
            break keys;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "the console stays silent");
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    assert!(keys.iter().any(|key| key.starts_with("ssh-ed25519 AAAA")), "{keys:?}");

    cloud.terminate(&id, &quiet).await.unwrap();
    cloud.delete_firewall(&group, &quiet).await.unwrap();
    cloud.delete_key("a3-ec2-boots-web").await.unwrap();
    let seen = look(&cloud, name).await;
    assert_eq!(seen.instances[0].state, InstanceState::Terminated);
    assert!(seen.security_group.is_none() && seen.key_pair.is_none());
}

#[tokio::test]
#[ignore = "needs the sandbox"]
async fn a_ttl_ends_the_host_and_nobody_has_to_come_back() {
    let name = "ec2-ttl";
    let (cloud, id) = launched(name, |launch| launch.ttl = Some(Duration::from_secs(5))).await;
    cloud.wait_running(&id, &quiet).await.unwrap();
    let began = Instant::now();
    loop {
        let one = look(&cloud, name).await.instances.remove(0);
        if one.state == InstanceState::Terminated {
            let reason = one.state_reason.unwrap();
            assert!(reason.contains("Instance initiated shutdown"), "{reason}");
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{:?} after a minute", one.state);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
#[ignore = "needs the sandbox"]
async fn a_lost_answer_is_one_instance() {
    control("fault?name=ec2-lost-answer&action=RunInstances&count=1").await;
    let name = "ec2-lost";
    let (cloud, id) = launched(name, |_| {}).await;
    let seen = look(&cloud, name).await;
    assert_eq!((seen.instances.len(), &seen.instances[0].id), (1, &id));
    cloud.terminate(&id, &quiet).await.unwrap();
}

#[tokio::test]
#[ignore = "needs the sandbox"]
async fn a_stopped_host_starts_and_one_that_ended_while_booting_says_so() {
    let name = "ec2-stop";
    let (cloud, id) = launched(name, |_| {}).await;
    cloud.wait_running(&id, &quiet).await.unwrap();
    let modify = a3::plan::step::Modify { instance_type: Some("t2.small".into()), ..wire::modify(&id) };
    cloud.modify(&modify, &quiet).await.unwrap();
    let one = look(&cloud, name).await.instances.remove(0);
    assert_eq!((one.instance_type.as_str(), one.state), ("t2.small", InstanceState::Running));
    assert!(one.public_ip.is_some());
    cloud.terminate(&id, &quiet).await.unwrap();
    let error = cloud.wait_running(&id, &quiet).await.unwrap_err();
    assert!(
        error.to_string().starts_with(&format!("{id} is terminated while running was awaited")),
        "{error}"
    );
}
