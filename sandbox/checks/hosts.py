"""Hosts behind instances: boot, keys, disks, shutdowns, kinds of AMI."""

import time
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

from checks.tools import ENV, World, refused, until


def _user_data() -> str:
    parts = MIMEMultipart()
    parts.attach(MIMEText("#cloud-config\nhostname: x\n", "cloud-config"))
    parts.attach(MIMEText("#!/bin/sh\necho once >> /var/once; id -u >> /var/once\n", "x-shellscript"))
    parts.attach(MIMEText("#!/bin/sh\necho boot >> /var/boots\n", "x-shellscript-per-boot"))
    return parts.as_string()


def check_user_data_stop_and_start(world: World) -> None:
    host = world.ready(world.launch(UserData=_user_data()))
    world.ssh(host, "cloud-init status --wait")
    before = world.address(host["id"])
    assert world.ssh(host, "cat /var/once /var/boots").stdout == b"once\n0\nboot\n"
    world.ec2.stop_instances(InstanceIds=[host["id"]])
    until(lambda: world.state(host["id"]) == "stopped")
    assert "PublicIpAddress" not in world.see(host["id"])
    world.ec2.modify_instance_attribute(InstanceId=host["id"], InstanceType={"Value": "t2.small"})
    world.ec2.start_instances(InstanceIds=[host["id"]])
    world.ready(host)
    world.ssh(host, "cloud-init status --wait")
    assert world.ssh(host, "cat /var/once /var/boots").stdout == b"once\n0\nboot\nboot\n"
    assert world.address(host["id"]) != before
    world.ended(host["id"])


def check_poweroff_ends_or_stops(world: World) -> None:
    hosts = {
        "terminated": world.launch(InstanceInitiatedShutdownBehavior="terminate"),
        "stopped": world.launch(InstanceInitiatedShutdownBehavior="stop"),
    }
    for state, host in hosts.items():
        world.ready(host)
        world.ssh(host, "sudo poweroff", check=False)
        until(lambda h=host, s=state: world.state(h["id"]) == s, 20)
        assert world.see(host["id"])["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    world.ids.remove(hosts["terminated"]["id"])
    world.ended(hosts["stopped"]["id"])


def check_reboot_keeps_the_address(world: World) -> None:
    host = world.main
    before = world.ssh(host, "cat /proc/uptime >/dev/null; sudo touch /run/before; echo $SSH_CONNECTION").stdout.split()[2]
    world.ssh(host, "sudo reboot", check=False)
    time.sleep(1)
    until(lambda: world.ssh(host, "test ! -e /run/before", check=False).returncode == 0)
    assert world.address(host["id"]) == before.decode() and world.state(host["id"]) == "running"
    world.engine(host)


def check_console_has_the_real_host_keys(world: World) -> None:
    host = world.main
    text = until(lambda: world.ec2.get_console_output(InstanceId=host["id"]).get("Output"), 15)
    keys = text.split("-----BEGIN SSH HOST KEY KEYS-----")[1].split("-----END SSH HOST KEY KEYS-----")[0]
    scanned = world.run("ssh-keyscan", "-t", "ed25519", world.address(host["id"])).stdout.decode().split()
    assert " ".join(scanned[1:3]) in keys
    world.fault("console-silent")
    assert "Output" not in world.ec2.get_console_output(InstanceId=host["id"])
    world.fault("clear", "console-silent")


def check_users_and_keys(world: World) -> None:
    host = world.ready(world.launch("UBUNTU", "ubuntu", "A3_SANDBOX_SSH_KEY_RSA"))
    assert world.ssh(host, "sudo -n id -un").stdout == b"root\n"
    assert b"docker" in world.ssh(host, "id -Gn").stdout
    wrong = {**host, "key": "A3_SANDBOX_SSH_KEY"}
    assert world.ssh(wrong, "true", check=False).returncode == 255
    assert world.ssh({**host, "user": "ec2-user"}, "true", check=False).returncode == 255
    methods = world.ssh(host, "true", "-v", "-o", "PubkeyAuthentication=no", check=False).stderr
    assert b"password" not in methods.split(b"can continue:")[-1].splitlines()[0]
    world.ended(host["id"])


def check_kinds_of_ami(world: World) -> None:
    kinds = {name: world.launch(name) for name in ("CONTAINERD", "NOGROUP", "SMALLDISK")}
    for host in kinds.values():
        world.ready(host)
        world.engine(host)
    driver = world.ssh(kinds["CONTAINERD"], "docker info -f '{{.DriverStatus}}'").stdout
    assert b"io.containerd.snapshotter.v1" in driver, driver
    assert world.ssh(kinds["NOGROUP"], "docker ps", check=False).returncode
    world.ssh(kinds["NOGROUP"], "sudo -n docker ps")
    free = int(world.ssh(kinds["SMALLDISK"], "df -k --output=size /var/lib/docker | tail -1").stdout)
    assert free == 65536, free
    name = f"{ENV['A3_SANDBOX_GHCR']}/{ENV['A3_SANDBOX_GHCR_USER']}"
    for host in kinds.values():
        assert world.ssh(host, f"curl -s --cacert /run/a3/ca.crt https://{name.split('/')[0]}/v2/").returncode == 0
        world.ended(host["id"])


def check_faults_on_a_host(world: World) -> None:
    host = world.ready(world.launch())
    at = f"instance={host['id']}"
    world.fault("sshd-dead", at)
    assert world.ssh(host, "true", check=False).returncode == 255
    world.fault("sshd-back", at)
    world.ssh(host, "true")
    world.fault("host-key", at)
    done = world.ssh(host, "true", check=False)
    assert done.returncode == 255 and b"HOST IDENTIFICATION HAS CHANGED" in done.stderr, done.stderr
    world.ended(host["id"])


def check_a_slow_boot(world: World) -> None:
    world.fault("settings", "sshd_seconds=3", "keys_seconds=6", "boot_seconds=1", "invisible_seconds=1")
    try:
        host = world.launch()
        refused("InvalidInstanceID.NotFound", world.see, host["id"])
        time.sleep(1)
        until(lambda: world.state(host["id"]) == "running")
        assert b"refused" in world.ssh(host, "true", check=False).stderr
        until(lambda: b"Permission denied" in world.ssh(host, "true", check=False).stderr, 5)
        world.ready(host)
        world.ended(host["id"])
    finally:
        world.fault("settings", "sshd_seconds=0", "keys_seconds=0", "boot_seconds=2", "invisible_seconds=0")
