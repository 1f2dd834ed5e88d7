//! Three groups, five machines, two regions, one file; one group has no services.

use serde_json::Value;

use crate::cloud::console;
use crate::deployment::{Deployment, get};
use crate::pool::{group, registry, web_service, write_sources};

const NAME: &str = "five";

/// What EC2 has in both regions of what carries this deployment's name, whoever launched it: live
/// instances, security groups, key pairs.
fn everything_named() -> Vec<String> {
    let line = "found = []\n\
        for region in ('us-west-2', 'eu-north-1'):\n\
        \x20   ec2 = boto3.client('ec2', region_name=region)\n\
        \x20   filters = [{'Name': 'tag:a3:deployment', 'Values': [sys.argv[1]]}]\n\
        \x20   live = {'Name': 'instance-state-name', 'Values': ['pending', 'running', 'stopping', 'stopped']}\n\
        \x20   for r in ec2.describe_instances(Filters=filters + [live])['Reservations']:\n\
        \x20       found += [i['InstanceId'] for i in r['Instances']]\n\
        \x20   found += [g['GroupId'] for g in ec2.describe_security_groups(Filters=filters)['SecurityGroups']]\n\
        \x20   found += [k['KeyPairId'] for k in ec2.describe_key_pairs(Filters=filters)['KeyPairs']]\n\
        print(json.dumps(sorted(found)))";
    serde_json::from_value(console(line, &[NAME])).unwrap()
}

/// One that carries the deployment's tags and that a3 did not launch.
fn foreign() -> String {
    let line = "ec2 = boto3.client('ec2', region_name='eu-north-1')\n\
        image = ec2.describe_images(Filters=[{'Name': 'name', 'Values': ['al2023-*']}])['Images'][0]['ImageId']\n\
        tags = [{'Key': 'a3:deployment', 'Value': sys.argv[1]}, {'Key': 'a3:instance', 'Value': 'api/0'}]\n\
        made = ec2.run_instances(ImageId=image, InstanceType='t2.micro', MinCount=1, MaxCount=1,\n\
        \x20   TagSpecifications=[{'ResourceType': 'instance', 'Tags': tags}])['Instances'][0]\n\
        ec2.get_waiter('instance_running').wait(InstanceIds=[made['InstanceId']], WaiterConfig={'Delay': 1})\n\
        print(json.dumps(made['InstanceId']))";
    console(line, &[NAME]).as_str().unwrap().to_owned()
}

fn terminate(id: &str, region: &str) {
    let line = "ec2 = boto3.client('ec2', region_name=sys.argv[2])\n\
        ec2.terminate_instances(InstanceIds=[sys.argv[1]])\n\
        ec2.get_waiter('instance_terminated').wait(InstanceIds=[sys.argv[1]], WaiterConfig={'Delay': 1})";
    console(line, &[id, region]);
}

/// `(slot, id, address)` of the machines that are there.
fn machines(five: &Deployment) -> Vec<(String, String, String)> {
    let status = five.status();
    let rows = status["instances"].as_array().unwrap().iter().map(|row| {
        let word = |key: &str| row[key].as_str().unwrap().to_owned();
        (word("slot"), word("id"), word("address").rsplit('@').next().unwrap().to_owned())
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort();
    rows
}

/// `KIND ADDRESS` of each step of a plan.
fn steps(five: &Deployment) -> Vec<String> {
    let plan: Value = serde_json::from_str(&five.a3(&["plan", "--json"]).ok().stdout).unwrap();
    let words =
        |step: &Value| format!("{} {}", step["kind"].as_str().unwrap(), step["address"].as_str().unwrap());
    plan["steps"].as_array().unwrap().iter().map(words).collect()
}

fn five_hosts() -> Deployment {
    let web = web_service(NAME).replace("  s2:\n", "  s2:\n    on: web\n");
    let api = web_service(NAME)
        .replace("  s2:\n", "  back:\n    on: api\n")
        .replace("-s2:v1", "-back:v1")
        .replace("30001:8080", "30002:8080")
        .replace("container_name: s2", "container_name: back");
    let spec = format!(
        "name: {NAME}\n{}instances:\n{}    count: 2\n{}    count: 2\n{}services:\n{web}{api}",
        registry(),
        group("web"),
        group("api").replace("us-west-2", "eu-north-1"),
        group("store")
    );
    let five = Deployment::new(NAME, &spec);
    write_sources(&five);
    five
}

#[test]
fn three_groups_five_hosts_two_regions() {
    let foreign = foreign();
    let before = everything_named();
    assert_eq!(before, std::slice::from_ref(&foreign));
    let five = five_hosts();
    five.apply();
    let first = machines(&five);
    let slots: Vec<&str> = first.iter().map(|(slot, _, _)| slot.as_str()).collect();
    assert_eq!(slots, ["api/0", "api/1", "store/0", "web/0", "web/1"]);
    for (slot, _, address) in &first {
        let port = if slot.starts_with("web") { 30001 } else { 30002 };
        let answer = get(address, port, "/music.csv");
        assert_eq!(answer.is_some(), !slot.starts_with("store"), "{slot} at {address}: {answer:?}");
    }
    five.is_converged();

    // One is ended outside of a3: it, and nothing else, is mended.
    let lost = first[1].clone();
    terminate(&lost.1, "eu-north-1");
    let steps = steps(&five);
    assert!(steps.contains(&"launch api/1".to_owned()), "{steps:?}");
    assert!(steps.iter().all(|step| step.contains("api/1")), "{steps:?}");
    five.apply();
    let second = machines(&five);
    let same = |(one, other): &(&(String, String, String), &(String, String, String))| one == other;
    let changed: Vec<_> = first.iter().zip(&second).filter(|pair| !same(pair)).collect();
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert!(changed[0].0.0 == "api/1" && changed[0].1.1 != lost.1, "{changed:?}");
    assert!(get(&second[1].2, 30002, "/music.csv").is_some());
    five.is_converged();

    rolls_and_stops_at_the_first_failure(&five, &second);

    five.destroy();
    assert_eq!(everything_named(), before);
    terminate(&foreign, "eu-north-1");
}

/// A release that does not work: the first machine goes back, the second is not begun.
fn rolls_and_stops_at_the_first_failure(five: &Deployment, machines: &[(String, String, String)]) {
    let web: Vec<_> = machines.iter().filter(|(slot, _, _)| slot.starts_with("web")).collect();
    let greeting = |at: usize| get(&web[at].2, 30001, "/greeting");
    let started =
        |at: usize| crate::cloud::host_docker(&web[at].1, "inspect -f '{{.Id}} {{.State.StartedAt}}' s2");
    let second = started(1);
    five.edit(
        "deploy.yaml",
        "check: { http: /music.csv, timeout: 20s }\n  back",
        "check: { http: /none, timeout: 3s }\n  back",
    );
    five.edit("deploy.yaml", "GREETING: hello", "GREETING: bad");
    let failed = five.a3(&["apply", "--yes", "--target", "s2"]).ended(1);
    failed.says("run s2 on web/0").says("runs again");
    assert_eq!([greeting(0), greeting(1)], [Some("hello".into()), Some("hello".into())]);
    assert_eq!(started(1), second, "the second machine was touched");
    five.edit("deploy.yaml", "http: /none, timeout: 3s", "http: /music.csv, timeout: 20s");
    five.edit("deploy.yaml", "GREETING: bad", "GREETING: rolled");
    five.apply();
    assert_eq!([greeting(0), greeting(1)], [Some("rolled".into()), Some("rolled".into())]);
    five.is_converged();
}
