//! Every deployment in every region: seen without a deploy.yaml, and ended by name.

use serde_json::Value;

use crate::cloud::{self, console};
use crate::deployment::Deployment;
use crate::place::{Alone, sandbox};
use crate::pool::group;

/// One instance, without services, in a region.
fn one_in(name: &str, region: &str) -> Deployment {
    let spec = format!("name: {name}\ninstances:\n{}", group("web"));
    let deployment = Deployment::new(name, &spec);
    deployment.edit("deploy.yaml", "us-west-2", region);
    deployment
}

/// A folder in which there is no deploy.yaml.
fn nowhere() -> Deployment {
    let nowhere = Deployment::new("nowhere", "").kept();
    std::fs::remove_file(nowhere.path("deploy.yaml")).unwrap();
    nowhere
}

fn copy_of(id: &str) -> String {
    let line = "one = ec2.describe_instances(InstanceIds=[sys.argv[1]])['Reservations'][0]['Instances'][0]\n\
                made = ec2.run_instances(ImageId=one['ImageId'], InstanceType=one['InstanceType'], MinCount=1, MaxCount=1,\n\
                    TagSpecifications=[{'ResourceType': 'instance', 'Tags': one['Tags']}])['Instances'][0]\n\
                ec2.get_waiter('instance_running').wait(InstanceIds=[made['InstanceId']], WaiterConfig={'Delay': 1})\n\
                print(json.dumps(made['InstanceId']))";
    console(line, &[id]).as_str().unwrap().to_owned()
}

fn rows<'a>(found: &'a Value, list: &str, deployment: &str) -> Vec<&'a Value> {
    let rows = found[list].as_array().unwrap().iter();
    rows.filter(|row| row["deployment"] == deployment).collect()
}

fn state(id: &str, region: &str) -> Value {
    let line = "ec2 = boto3.client('ec2', region_name=sys.argv[2])\n\
                found = ec2.describe_instances(InstanceIds=[sys.argv[1]])['Reservations'][0]['Instances'][0]\n\
                print(json.dumps(found['State']['Name']))";
    console(line, &[id, region])
}

#[test]
fn the_forgotten_one_is_seen_and_ended_by_name() {
    let (forgotten, other) = (one_in("forgotten", "eu-north-1"), one_in("other-one", "us-west-2"));
    forgotten.edit("deploy.yaml", "instance_type:", "ttl: 8h\n      instance_type:");
    forgotten.apply();
    other.apply();
    let (id, kept) = (forgotten.id(), other.id());
    // A copy of all tags: it has another client token, so a3 did not launch it.
    let foreign = copy_of(&kept);
    let nowhere = nowhere();

    let found = nowhere.a3(&["status", "--all-regions", "--json"]).ok();
    let found: Value = serde_json::from_str(&found.stdout).unwrap();
    let row = rows(&found, "instances", "forgotten")[0];
    let told = |key: &str| row[key].as_str().unwrap().to_owned();
    assert_eq!([told("id"), told("region"), told("slot")], [id.clone(), "eu-north-1".into(), "web/0".into()]);
    assert_eq!([told("instance_type"), told("state")], ["t2.micro", "running"]);
    assert!(
        told("ttl").starts_with("7h ") && told("ends").ends_with('Z') && !told("name").is_empty(),
        "{row}"
    );
    assert_eq!(rows(&found, "instances", "other-one")[0]["region"], "us-west-2");
    let ids = |list: &str| -> Vec<&str> {
        found[list].as_array().unwrap().iter().filter_map(|row| row["id"].as_str()).collect()
    };
    assert!(ids("foreign").contains(&foreign.as_str()), "{found}");
    assert!(!ids("instances").contains(&foreign.as_str()), "{found}");
    assert!(found["callers"][0]["regions"].as_array().unwrap().len() > 10, "{found}");
    let text = nowhere.a3(&["status", "--all-regions"]).ok();
    text.says(&id).says("not launched by a3").says(&foreign);

    // Without its name nothing ends, with a wrong one neither.
    let asked = nowhere.a3(&["destroy", "--all"]).ended(73);
    asked.says(&id).says("a3 destroy --all --confirm").says("--confirm forgotten");
    nowhere.a3(&["destroy", "--all", "--yes"]).ended(73);
    nowhere.a3(&["destroy", "--all", "--confirm", "forgoten"]).ended(64).says("no deployment `forgoten`");
    nowhere.a3(&["destroy", "--confirm", "forgotten"]).ended(64);
    assert_eq!(state(&id, "eu-north-1"), "running");

    let ended = nowhere.a3(&["destroy", "--all", "--confirm", "forgotten"]).ok();
    ended.says("Nothing is left of forgotten in");
    assert_eq!(state(&id, "eu-north-1"), "terminated");
    let mut live = cloud::live_instances("other-one");
    live.sort_by_key(|id| *id != kept);
    assert_eq!(live, [kept, foreign.clone()], "others go on");
    other.is_converged();
    let line = "ec2 = boto3.client('ec2', region_name='eu-north-1')\n\
                names = [g['GroupName'] for g in ec2.describe_security_groups()['SecurityGroups']]\n\
                names += [k['KeyName'] for k in ec2.describe_key_pairs()['KeyPairs']]\n\
                print(json.dumps([n for n in names if 'forgotten' in n]))";
    assert_eq!(console(line, &[]), Value::Array(Vec::new()), "its security group and key pair are gone");
    // Its own folder sees the same.
    forgotten.destroy();
    other.destroy();
    assert_eq!(state(&foreign, "us-west-2"), "running");
    cloud::terminate(&foreign);
}

