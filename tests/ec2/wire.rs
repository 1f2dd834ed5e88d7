//! The tests that need an EC2.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Mutex;
use std::time::Duration;

use a3::ec2::{Cloud, CloudError, DryRun};
use a3::event::Activity;
use a3::explain::Explain as _;
use a3::id::{Arch, Slot};
use a3::observed::{CallSaid, CallSeen, CloudSeen, InstanceState, OwnedInstance};
use a3::plan::step::{Firewall, Launch, Modify, Rule};
use a3::spec::{Ami, Ec2, Group, Machine, MetadataOptions, Protocol, RootBlockDevice, Spec, Ssh, SshAddress};
use aws_sdk_ec2::types::{Filter, ResourceType, Tag, TagSpecification};

const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl a3";

pub(crate) fn quiet(_: Activity) {}

pub(crate) fn ec2() -> Ec2 {
    Ec2 {
        count: 1,
        region: None,
        profile: None,
        allowed_account_ids: Vec::new(),
        instance_type: "t2.micro".into(),
        ami: Ami::Newest { name: "amzn-ami-hvm-*-x86_64-gp2".into(), owner: "137112412989".into() },
        key_name: None,
        vpc_security_group_ids: Vec::new(),
        subnet_id: None,
        iam_instance_profile: None,
        root_block_device: RootBlockDevice::default(),
        user_data: None,
        tags: [("team".to_owned(), "music".to_owned())].into_iter().collect(),
        metadata_options: MetadataOptions::default(),
        spot: None,
        disable_api_termination: None,
        ttl: None,
        allow_from: None,
        allow_ssh_from: Some(vec!["192.0.2.7/32".into()]),
        address_url: None,
    }
}

fn spec(name: &str, ec2: &Ec2) -> (Spec, Group) {
    let ssh = Ssh {
        user: None,
        port: None,
        identity_file: None,
        proxy_jump: None,
        address: SshAddress::Public,
        strict: false,
        authorized_keys: Vec::new(),
    };
    let machine = Machine::Ec2(Box::new(ec2.clone()));
    let group = Group { name: "web".into(), machine, ssh, install_docker: false, sudo: false };
    let spec = Spec {
        name: name.into(),
        files: Vec::new(),
        registries: Default::default(),
        groups: [("web".to_owned(), group.clone())].into_iter().collect(),
        services: Default::default(),
        inactive: Vec::new(),
        keep_releases: 5,
        rollback: None,
    };
    (spec, group)
}

pub(crate) async fn cloud() -> Cloud {
    Cloud::connect(&ec2()).await.unwrap()
}

/// The plain SDK, as another person would use it.
pub(crate) async fn plain() -> aws_sdk_ec2::Client {
    aws_sdk_ec2::Client::new(&aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await)
}

pub(crate) async fn look(cloud: &Cloud, name: &str, ec2: &Ec2) -> CloudSeen {
    let (spec, group) = spec(name, ec2);
    cloud.observe(&spec, &group, ec2, "me").await.unwrap()
}

pub(crate) fn launch(seen: &CloudSeen) -> Launch {
    let image = seen.image.clone().unwrap();
    Launch {
        slot: Slot::new("web", 0),
        generation: 1,
        name: "furious_raman".into(),
        image_id: image.id,
        ami: ec2().ami,
        instance_type: "t2.micro".into(),
        key_name: None,
        security_group_ids: Vec::new(),
        subnet_id: None,
        iam_instance_profile: None,
        root_block_device: RootBlockDevice { volume_size: Some(12), ..Default::default() },
        root_device: image.root_device,
        hop_limit: 1,
        spot: None,
        protected: false,
        ttl: Some(Duration::from_secs(3600)),
        user_data: None,
        tags: [("team".to_owned(), "music".to_owned())].into(),
        hash: "1 ami=00".into(),
        asked: "1 type=t2.micro".into(),
        replaces: None,
    }
}

pub(crate) fn rule(port: u16, description: &str) -> Rule {
    let description = description.to_owned();
    Rule { protocol: Protocol::Tcp, port, cidr: "192.0.2.7/32".into(), description }
}

