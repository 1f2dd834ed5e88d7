"""What the checks share: clients, ssh, launching, and cleaning up behind themselves."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from functools import cached_property

import boto3
import botocore.exceptions

ENV = os.environ
PREFIX = f"selftest-{os.getpid()}"


def until(what, seconds: float = 30, every: float = 0.1):
    """Asks until the answer is true; fails when the time is over."""
    end = time.monotonic() + seconds
    while True:
        answer = what()
        if answer:
            return answer
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(every)


def refused(code: str, call, *arguments, **settings) -> str:
    """Makes a call that EC2 must refuse with `code`; returns the message."""
    try:
        call(*arguments, **settings)
    except botocore.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        return error.response["Error"]["Message"]
    raise AssertionError(f"not refused with {code}")


class World:
    """One run's things."""

    def __init__(self) -> None:
        self.ec2 = boto3.client("ec2")
        self.folder = tempfile.mkdtemp(prefix="a3-selftest-")
        self.env = {**ENV, "DOCKER_CONFIG": self.folder}
        self.ids: list[str] = []
        self.images: list[str] = []

    # -- commands

    def run(self, *command: str, stdin: bytes = b"", check: bool = True, timeout: float = 120):
        done = subprocess.run(command, input=stdin, capture_output=True, env=self.env, timeout=timeout, check=False)
        if check:
            assert done.returncode == 0, f"{command}: {done.stdout.decode()} {done.stderr.decode()}"
        return done

    def sandbox(self, command: str, *arguments: str) -> bytes:
        """Runs one of the sandbox's own commands."""
        return self.run(os.path.join(os.path.dirname(os.path.dirname(__file__)), command), *arguments).stdout

    def fault(self, *arguments: str) -> None:
        self.sandbox("fault", *arguments)

    def calls(self) -> list[dict]:
        """All calls at the taps."""
        with open(ENV["A3_SANDBOX_TAPS"], encoding="utf-8") as log:
            return [json.loads(line) for line in log]

    def ssh_options(self, key: str = "A3_SANDBOX_SSH_KEY") -> list[str]:
        known = os.path.join(self.folder, "known_hosts")
        options = ["BatchMode=yes", "StrictHostKeyChecking=accept-new", f"UserKnownHostsFile={known}"]
        options += ["LogLevel=ERROR", "ConnectTimeout=3", "IdentitiesOnly=yes", f"IdentityFile={ENV[key]}"]
        return [part for one in options for part in ("-o", one)]

    def ssh(self, host: dict, command: str, *options: str, stdin: bytes = b"", check: bool = True):
        target = f"{host['user']}@{self.address(host['id'])}"
        all_options = [*options, *self.ssh_options(host["key"])]
        return self.run("ssh", *all_options, target, command, stdin=stdin, check=check)

    # -- instances

    @cached_property
    def group(self) -> str:
        """A group that lets this machine in by ssh."""
        group = self.ec2.create_security_group(GroupName=f"{PREFIX}-group", Description="selftest")["GroupId"]
        self.allow(group, 22, ENV["A3_SANDBOX_GATEWAY"] + "/32")
        return group

    def allow(self, group: str, port: int, source: str, revoke: bool = False) -> None:
        change = self.ec2.revoke_security_group_ingress if revoke else self.ec2.authorize_security_group_ingress
        rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": source}]}
        change(GroupId=group, IpPermissions=[rule])

    @cached_property
    def key_names(self) -> dict[str, str]:
        names = {}
        for variable in ("A3_SANDBOX_SSH_KEY", "A3_SANDBOX_SSH_KEY_RSA"):
            with open(ENV[variable] + ".pub", "rb") as public:
                names[variable] = f"{PREFIX}-{variable[-3:].lower()}"
                self.ec2.import_key_pair(KeyName=names[variable], PublicKeyMaterial=public.read())
        return names

    def launch(self, ami: str = "AL2023", user: str = "ec2-user", key: str = "A3_SANDBOX_SSH_KEY", **settings) -> dict:
        """Launches and does not wait."""
        asked = {
            "ImageId": ENV[f"A3_SANDBOX_AMI_{ami}"], "MinCount": 1, "MaxCount": 1, "InstanceType": "t2.micro",
            "KeyName": self.key_names[key], "SecurityGroupIds": [self.group], **settings,
        }  # fmt: skip
        one = self.ec2.run_instances(**asked)["Instances"][0]
        self.ids.append(one["InstanceId"])
        return {"id": one["InstanceId"], "user": user, "key": key, "first": one}

    def see(self, instance_id: str) -> dict:
        return self.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]

    def state(self, instance_id: str) -> str:
        return self.see(instance_id)["State"]["Name"]

    def address(self, instance_id: str) -> str:
        return self.see(instance_id)["PublicIpAddress"]

    def ready(self, host: dict) -> dict:
        """Waits until it runs and lets us in by ssh."""
        until(lambda: self.state(host["id"]) == "running")
        until(lambda: self.ssh(host, "true", check=False).returncode == 0)
        return host

    @cached_property
    def main(self) -> dict:
        """The host that most checks share."""
        return self.ready(self.launch())

    def engine(self, host: dict) -> None:
        """Waits for the host's engine."""
        until(lambda: self.ssh(host, "sudo docker version", check=False).returncode == 0, 40, 0.3)

    def ended(self, instance_id: str) -> None:
        """Terminates and waits."""
        self.ec2.terminate_instances(InstanceIds=[instance_id])
        until(lambda: self.state(instance_id) == "terminated")
        self.ids.remove(instance_id)

    def close(self) -> None:
        """Removes all that this run made, once."""
        self.fault("clear")
        if self.ids:
            self.ec2.terminate_instances(InstanceIds=self.ids)
            until(lambda: all(self.state(i) == "terminated" for i in self.ids), 60)
        if "group" in vars(self):
            self.ec2.delete_security_group(GroupId=self.group)
        for name in vars(self).get("key_names", {}).values():
            self.ec2.delete_key_pair(KeyName=name)
        if self.images:
            self.run("docker", "rmi", *self.images, check=False)
        self.ids, self.images = [], []
        vars(self).pop("group", None), vars(self).pop("key_names", None)
        shutil.rmtree(self.folder, ignore_errors=True)
