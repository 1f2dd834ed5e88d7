//! Every setting of `ec2` arrives: what EC2 and the host show of a launch.

use serde_json::Value;

use crate::cloud::{console, instance, on_host};
use crate::deployment::Deployment;
use crate::pool::group;

fn attribute(id: &str, name: &str) -> Value {
    let line = "found = ec2.describe_instance_attribute(InstanceId=sys.argv[1], Attribute=sys.argv[2])\n\
                del found['ResponseMetadata']\n\
                print(json.dumps(found))";
    console(line, &[id, name])
}

fn deployment(name: &str, settings: &str) -> Deployment {
    let deployment = Deployment::new(name, &format!("name: {name}\ninstances:\n{}", group("web")));
    deployment.edit("deploy.yaml", "      instance_type:", &format!("{settings}      instance_type:"));
    deployment
}

#[test]
fn user_data_disk_profile_subnet_metadata_protection_and_tags_arrive() {
    let made = "iam = boto3.client('iam')\n\
        name = sys.argv[1]\n\
        iam.create_instance_profile(InstanceProfileName=name)\n\
        print(json.dumps([s['SubnetId'] for s in ec2.describe_subnets()['Subnets']][-1]))";
    let subnet = console(made, &["settings-reader"]).as_str().unwrap().to_owned();
    let settings = format!(
        "      subnet_id: {subnet}\n      iam_instance_profile: settings-reader\n      \
         root_block_device: {{ volume_size: 21, volume_type: gp3, encrypted: true }}\n      \
         metadata_options: {{ http_put_response_hop_limit: 3 }}\n      tags: {{ team: music }}\n      \
         disable_api_termination: true\n      user_data: |\n        #!/bin/sh\n        echo hello >/root/was-here\n"
    );
    let set = deployment("settings", &settings);
    let plan = set.a3(&["plan"]).ok();
    let plan = plan.says("subnet_id: ").says("iam_instance_profile: ").says("volume_size: ").says("21 GiB");
    plan.says("tags.team: ").says("disable_api_termination: ").says("http_put_response_hop_limit: 3");
    set.apply();
    let id = set.id();
    let seen = instance(&id);
    assert_eq!(seen["SubnetId"], subnet.as_str());
    assert!(seen["IamInstanceProfile"]["Arn"].as_str().unwrap().ends_with("/settings-reader"), "{seen}");
    let metadata = &seen["MetadataOptions"];
    assert_eq!(
        (&metadata["HttpTokens"], &metadata["HttpPutResponseHopLimit"]),
        (&"required".into(), &3.into())
    );
    let tags = seen["Tags"].as_array().unwrap();
    assert!(tags.iter().any(|tag| tag["Key"] == "team" && tag["Value"] == "music"), "{seen}");
    let disk = seen["BlockDeviceMappings"][0]["Ebs"]["VolumeId"].as_str().unwrap();
    let line = "found = ec2.describe_volumes(VolumeIds=[sys.argv[1]])['Volumes'][0]\n\
                print(json.dumps([found['Size'], found['VolumeType'], found['Encrypted']]))";
    assert_eq!(console(line, &[disk]), serde_json::json!([21, "gp3", true]));
    assert_eq!(attribute(&id, "disableApiTermination")["DisableApiTermination"]["Value"], true);
    // Without a ttl a shutdown only stops it.
    assert_eq!(
        attribute(&id, "instanceInitiatedShutdownBehavior")["InstanceInitiatedShutdownBehavior"]["Value"],
        "stop"
    );
    assert_eq!(on_host(&id, "cat /root/was-here").trim(), "hello");
    set.is_converged();
    // A tag that left the spec leaves the instance, somebody else's stays.
    console("ec2.create_tags(Resources=[sys.argv[1]], Tags=[{'Key': 'owner', 'Value': 'them'}])", &[&id]);
    set.edit("deploy.yaml", "      tags: { team: music }\n", "");
    set.a3(&["plan"]).ok().says("- tags.team: ");
    set.apply();
    let tags = instance(&id)["Tags"].clone();
    let keys: Vec<&str> = tags.as_array().unwrap().iter().filter_map(|tag| tag["Key"].as_str()).collect();
    assert!(keys.contains(&"owner") && !keys.contains(&"team") && !keys.contains(&"a3:tags"), "{keys:?}");
    set.is_converged();
    set.a3(&["destroy", "--yes"]).ended(73).says("is protected from termination");
    set.edit("deploy.yaml", "disable_api_termination: true", "disable_api_termination: false");
    set.destroy();
    console(
        "boto3.client('iam').delete_instance_profile(InstanceProfileName=sys.argv[1])",
        &["settings-reader"],
    );
}

#[test]
fn spot_is_bought_and_a_new_type_replaces_it() {
    let settings =
        "      instance_market_options: { market_type: spot, spot_options: { max_price: \"0.02\" } }\n";
    let spot = deployment("spotted", settings);
    spot.a3(&["plan"]).ok().says("spot, at most 0.02 dollars an hour");
    spot.apply();
    let id = spot.id();
    assert_eq!(instance(&id)["InstanceLifecycle"], "spot");
    spot.is_converged();
    spot.edit("deploy.yaml", "instance_type: t2.micro", "instance_type: t3.small");
    spot.a3(&["plan"]).ok().says("forces replacement");
    spot.destroy();
}
