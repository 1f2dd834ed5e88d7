//! What EC2 would refuse is said by the plan, all of it at once, before anything is done; what was not
//! asked is listed.

use std::fs;

use serde_json::Value;

use crate::stage::{Alone, Seen, Stage, alone, beside_others, ec2, variable};

const DENIED: [&str; 2] = ["code=UnauthorizedOperation", "status=403"];

/// Refuses these calls to everyone.
fn deny(alone: &Alone, actions: &str) {
    let action = format!("action={actions}");
    alone.fault(&["ec2-error", &action, DENIED[0], DENIED[1]]);
}

/// What the taps have, of EC2: `(method, action, whether it writes)`. Only with nobody beside.
fn calls() -> Vec<(String, String, bool)> {
    let text = fs::read_to_string(variable("A3_SANDBOX_TAPS")).unwrap();
    let calls = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let calls = calls.filter(|call| call["place"] == "ec2");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    calls.map(|call| (text(&call["method"]), text(&call["path"]), call["write"] == true)).collect()
}

/// Nothing on EC2 was written while `work` was at it; gives what was asked with DryRun.
#[track_caller]
fn asks_only(work: impl FnOnce() -> Seen) -> (Seen, Vec<String>) {
    let before = calls().len();
    let seen = work();
    let made = calls().split_off(before);
    let written: Vec<_> = made.iter().filter(|(_, _, write)| *write).collect();
    assert!(written.is_empty(), "{written:?}; {seen}");
    let mut asked: Vec<String> =
        made.into_iter().filter(|(method, ..)| method == "DRYRUN").map(|(_, action, _)| action).collect();
    asked.sort();
    asked.dedup();
    (seen, asked)
}

/// A caller who may launch, and neither make a security group nor import a key.
#[test]
fn a_caller_with_few_rights_sees_all_of_it_before_anything_is_there() {
    let alone = alone();
    let stage = Stage::new("fewrights");
    deny(&alone, "CreateSecurityGroup,ImportKeyPair");
    for command in [&["plan"][..], &["apply", "-y"]] {
        let (seen, asked) = asks_only(|| stage.a3(command));
        let mut seen =
            seen.ends(1).says(&["+ launch web/0", "Not checked:", "ec2:AuthorizeSecurityGroupIngress"]);
        for action in ["CreateSecurityGroup", "ImportKeyPair"] {
            let denied = format!("the caller may not ec2:{action} in us-west-2");
            let permission = format!("`ec2:{action}`");
            seen = seen.says(&[&denied]).helps(&[&permission]);
        }
        let kinds = ["CreateSecurityGroup", "DescribeInstances", "ImportKeyPair", "RunInstances"];
        assert_eq!(asked, kinds, "{seen}");
    }
    alone.clear();
    stage.plan().ends(0).never_says(&["may not"]);
}

/// A caller who may launch and not change: each edit in place says so in the plan, and the world stays.
#[test]
fn a_caller_who_may_not_change_what_is_there() {
    let alone = alone();
    let mut stage = Stage::new("nochange");
    stage.over("services: !reset null\n");
    stage.deploy();
    deny(
        &alone,
        "CreateTags,ModifyInstanceAttribute,ModifyInstanceMetadataOptions,AuthorizeSecurityGroupIngress,\
         RevokeSecurityGroupIngress",
    );
    // Without a change nothing is asked, and nothing is said.
    let (seen, asked) = asks_only(|| stage.plan());
    seen.ends(0).says(&["No changes"]).never_says(&["Not checked", "may not"]);
    assert_eq!(asked, [] as [&str; 0]);

    let edits = "services: !reset null\ninstances: { web: { ec2: { instance_type: t2.small, tags: { team: x }, \
                 disable_api_termination: false, metadata_options: { http_put_response_hop_limit: 2 }, \
                 allow_ssh_from: [192.0.2.7/32] } } }\n";
    stage.over(edits);
    for command in [&["plan"][..], &["apply", "-y"]] {
        let (seen, asked) = asks_only(|| stage.a3(command));
        let seen = seen.ends(1).says(&[
            "the caller may not ec2:CreateTags",
            "the caller may not ec2:ModifyInstanceAttribute",
            "the caller may not ec2:ModifyInstanceMetadataOptions",
            "the caller may not ec2:AuthorizeSecurityGroupIngress",
            "the caller may not ec2:RevokeSecurityGroupIngress",
            "ec2:StopInstances: not asked",
        ]);
        seen.helps(&["aws iam simulate-principal-policy", "user/learner", "ec2:StopInstances"]);
        let kinds = [
            "AuthorizeSecurityGroupIngress",
            "CreateTags",
            "DescribeInstances",
            "ModifyInstanceAttribute",
            "ModifyInstanceMetadataOptions",
            "RevokeSecurityGroupIngress",
            "StartInstances",
        ];
        assert_eq!(asked, kinds);
    }
    alone.clear();
    // Ending it is never asked about, and says what tells.
    let (seen, asked) = asks_only(|| stage.a3(&["apply", "-y", "--replace", "web/0"]));
    seen.ends(73).says(&["ec2:TerminateInstances: not asked"]).helps(&["ec2:TerminateInstances"]);
    assert!(asked.contains(&"RunInstances".to_owned()), "{asked:?}");
}

