"""The taps: everything is counted, and nothing is changed on its way."""

import os
import subprocess
import time

from checks.tools import ENV, World


def _since(world: World, mark: int, place: str) -> list[tuple]:
    return [(c["method"], c["path"], c["write"]) for c in world.calls() if c["n"] > mark and c["place"] == place]


def _mark(world: World) -> int:
    calls = world.calls()
    return calls[-1]["n"] if calls else 0


def check_exec_is_counted_and_unchanged(world: World) -> None:
    host, mark = world.main, _mark(world)
    world.ssh(host, "sh -s a3-read", stdin=b"exit 0")
    world.ssh(host, "sudo -n sh -s a3-read", stdin=b"exit 0")
    assert world.ssh(host, "exit 42", check=False).returncode == 42
    data = os.urandom(300_000)
    assert world.ssh(host, "cat", stdin=data).stdout == data
    assert world.ssh(host, "tty; echo err >&2", "-tt").stdout.startswith(b"/dev/pts/")
    assert world.ssh(host, "tty; echo err >&2", check=False).stderr == b"err\n"
    assert world.ssh(host, "printf '%s|' a 'b  c' \"$HOME\"").stdout == b"a|b  c|/home/ec2-user|"
    seen = [(path, write) for _, path, write in _since(world, mark, f"{host['id']}/exec")]
    assert seen[:3] == [("sh -s a3-read", False), ("sudo -n sh -s a3-read", False), ("exit 42", True)], seen


def check_sftp_is_counted_and_unchanged(world: World) -> None:
    host, mark = world.main, _mark(world)
    big = os.path.join(world.folder, "big")
    data = os.urandom(5_000_000)
    with open(big, "wb") as file:
        file.write(data)
    target = f"{host['user']}@{world.address(host['id'])}"
    batch = f"put {big} new\nrename new old\nchmod 600 old\nget old {big}.back\nmkdir folder\nrm old\n".encode()
    world.run("sftp", "-b", "-", *world.ssh_options(), target, stdin=batch)
    with open(f"{big}.back", "rb") as file:
        assert file.read() == data
    seen = _since(world, mark, f"{host['id']}/sftp")
    writes = [method for method, _, write in seen if write]
    assert [w for w in writes if "setstat" not in w] == ["open-write", "posix-rename", "mkdir", "remove"], seen
    assert any(method == "open-read" and not write for method, _, write in seen), seen


def check_engines_are_counted(world: World) -> None:
    host, mark = world.main, _mark(world)
    world.engine(host)
    world.run("docker", "version")
    name = world.run("docker", "create", ENV["A3_SANDBOX_TINY"], "true").stdout.decode().strip()
    world.run("docker", "start", "-a", name)
    world.run("docker", "rm", name)
    here = _since(world, mark, "engine")
    writes = [(method, path.split("?")[0].split("/")[2]) for method, path, write in here if write]
    assert ("POST", "containers") in writes and ("DELETE", "containers") in writes, here
    assert all(not write for method, _, write in here if method in ("GET", "HEAD"))
    assert any("/attach" in path for _, path, _ in here), here
    assert _since(world, mark, f"{host['id']}/engine"), "the host's engine is not counted"


def check_output_through_the_tap(world: World) -> None:
    run = ["docker", "run", "--rm", "-i", ENV["A3_SANDBOX_TINY"]]
    data = os.urandom(2_000_000)
    assert world.run(*run, "cat", stdin=data).stdout == data
    assert world.run(*run, "sh", "-c", "exit 7", check=False).returncode == 7


def check_ec2_is_counted(world: World) -> None:
    mark = _mark(world)
    world.ec2.describe_vpcs()
    try:
        world.ec2.create_key_pair(KeyName="never", DryRun=True)
    except Exception as error:  # DryRun always "fails"
        assert "DryRunOperation" in str(error)
    assert [write for _, _, write in _since(world, mark, "ec2")] == [False, False]


def check_kill_at_a_write(world: World) -> None:
    for when, left in (("before", b""), ("after", b"/tmp/after\n")):
        writes = max((c["w"] or 0 for c in world.calls()), default=0)
        target = f"{world.main['user']}@{world.address(world.main['id'])}"
        script = f"ssh {' '.join(world.ssh_options())} {target} touch /tmp/{when}; sleep 1"
        victim = subprocess.Popen(["sh", "-c", f"sleep 1; {script}"], env=world.env)
        world.fault("kill-at-write", f"n={writes + 1}", f"pid={victim.pid}", f"when={when}")
        assert victim.wait(20) == -9
        world.fault("clear", "kill-at-write")
        time.sleep(0.5)
        assert world.ssh(world.main, f"ls /tmp/{when}", check=False).stdout == left
