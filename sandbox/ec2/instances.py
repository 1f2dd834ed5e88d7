"""moto's Instance with a host behind it: pending to running, stop, start, terminate, and going down by itself."""

import base64
import copy
import logging
import threading
import time
from functools import cache
from typing import Any

import place
from ec2 import amis, firewall
from ec2.engine import docker, events
from ec2.host import Host
from moto.core.utils import utcnow
from moto.ec2.models.instances import Instance, InstanceState, StateReason

HOST_IMAGE = (place.RUN / "host-image").read_text().strip()
BARE_IMAGE = (place.RUN / "bare-image").read_text().strip()

#: All instances that have a host, by id.
live: dict[str, Instance] = {}
_log = logging.getLogger("sandbox.ec2")
_moto = {name: getattr(Instance, name) for name in ("__init__", "terminate")}


@cache
def _docker_gid() -> str:
    line = docker("run", "--rm", "--entrypoint", "getent", HOST_IMAGE, "group", "docker")
    return line.split(":")[2]


def _become(instance: Instance, name: str, code: int) -> InstanceState:
    before = copy.copy(instance._state)
    instance._state.name, instance._state.code = name, code
    return before


def _public(instance: Instance, address: str | None) -> None:
    instance.nics[0].public_ip = address if instance.associate_public_ip else None


def _in_background(work, *arguments: Any) -> None:
    def run() -> None:
        try:
            work(*arguments)
        except Exception:  # a thread's last word; the instance stays as it is and the log tells why
            _log.exception("%s", work.__name__)

    threading.Thread(target=run, daemon=True).start()


def addresses_of_group(group_id: str) -> list[str]:
    """Addresses of all running hosts in a security group."""
    found = []
    for instance in list(live.values()):
        if instance.host.address and any(g.id == group_id for g in firewall.groups_of(instance)):
            found.append(instance.host.address)
    return found


def refresh_firewalls() -> None:
    """Brings every host's firewall in line with the groups."""
    for instance in list(live.values()):
        rules = firewall.rules(instance, addresses_of_group)
        if rules != instance.firewall_rules:
            instance.firewall_rules = rules
            instance.host.firewall(rules)


def create(self: Instance, *arguments: Any, **settings: Any) -> None:
    """Instance.__init__: pending at once, a host in the background."""
    _moto["__init__"](self, *arguments, **settings)
    self.disable_api_termination = bool(settings.get("disable_api_termination"))
    self.associate_public_ip = self.associate_public_ip or bool(self.nics[0].public_ip)
    # A reservation's instances are made within one call; the host starts when the call is done (see `launch`).
    _become(self, "pending", 0)
    self.nics[0].public_ip_auto_assign = False
    _public(self, None)
    traits = {**amis.traits(self.image_id, self.ec2_backend.region_name), "docker_gid": _docker_gid()}
    self.host = Host(self.id, BARE_IMAGE if traits.get("bare") else HOST_IMAGE, traits)
    self.lock = threading.RLock()
    self.firewall_rules = ""
    self.created = self.started = time.time()


def launch(instance: Instance) -> None:
    """Boots the host of a new instance."""
    key = instance.ec2_backend.key_pairs.get(instance.key_name)
    public = key.material_public if key else b""
    public = public.decode() if isinstance(public, bytes) else public
    user_data = base64.b64decode(str(instance.user_data)) if instance.user_data else b""
    instance.firewall_rules = firewall.rules(instance, addresses_of_group)
    live[instance.id] = instance
    instance.host.prepare(user_data, public.strip() + "\n", instance.firewall_rules)
    _in_background(_boot, instance, instance.host.run)


def _boot(instance: Instance, start) -> None:
    with instance.lock:
        if instance.state != "pending":
            return
        start()
    left = instance.started + place.setting("boot_seconds") - time.time()
    if left > 0:
        time.sleep(left)
    with instance.lock:
        if instance.state == "pending":
            _public(instance, instance.host.address)
            _become(instance, "running", 16)
    refresh_firewalls()


