"""Where this checkout's sandbox is: its number, names, addresses and folders.

Everything that another checkout's sandbox could trip over carries the number,
which comes from the checkout's path: names, subnet, bridge, CA, sockets.
"""

import json
import os
import zlib
from pathlib import Path

SANDBOX = Path(__file__).resolve().parent
RUN = SANDBOX / ".run"

#: 0 to 8191.
NUMBER = zlib.crc32(str(SANDBOX).encode()) & 0x1FFF
NAME = f"a3-sandbox-{NUMBER}"

#: Sockets live here and not in RUN: a unix socket's path has 107 characters at most.
SOCKETS = Path(f"/run/{NAME}")

# 10.192.0.0/11 is far from Docker's own pools (172.17-31, 192.168).
_NET = f"10.{192 + (NUMBER >> 8)}.{NUMBER & 255}"
SUBNET = f"{_NET}.0/24"
GATEWAY = f"{_NET}.1"
BRIDGE = f"a3s{NUMBER}"
#: Last octets that hosts get, in turn, so that an address is not reused at once.
HOST_OCTETS = range(10, 250)

EC2_PORT = 4560
EC2_URL = f"http://{GATEWAY}:{EC2_PORT}"
REGION = "us-west-2"
ACCOUNT = "123456789012"

GHCR_NAME, GHCR_PORT = f"ghcr-{NUMBER}.a3.test", 5443
BASIC_NAME, BASIC_PORT = f"basic-{NUMBER}.a3.test", 5444
GHCR = f"{GHCR_NAME}:{GHCR_PORT}"
BASIC = f"{BASIC_NAME}:{BASIC_PORT}"

OWNER, OTHER, BASIC_USER = "learner", "teammate", "learner"

#: The account's number is part of an access key id, so these are fixed for ACCOUNT.
ACCESS_KEYS = {"learner": "AKIARZPUZDIKMZA5KZEA", "teammate": "AKIARZPUZDIKDSHNROIZ"}
ACCESS_SECRET = "sandbox/not-a-secret"

CA = RUN / "ca" / "ca.crt"
#: The system's certificates and CA, for SSL_CERT_FILE. The system's own store stays as it is.
BUNDLE = RUN / "ca" / "bundle.crt"
SECRETS = RUN / "secrets"
REGISTRIES = RUN / "registries"
LOGS = RUN / "logs"
PIDS = RUN / "pids"
TAPS = RUN / "taps" / "taps.jsonl"
FAULTS = RUN / "faults"
KEYS = RUN / "keys"
SETTINGS = RUN / "settings.json"

#: The real engine of this machine, as opposed to the tap in front of it.
ENGINE = "unix:///var/run/docker.sock"
ENGINE_TAP = SOCKETS / "engine.sock"

_DEFAULTS = {
    "boot_seconds": 2.0,  # pending until then
    "console_seconds": 4.0,  # no console output until then
    "terminate_seconds": 1.0,  # shutting-down until then
    "invisible_seconds": 0.0,  # not described until then
    "sshd_seconds": 0.0,  # from boot until sshd listens
    "keys_seconds": 0.0,  # from boot until the user's key is in place ("permission denied" until then)
    "engine_seconds": 0.0,  # from boot until the engine is started
}


def host_address(octet: int) -> str:
    """The address of the host with this last octet."""
    return f"{_NET}.{octet}"


def setting(name: str) -> float:
    """A settable duration in seconds: RUN/settings.json, else A3_SANDBOX_<NAME>, else the default."""
    try:
        return float(json.loads(SETTINGS.read_text())[name])
    except (OSError, KeyError, ValueError):
        return float(os.environ.get(f"A3_SANDBOX_{name.upper()}", _DEFAULTS[name]))
