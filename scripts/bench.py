"""What `scripts/bench` measures: `bench.py A3 CHECKOUT WORK`, in the environment of `sandbox/.run/env`.

Everything is made in WORK; names carry a number of this run, and what has that number is removed.
"""

import http.client
import json
import os
import re
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import boto3

sys.path.insert(0, str(Path(sys.argv[2]) / "sandbox"))
from registry import store  # noqa: E402

A3, CHECKOUT, WORK = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
PAIRS = int(os.environ.get("A3_BENCH_PAIRS", "15"))
ROUNDS = int(os.environ.get("A3_BENCH_ROUNDS", "2"))
MIB = int(os.environ.get("A3_BENCH_MIB", "1024"))

# What is aimed for: ratios to the reference, and bytes.
PLAN_GOAL, APPLY_GOAL, MEMORY_GOAL = 1.5, 1.1, 100 << 20

RUN = f"bench-{secrets.token_hex(4)}"
REGISTRY, OWNER = os.environ["A3_SANDBOX_GHCR"], os.environ["A3_SANDBOX_GHCR_USER"]
PASSWORD = Path(os.environ["A3_SANDBOX_GHCR_PASSWORD_FILE"])
KEY, USER, PORT = os.environ["A3_SANDBOX_SSH_KEY"], "ec2-user", 30001
HOME = WORK / "home"
KNOWN_HOSTS = HOME / ".ssh" / "known_hosts"
# A home of its own: no credential, key or agent of the person who measures has a part in it.
ENV = {**os.environ, "HOME": str(HOME), "DOCKER_CONFIG": str(HOME / ".docker"), "DOCKER_BUILDKIT": "1"}
ENV |= {"XDG_STATE_HOME": str(WORK / "state"), "XDG_CACHE_HOME": str(WORK / "cache")}
ENV.pop("SSH_AUTH_SOCK", None)
# The taps count calls, one relay in Python each; a gigabyte need not pass through one.
DIRECT = {key: value for key, value in ENV.items() if key != "DOCKER_HOST"}

rows: list[tuple[str, str, str, str, str, str]] = []


def say(text: str) -> None:
    print(text, flush=True)