pub(crate) fn firewall(name: &str, vpc_id: Option<String>, open: Vec<Rule>) -> Firewall {
    Firewall {
        group: "web".into(),
        name: format!("a3-{name}-web"),
        id: None,
        vpc_id,
        open,
        close: Vec::new(),
        asked: "1".into(),
    }
}

pub(crate) fn only(seen: &CloudSeen) -> &OwnedInstance {
    assert_eq!(seen.instances.len(), 1, "{:#?}", seen.instances);
    &seen.instances[0]
}

pub(crate) async fn a_whole_life() {
    let (cloud, ec2, name) = (cloud().await, ec2(), "whole");
    let seen = look(&cloud, name, &ec2).await;
    assert_eq!(seen.instances, []);
    assert_eq!((seen.refusals.as_slice(), seen.type_archs.contains(&Arch::Amd64)), (&[][..], true));
    assert_eq!(seen.caller_cidrs, ["192.0.2.7/32"]);
    assert!(seen.vpc_id.is_some() && seen.security_group.is_none() && seen.key_pair.is_none());

    cloud.import_key(name, "web", "a3-whole-web", ED25519).await.unwrap();
    let rules = vec![rule(22, "ssh me"), rule(30001, "port")];
    let group = cloud.firewall(name, &firewall(name, seen.vpc_id.clone(), rules)).await.unwrap();
    let wanted = Launch { key_name: Some("a3-whole-web".into()), ..launch(&seen) };
    let id = cloud.launch(name, &wanted, Some(&group), &quiet).await.unwrap();
    let running = cloud.wait_running(&id, &quiet).await.unwrap();
    assert_eq!((running.state, running.user.as_deref()), (InstanceState::Running, Some("ec2-user")));
    assert!(running.public_ip.is_some());

    let seen = look(&cloud, name, &ec2).await;
    let one = only(&seen);
    assert_eq!((&one.id, one.generation, one.name.as_str()), (&id, 1, "furious_raman"));
    assert_eq!(
        (one.slot.to_string().as_str(), one.hop_limit, one.protected),
        ("web/0", Some(1), Some(false))
    );
    assert_eq!(one.security_groups, std::slice::from_ref(&group));
    assert_eq!((one.hash.as_deref(), one.key_name.as_deref()), (Some("1 ami=00"), Some("a3-whole-web")));
    assert_eq!((one.user.as_deref(), one.tags["team"].as_str()), (Some("ec2-user"), "music"));
    assert!(one.launched > 1_700_000_000);
    let managed = seen.security_group.clone().unwrap();
    let descriptions: Vec<&str> = managed.rules.iter().map(|rule| rule.description.as_str()).collect();
    assert_eq!((managed.id.as_str(), managed.rules.len()), (group.as_str(), 2));
    assert!(descriptions.contains(&"ssh me") && descriptions.contains(&"port"));
    assert!(seen.key_pair.as_ref().unwrap().starts_with("SHA256:"), "{:?}", seen.key_pair);
    everything_is_marked(&id, one).await;

    assert_eq!(cloud.console_host_keys(&id).await.unwrap(), [] as [String; 0]);
    cloud.terminate(&id, &quiet).await.unwrap();
    cloud.terminate(&id, &quiet).await.unwrap();
    cloud.delete_firewall(&group, &quiet).await.unwrap();
    cloud.delete_firewall(&group, &quiet).await.unwrap();
    cloud.delete_key("a3-whole-web").await.unwrap();
    cloud.delete_key("a3-whole-web").await.unwrap();
    let seen = look(&cloud, name, &ec2).await;
    assert_eq!(only(&seen).state, InstanceState::Terminated);
    assert!(seen.security_group.is_none() && seen.key_pair.is_none());
}

