//! What is changed on an instance that is there.

use std::collections::BTreeMap;

use a3::explain::Explain as _;
use a3::observed::InstanceState;
use a3::plan::step::{Launch, Modify};
use aws_sdk_ec2::types::{Filter, HttpTokensState};

use crate::wire::{cloud, ec2, firewall, launch, look, modify, only, plain, quiet};

/// The new type cannot be set, or cannot be started: the machine runs again as it was.
pub(crate) async fn a_type_that_does_not_come_about_leaves_the_machine_running() {
    let (cloud, ec2, name) = (cloud().await, ec2(), "type");
    let id = cloud.launch(name, &launch(&look(&cloud, name, &ec2).await), None, &quiet).await.unwrap();
    let cases = [
        ("t2.gigantic", "InvalidInstanceAttributeValue"),
        ("u-24tb1.112xlarge", "InsufficientInstanceCapacity"),
    ];
    for (kind, code) in cases {
        let change = Modify { instance_type: Some(kind.into()), ..modify(&id) };
        let error = cloud.modify(&change, &quiet).await.unwrap_err();
        let said = error.cause().message;
        let again = format!("{id} could not become `{kind}`, and was started again as `t2.micro`: ");
        assert!(said.starts_with(&again) && said.contains(code), "{said}");
        assert_eq!(error.code(), Some(code));
        let seen = look(&cloud, name, &ec2).await;
        let one = only(&seen);
        assert_eq!((one.instance_type.as_str(), one.state), ("t2.micro", InstanceState::Running));
    }
}

pub(crate) async fn changes_in_place_and_by_stop_start() {
    let (cloud, ec2, name) = (cloud().await, ec2(), "modify");
    let seen = look(&cloud, name, &ec2).await;
    let id = cloud.launch(name, &launch(&seen), None, &quiet).await.unwrap();
    let group = cloud.firewall(name, &firewall(name, seen.vpc_id, Vec::new())).await.unwrap();
    let change = Modify {
        set_tags: [("team".to_owned(), "other".to_owned()), ("a3:hash".to_owned(), "1 new".to_owned())]
            .into(),
        security_group_ids: Some(vec![group.clone()]),
        hop_limit: Some(2),
        ttl: Some(None),
        ..modify(&id)
    };
    cloud.modify(&change, &quiet).await.unwrap();
    let seen = look(&cloud, name, &ec2).await;
    let one = only(&seen);
    assert_eq!((one.tags["team"].as_str(), one.hop_limit), ("other", Some(2)));
    assert_eq!(one.hash.as_deref(), Some("1 ami=00"), "written by who changed the host's deadline");
    assert_eq!(one.security_groups, [group]);
    assert_eq!(one.state, InstanceState::Running);

    cloud.set_tag(&id, "a3:hash", "1 new").await.unwrap();
    let plain = plain().await;
    let options = plain.modify_instance_metadata_options().instance_id(&id);
    options.http_tokens(HttpTokensState::Optional).send().await.unwrap();
    assert_eq!(only(&look(&cloud, name, &ec2).await).tokens_required, Some(false));
    cloud.modify(&Modify { require_tokens: true, ..modify(&id) }, &quiet).await.unwrap();
    assert_eq!(only(&look(&cloud, name, &ec2).await).tokens_required, Some(true));
    let kind =
        Modify { instance_type: Some("t2.small".into()), remove_tags: vec!["team".into()], ..modify(&id) };
    cloud.modify(&kind, &quiet).await.unwrap();
    let seen = look(&cloud, name, &ec2).await;
    let one = only(&seen);
    assert_eq!((one.instance_type.as_str(), one.state), ("t2.small", InstanceState::Running));
    assert_eq!((one.hash.as_deref(), one.tags.get("team")), (Some("1 new"), None));

    plain.stop_instances().instance_ids(&id).send().await.unwrap();
    cloud.modify(&Modify { instance_type: Some("t2.micro".into()), ..modify(&id) }, &quiet).await.unwrap();
    assert_eq!(only(&look(&cloud, name, &ec2).await).state, InstanceState::Stopped, "it stays as it was");
    cloud.start(&id, &quiet).await.unwrap();
    cloud.start(&id, &quiet).await.unwrap();
    let seen = look(&cloud, name, &ec2).await;
    assert_eq!((only(&seen).instance_type.as_str(), only(&seen).state), ("t2.micro", InstanceState::Running));
}

