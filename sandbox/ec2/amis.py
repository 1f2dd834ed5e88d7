"""The AMIs of the sandbox: names as in the wild, traits of the hosts behind them."""

import hashlib

import place
from moto.ec2.models.amis import Ami, AmiBackend

_AMAZON, _CANONICAL = "137112412989", "099720109477"
_AL2023 = "al2023-ami-2023.9.20251117.1-kernel-6.1-x86_64"
_OLDER = "al2023-ami-2023.8.20250915.0-kernel-6.1-x86_64"
_ARM64 = "al2023-ami-2023.9.20251117.1-kernel-6.1-arm64"
_UBUNTU = "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20251022"

#: Short name → name, owner id, owner alias, architecture, creation date, root device, traits.
AMIS = {
    "al2023": (_AL2023, _AMAZON, "amazon", "x86_64", "2025-11-18", "/dev/xvda", {"user": "ec2-user"}),
    "older": (_OLDER, _AMAZON, "amazon", "x86_64", "2025-09-16", "/dev/xvda", {"user": "ec2-user"}),
    "arm64": (_ARM64, _AMAZON, "amazon", "arm64", "2025-11-18", "/dev/xvda", {"user": "ec2-user"}),
    "ubuntu": (_UBUNTU, _CANONICAL, None, "x86_64", "2025-10-22", "/dev/sda1", {"user": "ubuntu"}),
    "containerd": (
        "sandbox-containerd-store-x86_64", place.ACCOUNT, None, "x86_64", "2025-11-01", "/dev/xvda",
        {"user": "ec2-user", "daemon": {"features": {"containerd-snapshotter": True}}},
    ),
    "nogroup": (
        "sandbox-user-without-docker-group-x86_64", place.ACCOUNT, None, "x86_64", "2025-11-01", "/dev/xvda",
        {"user": "ec2-user", "no_docker_group": True},
    ),
    "smalldisk": (
        "sandbox-small-disk-x86_64", place.ACCOUNT, None, "x86_64", "2025-11-01", "/dev/xvda",
        {"user": "ec2-user", "disk": "64m"},
    ),
    "bare": (
        "sandbox-without-docker-x86_64", place.ACCOUNT, None, "x86_64", "2025-11-01", "/dev/xvda",
        {"user": "ec2-user", "bare": True},
    ),
}  # fmt: skip


def ami_id(short: str, region: str = place.REGION) -> str:
    """The id of an AMI in a region; the same in every sandbox."""
    return "ami-" + hashlib.sha256(f"{region} {AMIS[short][0]}".encode()).hexdigest()[:17]


def traits(image_id: str, region: str) -> dict:
    """What a host of this AMI is like."""
    for short, row in AMIS.items():
        if ami_id(short, region) == image_id:
            return row[6]
    return {"user": "ec2-user"}


def install() -> None:
    """Gives every region these AMIs in place of moto's."""
    from moto.core.parse import default_timestamp_parser

    def load(self: AmiBackend) -> None:
        for short, (name, owner, alias, architecture, created, device, _) in AMIS.items():
            one = ami_id(short, self.region_name)
            self.amis[one] = Ami(
                self, one, name=name, owner_id=owner, owner_alias=alias, architecture=architecture, public=True,
                description=name, virtualization_type="hvm", hypervisor="xen", root_device_type="ebs",
                root_device_name=device, image_location=f"{alias or owner}/{name}", region_name=f"{self.region_name}a",
                creation_date=default_timestamp_parser(f"{created}T00:00:00Z"),
            )  # fmt: skip

    AmiBackend._load_amis = load