/// IMDSv2, the disk, what a shutdown means, and the mark on instance and volume.
async fn everything_is_marked(id: &str, one: &OwnedInstance) {
    let plain = plain().await;
    let answer = plain.describe_instances().instance_ids(id).send().await.unwrap();
    let instance = &answer.reservations()[0].instances()[0];
    assert_eq!(instance.client_token(), Some(one.tags["a3:self"].as_str()));
    let options = instance.metadata_options().unwrap();
    assert_eq!(options.http_tokens().unwrap().as_str(), "required");
    let mine = Filter::builder().name("tag:a3:self").values(&one.tags["a3:self"]).build();
    let volumes = plain.describe_volumes().filters(mine).send().await.unwrap();
    assert_eq!((volumes.volumes().len(), volumes.volumes()[0].size()), (1, Some(12)));
    let data = plain.describe_instance_attribute().instance_id(id);
    let data = data.attribute(aws_sdk_ec2::types::InstanceAttributeName::UserData).send().await.unwrap();
    let encoded = data.user_data().unwrap().value().unwrap();
    let text = data_encoding::BASE64.decode(encoded.as_bytes()).unwrap();
    assert!(String::from_utf8(text).unwrap().contains("+ 3600))"));
}

pub(crate) async fn the_same_launch_is_one_instance() {
    let (cloud, ec2, name) = (cloud().await, ec2(), "same");
    let wanted = launch(&look(&cloud, name, &ec2).await);
    let first = cloud.launch(name, &wanted, None, &quiet).await.unwrap();
    let again = cloud.launch(name, &wanted, None, &quiet).await.unwrap();
    assert_eq!(first, again);
    let other = Launch { slot: Slot::new("web", 1), ..wanted };
    assert_ne!(cloud.launch(name, &other, None, &quiet).await.unwrap(), first);
    assert_eq!(look(&cloud, name, &ec2).await.instances.len(), 2);
}

pub(crate) async fn another_launch_under_the_token_is_adopted() {
    let (cloud, ec2, name) = (cloud().await, ec2(), "adopt");
    let wanted = launch(&look(&cloud, name, &ec2).await);
    let first = cloud.launch(name, &wanted, None, &quiet).await.unwrap();
    let said = Mutex::new(Vec::new());
    let listen = |activity| said.lock().unwrap().push(activity);
    let larger = Launch { instance_type: "t2.small".into(), ..wanted };
    assert_eq!(cloud.launch(name, &larger, None, &listen).await.unwrap(), first);
    let warned = said.lock().unwrap().iter().any(
        |one| matches!(one, Activity::Warning { message } if message.contains(&first) && message.contains("web/0")),
    );
    assert!(warned, "{said:?}");
    assert_eq!(only(&look(&cloud, name, &ec2).await).instance_type, "t2.micro");
}

pub(crate) async fn an_ended_instance_uses_its_token_up() {
    let (cloud, ec2) = (cloud().await, ec2());
    // Real EC2 answers both ways: with an error, and with the ended instance.
    for name in ["ended", "dead-answer"] {
        let mut wanted = launch(&look(&cloud, name, &ec2).await);
        wanted.tags.insert("kind".into(), name.into());
        let first = cloud.launch(name, &wanted, None, &quiet).await.unwrap();
        cloud.terminate(&first, &quiet).await.unwrap();
        let second = cloud.launch(name, &wanted, None, &quiet).await.unwrap();
        assert_ne!(first, second);
        // Other settings over an ended one: the mismatch is looked into and does not adopt it.
        cloud.terminate(&second, &quiet).await.unwrap();
        let other = Launch { instance_type: "t2.small".into(), ..wanted.clone() };
        let third = cloud.launch(name, &other, None, &quiet).await.unwrap();
        assert_eq!(cloud.launch(name, &other, None, &quiet).await.unwrap(), third);
        let live: Vec<OwnedInstance> = look(&cloud, name, &ec2).await.instances;
        let live: Vec<&str> =
            live.iter().filter(|one| one.state.is_live()).map(|one| one.id.as_str()).collect();
        assert_eq!(live, [third.as_str()]);
    }
}

