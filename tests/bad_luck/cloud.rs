//! EC2: what it does not have, does not allow, or does not answer.

use crate::stage::{Stage, alone, beside_others, ec2, variable};

#[test]
fn an_ami_that_is_not_there() {
    let _beside = beside_others();
    let stage = Stage::new("ami");
    stage.over("instances: { web: { ec2: { ami: ami-00000000000000000 } } }\n");
    let seen = stage.plan().ends(1).never_says(&["+ launch"]);
    seen.says(&["no AMI matches `ami-00000000000000000` in us-west-2"]).helps(&["`ami`", "region"]);
    stage.over("instances: { web: { ec2: { ami: !override { name: \"windows-95-*\", owner: amazon } } } }\n");
    let seen = stage.a3(&["apply", "-y"]).ends(1);
    seen.says(&["no AMI matches name `windows-95-*` by `amazon`", "nothing was done"]).helps(&["`ami`"]);
}

#[test]
fn architectures_that_do_not_fit() {
    let _beside = beside_others();
    let stage = Stage::new("arch");
    stage.over("instances: { web: { ec2: { ami: \"${A3_SANDBOX_AMI_ARM64}\" } } }\n");
    let seen = stage.plan().ends(1);
    seen.says(&["`t2.micro` does not run arm64 images", &variable("A3_SANDBOX_AMI_ARM64")])
        .helps(&["one architecture"]);
    stage.over("services: { app: { platform: linux/arm64 } }\n");
    let seen = stage.plan().ends(1);
    seen.says(&["web/0/app", "its image is for linux/arm64, the machine is amd64"])
        .helps(&["platform: linux/amd64"]);
}

#[test]
fn ec2_that_does_not_answer_is_never_a_create() {
    let _beside = beside_others();
    let mut stage = Stage::new("away");
    stage.set("AWS_ENDPOINT_URL", Some("http://127.0.0.1:1"));
    for command in [&["plan"][..], &["apply", "-y"], &["destroy", "-y"]] {
        let seen = stage.a3(command).ends(69).never_says(&["launch", "generation"]);
        seen.says(&["web", "us-west-2"]).helps(&["AWS_ENDPOINT_URL"]);
    }
    stage.a3(&["status"]).ends(69);
}

#[test]
fn no_credentials_and_another_account() {
    let _beside = beside_others();
    let mut stage = Stage::new("who");
    stage.over("instances: { web: { ec2: { allowed_account_ids: [\"999999999999\"] } } }\n");
    let seen = stage.plan().ends(73).never_says(&["launch"]);
    seen.says(&["account 123456789012", "user/learner", "999999999999"]).helps(&["AWS_PROFILE"]);
    stage.over("x-nothing: 1\n");
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        stage.set(name, None);
    }
    stage.plan().ends(69).never_says(&["launch"]).says(&["credential"]).helps(&["aws configure"]);
}

#[test]
fn no_capacity_now_and_again_later() {
    let alone = alone();
    let mut stage = Stage::new("capacity");
    stage.makes();
    stage.over("services: !reset null\n");
    alone.fault(&["capacity"]);
    let seen = stage.a3(&["apply", "-y"]).ends(1);
    seen.says(&["InsufficientInstanceCapacity", "web/0"]).helps(&["instance_type"]);
    alone.clear();
    // The refused launch has bound its client token: the next attempt takes another.
    stage.deploy().says(&["launch"]);
    stage.plan().ends(0).says(&["No changes"]);
    let count = "print(len([i for r in ec2.describe_instances(Filters=[{'Name': 'tag:a3:deployment', 'Values': a}])\
                 ['Reservations'] for i in r['Instances']]))";
    assert_eq!(ec2(count, &[&stage.name]), "1");
}