#[test]
fn a_protected_one_stays_and_the_others_end() {
    let (held, free) = (one_in("held", "us-west-2"), one_in("free", "us-west-2"));
    held.edit("deploy.yaml", "instance_type:", "disable_api_termination: true\n      instance_type:");
    held.apply();
    free.apply();
    let id = held.id();
    let ended = nowhere().a3(&["destroy", "--all", "--confirm", "held", "--confirm", "free"]).ended(73);
    let ended = ended.says("is protected from termination").says("disable_api_termination: false");
    ended.says("Nothing is left of free").says("this is still there of held");
    assert_eq!(cloud::live_instances("held"), [id]);
    assert!(cloud::live_instances("free").is_empty());
    held.edit("deploy.yaml", "disable_api_termination: true", "disable_api_termination: false");
    held.destroy();
}

#[test]
fn a_region_that_does_not_answer_is_listed() {
    let seen = one_in("answers", "us-west-2");
    seen.apply();
    let _alone = Alone::begin();
    let denied = ["ec2-error", "region=ap-south-1", "code=UnauthorizedOperation", "status=403"];
    sandbox("fault", &denied);
    let (text, json) =
        (nowhere().a3(&["status", "--all-regions"]), nowhere().a3(&["status", "--all-regions", "--json"]));
    let ended = nowhere().a3(&["destroy", "--all", "--confirm", "answers"]);
    sandbox("fault", &["clear"]);
    let text = text.ended(69).says("ap-south-1: not asked: ").says("ec2:Describe");
    text.says("there may be more than is shown").says(&cloud_id(&json.ended(69).stdout, "answers"));
    // What it can reach is ended; that there may be more is said.
    ended.ended(69).says("Nothing is left of answers").says("ap-south-1 was not asked");
    assert!(cloud::live_instances("answers").is_empty());
}

fn cloud_id(json: &str, deployment: &str) -> String {
    let found: Value = serde_json::from_str(json).unwrap();
    assert_eq!(found["not_asked"][0]["region"], "ap-south-1");
    rows(&found, "instances", deployment)[0]["id"].as_str().unwrap().to_owned()
}
