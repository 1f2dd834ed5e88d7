"""`up` and `down`: processes, network, names. Everything is started once and stopped by its id."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import place
from ec2 import amis
from ec2.engine import docker
from registry import ca, store
from tap import log

_HOSTS, _CERTS = Path("/etc/hosts"), Path("/etc/docker/certs.d")
_MARK = f"# {place.NAME}"
_SYSTEM_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_LABEL = f"a3-sandbox={place.NUMBER}"

#: Name → command line, in the order of starting.
_PROCESSES = {
    "engine-tap": [sys.executable, "-m", "tap.engine"],
    "ghcr": ["docker-registry", "serve", str(place.REGISTRIES / "ghcr.yml")],
    "basic": ["docker-registry", "serve", str(place.REGISTRIES / "basic.yml")],
    "registries": [sys.executable, "-m", "registry.serve"],
    "ec2": [sys.executable, "-m", "ec2.serve"],
}


def _born(pid: int) -> str:
    """When a process was started (jiffies since boot); with the pid it names it for good. Empty if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _running(name: str) -> int | None:
    try:
        pid, born = (place.PIDS / name).read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid) if _born(int(pid)) == born else None


def _start(name: str) -> bool:
    """Starts a process unless it runs; says whether it had to."""
    if _running(name):
        return False
    place.PIDS.mkdir(parents=True, exist_ok=True)
    place.LOGS.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(place.SANDBOX), "OTEL_TRACES_EXPORTER": "none"}
    for key in ("DOCKER_HOST", "DOCKER_CONTEXT", "AWS_ENDPOINT_URL", "AWS_PROFILE"):
        environment.pop(key, None)
    with open(place.LOGS / f"{name}.log", "ab") as out:
        process = subprocess.Popen(
            _PROCESSES[name], stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment,
            cwd=place.SANDBOX, start_new_session=True,
        )  # fmt: skip
    (place.PIDS / name).write_text(f"{process.pid} {_born(process.pid)}")
    return True


def _stop(name: str) -> None:
    pid = _running(name)
    if pid is not None:
        for number, patience in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 3.0)):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                break
            until = time.monotonic() + patience
            while _running(name) and time.monotonic() < until:
                time.sleep(0.02)
            if not _running(name):
                break
    (place.PIDS / name).unlink(missing_ok=True)


