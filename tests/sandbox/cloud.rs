//! What a person does in the console or on a host, past a3.

use std::process::Command;

use serde_json::Value;

use crate::place::{beside_others, variable};
use crate::process::{Output, run};

/// Runs a line of Python with `ec2` as boto3's client; `sys.argv[1:]` are the arguments. What it
/// prints as JSON is returned.
#[track_caller]
pub(crate) fn console(line: &str, arguments: &[&str]) -> Value {
    let _beside = beside_others();
    let program = format!("import boto3, json, sys\nec2 = boto3.client('ec2')\n{line}");
    let output = run(Command::new(variable("A3_SANDBOX_PYTHON")).args(["-c", &program]).args(arguments)).ok();
    if output.stdout.is_empty() { Value::Null } else { serde_json::from_str(&output.stdout).unwrap() }
}

/// Everything that EC2 says of an instance.
pub(crate) fn instance(id: &str) -> Value {
    let line = "found = ec2.describe_instances(InstanceIds=[sys.argv[1]])['Reservations'][0]['Instances'][0]\n\
                print(json.dumps(found, default=str))";
    console(line, &[id])
}

/// Instances of a deployment that are not terminated.
pub(crate) fn live_instances(deployment: &str) -> Vec<String> {
    let line = "filters = [{'Name': 'tag:a3:deployment', 'Values': [sys.argv[1]]},\n\
                {'Name': 'instance-state-name', 'Values': ['pending', 'running', 'stopping', 'stopped']}]\n\
                found = ec2.describe_instances(Filters=filters)['Reservations']\n\
                print(json.dumps([i['InstanceId'] for r in found for i in r['Instances']]))";
    serde_json::from_value(console(line, &[deployment])).unwrap()
}

/// Stops an instance and waits for it.
pub(crate) fn stop(id: &str) {
    let line = "ec2.stop_instances(InstanceIds=[sys.argv[1]])\n\
                ec2.get_waiter('instance_stopped').wait(InstanceIds=[sys.argv[1]], WaiterConfig={'Delay': 1})";
    console(line, &[id]);
}

/// Starts an instance and waits for it.
pub(crate) fn start(id: &str) {
    let line = "ec2.start_instances(InstanceIds=[sys.argv[1]])\n\
                ec2.get_waiter('instance_running').wait(InstanceIds=[sys.argv[1]], WaiterConfig={'Delay': 1})";
    console(line, &[id]);
}

/// Ends an instance and waits for it.
pub(crate) fn terminate(id: &str) {
    let line = "ec2.terminate_instances(InstanceIds=[sys.argv[1]])\n\
                ec2.get_waiter('instance_terminated').wait(InstanceIds=[sys.argv[1]], WaiterConfig={'Delay': 1})";
    console(line, &[id]);
}

/// The rules of a group of this name: `PORT CIDR`.
pub(crate) fn rules(group: &str) -> Vec<String> {
    let line = "group = ec2.describe_security_groups(Filters=[{'Name': 'group-name', 'Values': [sys.argv[1]]}])\n\
                rules = group['SecurityGroups'][0]['IpPermissions']\n\
                print(json.dumps([f\"{r.get('FromPort', -1)} {c['CidrIp']}\" for r in rules for c in r['IpRanges']]))";
    let mut rules: Vec<String> = serde_json::from_value(console(line, &[group])).unwrap();
    rules.sort();
    rules
}

/// Takes a port's rules out of a group.
pub(crate) fn revoke(group: &str, port: u16) {
    let line = "group = ec2.describe_security_groups(Filters=[{'Name': 'group-name', 'Values': [sys.argv[1]]}])['SecurityGroups'][0]\n\
                gone = [r for r in group['IpPermissions'] if r.get('FromPort') == int(sys.argv[2])]\n\
                assert gone, group\n\
                ec2.revoke_security_group_ingress(GroupId=group['GroupId'], IpPermissions=gone)";
    console(line, &[group, &port.to_string()]);
}

/// A shell on an instance's host, as root, past ssh and past every tap.
#[track_caller]
pub(crate) fn on_host(id: &str, script: &str) -> String {
    shell_on(id, script).ok().stdout
}

/// The same on one that may be down.
pub(crate) fn on_host_if_up(id: &str, script: &str) -> Option<String> {
    let output = shell_on(id, script);
    (output.code == Some(0)).then_some(output.stdout)
}

fn shell_on(id: &str, script: &str) -> Output {
    let container = format!("{}-{id}", variable("A3_SANDBOX_NETWORK"));
    // The machine's own engine, not the tap: what a test looks at is not counted.
    let mut command = Command::new("docker");
    command.args(["-H", "unix:///var/run/docker.sock", "exec", &container, "sh", "-c"]);
    run(command.arg(script))
}

/// Docker on an instance's host, past the tap.
#[track_caller]
pub(crate) fn host_docker(id: &str, arguments: &str) -> String {
    on_host(id, &format!("DOCKER_HOST=unix:///run/a3/engine.sock docker {arguments}")).trim().to_owned()
}

/// A group of somebody else's, where everything is open.
pub(crate) fn foreign_group(name: &str) -> String {
    let line = "vpc = ec2.describe_vpcs()['Vpcs'][0]['VpcId']\n\
        made = ec2.create_security_group(GroupName=sys.argv[1], Description='x', VpcId=vpc)['GroupId']\n\
        ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=[{'IpProtocol': 'tcp', 'FromPort': 0,\n\
            'ToPort': 65535, 'IpRanges': [{'CidrIp': '0.0.0.0/0'}]}])\n\
        print(json.dumps(made))";
    console(line, &[name]).as_str().unwrap().to_owned()
}