const ATTRIBUTES: &str = "
one = ec2.describe_instances(InstanceIds=a)['Reservations'][0]['Instances'][0]
group = one['SecurityGroups'][0]['GroupId']
rules = ec2.describe_security_group_rules(Filters=[{'Name': 'group-id', 'Values': [group]}])['SecurityGroupRules']
print(one['State']['Name'], one['InstanceType'], one['MetadataOptions']['HttpPutResponseHopLimit'],
    sorted((t['Key'], t['Value']) for t in one['Tags']), sorted(r['SecurityGroupRuleId'] for r in rules),
    [g['GroupId'] for g in one['SecurityGroups']],
    ec2.describe_instance_attribute(InstanceId=a[0], Attribute='disableApiTermination')['DisableApiTermination'])
";

/// An endpoint that passes DryRun over: what would be made is not asked about, and what is asked would
/// change nothing.
#[test]
fn an_endpoint_that_ignores_dry_run() {
    let alone = alone();
    let mut stage = Stage::new("heedless");
    stage.over("services: !reset null\n");
    alone.fault(&["ec2-heedless"]);
    stage.plan().ends(0).says(&["ec2:RunInstances: not asked: this endpoint ignores DryRun"]);
    let ours = "print(len(ec2.describe_security_groups(Filters=[{'Name': 'tag:a3:deployment', 'Values': a}])\
                ['SecurityGroups']), len([r for r in ec2.describe_instances(Filters=[{'Name': \
                'tag:a3:deployment', 'Values': a}])['Reservations']]))";
    assert_eq!(ec2(ours, &[&stage.name]), "0 0", "a plan has made something");
    stage.a3(&["doctor"]);
    let doctors = "print(len(ec2.describe_security_groups(Filters=[{'Name': 'group-name', 'Values': a}])\
                   ['SecurityGroups']), len(ec2.describe_key_pairs(Filters=[{'Name': 'key-name', 'Values': \
                   a}])['KeyPairs']))";
    assert_eq!(ec2(doctors, &["a3-doctor"]), "0 0", "the doctor has made something");
    alone.clear();

    stage.deploy();
    let (id, _) = stage.instance();
    let before = ec2(ATTRIBUTES, &[&id]);
    let edits = "services: !reset null\ninstances: { web: { ec2: { tags: { team: x }, \
                 metadata_options: { http_put_response_hop_limit: 2 }, allow_ssh_from: [192.0.2.7/32] } } }\n";
    stage.over(edits);
    // It heeds it when it is asked whether it does, and not after that.
    alone.fault(&["ec2-heedless", "but=DescribeInstances"]);
    let seen = stage.plan().ends(0).says(&["asked, and the endpoint ignored DryRun"]);
    assert_eq!(ec2(ATTRIBUTES, &[&id]), before, "a plan has changed something; {seen}");
}