pub(crate) async fn what_ec2_does_not_show_yet_is_waited_for() {
    let (cloud, ec2, name) = (cloud().await, ec2(), "late");
    let mut wanted = launch(&look(&cloud, name, &ec2).await);
    wanted.tags.insert("late".into(), "yes".into());
    let id = cloud.launch(name, &wanted, None, &quiet).await.unwrap();
    let said = Mutex::new(Vec::new());
    let running = cloud.wait_running(&id, &|activity| said.lock().unwrap().push(activity)).await.unwrap();
    assert_eq!(running.id, id);
    let waited = said.into_inner().unwrap();
    assert!(
        matches!(&waited[..], [Activity::Waiting { on, .. }, Activity::Waiting { .. }] if on.contains(&id))
    );
}

pub(crate) async fn with_a_subnet_the_tags_decide() {
    let (cloud, ec2, name) = (cloud().await, ec2(), "subnet");
    let subnets = plain().await.describe_subnets().send().await.unwrap();
    let subnet = |n: usize| subnets.subnets()[n].subnet_id().map(str::to_owned);
    let wanted = Launch { subnet_id: subnet(0), ..launch(&look(&cloud, name, &ec2).await) };
    let first = cloud.launch(name, &wanted, None, &quiet).await.unwrap();
    // In another zone the token counts anew.
    let elsewhere = Launch { subnet_id: subnet(1), ..wanted };
    assert_eq!(cloud.launch(name, &elsewhere, None, &quiet).await.unwrap(), first);
    only(&look(&cloud, name, &ec2).await);
}

pub(crate) async fn a_replacement_ends_the_old_one_first() {
    let (cloud, ec2, name) = (cloud().await, ec2(), "replace");
    let wanted = launch(&look(&cloud, name, &ec2).await);
    let first = cloud.launch(name, &wanted, None, &quiet).await.unwrap();
    let next = Launch { generation: 2, replaces: Some(first.clone()), ..wanted };
    let second = cloud.launch(name, &next, None, &quiet).await.unwrap();
    assert_eq!(cloud.launch(name, &next, None, &quiet).await.unwrap(), second, "safe to repeat");
    let seen = look(&cloud, name, &ec2).await;
    let states: BTreeMap<&str, (u32, bool)> =
        seen.instances.iter().map(|one| (one.id.as_str(), (one.generation, one.state.is_live()))).collect();
    assert_eq!(states, [(first.as_str(), (1, false)), (second.as_str(), (2, true))].into());
}

pub(crate) async fn no_capacity_says_what_to_do() {
    let (cloud, ec2, name) = (cloud().await, ec2(), "capacity");
    let wanted = launch(&look(&cloud, name, &ec2).await);
    let scarce = Launch { instance_type: "u-24tb1.112xlarge".into(), ..wanted };
    let error = cloud.launch(name, &scarce, None, &quiet).await.unwrap_err();
    assert_eq!(error.code(), Some("InsufficientInstanceCapacity"));
    assert!(error.help().unwrap().contains("`subnet_id` in another zone"));
    assert_eq!(look(&cloud, name, &ec2).await.instances, []);
}

pub(crate) async fn firewall_is_safe_to_repeat() {
    let (cloud, ec2, name) = (cloud().await, ec2(), "fire");
    let vpc = look(&cloud, name, &ec2).await.vpc_id;
    let first = firewall(name, vpc, vec![rule(22, "ssh me"), rule(80, "port")]);
    let id = cloud.firewall(name, &first).await.unwrap();
    assert_eq!(cloud.firewall(name, &first).await.unwrap(), id, "the group exists, so do its rules");
    let before = look(&cloud, name, &ec2).await.security_group.unwrap();
    let web = before.rules.iter().find(|rule| rule.from_port == 80).unwrap();

    let close = vec![(web.id.clone(), rule(80, "port"))];
    let second = Firewall { id: Some(id.clone()), open: vec![rule(443, "port")], close, ..first };
    cloud.firewall(name, &second).await.unwrap();
    cloud.firewall(name, &second).await.unwrap();
    let after = look(&cloud, name, &ec2).await.security_group.unwrap();
    let mut ports: Vec<u16> = after.rules.iter().map(|rule| rule.from_port).collect();
    ports.sort_unstable();
    assert_eq!(ports, [22, 443]);
}