/// EC2 has none of the new type when it is started: the machine runs again as it was, and the plan had said
/// that only the start would tell.
#[test]
fn no_capacity_for_another_type() {
    let alone = alone();
    let mut stage = Stage::new("another");
    stage.over("services: !reset null\n");
    stage.deploy();
    let (id, _) = stage.instance();
    stage.over("services: !reset null\ninstances: { web: { ec2: { instance_type: t2.small } } }\n");
    let what = "whether `t2.small` can be started there";
    stage.plan().ends(0).says(&[what]).helps(&["describe-instance-type-offerings"]);
    let none = "code=InsufficientInstanceCapacity";
    alone.fault(&["ec2-error", "action=StartInstances", "dry=never", none, "status=400", "count=1"]);
    let seen = stage.a3(&["apply", "-y"]).ends(1);
    let told = format!("{id} could not become `t2.small`, and was started again as `t2.micro`");
    seen.says(&[&told, "InsufficientInstanceCapacity"]).helps(&["instance_type"]);
    alone.clear();
    let shape = "one = ec2.describe_instances(InstanceIds=a)['Reservations'][0]['Instances'][0]\n\
                 print(one['State']['Name'], one['InstanceType'])";
    assert_eq!(ec2(shape, &[&id]), "running t2.micro");
    stage.deploy();
    assert_eq!(ec2(shape, &[&id]), "running t2.small");
    stage.plan().ends(0).says(&["No changes"]);
}

/// Launches what looks like ours: all tags of an instance, with a client token of its own or none.
const COPY: &str = "
one = ec2.describe_instances(InstanceIds=[a[0]])['Reservations'][0]['Instances'][0]
tags = [t for t in one['Tags'] if not (a[1] == 'own' and t['Key'] == 'a3:self')]
more = {}
if a[1] == 'own':
    more['ClientToken'] = a[2]
    tags.append({'Key': 'a3:self', 'Value': a[2]})
made = ec2.run_instances(ImageId=one['ImageId'], InstanceType=one['InstanceType'], MinCount=1, MaxCount=1,
    KeyName=one['KeyName'], TagSpecifications=[{'ResourceType': 'instance', 'Tags': tags}], **more)
print(made['Instances'][0]['InstanceId'])
";

const STATE: &str =
    "print(ec2.describe_instances(InstanceIds=a)['Reservations'][0]['Instances'][0]['State']['Name'])";

#[test]
fn copied_tags_are_not_ours_and_two_of_ours_stop_the_plan() {
    let _beside = beside_others();
    let mut stage = Stage::new("twins");
    stage.over("services: !reset null\n");
    stage.deploy();
    let (own, _) = stage.instance();
    let foreign = ec2(COPY, &[&own, "copied"]);
    stage.plan().ends(0).says(&["No changes", &foreign, "left alone"]);

    let twin = ec2(COPY, &[&own, "own", &format!("twin-{}", stage.name)]);
    for command in [&["plan"][..], &["apply", "-y"]] {
        let seen = stage.a3(command).ends(73);
        seen.says(&["two live instances claim web/0", &own, &twin]).helps(&["a3 destroy --instance i-"]);
    }
    stage.a3(&["destroy", "-y", "--instance", &twin]).ends(0);
    stage.plan().ends(0).says(&["No changes"]);
    let seen = stage.a3(&["destroy", "-y", "--instance", "furious_nobody"]).ends(1);
    seen.says(&["furious_nobody"]).helps(&["a3 status"]);

    stage.a3(&["destroy", "-y"]).ends(0).says(&["Nothing is left"]);
    assert_eq!(ec2(STATE, &[&foreign]), "running", "a foreign instance was ended");
    ec2("ec2.terminate_instances(InstanceIds=a)", &[&foreign]);
}

#[test]
fn what_ends_a_machine_wants_more_than_a_yes_without_a_terminal() {
    let _beside = beside_others();
    let mut stage = Stage::new("ends");
    stage.over("services: !reset null\n");
    stage.deploy();
    let (own, _) = stage.instance();
    let seen = stage.a3(&["apply", "-y", "--replace", "web/0"]).ends(73);
    seen.says(&["this ends a machine", "no terminal to ask on"]).helps(&["--allow-terminate"]);
    assert_eq!(ec2(STATE, &[&own]), "running");
    let seen = stage.a3(&["apply", "-y", "--replace", "web/0", "--allow-terminate"]).ends(0);
    seen.says(&[&own]);
    assert_ne!(stage.instance().0, own);
}