/// Whether it would heed it cannot be told: nothing is asked that would be made if it did not.
#[test]
fn an_endpoint_that_does_not_say_what_it_makes_of_dry_run() {
    let alone = alone();
    let stage = Stage::new("nosay");
    stage.over("services: !reset null\n");
    for (code, status) in [("RequestLimitExceeded", 400), ("InternalError", 500)] {
        let (code, status) = (format!("code={code}"), format!("status={status}"));
        alone.fault(&["ec2-error", "action=DescribeInstances", "dry=only", &code, &status]);
        let (seen, asked) = asks_only(|| stage.plan());
        seen.ends(0).says(&["ec2:RunInstances: not asked: whether this endpoint heeds DryRun", &code[5..]]);
        assert_eq!(asked, ["DescribeInstances"]);
        let (_, asked) = asks_only(|| stage.a3(&["doctor"]));
        assert!(asked.iter().all(|action| action.starts_with("Describe")), "{asked:?}");
        alone.clear();
    }
}

/// Quotas and the like, which EC2 may know before the launch.
#[test]
fn what_a_dry_run_may_say() {
    let alone = alone();
    let stage = Stage::new("maysay");
    stage.over("services: !reset null\n");
    let cases = [
        ("VcpuLimitExceeded", "service-quotas"),
        ("InstanceLimitExceeded", "service-quotas"),
        ("UnsupportedOperation", "`ec2`"),
        ("InvalidParameterValue", "`ec2`"),
        ("InvalidBlockDeviceMapping", "volume_size"),
    ];
    for (code, help) in cases {
        let code = format!("code={code}");
        alone.fault(&["ec2-error", "action=RunInstances", "dry=only", &code, "status=400"]);
        let (seen, _) = asks_only(|| stage.plan());
        seen.ends(1).says(&["web/0", &code[5..], "cannot be done"]).helps(&[help]);
        alone.clear();
    }
    // A trouble that passes says nothing about the launch.
    alone.fault(&["ec2-error", "action=RunInstances", "dry=only", "code=RequestLimitExceeded", "status=400"]);
    stage.plan().ends(0).says(&["ec2:RunInstances: EC2 did not say (RequestLimitExceeded)"]);
}

/// Five things are wrong with a launch, and one with what is not checked: one plan says them.
#[test]
fn everything_that_is_wrong_with_a_launch_at_once() {
    let alone = alone();
    let stage = Stage::new("allwrong");
    let vpc = ec2("print(ec2.create_vpc(CidrBlock='10.77.0.0/16')['Vpc']['VpcId'])", &[]);
    let make = "print(ec2.create_security_group(GroupName=a[0], Description='x', VpcId=a[1])['GroupId'])";
    let group = ec2(make, &["elsewhere", &vpc]);
    stage.over(&format!(
        "instances: {{ web: {{ ec2: {{ vpc_security_group_ids: [{group}, sg-00000000000000000], \
         root_block_device: {{ volume_size: 1 }}, iam_instance_profile: app }} }} }}\n\
         services: {{ app: {{ files: [\"gone.csv:data/\"] }} }}\n"
    ));
    deny(&alone, "RunInstances,ImportKeyPair");
    let (seen, _) = asks_only(|| stage.plan());
    let seen = seen.ends(1).says(&[
        "gone.csv",
        &format!("security group `{group}` is in {vpc}"),
        "there is no security group `sg-00000000000000000` in us-west-2",
        "a disk of 1 GiB is too small",
        "the caller may not ec2:RunInstances",
        "the caller may not ec2:ImportKeyPair",
        "instance profile `app`",
    ]);
    seen.helps(&["aws iam get-instance-profile --instance-profile-name app"]);
    ec2("ec2.delete_security_group(GroupId=a[0])", &[&group]);
}

/// A key that EC2 does not take would be found out by the apply.
#[test]
fn a_key_that_cannot_be_imported() {
    let _beside = beside_others();
    let stage = Stage::new("keys");
    let file = stage.path("ecdsa");
    let file = file.to_str().unwrap();
    let mut make = std::process::Command::new("ssh-keygen");
    crate::stage::run(make.args(["-q", "-t", "ecdsa", "-N", "", "-f", file]));
    stage.over(&format!(
        "services: !reset null\ninstances: {{ web: {{ ssh: {{ identity_file: {file} }} }} }}\n"
    ));
    let seen = stage.plan().ends(1);
    seen.says(&["web.key", "EC2 does not take a public key of type `ecdsa-sha2-nistp256`"])
        .helps(&["ed25519"]);
}