/// EC2 knows a new group a moment later everywhere, for its rules and for its tags.
pub(crate) async fn a_new_group_is_waited_for() {
    let (cloud, ec2, name) = (cloud().await, ec2(), "late-group");
    let vpc = look(&cloud, name, &ec2).await.vpc_id;
    cloud.firewall(name, &firewall(name, vpc, Vec::new())).await.unwrap();
    let group = look(&cloud, name, &ec2).await.security_group.unwrap();
    assert_eq!(group.asked.as_deref(), Some("1"));
}

pub(crate) async fn foreign_things_are_flagged_and_left_alone() {
    let (cloud, ec2, name) = (cloud().await, ec2(), "foreign");
    let plain = plain().await;
    let seen = look(&cloud, name, &ec2).await;
    let vpc = seen.vpc_id.clone();
    let group = plain.create_security_group().group_name("a3-foreign-web").description("mine");
    let group = group.set_vpc_id(vpc.clone()).send().await.unwrap().group_id.unwrap();
    plain.create_key_pair().key_name("a3-foreign-web").send().await.unwrap();
    // "Launch more like this" copies the tags, and gives another client token.
    let own = cloud.launch(name, &launch(&seen), None, &quiet).await.unwrap();
    let tags = only(&look(&cloud, name, &ec2).await).tags.clone();
    let tags = tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
    let marks =
        TagSpecification::builder().resource_type(ResourceType::Instance).set_tags(Some(tags)).build();
    let copy = plain.run_instances().image_id(seen.image.unwrap().id).min_count(1).max_count(1);
    let copy = copy.tag_specifications(marks).send().await.unwrap();
    let copy = copy.instances()[0].instance_id().unwrap().to_owned();

    let seen = look(&cloud, name, &ec2).await;
    assert_eq!(only(&seen).id, own);
    assert_eq!((seen.foreign_group.as_ref(), &seen.security_group), (Some(&group), &None));
    assert!(seen.foreign_key && seen.key_pair.is_none());
    assert!(seen.notes.iter().any(|note| note.contains(&copy)), "{:?}", seen.notes);

    let foreign = |result: Result<(), CloudError>| assert!(matches!(result, Err(CloudError::Foreign { .. })));
    foreign(cloud.terminate(&copy, &quiet).await);
    foreign(cloud.set_tag(&copy, "x", "y").await);
    foreign(cloud.delete_key("a3-foreign-web").await);
    foreign(cloud.delete_firewall(&group, &quiet).await);
    foreign(cloud.import_key(name, "web", "a3-foreign-web", ED25519).await);
    foreign(cloud.firewall(name, &firewall(name, vpc, vec![rule(22, "ssh me")])).await.map(drop));
    let there = plain.describe_instances().instance_ids(&copy).send().await.unwrap();
    assert_eq!(there.reservations()[0].instances()[0].state().unwrap().name().unwrap().as_str(), "running");
    let there = plain.describe_security_groups().group_ids(&group).send().await.unwrap();
    assert_eq!(there.security_groups()[0].ip_permissions(), []);
    assert!(plain.describe_key_pairs().key_names("a3-foreign-web").send().await.is_ok());
}

pub(crate) async fn keys_of_both_kinds_and_no_other() {
    let (cloud, ec2) = (cloud().await, ec2());
    let folder = tempfile::tempdir().unwrap();
    for kind in ["ed25519", "rsa", "ecdsa"] {
        let file = folder.path().join(kind);
        let mut make = std::process::Command::new("ssh-keygen");
        make.args(["-q", "-N", "", "-t", kind, "-f"]).arg(&file);
        assert!(make.status().unwrap().success());
        let line = std::fs::read_to_string(file.with_extension("pub")).unwrap();
        let shown = std::process::Command::new("ssh-keygen").arg("-lf").arg(file).output().unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        let name = format!("keys-{kind}");
        let imported = cloud.import_key(&name, "web", &format!("a3-{name}-web"), &line).await;
        if kind == "ecdsa" {
            let error = imported.unwrap_err();
            assert!(error.to_string().contains("ecdsa-sha2-nistp256"));
            assert!(error.help().unwrap().contains("ssh-keygen -t ed25519"));
            continue;
        }
        imported.unwrap();
        let fingerprint = look(&cloud, &name, &ec2).await.key_pair.unwrap();
        assert!(shown.contains(&fingerprint), "{shown} {fingerprint}");
    }
}

