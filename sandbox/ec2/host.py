"""One host: a container that boots like a machine, with its own folder, addresses and taps."""

import json
import os
import shutil
import socket
import struct
import subprocess
import threading
from pathlib import Path

import place
from ec2.engine import docker
from tap import engine as engine_tap
from tap import log, relay

_octets = iter(())
_taken: set[str] = set()
_addresses = threading.Lock()


def next_address() -> str:
    """An address of the sandbox's bridge that no host holds; the longest unused comes first."""
    global _octets
    with _addresses:
        for _ in range(2 * len(place.HOST_OCTETS)):
            octet = next(_octets, None)
            if octet is None:
                _octets = iter(place.HOST_OCTETS)
                continue
            address = place.host_address(octet)
            if address not in _taken:
                _taken.add(address)
                return address
    raise RuntimeError("no address left on the sandbox's bridge")


def _give_back(address: str | None) -> None:
    with _addresses:
        _taken.discard(address or "")


class Host:
    """The container behind one instance. Methods are called under the instance's lock."""

    def __init__(self, instance_id: str, image: str, traits: dict):
        self.id, self.image, self.traits = instance_id, image, traits
        self.container = f"{place.NAME}-{instance_id}"
        self.folder: Path = place.SOCKETS / "hosts" / instance_id
        self.cgroup = f"/{place.NAME}/{instance_id}"
        self.address: str | None = None
        self.listeners: list[socket.socket] = []

    # -- folder and taps -------------------------------------------------

    def prepare(self, user_data: bytes, authorized_keys: str, firewall: str) -> None:
        """Writes what the host reads while it boots, and listens where it reports."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        (self.folder / "user-data").write_bytes(user_data)
        (self.folder / "authorized_keys").write_text(authorized_keys)
        (self.folder / "user").write_text(self.traits["user"])
        (self.folder / "cgroup").write_text(self.cgroup)
        (self.folder / "daemon.json").write_text(json.dumps(self.traits.get("daemon", {})))
        for what in ("sshd", "keys", "engine"):
            (self.folder / f"{what}-seconds").write_text(str(place.setting(f"{what}_seconds")))
        if self.traits.get("no_docker_group"):
            (self.folder / "no-docker-group").touch()
        if self.traits.get("bare"):
            # Nothing is started before somebody installs it and says so.
            (self.folder / "engine-off").touch()
        (self.folder / "firewall").write_text(firewall)
        shutil.copy(place.CA, self.folder / "ca.crt")
        for name in (place.GHCR, place.BASIC):
            (self.folder / "certs.d" / name).mkdir(parents=True)
            shutil.copy(place.CA, self.folder / "certs.d" / name / "ca.crt")
        self._listen()

    def _listen(self) -> None:
        group = int(self.traits["docker_gid"])
        tap = relay.unix_listener(self.folder / "docker.sock", 0o660, group)
        notes = relay.unix_listener(self.folder / "note.sock", 0o666)
        self.listeners = [tap, notes]
        dial = relay.unix_dial(self.folder / "engine.sock")
        see = engine_tap.watch(f"{self.id}/engine")
        for listener, each in ((tap, lambda c: relay.serve(c, dial, see)), (notes, self._note)):
            threading.Thread(target=relay.accept, args=(listener, each), daemon=True).start()

    def _note(self, client: socket.socket) -> None:
        with client:
            client.settimeout(5)
            size = struct.unpack("!I", client.recv(4, socket.MSG_WAITALL))[0]
            text = client.recv(size, socket.MSG_WAITALL).decode("utf-8", "replace")
            where, method, rest = text.split("\t", 2)
            if where == "sftp":
                write, path = rest.split("\t", 1)
                drop = log.note(f"{self.id}/sftp", method, path, write == "1")
            else:
                drop = log.note(f"{self.id}/exec", method, rest, method == "shell" or log.command_writes(rest))
            client.sendall(b"x" if drop else b".")

    # -- life ------------------------------------------------------------

    def run(self) -> None:
        """Creates the container and starts it."""
        self.address = next_address()
        disk = self.traits.get("disk")
        root = ["--tmpfs", f"/var/lib/docker:exec,size={disk}"] if disk else ["-v", "/var/lib/docker"]
        docker(
            "run", "-d", "--name", self.container, "--hostname", f"ip-{self.address.replace('.', '-')}",
            "--label", f"a3-sandbox={place.NUMBER}", "--label", f"a3-sandbox.instance={self.id}",
            "--network", place.NAME, "--ip", self.address,
            "--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN",
            "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined",
            *root, "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw", "-v", f"{self.folder}:/run/a3",
            "--tmpfs", "/run:exec,mode=755", "--env", "DOCKER_ALLOW_IPV6_ON_IPV4_INTERFACE=1",
            "--add-host", f"{place.GHCR_NAME}:{place.GATEWAY}", "--add-host", f"{place.BASIC_NAME}:{place.GATEWAY}",
            self.image,
        )  # fmt: skip

    def start(self) -> None:
        """Starts a stopped host, at a new address as EC2 does."""
        docker("network", "disconnect", "-f", place.NAME, self.container)
        _give_back(self.address)
        self.address = next_address()
        docker("network", "connect", "--ip", self.address, place.NAME, self.container)
        self.restart()

    def restart(self) -> None:
        """Starts it where it was."""
        docker("start", self.container)

    def stop(self) -> None:
        """Shuts it down; its disk stays."""
        docker("stop", "-t", "8", self.container, check=False)

    def remove(self) -> None:
        """Ends it and everything it had."""
        docker("rm", "-f", "-v", self.container, check=False)
        for listener in self.listeners:
            listener.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        _give_back(self.address)
        for controller in Path("/sys/fs/cgroup").iterdir():
            for path, _, _ in os.walk(controller / self.cgroup.lstrip("/"), topdown=False):
                try:
                    os.rmdir(path)
                except OSError:
                    pass

    def why_down(self) -> str:
        """What the host said when it went down by itself: `poweroff`, `reboot` or nothing."""
        path = self.folder / "shutdown"
        try:
            said = path.read_text().strip()
            path.unlink()
            return said
        except OSError:
            return ""

    # -- inside ----------------------------------------------------------

    def firewall(self, rules: str) -> None:
        """Puts new rules in force, also for the next boot. A host that is down has them then."""
        (self.folder / "firewall").write_text(rules)
        pid = docker("inspect", "-f", "{{.State.Pid}}", self.container, check=False)
        if pid not in ("", "0"):
            command = ["nsenter", f"--net=/proc/{pid}/ns/net", "iptables-restore"]
            subprocess.run(command, input=rules, text=True, check=False, capture_output=True, timeout=20)

    def console(self) -> str:
        """What the host has written to its console so far."""
        try:
            return (self.folder / "console").read_text()
        except OSError:
            return ""

    def inside(self, script: str) -> str:
        """Runs a script in the host as root (for faults)."""
        return docker("exec", self.container, "sh", "-c", script, check=False)
