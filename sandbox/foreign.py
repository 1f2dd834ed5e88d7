"""`sandbox/launch`: an instance that nobody's deploy.yaml knows, for `host:` and as a bystander.

Prints `ID ADDRESS USER`. It has the key $A3_SANDBOX_SSH_KEY and a group of its own
that lets this machine in on all ports.
"""

import os
import subprocess
import sys
import time

import boto3
import botocore.exceptions
import place

_NAME = "sandbox-bystander"


def _once(call, *codes: str, **settings):
    """Makes something unless it is there."""
    try:
        return call(**settings)
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in codes:
            raise
        return None


def main() -> None:
    ami = (sys.argv[1:] or ["AL2023"])[0].upper()
    ec2 = boto3.client("ec2")
    with open(os.environ["A3_SANDBOX_SSH_KEY"] + ".pub", "rb") as public:
        _once(ec2.import_key_pair, "InvalidKeyPair.Duplicate", KeyName=_NAME, PublicKeyMaterial=public.read())
    made = _once(ec2.create_security_group, "InvalidGroup.Duplicate", GroupName=_NAME, Description=_NAME)
    group = ec2.describe_security_groups(GroupNames=[_NAME])["SecurityGroups"][0]["GroupId"]
    if made:
        rule = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": f"{place.GATEWAY}/32"}]}
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    one = ec2.run_instances(
        ImageId=os.environ[f"A3_SANDBOX_AMI_{ami}"], MinCount=1, MaxCount=1, InstanceType="t2.micro", KeyName=_NAME,
        SecurityGroupIds=[group], TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": _NAME}]}],
    )["Instances"][0]["InstanceId"]  # fmt: skip
    user = "ubuntu" if ami == "UBUNTU" else "ec2-user"
    until = time.monotonic() + 60
    while True:
        seen = ec2.describe_instances(InstanceIds=[one])["Reservations"][0]["Instances"][0]
        address = seen.get("PublicIpAddress")
        if address and _answers(f"{user}@{address}", "true" if ami == "BARE" else "sudo -n docker version"):
            print(one, address, user)
            return
        if time.monotonic() > until:
            sys.exit(f"sandbox: {one} does not answer")
        time.sleep(0.2)


def _answers(target: str, command: str) -> bool:
    """Whether ssh and the engine are ready."""
    options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ConnectTimeout=3", "LogLevel=ERROR"]
    flags = [part for one in options for part in ("-o", one)]
    ask = ["ssh", *flags, "-i", os.environ["A3_SANDBOX_SSH_KEY"], target, command]
    return subprocess.run(ask, capture_output=True, check=False, timeout=30).returncode == 0


if __name__ == "__main__":
    main()