def start(self: Instance) -> InstanceState:
    """StartInstances: only what is stopped is started; the address is a new one."""
    from moto.ec2.exceptions import EC2ClientError

    with self.lock:
        if self.state in ("pending", "running"):
            return copy.copy(self._state)
        if self.state != "stopped":
            message = f"The instance '{self.id}' is not in a state from which it can be started."
            raise EC2ClientError("IncorrectInstanceState", message)
        before = _become(self, "pending", 0)
        self.state_reason = StateReason()
        self.started = time.time()
    _in_background(_boot, self, self.host.start)
    return before


def stop(self: Instance) -> InstanceState:
    """StopInstances."""
    from moto.ec2.exceptions import EC2ClientError

    with self.lock:
        if self.state in ("stopping", "stopped"):
            return copy.copy(self._state)
        if self.state in ("shutting-down", "terminated"):
            message = f"This instance '{self.id}' is not in a state from which it can be stopped."
            raise EC2ClientError("IncorrectInstanceState", message)
        before = _become(self, "stopping", 64)
        _reason(self, "User initiated", "Client.UserInitiatedShutdown: User initiated shutdown")
    _in_background(_stop, self)
    return before


def _reason(instance: Instance, short: str, message: str) -> None:
    instance._reason = f"{short} ({utcnow().strftime('%Y-%m-%d %H:%M:%S GMT')})"
    instance.state_reason = StateReason(message, message.split(":")[0])


def _stop(instance: Instance) -> None:
    with instance.lock:
        instance.host.stop()
        _public(instance, None)
        if instance.state == "stopping":
            _become(instance, "stopped", 80)


def terminate(self: Instance) -> InstanceState:
    """TerminateInstances: shutting-down at once, terminated when the host is gone."""
    return _terminate(self, "User initiated", "Client.UserInitiatedShutdown: User initiated shutdown")


def _terminate(instance: Instance, short: str, message: str) -> InstanceState:
    before = copy.copy(instance._state)
    if before.name in ("shutting-down", "terminated"):
        return before
    _become(instance, "shutting-down", 32)
    _reason(instance, short, message)
    _in_background(_end, instance, time.time())
    return before


def _end(instance: Instance, since: float) -> None:
    with instance.lock:
        reason, state_reason = instance._reason, instance.state_reason
        instance.host.remove()
        live.pop(instance.id, None)
        left = since + place.setting("terminate_seconds") - time.time()
        if left > 0:
            time.sleep(left)
        _public(instance, None)
        for nic in instance.nics.values():
            nic.delete_on_termination = True
        _moto["terminate"](instance)  # interfaces, volumes, "terminated"
        instance._reason, instance.state_reason = reason, state_reason
    refresh_firewalls()


def reboot(self: Instance) -> None:
    """RebootInstances: same address, same disk."""

    def again() -> None:
        with self.lock:
            self.host.stop()
            self.host.restart()

    self.rebooting = True
    _in_background(again)


def watch() -> None:
    """Follows the engine's events for ever: a host that went down by itself shut itself down."""
    stream = events("type=container", "event=die", f"label=a3-sandbox={place.NUMBER}")
    for instance in list(live.values()):  # those that died while nobody watched
        _in_background(_went_down, instance)
    for line in stream.stdout:
        instance = live.get(line.split()[-1])
        if instance is not None:
            _in_background(_went_down, instance)
    raise SystemExit("the engine's events ended")


def _went_down(instance: Instance) -> None:
    with instance.lock:
        if instance.state not in ("pending", "running"):
            return  # our own doing
        if docker("inspect", "-f", "{{.State.Status}}", instance.host.container, check=False) != "exited":
            return  # restarted meanwhile, not created yet, or nobody can tell
        if instance.host.why_down() == "reboot":
            instance.host.restart()
            return
        message = "Client.InstanceInitiatedShutdown: Instance initiated shutdown"
        if instance.instance_initiated_shutdown_behavior == "terminate":
            _terminate(instance, "", message)
        else:
            _become(instance, "stopping", 64)
            _reason(instance, "", message)
            _stop(instance)


def install() -> None:
    """Puts all this in place of moto's."""
    Instance.__init__ = create
    Instance.start, Instance.stop, Instance.terminate, Instance.reboot = start, stop, terminate, reboot
    # moto gives addresses back when the object dies; ours lives on in `live` and closures.
    Instance.__del__ = lambda self: None
