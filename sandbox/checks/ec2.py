"""EC2's rules, as far as a3 depends on them."""

import socket
import urllib.request

import boto3
from checks.tools import ENV, PREFIX, World, refused, until


def check_callers(world: World) -> None:
    assert boto3.client("sts").get_caller_identity()["Arn"].endswith(":user/learner")
    other = boto3.client(
        "sts", aws_access_key_id=ENV["A3_SANDBOX_OTHER_ACCESS_KEY_ID"],
        aws_secret_access_key=ENV["A3_SANDBOX_OTHER_SECRET_ACCESS_KEY"],
    )  # fmt: skip
    assert other.get_caller_identity()["Arn"].endswith(":user/teammate")


def check_my_address(world: World) -> None:
    with urllib.request.urlopen(ENV["A3_SANDBOX_ADDRESS_URL"]) as answer:
        assert answer.read().decode().strip() == ENV["A3_SANDBOX_GATEWAY"]
    seen = world.ssh(world.main, "echo $SSH_CLIENT").stdout.decode().split()[0]
    assert seen == ENV["A3_SANDBOX_GATEWAY"], seen


def check_amis(world: World) -> None:
    filters = [{"Name": "name", "Values": ["al2023-ami-2023.*-x86_64"]}]
    found = world.ec2.describe_images(Owners=["amazon"], Filters=filters)["Images"]
    newest = max(found, key=lambda image: image["CreationDate"])
    assert newest["ImageId"] == ENV["A3_SANDBOX_AMI_AL2023"] and len(found) == 2


def check_what_a_launch_refuses(world: World) -> None:
    good = {"ImageId": ENV["A3_SANDBOX_AMI_AL2023"], "MinCount": 1, "MaxCount": 1, "InstanceType": "t2.micro"}
    run = world.ec2.run_instances
    refused("InvalidAMIID.NotFound", run, **{**good, "ImageId": "ami-0123456789abcdef0"})
    refused("InvalidKeyPair.NotFound", run, **good, KeyName="no-such-key")
    refused("InvalidGroup.NotFound", run, **good, SecurityGroupIds=["sg-0123456789abcdef0"])
    text = refused("InvalidParameterValue", run, **{**good, "ImageId": ENV["A3_SANDBOX_AMI_ARM64"]})
    assert "architecture" in text
    refused("DryRunOperation", run, **good, DryRun=True)
    refused("InvalidAMIID.NotFound", run, **{**good, "ImageId": "ami-0123456789abcdef0"}, DryRun=True)


def check_client_tokens(world: World) -> None:
    token = f"{PREFIX}-token"
    host = world.launch(ClientToken=token)
    assert host["first"]["State"]["Name"] == "pending" and "PublicIpAddress" not in host["first"]
    again = world.launch(ClientToken=token)
    world.ids.remove(again["id"])
    assert again["id"] == host["id"]
    refused("IdempotentParameterMismatch", world.launch, ClientToken=token, InstanceType="t2.small")
    until(lambda: world.state(host["id"]) == "running")
    filters = [{"Name": "client-token", "Values": [token]}]
    seen = world.ec2.describe_instances(Filters=filters)["Reservations"][0]["Instances"][0]
    assert seen["InstanceId"] == host["id"] and seen["ClientToken"] == token
    world.ended(host["id"])
    refused("IdempotentInstanceTerminated", world.launch, ClientToken=token)
    refused("IdempotentParameterMismatch", world.launch, ClientToken=token, InstanceType="t2.small")


def check_capacity_binds_the_token(world: World) -> None:
    token = f"{PREFIX}-capacity"
    world.fault("capacity")
    refused("InsufficientInstanceCapacity", world.launch, ClientToken=token)
    world.fault("clear", "capacity")
    refused("IdempotentParameterMismatch", world.launch, ClientToken=token, InstanceType="t2.small")


def check_a_lost_answer_launches_once(world: World) -> None:
    token = f"{PREFIX}-lost"
    world.fault("ec2-lost-answer", "action=RunInstances", "count=1")
    host = world.launch(ClientToken=token)  # boto3 repeats it
    filters = [{"Name": "client-token", "Values": [token]}]
    found = world.ec2.describe_instances(Filters=filters)["Reservations"]
    assert len(found) == 1 and found[0]["Instances"][0]["InstanceId"] == host["id"]
    world.ended(host["id"])


def check_protection_and_changes(world: World) -> None:
    change, host = world.ec2.modify_instance_attribute, world.main["id"]
    change(InstanceId=host, DisableApiTermination={"Value": True})
    refused("OperationNotPermitted", world.ec2.terminate_instances, InstanceIds=[host])
    change(InstanceId=host, DisableApiTermination={"Value": False})
    refused("IncorrectInstanceState", change, InstanceId=host, InstanceType={"Value": "t2.small"})
    change(InstanceId=host, InstanceInitiatedShutdownBehavior={"Value": "terminate"})
    answer = world.ec2.describe_instance_attribute(InstanceId=host, Attribute="instanceInitiatedShutdownBehavior")
    assert answer["InstanceInitiatedShutdownBehavior"]["Value"] == "terminate"
    change(InstanceId=host, InstanceInitiatedShutdownBehavior={"Value": "stop"})
    world.ec2.modify_instance_metadata_options(InstanceId=host, HttpTokens="required")
    world.ec2.modify_instance_metadata_options(InstanceId=host, HttpPutResponseHopLimit=2)
    options = world.see(host)["MetadataOptions"]
    assert options["HttpTokens"] == "required" and options["HttpPutResponseHopLimit"] == 2


def _open(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=1).close()
        return True
    except OSError:
        return False


def check_security_groups_are_enforced(world: World) -> None:
    host, address = world.main, world.address(world.main["id"])
    world.engine(host)
    name = f"{ENV['A3_SANDBOX_BASIC']}/any/{PREFIX}:1"
    with open(ENV["A3_SANDBOX_BASIC_PASSWORD_FILE"], "rb") as password:
        login = f"docker login -u {ENV['A3_SANDBOX_BASIC_USER']} --password-stdin {ENV['A3_SANDBOX_BASIC']}"
        world.ssh(host, login, stdin=password.read())
    world.ssh(host, f"docker run -d --name web -p 30001:80 {name} httpd -f -p 80")
    gateway = ENV["A3_SANDBOX_GATEWAY"]
    assert not _open(address, 30001), "published, and open without a rule"
    world.allow(world.group, 30001, f"{gateway}/32")
    until(lambda: _open(address, 30001), 5)
    world.allow(world.group, 30001, f"{gateway}/32", revoke=True)
    assert not _open(address, 30001), "open after the rule went"
    world.allow(world.group, 30001, "203.0.113.7/32")
    assert not _open(address, 30001), "open to a stranger"
    probe = ["docker", "run", "--rm", "--network", ENV["A3_SANDBOX_NETWORK"], ENV["A3_SANDBOX_TINY"]]
    assert world.run(*probe, "nc", "-w", "1", address, "22", check=False).returncode, "ssh is open to others"
    refused("DependencyViolation", world.ec2.delete_security_group, GroupId=world.group)