#[test]
fn a_launch_that_is_not_allowed_is_said_by_the_plan() {
    let alone = alone();
    let stage = Stage::new("allowed");
    alone.fault(&["ec2-error", "action=RunInstances", "code=UnauthorizedOperation", "status=403"]);
    for command in [&["plan"][..], &["apply", "-y"]] {
        let seen = stage.a3(command).ends(1);
        seen.says(&["web/0", "the caller may not ec2:RunInstances in us-west-2"])
            .helps(&["ec2:RunInstances"]);
    }
}

#[test]
fn spot_that_cannot_be_had() {
    let alone = alone();
    let stage = Stage::new("spot");
    stage.over("services: !reset null\ninstances: { web: { ec2: { instance_market_options: { market_type: spot } } } }\n");
    let cases = [
        ("InsufficientInstanceCapacity", "instance_type"),
        ("SpotMaxPriceTooLow", "max_price"),
        ("MaxSpotInstanceCountExceeded", "instance_market_options"),
    ];
    for (code, help) in cases {
        let code = format!("code={code}");
        alone.fault(&["ec2-error", "action=RunInstances", &code, "status=400"]);
        for command in [&["plan"][..], &["apply", "-y"]] {
            let seen = stage.a3(command).ends(1).never_says(&["Apply complete"]);
            seen.says(&["web/0", &code[5..]]).helps(&[help]);
        }
        alone.clear();
    }
}

#[test]
fn a_region_that_is_not_enabled() {
    let alone = alone();
    let stage = Stage::new("region");
    stage.over("instances: { web: { ec2: { region: af-south-1 } } }\n");
    for code in ["AuthFailure", "OptInRequired"] {
        alone.fault(&["ec2-error", "region=af-south-1", &format!("code={code}"), "status=401"]);
        for command in [&["plan"][..], &["apply", "-y"], &["destroy", "-y"]] {
            let seen = stage.a3(command).ends(69).never_says(&["launch"]);
            seen.says(&["af-south-1", code]).helps(&["aws account enable-region --region-name af-south-1"]);
        }
        alone.clear();
    }
}

/// A named profile wins over keys in the environment: those are perhaps another account's.
#[test]
fn profiles_that_do_not_sign_in() {
    let _beside = beside_others();
    let mut stage = Stage::new("profile");
    let config = "[profile work]\nregion = us-west-2\nsso_session = corp\nsso_account_id = 123456789012\n\
                  sso_role_name = Deploy\n[sso-session corp]\nsso_region = us-west-2\n\
                  sso_start_url = https://corp.invalid/start\n\
                  [profile role]\nrole_arn = arn:aws:iam::123456789012:role/deploy\nsource_profile = gone\n";
    stage.write("aws-config", config);
    let file = stage.path("aws-config").display().to_string();
    stage.set("AWS_CONFIG_FILE", Some(&file));
    stage.over("instances: { web: { ec2: { profile: work } } }\n");
    let seen = stage.plan().ends(69).never_says(&["launch"]);
    seen.says(&["no AWS credential", "`work`"]).helps(&["aws sso login --profile work"]);
    stage.over("instances: { web: { ec2: { profile: nobody } } }\n");
    let seen = stage.plan().ends(69).never_says(&["launch"]);
    seen.says(&["no AWS credential", "`nobody`"]).helps(&["aws configure --profile nobody", "ec2.profile"]);
    stage.over("instances: { web: { ec2: { profile: role } } }\n");
    stage.plan().ends(69).says(&["`role`", "gone"]).helps(&["aws configure"]);
}

/// A role is taken with the keys of another profile, past the keys of the environment.
#[test]
fn a_role_of_a_profile_is_the_caller() {
    let _beside = beside_others();
    let mut stage = Stage::new("role");
    let key = variable("AWS_ACCESS_KEY_ID");
    let secret = variable("AWS_SECRET_ACCESS_KEY");
    let config = format!(
        "[profile base]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n\
         [profile deploy]\nregion = us-west-2\nrole_arn = arn:aws:iam::123456789012:role/deploy\nsource_profile = base\n"
    );
    stage.write("aws-config", &config);
    let file = stage.path("aws-config").display().to_string();
    stage.set("AWS_CONFIG_FILE", Some(&file));
    stage.over("services: !reset null\ninstances: { web: { ec2: { profile: deploy } } }\n");
    stage.plan().ends(0).says(&["assumed-role/deploy/", "launch web/0"]);
}
