"""The sandbox's own URLs beside EC2's: the caller's address, state, faults, settings, taps, reset."""

import ipaddress
import json
import threading
from urllib.parse import parse_qsl

import faults
import place
from ec2 import instances, launches
from registry import store
from tap import log

#: What can be done to a host from outside, as a script that root runs in it.
ON_HOST = {
    "sshd-dead": "kill $(cat /run/sshd.pid); pkill sshd; true",
    "sshd-back": "/usr/sbin/sshd",
    "host-key": "rm -f /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key;"
    " ssh-keygen -q -t ecdsa -N '' -f /etc/ssh/ssh_host_ecdsa_key; kill -HUP $(cat /run/sshd.pid)",
    "engine-dead": "systemctl stop docker",
    "engine-back": "systemctl start docker",
    "poweroff": "poweroff",
}


def _reset() -> dict:
    from moto.ec2.models import ec2_backends

    faults.clear()
    place.SETTINGS.unlink(missing_ok=True)
    gone = list(instances.live.values())
    workers = [threading.Thread(target=_drop, args=(one,)) for one in gone]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for account in ec2_backends.values():
        for backend in list(account.values()):
            backend.reset()
    launches.forget()
    store.wipe()
    log.reset()
    return {"ended": [one.id for one in gone]}


def _drop(instance) -> None:
    with instance.lock:
        instance._state.name, instance._state.code = "terminated", 48
        instance.host.remove()
        instances.live.pop(instance.id, None)


def _state() -> dict:
    hosts = {
        i.id: {"state": i.state, "address": i.host.address, "container": i.host.container, "image": i.image_id}
        for i in list(instances.live.values())
    }
    return {"instances": hosts, "faults": faults.show(), "number": place.NUMBER}


def _on_host(query: dict) -> dict:
    instance = instances.live[query["instance"]]
    return {"output": instance.host.inside(ON_HOST[query["do"]])}


def answer(environ: dict) -> tuple[str, str, bytes] | None:
    """Status, content type and body for one of our own URLs, None for all others."""
    path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
    if path == "/my-address":
        # Docker's masquerading hides which of its addresses this machine used; hosts see the gateway's.
        address = environ["REMOTE_ADDR"]
        inside = ipaddress.ip_address(address) in ipaddress.ip_network(place.SUBNET)
        address = address if inside else place.GATEWAY
        return "200 OK", "text/plain", f"{address}\n".encode()
    if not path.startswith("/_a3/"):
        return None
    query = dict(parse_qsl(environ.get("QUERY_STRING", "")))
    try:
        document = _do(path.removeprefix("/_a3/"), method, query)
    except (KeyError, ValueError, RuntimeError) as error:
        return "400 Bad Request", "application/json", json.dumps({"error": repr(error)}).encode()
    return "200 OK", "application/json", json.dumps(document).encode() + b"\n"


def _do(what: str, method: str, query: dict) -> dict:
    if what == "state" and method == "GET":
        return _state()
    if what == "reset" and method == "POST":
        return _reset()
    if what == "fault" and method == "POST":
        faults.set_fault(query.pop("name"), **query)
        return faults.show()
    if what == "fault" and method == "DELETE":
        faults.clear(query.get("name"))
        return faults.show()
    if what == "settings" and method == "POST":
        now = json.loads(place.SETTINGS.read_text()) if place.SETTINGS.exists() else {}
        now.update({key: float(value) for key, value in query.items()})
        place.SETTINGS.write_text(json.dumps(now))
        return now
    if what == "host" and method == "POST":
        return _on_host(query)
    if what == "taps" and method == "DELETE":
        log.reset()
        return {}
    raise ValueError(f"{method} {what}: no such thing")