pub(crate) async fn other_accounts_are_refused() {
    let allowed = Ec2 { allowed_account_ids: vec!["123456789012".into()], ..ec2() };
    let cloud = Cloud::connect(&allowed).await.unwrap();
    assert_eq!((cloud.account.as_str(), cloud.region.as_str()), ("123456789012", "us-west-2"));
    assert!(cloud.caller.starts_with("arn:aws:"));
    let other = Ec2 { allowed_account_ids: vec!["210987654321".into()], ..ec2() };
    let error = Cloud::connect(&other).await.unwrap_err();
    assert!(error.to_string().contains("account 123456789012 ("), "{error}");
    assert!(error.help().unwrap().contains("210987654321"));
}

pub(crate) async fn an_ami_that_does_not_exist_is_none() {
    let cloud = cloud().await;
    let missing = [
        Ami::Id("ami-0123456789abcdef0".into()),
        Ami::Newest { name: "no-such-image-*".into(), owner: "amazon".into() },
    ];
    for ami in missing {
        let seen = look(&cloud, "noami", &Ec2 { ami, ..ec2() }).await;
        assert_eq!(seen.image, None);
    }
}

pub(crate) async fn the_newest_ami_by_name_is_taken() {
    let cloud = cloud().await;
    let plain = plain().await;
    let base = look(&cloud, "newest", &ec2()).await.image.unwrap();
    assert_eq!((base.arch, base.user.as_deref()), (Arch::Amd64, Some("ec2-user")));
    let instance = plain.run_instances().image_id(&base.id).min_count(1).max_count(1).send().await.unwrap();
    let id = instance.instances()[0].instance_id().unwrap();
    let mut newest = None;
    for version in ["debian-12-amd64-1", "debian-12-amd64-0"] {
        let made = plain.create_image().instance_id(id).name(version).send().await.unwrap();
        newest = made.image_id;
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    let ami = Ami::Newest { name: "debian-12-amd64-*".into(), owner: "self".into() };
    let seen = look(&cloud, "newest", &Ec2 { ami, ..ec2() }).await.image.unwrap();
    assert_eq!(
        (Some(seen.id), seen.name.as_str()),
        (newest.clone(), "debian-12-amd64-0"),
        "the date decides"
    );
    assert_eq!(seen.user.as_deref(), Some("admin"));
    let ami = Ami::Id(newest.unwrap());
    assert_eq!(look(&cloud, "newest", &Ec2 { ami, ..ec2() }).await.image.unwrap().name, "debian-12-amd64-0");
}

pub(crate) fn modify(id: &str) -> Modify {
    Modify {
        slot: Slot::new("web", 0),
        id: id.to_owned(),
        set_tags: BTreeMap::new(),
        remove_tags: Vec::new(),
        security_group_ids: None,
        instance_type: None,
        hop_limit: None,
        require_tokens: false,
        protected: None,
        ttl: None,
    }
}

/// Answers every request once with `text`; its URL.
fn serve_text(text: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten().take(8) {
            let _ = stream.read(&mut [0; 4096]);
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", text.len());
            let _ = stream.write_all(format!("{head}{text}").as_bytes());
        }
    });
    url
}