/// The person's tags are on what was launched with the instance too, and on nobody else's volume.
pub(crate) async fn tags_follow_to_volumes_and_interfaces() {
    let (cloud, ec2, name) = (cloud().await, ec2(), "parts");
    let id = cloud.launch(name, &launch(&look(&cloud, name, &ec2).await), None, &quiet).await.unwrap();
    let plain = plain().await;
    let zone = plain.describe_instances().instance_ids(&id).send().await.unwrap();
    let zone =
        zone.reservations()[0].instances()[0].placement().unwrap().availability_zone().unwrap().to_owned();
    let theirs =
        plain.create_volume().availability_zone(zone).size(1).send().await.unwrap().volume_id.unwrap();
    plain.attach_volume().volume_id(&theirs).instance_id(&id).device("/dev/sdf").send().await.unwrap();
    let tags_of = async |id: &str| -> BTreeMap<String, String> {
        let filter = Filter::builder().name("resource-id").values(id).build();
        let answer = plain.describe_tags().filters(filter).send().await.unwrap();
        let tags = answer.tags().iter();
        tags.map(|tag| (tag.key().unwrap().to_owned(), tag.value().unwrap_or_default().to_owned())).collect()
    };
    let seen = plain.describe_instances().instance_ids(&id).send().await.unwrap();
    let one = &seen.reservations()[0].instances()[0];
    let volumes = one.block_device_mappings().iter().map(|disk| disk.ebs().unwrap().volume_id().unwrap());
    let own: Vec<&str> = volumes.filter(|volume| *volume != theirs).collect();
    assert_eq!((own.len(), one.block_device_mappings().len()), (1, 2));
    assert_eq!(tags_of(own[0]).await["team"], "music");

    let set = [("team".to_owned(), "film".to_owned()), ("a3:tags".to_owned(), "1 x".to_owned())].into();
    cloud.modify(&Modify { set_tags: set, ..modify(&id) }, &quiet).await.unwrap();
    let now = tags_of(own[0]).await;
    assert_eq!((now["team"].as_str(), now["a3:self"].as_str()), ("film", one.client_token().unwrap()));
    assert_eq!(tags_of(&id).await["team"], "film");
    cloud.modify(&Modify { remove_tags: vec!["team".into()], ..modify(&id) }, &quiet).await.unwrap();
    assert!(!tags_of(own[0]).await.contains_key("team") && !tags_of(&id).await.contains_key("team"));
    assert_eq!(tags_of(&theirs).await, BTreeMap::new());
}

/// What may not be seen is not taken for an answer.
pub(crate) async fn a_protection_that_may_not_be_seen_keeps_its_cause() {
    let (cloud, ec2, name) = (cloud().await, ec2(), "hidden");
    let mut wanted = launch(&look(&cloud, name, &ec2).await);
    wanted.tags.insert("hidden".into(), "yes".into());
    cloud.launch(name, &wanted, None, &quiet).await.unwrap();
    let seen = look(&cloud, name, &ec2).await;
    let one = only(&seen);
    let why = one.protection_unseen.as_ref().unwrap();
    assert_eq!(
        (one.protected, why.message.contains("ec2:DescribeInstanceAttribute")),
        (None, true),
        "{why:?}"
    );
}

pub(crate) async fn protection_keeps_an_instance() {
    let (cloud, ec2, name) = (cloud().await, ec2(), "protect");
    let wanted = Launch { protected: true, ttl: None, ..launch(&look(&cloud, name, &ec2).await) };
    let id = cloud.launch(name, &wanted, None, &quiet).await.unwrap();
    assert_eq!(only(&look(&cloud, name, &ec2).await).protected, Some(true));
    let error = cloud.terminate(&id, &quiet).await.unwrap_err();
    assert_eq!(error.code(), Some("OperationNotPermitted"));
    assert!(error.help().unwrap().contains("disable_api_termination: false"));
    cloud.modify(&Modify { protected: Some(false), ..modify(&id) }, &quiet).await.unwrap();
    cloud.terminate(&id, &quiet).await.unwrap();
}