def run(*command: str, env: dict = ENV, stdin: str = "") -> str:
    """The output of a command that must end well."""
    done = subprocess.run(command, env=env, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"bench: `{' '.join(command)}` ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def timed(*command: str, env: dict = ENV, stdin: str = "") -> float:
    began = time.monotonic()
    run(*command, env=env, stdin=stdin)
    return time.monotonic() - began


def settle() -> None:
    """What was written so far reaches the disk before the clock starts, not while it runs."""
    os.sync()


def with_peak(*command: str, env: dict = ENV) -> tuple[float, int]:
    """Seconds, and the most bytes that the process itself held in memory.

    From VmHWM, which only grows, read until the process is gone: `ru_maxrss` would begin with what this
    Python holds when it forks.
    """
    log = WORK / "command.log"
    settle()
    began, peak = time.monotonic(), 0
    with open(log, "wb") as out:
        child = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        while child.poll() is None:
            try:
                for line in Path(f"/proc/{child.pid}/status").read_text().splitlines():
                    if line.startswith("VmHWM:"):
                        peak = max(peak, int(line.split()[1]) << 10)
            except OSError:
                pass
            time.sleep(0.02)
    seconds = time.monotonic() - began
    if child.returncode != 0:
        raise SystemExit(f"bench: `{' '.join(command)}` ended with {child.returncode}:\n{log.read_text()}")
    say(f"  a3    {seconds:.2f} s: {steps_of(log.read_text())}")
    return seconds, peak


def row(what: str, mine: str, reference: str, ratio: str, goal: str, met: bool | None) -> None:
    rows.append((what, mine, reference, ratio, goal, {True: "met", False: "NOT met", None: ""}[met]))


def compare(what: str, mine: float, reference: float, goal: float | None = None) -> None:
    """A row of two times."""
    ratio = mine / reference
    aim = "" if goal is None else f"<= {goal:g}"
    row(what, f"{mine:.2f} s", f"{reference:.2f} s", f"{ratio:.2f}", aim, None if goal is None else ratio <= goal)


def memory(what: str, peak: int) -> None:
    aim = f"< {MEMORY_GOAL >> 20} MiB"
    row(what, f"{peak / (1 << 20):.0f} MiB", "", "", aim, peak < MEMORY_GOAL)


# -- specs --------------------------------------------------------------------------------------------


def spec(folder: Path, instances: str, service: str) -> str:
    """Writes a deploy.yaml; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    text = f"name: {RUN}-{folder.name}\n"
    text += f"registry: {{ server: '{REGISTRY}', username: {OWNER}, password: {{ file: '{PASSWORD}' }} }}\n"
    text += f"instances:\n  web:\n    {instances}\nservices:\n  s2:\n{service}"
    (folder / "deploy.yaml").write_text(text)
    return str(folder / "deploy.yaml")


def music(image: str) -> str:
    """The music service, built from nothing whatever the engine has cached."""
    source = CHECKOUT / "examples" / "music-service"
    args = f"ASSIGN: a3, BASE: '{os.environ['A3_SANDBOX_BASE']}', ROUND: '{image}'"
    return f"""\
    image: {image}
    build: {{ context: '{source}', no_cache: true, args: {{ {args} }} }}
    platform: linux/amd64
    files: ['{source / "music.csv"}:music/']
    volumes: ['./music:/data']
    ports: ['{PORT}:{PORT}']
    container_name: s2
    restart: unless-stopped
    check: {{ http: /api/v1/music/, status: 200, timeout: 60s }}
"""


def on_ec2() -> str:
    ec2 = f"""{{ region: {os.environ['AWS_REGION']}, instance_type: t2.micro, ami: {{ name: 'al2023-ami-2023.*-x86_64', """
    ec2 += f"""owner: amazon }}, address_url: '{os.environ['A3_SANDBOX_ADDRESS_URL']}' }}"""
    return f"ec2: {ec2}\n    ssh: {{ identity_file: '{KEY}' }}"


def on_host(address: str) -> str:
    return f"host: {USER}@{address}\n    ssh: {{ identity_file: '{KEY}' }}"


# -- the plain commands -------------------------------------------------------------------------------


def ssh(address: str, strict: bool = True) -> list[str]:
    known = ["StrictHostKeyChecking=yes", f"UserKnownHostsFile={KNOWN_HOSTS}"]
    loose = ["StrictHostKeyChecking=no", f"UserKnownHostsFile={os.devnull}", "ConnectTimeout=2"]
    options = ["BatchMode=yes", "LogLevel=ERROR", "IdentitiesOnly=yes", *(known if strict else loose)]
    return ["ssh", "-F", os.devnull, "-i", KEY, *(part for one in options for part in ("-o", one)), f"{USER}@{address}"]


def trust(address: str) -> None:
    KNOWN_HOSTS.write_text(run("ssh-keyscan", "-T", "5", address))


def until(what: str, ready, seconds: float = 120) -> None:
    late = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > late:
            raise SystemExit(f"bench: {what} is not there after {seconds:.0f} s")
        time.sleep(0.1)


def answers(address: str) -> bool:
    """Whether ssh and the engine behind it are ready."""
    ask = [*ssh(address, strict=False), "docker version"]
    return subprocess.run(ask, env=ENV, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def serves(address: str) -> bool:
    """Whether the songs are there."""
    connection = http.client.HTTPConnection(address, PORT, timeout=5)
    try:
        connection.request("GET", "/api/v1/music/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def docker_with_buildkit() -> str:
    """The first docker on the PATH that builds with BuildKit: a new one does so only with its buildx plugin."""
    for folder in os.environ["PATH"].split(os.pathsep):
        docker = shutil.which("docker", path=folder)
        probe = "FROM scratch\nLABEL probe=1\n"
        if docker and subprocess.run([docker, "build", "-q", "-"], env=ENV, input=probe, capture_output=True, text=True, check=False).returncode == 0:
            return docker
    raise SystemExit("bench: no docker on the PATH builds with BuildKit; apt-get install docker.io, or the buildx plugin")


class Plain:
    """The seed's commands by hand: key pair and group are there before the clock starts."""

    def __init__(self) -> None:
        self.docker = docker_with_buildkit()
        self.ec2 = boto3.client("ec2")
        public = Path(f"{KEY}.pub").read_bytes()
        self.ec2.import_key_pair(KeyName=RUN, PublicKeyMaterial=public)
        self.group = self.ec2.create_security_group(GroupName=RUN, Description=RUN)["GroupId"]
        everywhere = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        self.ec2.authorize_security_group_ingress(GroupId=self.group, IpPermissions=[everywhere])
        self.login = ("login", "-u", OWNER, "--password-stdin", REGISTRY)
        run(self.docker, *self.login, stdin=PASSWORD.read_text())

    def launch(self) -> tuple[str, str]:
        one = self.ec2.run_instances(
            ImageId=os.environ["A3_SANDBOX_AMI_AL2023"], MinCount=1, MaxCount=1, InstanceType="t2.micro",
            KeyName=RUN, SecurityGroupIds=[self.group],
        )["Instances"][0]["InstanceId"]  # fmt: skip
        seen: dict = {}

        def has_address() -> bool:
            seen.update(self.ec2.describe_instances(InstanceIds=[one])["Reservations"][0]["Instances"][0])
            return "PublicIpAddress" in seen and seen["State"]["Name"] == "running"

        until(f"the address of {one}", has_address)
        until(f"ssh on {one}", lambda: answers(seen["PublicIpAddress"]))
        return one, seen["PublicIpAddress"]

    def deploy(self, image: str) -> dict[str, float]:
        """Every part by its own command, one after the other."""
        source = str(CHECKOUT / "examples" / "music-service")
        args = [part for arg in ("ASSIGN=a3", f"BASE={os.environ['A3_SANDBOX_BASE']}") for part in ("--build-arg", arg)]
        began = time.monotonic()
        one, address = self.launch()
        parts = {"boot + ssh": time.monotonic() - began}
        # Pushed and then pulled at once, as a3 does it: what the push wrote is on its way to the disk.
        parts["build"] = timed(self.docker, "build", "--no-cache", "-t", image, *args, source)
        parts["push"] = timed(self.docker, "push", image)
        at = ssh(address, strict=False)
        run(*at, "mkdir -p music && cat > music/music.csv", stdin=(Path(source) / "music.csv").read_text())
        run(*at, " ".join(("docker", *self.login)), stdin=PASSWORD.read_text())
        parts["pull"] = timed(*at, f"docker pull {image}")
        began = time.monotonic()
        run(*at, f"docker run -d --name s2 -p {PORT}:{PORT} -v ~/music:/data --restart unless-stopped {image}")
        until("the music service", lambda: serves(address))
        parts["start"] = time.monotonic() - began
        self.ec2.terminate_instances(InstanceIds=[one])
        # What is measured next does not share the machine with its end.
        self.ec2.get_waiter("instance_terminated").wait(InstanceIds=[one], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        return parts


def path_of(parts: dict[str, float]) -> float:
    """What cannot be faster with these commands, the two branches side by side."""
    return max(parts["build"] + parts["push"], parts["boot + ssh"]) + parts["pull"] + parts["start"]


# -- what is measured ---------------------------------------------------------------------------------


def apply_from_nothing(plain: Plain) -> tuple[str, str]:
    """Alternates who goes first. Leaves the last deployment: its spec and address."""
    mine, theirs, parts, steps, last = [], [], [], "", ""
    for number in range(ROUNDS):
        name = f"{REGISTRY}/{OWNER}/{RUN}"
        last = spec(WORK / f"apply{number}", on_ec2(), music(f"{name}-a3-{number}:v1"))

        def reference() -> None:
            parts.append(plain.deploy(f"{name}-plain-{number}:v1"))
            theirs.append(path_of(parts[-1]))

        def ours() -> None:
            nonlocal steps
            began = time.monotonic()
            talk = subprocess.run([A3, "-f", last, "apply", "--yes"], env=ENV, capture_output=True, text=True, check=False)
            mine.append(time.monotonic() - began)
            if talk.returncode != 0:
                raise SystemExit(f"bench: a3 apply ended with {talk.returncode}:\n{talk.stdout}{talk.stderr}")
            steps = steps_of(talk.stderr)

        # The last one stays, with its image.
        for step in (reference, ours) if (ROUNDS - number) % 2 else (ours, reference):
            settle()
            store.wipe()  # so that each push sends every layer, for either side
            step()
        say(f"  round {number}: a3    {mine[-1]:.2f} s: {steps}")
        say(f"           plain {theirs[-1]:.2f} s: {shown(parts[-1])}")
        if number + 1 < ROUNDS:
            run(A3, "-f", last, "destroy", "--yes")
    middle = {part: statistics.median(one[part] for one in parts) for part in parts[0]}
    for part, seconds in middle.items():
        row(f"  plain {part}", "", f"{seconds:.2f} s", "", "", None)
    what = "apply from nothing : max(build + push, boot + ssh) + pull + start"
    compare(what, statistics.median(mine), statistics.median(theirs), APPLY_GOAL)
    address = json.loads(run(A3, "-f", last, "status", "--json"))["instances"][0]["address"]
    return last, address.split("@")[-1]


def steps_of(talk: str) -> str:
    """From `[ 16.7s] push s2 … done (15.2s) sha256:…`."""
    return ", ".join(f"{step} {seconds}" for step, seconds in re.findall(r"\] (\w+) .*… done \((.+?)s\)", talk))


def shown(parts: dict[str, float]) -> str:
    return ", ".join(f"{part} {seconds:.2f}" for part, seconds in parts.items())


def plan_against_ssh(what: str, file: str, address: str) -> None:
    """Pairs, so that what else the machine does hits both alike."""
    plan, login = [A3, "-f", file, "plan", "--detailed-exitcode"], [*ssh(address), "true"]
    timed(*plan), timed(*login)
    mine, theirs = [], []
    for _ in range(PAIRS):
        mine.append(timed(*plan))
        theirs.append(timed(*login))
    say(f"  {what}: a3 {min(mine):.3f} to {max(mine):.3f} s, ssh {min(theirs):.3f} to {max(theirs):.3f} s")
    compare(f"{what} : ssh HOST true", statistics.median(mine), statistics.median(theirs), PLAN_GOAL)


def big_file(path: Path) -> Path:
    """Random content: nothing on the way can shrink it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open("/dev/urandom", "rb") as random, open(path, "wb") as file:
        for _ in range(MIB):
            file.write(random.read(1 << 20))
    return path


def both_orders(ours, reference) -> tuple[float, float, int]:
    """Seconds of each, the mean of going first and going second, and the peak of ours."""
    mine, theirs, peaks = [], [], []
    for first in (True, False):
        for step in (ours, reference) if first else (reference, ours):
            if step is ours:
                seconds, peak = step()
                mine.append(seconds)
                peaks.append(peak)
            else:
                theirs.append(step())
    return statistics.mean(mine), statistics.mean(theirs), max(peaks)


def build_of_a_big_context(plain: Plain) -> None:
    context = WORK / "context"
    file = WORK / "big" / "deploy.yaml"
    file.parent.mkdir()
    file.write_text(f"name: {RUN}-context\nservices:\n  big: {{ image: '{RUN}-context:v1', build: '{context}' }}\n")

    def fresh() -> None:
        big_file(context / "big.bin")
        (context / "Dockerfile").write_text(f"FROM {os.environ['A3_SANDBOX_TINY']}\nCOPY big.bin /big.bin\n")
        settle()

    def ours() -> tuple[float, int]:
        fresh()
        return with_peak(A3, "-f", str(file), "build", env=DIRECT)

    def reference() -> float:
        fresh()
        return timed(plain.docker, "build", "-t", f"{RUN}-context-plain:v1", str(context), env=DIRECT)

    seconds, other, peak = both_orders(ours, reference)
    compare(f"build of a {MIB} MiB context : docker build", seconds, other)
    memory(f"  peak memory of a3 build, {MIB} MiB context", peak)
    shutil.rmtree(context)


def copy_of_a_big_file(file: str, address: str) -> None:
    """A deployed host gets one more file, or its new content; nothing else changes."""
    big = WORK / "file" / "big.bin"
    path = Path(file)
    path.write_text(f"{path.read_text()}    files: [{{ source: '{big}', target: big.bin, on_change: none }}]\n")

    def ours() -> tuple[float, int]:
        big_file(big)
        settle()
        return with_peak(A3, "-f", file, "apply", "--yes")

    def reference() -> float:
        big_file(big)
        settle()
        return timed("scp", *ssh(address)[1:-1], str(big), f"{USER}@{address}:big-plain.bin")

    seconds, other, peak = both_orders(ours, reference)
    compare(f"apply that copies a {MIB} MiB file : scp", seconds, other)
    memory(f"  peak memory of a3 apply, {MIB} MiB file", peak)
    big.unlink()


# -- before and after ---------------------------------------------------------------------------------


def build_cache() -> dict[str, int]:
    """Sizes by id."""
    connection = http.client.HTTPConnection("engine")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(os.environ["DOCKER_HOST"].removeprefix("unix://"))
    connection.request("GET", "/system/df")
    records = json.load(connection.getresponse()).get("BuildCache") or []
    connection.close()
    return {record["ID"]: record["Size"] for record in records}


def clean(docker: str, cached: dict[str, int]) -> None:
    """The images of this run, and its big pieces of the build cache."""
    images = run(docker, "images", "--format", "{{.Repository}}:{{.Tag}}").splitlines()
    mine = [image for image in images if RUN in image]
    if mine:
        run(docker, "rmi", *mine)
    new = {one: size for one, size in build_cache().items() if one not in cached and size >= MIB << 19}
    for one in new:
        subprocess.run([docker, "builder", "prune", "-a", "-f", "--filter", f"id={one}"], env=ENV, capture_output=True, check=False)


def table() -> None:
    heads = ("what : reference", "a3", "reference", "ratio", "goal", "")
    widths = [max(len(line[column]) for line in (heads, *rows)) for column in range(len(heads))]
    for line in (heads, tuple("-" * width for width in widths), *rows):
        first, *rest = (cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in enumerate(zip(line, widths)))
        say("  ".join((first, *rest)).rstrip())


def main() -> None:
    need, free = 12 * MIB << 20, shutil.disk_usage(WORK).free
    if free < need + (2 << 30):
        raise SystemExit(f"bench: {free >> 30} GiB are free where {WORK} is, {(need >> 30) + 2} are needed; A3_BENCH_MIB=256 takes less")
    KNOWN_HOSTS.parent.mkdir(parents=True, mode=0o700)
    cached = build_cache()
    plain = Plain()
    try:
        say(f"apply from nothing, {ROUNDS} rounds")
        file, address = apply_from_nothing(plain)
        trust(address)
        say(f"plan with nothing to do, {PAIRS} pairs")
        plan_against_ssh("plan, nothing to do, on EC2", file, address)
        run(A3, "-f", file, "destroy", "--yes")
        _, address = plain.launch()
        trust(address)
        image = f"{REGISTRY}/{OWNER}/{RUN}-host:v1"
        run(plain.docker, "tag", os.environ["A3_SANDBOX_TINY"], image)
        run(plain.docker, "push", image)
        service = f"    image: {image}\n    command: [sleep, '100000']\n    stop_grace_period: 1s\n"
        file = spec(WORK / "host", on_host(address), service)
        run(A3, "-f", file, "apply", "--yes")
        plan_against_ssh("plan, nothing to do, on a host", file, address)
        say(f"{MIB} MiB, as a context and as a file")
        build_of_a_big_context(plain)
        copy_of_a_big_file(file, address)
    finally:
        clean(plain.docker, cached)
    say("")
    table()


main()