pub(crate) async fn the_own_address_is_asked_for() {
    let cloud = cloud().await;
    let asking = |url: String| Ec2 { allow_ssh_from: None, address_url: Some(url), ..ec2() };
    let seen = look(&cloud, "address", &asking(serve_text("203.0.113.9\n"))).await;
    assert_eq!((seen.caller_cidrs, seen.refusals), (vec!["203.0.113.9/32".to_owned()], vec![]));
    for url in [serve_text("<html>no</html>"), "http://127.0.0.1:9/".into()] {
        let seen = look(&cloud, "address", &asking(url.clone())).await;
        assert_eq!(seen.caller_cidrs, [] as [String; 0]);
        assert!(seen.refusals[0].message.contains(&url), "{:?}", seen.refusals);
    }
    let own_groups =
        Ec2 { vpc_security_group_ids: vec!["sg-1".into()], ..asking("http://127.0.0.1:9/".into()) };
    assert_eq!(look(&cloud, "address", &own_groups).await.caller_cidrs, [] as [String; 0]);
}

pub(crate) async fn preflight_tells_what_ec2_would_refuse() {
    let cloud = cloud().await;
    let subnet = Ec2 { subnet_id: Some("subnet-0123456789abcdef0".into()), ..ec2() };
    let seen = look(&cloud, "preflight", &subnet).await;
    let refusal = &seen.refusals[0];
    assert!(refusal.message.contains("InvalidSubnetID.NotFound"), "{refusal:?}");
    assert!(refusal.help.as_ref().unwrap().contains("describe-subnets"));
    let kind = Ec2 { instance_type: "t2.gigantic".into(), ..ec2() };
    let seen = look(&cloud, "preflight", &kind).await;
    assert!(seen.no_such_type.unwrap().message.contains("t2.gigantic"));
    assert_eq!(seen.type_archs, []);
    assert_eq!(seen.instances, [], "a dry run launches nothing");
}

/// A launch is asked with its key, unless a step before it imports that; what is not asked is listed.
pub(crate) async fn preflight_asks_with_the_key_and_lists_what_it_does_not_ask() {
    let (cloud, ec2, name) = (cloud().await, ec2(), "asking");
    assert_eq!(cloud.dry_run().await, DryRun::Heeded);
    let seen = look(&cloud, name, &ec2).await;
    let key = "a3-asking-web".to_owned();
    let wanted = Launch { key_name: Some(key.clone()), ..launch(&seen) };
    let said = cloud.may_launch(name, &wanted, &seen, Some(&key)).await;
    assert_eq!(said[0].said, CallSaid::Allowed, "{said:?}");
    let said = cloud.may_launch(name, &wanted, &seen, None).await;
    assert!(
        matches!(&said[0].said, CallSaid::Refused { cause, .. } if cause.message.contains(&key)),
        "{said:?}"
    );

    let unasked = |calls: Vec<CallSeen>| -> Vec<&str> {
        let open = calls.into_iter().filter(|call| matches!(call.said, CallSaid::NotChecked(_)));
        open.map(|call| call.action).collect()
    };
    assert_eq!(unasked(cloud.may_import_key(name, &key, ED25519, true).await), ["ec2:DeleteKeyPair"]);
    assert_eq!(unasked(cloud.may_import_key(name, &key, ED25519, false).await), [] as [&str; 0]);
    let group = firewall(name, seen.vpc_id, vec![rule(22, "ssh me")]);
    let unasked = unasked(cloud.may_change_firewall(name, &group, None).await);
    assert_eq!(unasked, ["ec2:AuthorizeSecurityGroupIngress", "ec2:CreateTags"]);
    let seen = look(&cloud, name, &ec2).await;
    assert!(seen.instances.is_empty() && seen.key_pair.is_none() && seen.security_group.is_none());
}

pub(crate) async fn other_regions_are_searched() {
    let cloud = cloud().await;
    assert!(cloud.regions().await.unwrap().contains(&"eu-west-1".to_owned()));
    let there = cloud.in_region("eu-west-1");
    let seen = look(&there, "regions", &ec2()).await;
    let id = there.launch("regions", &launch(&seen), None, &quiet).await.unwrap();
    let all = there.list_all().await.unwrap();
    let found = all.iter().find(|one| one.id == id).unwrap();
    assert_eq!((found.tags["a3:deployment"].as_str(), found.user.as_deref()), ("regions", Some("ec2-user")));
    assert!(cloud.list_all().await.unwrap().iter().all(|one| one.id != id));
}