def _edit_hosts(lines: list[str]) -> None:
    """Puts our lines into /etc/hosts in place of the ones there."""
    import fcntl

    with open(_HOSTS, "r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        kept = [line for line in file.read().splitlines() if not line.endswith(_MARK)]
        file.seek(0)
        file.truncate()
        file.write("\n".join(kept + lines) + "\n")


def _trust() -> None:
    """Both registries' CA for the engine and, as a bundle, for everything that reads SSL_CERT_FILE."""
    ca.make()
    system = _SYSTEM_BUNDLE.read_text() if _SYSTEM_BUNDLE.exists() else ""
    place.BUNDLE.write_text(system + place.CA.read_text())
    for name in (place.GHCR, place.BASIC):
        (_CERTS / name).mkdir(parents=True, exist_ok=True)
        shutil.copy(place.CA, _CERTS / name / "ca.crt")
    names = [f"{place.GATEWAY} {name} {_MARK}" for name in (place.GHCR_NAME, place.BASIC_NAME)]
    _edit_hosts(names)


def _network() -> None:
    if docker("network", "inspect", place.NAME, check=False) in ("", "[]"):
        docker(
            "network", "create", "--subnet", place.SUBNET, "--gateway", place.GATEWAY, "--label", _LABEL,
            "-o", f"com.docker.network.bridge.name={place.BRIDGE}", place.NAME,
        )  # fmt: skip


def _keys() -> None:
    place.KEYS.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, kind in (("ed25519", ["-t", "ed25519"]), ("rsa", ["-t", "rsa", "-b", "3072", "-m", "PEM"])):
        path = place.KEYS / f"{name}.pem"
        if not path.exists():
            command = ["ssh-keygen", "-q", *kind, "-N", "", "-C", f"sandbox-{name}", "-f", str(path)]
            subprocess.run(command, check=True)


def _await_names(until: float) -> None:
    """Waits until the engine knows both registries: it remembers /etc/hosts for 5 seconds."""
    for name in (place.GHCR, place.BASIC):
        while True:
            asked = subprocess.run(
                ["docker", "--host", "unix:///var/run/docker.sock", "pull", "--quiet", f"{name}/nobody/nothing"],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False,
            )
            if "no such host" not in asked.stderr:
                break
            if time.monotonic() > until:
                sys.exit(f"sandbox: the Docker engine does not find {name}: {asked.stderr.strip()}")
            time.sleep(0.2)


def _await() -> None:
    """Waits until everything answers, for at most 60 seconds."""
    until = time.monotonic() + 60
    waiting = {"ec2": (place.GATEWAY, place.EC2_PORT), "ghcr": (place.GATEWAY, place.GHCR_PORT)}
    waiting["basic"] = (place.GATEWAY, place.BASIC_PORT)
    sockets = [place.ENGINE_TAP, place.SOCKETS / "ghcr.sock", place.SOCKETS / "basic.sock"]
    while waiting or sockets:
        for name, address in list(waiting.items()):
            try:
                socket.create_connection(address, timeout=1).close()
                waiting.pop(name)
            except OSError:
                pass
        sockets = [path for path in sockets if not path.exists()]
        dead = [name for name in _PROCESSES if not _running(name)]
        if dead or time.monotonic() > until:
            what = f"{dead[0]} ended" if dead else f"no answer from {[*waiting, *sockets]}"
            sys.exit(f"sandbox: {what}; see {place.LOGS}")
        time.sleep(0.05)
    _await_names(until)
    # The first call loads the models; do it here and not in somebody's measurement.
    call = urllib.request.Request(
        place.EC2_URL, b"Action=DescribeInstances&Version=2016-11-15",
        {"Authorization": f"AWS4-HMAC-SHA256 Credential={place.ACCESS_KEYS['learner']}/20250101/{place.REGION}/ec2/aws4_request"},
    )  # fmt: skip
    urllib.request.urlopen(call, timeout=30).read()


def environment() -> dict[str, str]:
    """What `.run/env` holds."""
    secret = lambda name: str(place.SECRETS / name)
    return {
        "AWS_ENDPOINT_URL": place.EC2_URL,
        "AWS_ACCESS_KEY_ID": place.ACCESS_KEYS["learner"],
        "AWS_SECRET_ACCESS_KEY": place.ACCESS_SECRET,
        "AWS_REGION": place.REGION,
        "AWS_DEFAULT_REGION": place.REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "A3_SANDBOX_OTHER_ACCESS_KEY_ID": place.ACCESS_KEYS["teammate"],
        "A3_SANDBOX_OTHER_SECRET_ACCESS_KEY": place.ACCESS_SECRET,
        "DOCKER_HOST": f"unix://{place.ENGINE_TAP}",
        "SSL_CERT_FILE": str(place.BUNDLE),
        "A3_SANDBOX_CA": str(place.CA),
        "A3_SANDBOX_GHCR": place.GHCR,
        "A3_SANDBOX_GHCR_USER": place.OWNER,
        "A3_SANDBOX_GHCR_PASSWORD_FILE": secret("ghcr-owner"),
        "A3_SANDBOX_GHCR_READONLY_PASSWORD_FILE": secret("ghcr-readonly"),
        "A3_SANDBOX_GHCR_OTHER_USER": place.OTHER,
        "A3_SANDBOX_GHCR_OTHER_PASSWORD_FILE": secret("ghcr-other"),
        "A3_SANDBOX_BASIC": place.BASIC,
        "A3_SANDBOX_BASIC_USER": place.BASIC_USER,
        "A3_SANDBOX_BASIC_PASSWORD_FILE": secret("basic"),
        **{f"A3_SANDBOX_AMI_{short.upper()}": amis.ami_id(short) for short in amis.AMIS},
        "A3_SANDBOX_SSH_KEY": str(place.KEYS / "ed25519.pem"),
        "A3_SANDBOX_SSH_KEY_RSA": str(place.KEYS / "rsa.pem"),
        "A3_SANDBOX_ADDRESS_URL": f"{place.EC2_URL}/my-address",
        "A3_SANDBOX_CONTROL_URL": f"{place.EC2_URL}/_a3",
        "A3_SANDBOX_TAPS": str(place.TAPS),
        "A3_SANDBOX_BASE": "a3-sandbox/python:slim",
        "A3_SANDBOX_TINY": "a3-sandbox/busybox:static",
        "A3_SANDBOX_DEBIAN": "a3-sandbox/debian:bookworm",
        "A3_SANDBOX_PYTHON": str(place.RUN / "venv/bin/python"),
        "A3_SANDBOX_NUMBER": str(place.NUMBER),
        "A3_SANDBOX_NETWORK": place.NAME,
        "A3_SANDBOX_SUBNET": place.SUBNET,
        "A3_SANDBOX_GATEWAY": place.GATEWAY,
    }


def up() -> None:
    """Starts what does not run and writes `.run/env`."""
    place.SOCKETS.mkdir(parents=True, exist_ok=True)
    place.FAULTS.mkdir(parents=True, exist_ok=True)
    _network()
    _trust()
    _keys()
    store.configure()
    if not place.TAPS.exists():
        log.reset()
    if not _running("ec2"):
        _drop_hosts()  # what an ended process left behind
    for name in _PROCESSES:
        if name in ("ghcr", "basic") and not _running(name):
            (place.SOCKETS / f"{name}.sock").unlink(missing_ok=True)
        _start(name)
    _await()
    unset = "unset AWS_PROFILE AWS_SESSION_TOKEN DOCKER_CONTEXT\n"
    lines = "".join(f"export {key}='{value}'\n" for key, value in environment().items())
    new = place.RUN / "env.new"
    new.write_text(f"# Written by sandbox/up. To be sourced by sh.\n{unset}{lines}")
    new.rename(place.RUN / "env")
    print(f"sandbox {place.NUMBER} is up: . {place.RUN / 'env'}", file=sys.stderr)


def _drop_hosts() -> None:
    ids = docker("ps", "-aq", "--filter", f"label={_LABEL}").split()
    if ids:
        docker("rm", "-f", "-v", *ids, check=False)
    shutil.rmtree(place.SOCKETS / "hosts", ignore_errors=True)


def down() -> None:
    """Stops and removes everything but images and logs."""
    (place.RUN / "env").unlink(missing_ok=True)
    for name in reversed(_PROCESSES):
        _stop(name)
    if docker("version", "--format", "{{.Server.Version}}", check=False):
        _drop_hosts()
        docker("network", "rm", place.NAME, check=False)
    _edit_hosts([])
    for name in (place.GHCR, place.BASIC):
        shutil.rmtree(_CERTS / name, ignore_errors=True)
    for controller in Path("/sys/fs/cgroup").iterdir():
        for path, _, _ in os.walk(controller / place.NAME, topdown=False):
            try:
                os.rmdir(path)
            except OSError:
                pass
    shutil.rmtree(place.SOCKETS, ignore_errors=True)
    for path in (place.CA.parent, place.SECRETS, place.REGISTRIES, place.FAULTS, place.TAPS.parent, place.KEYS, place.PIDS):
        shutil.rmtree(path, ignore_errors=True)
    place.SETTINGS.unlink(missing_ok=True)
    _stop_engine()
    print(f"sandbox {place.NUMBER} is down", file=sys.stderr)


def _stop_engine() -> None:
    """Stops the engine if a sandbox started it and nobody uses it any more."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "a3-sandbox"
    path = cache / "dockerd.pid"
    if not path.exists() or docker("ps", "-q", check=False):
        return
    if docker("network", "ls", "-q", "--filter", "label=a3-sandbox", check=False):
        return
    pid = int(path.read_text())
    try:
        if Path(f"/proc/{pid}/comm").read_text().strip() == "dockerd":
            os.kill(pid, signal.SIGTERM)
            until = time.monotonic() + 20
            while _born(pid) and time.monotonic() < until:
                time.sleep(0.1)
    except OSError:
        pass
    path.unlink(missing_ok=True)


if __name__ == "__main__":
    {"up": up, "down": down}[sys.argv[1]]()
