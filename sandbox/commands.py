"""`reset`, `taps` and `fault`: small commands on the running sandbox."""

import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter

import place
from tap import log

_FAULTS = """faults:
  registry-status place=ghcr|basic [status=503] [match=TEXT in the path] [method=PUT] [count=N]
  registry-down   place=ghcr|basic                     connection refused
  capacity        [count=N]                            InsufficientInstanceCapacity (the SDK repeats it: 3 tries by default)
  ec2-error       [action=NAME,…] [dry=only] [region=…] [code=…] [status=500] [count=N]     dry: what has DryRun
  ec2-heedless    [but=NAME,…]                         DryRun is passed over: what asks does it
  ec2-lost-answer [action=NAME] [region=…] [code=…] [status=500] [count=N]     it is done, but the answer is an error
  console-silent                                       no ssh keys on any console
  token-answers-terminated                             a used token answers with the terminated instance
on a host:
  sshd-dead | sshd-back | host-key | engine-dead | engine-back | poweroff   instance=i-…
at a write:
  kill-at-write   n=N pid=PID [when=before|after]      SIGKILL to PID when the N-th write since `taps --reset` arrives
settings, in seconds (these are the defaults):
  settings boot_seconds=2 console_seconds=4 terminate_seconds=1 invisible_seconds=0
           sshd_seconds=0 keys_seconds=0 engine_seconds=0
clear: `sandbox/fault clear [NAME]`; `sandbox/reset` clears all"""
_ON_HOST = ("sshd-dead", "sshd-back", "host-key", "engine-dead", "engine-back", "poweroff")


def _call(method: str, path: str, **query: str) -> dict:
    url = f"{place.EC2_URL}/_a3/{path}?{urllib.parse.urlencode(query)}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=120) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"sandbox: {error.read().decode()}")


def reset() -> None:
    """Ends all instances, empties the registries, clears faults, settings and taps."""
    ended = _call("POST", "reset")["ended"]
    print(f"sandbox {place.NUMBER}: {len(ended)} instances ended, registries empty", file=sys.stderr)


def _calls() -> list[dict]:
    return [json.loads(line) for line in place.TAPS.read_text().splitlines()]


def taps(arguments: list[str]) -> None:
    """Prints or resets the taps."""
    if "--reset" in arguments:
        log.reset()
        return
    calls = _calls()
    if "--writes" in arguments:
        calls = [call for call in calls if call["write"]]
    if "--log" in arguments or "--writes" in arguments:
        for call in calls:
            if "--json" in arguments:
                print(json.dumps(call))
            else:
                print(f"{call['n']:5} {'W' if call['write'] else ' '} {call['place']:28} {call['method']:10} {call['path']}")
        return
    all_calls, writes = Counter(c["place"] for c in calls), Counter(c["place"] for c in calls if c["write"])
    if "--json" in arguments:
        print(json.dumps({name: {"calls": n, "writes": writes[name]} for name, n in sorted(all_calls.items())}))
        return
    print(f"{'place':28} {'calls':>6} {'writes':>6}")
    for name, n in sorted(all_calls.items()):
        print(f"{name:28} {n:6} {writes[name]:6}")
    print(f"{'all':28} {len(calls):6} {sum(writes.values()):6}")


def fault(arguments: list[str]) -> None:
    """Sets, lists or clears."""
    if not arguments or arguments[0] == "list":
        print(json.dumps(_call("GET", "state")["faults"], indent=1))
        return
    name, query = arguments[0], dict(a.split("=", 1) for a in arguments[1:] if "=" in a)
    if name in ("help", "--help", "-h"):
        print(_FAULTS)
    elif name == "clear":
        _call("DELETE", "fault", **({"name": arguments[1]} if len(arguments) > 1 else {}))
    elif name == "settings":
        print(json.dumps(_call("POST", "settings", **query)))
    elif name in _ON_HOST:
        print(_call("POST", "host", do=name, **query)["output"])
    elif name in _FAULTS:
        suffix = f"-{query.pop('place')}" if "place" in query else ""
        _call("POST", "fault", name=name + suffix, **query)
    else:
        sys.exit(_FAULTS)


if __name__ == "__main__":
    command, rest = sys.argv[1], sys.argv[2:]
    if command == "reset":
        reset()
    else:
        {"taps": taps, "fault": fault}[command](rest)
