"""The log of the taps: one JSON object a line, numbered across all processes."""

import fcntl
import json
import os
import signal
import time

import faults
import place

_COUNTS = place.TAPS.with_name("counts")


def note(where: str, method: str, path: str, write: bool) -> bool:
    """Appends one call, before it is passed on. True: it must not be passed on (see `_kill`).

    `n` counts all calls since the last reset, `w` the writes alone (null for a
    read), so that a test can name "the n-th write".
    """
    place.TAPS.parent.mkdir(parents=True, exist_ok=True)
    with open(_COUNTS, "a+", encoding="utf-8") as counts:
        fcntl.flock(counts, fcntl.LOCK_EX)
        counts.seek(0)
        calls, writes = (int(x) for x in (counts.read() or "0 0").split())
        calls, writes = calls + 1, writes + write
        line = {
            "n": calls,
            "w": writes if write else None,
            "t": round(time.time(), 3),
            "place": where,
            "method": method,
            "path": path,
            "write": write,
        }
        with open(place.TAPS, "a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        counts.truncate(0)
        counts.write(f"{calls} {writes}")
    return write and _kill(writes)


def _kill(writes: int) -> bool:
    """The fault `kill-at-write`: ends process `pid` when the `n`-th write arrives.

    With `when=before` (the default) that write does not happen any more, with
    `when=after` it does, and its answer is lost.
    """
    fault = faults.get("kill-at-write")
    if not fault or int(fault["n"]) != writes:
        return False
    try:
        os.kill(int(fault["pid"]), signal.SIGKILL)
    except ProcessLookupError:
        pass
    return fault.get("when", "before") == "before"


def reset() -> None:
    """Starts at zero, under the same lock."""
    place.TAPS.parent.mkdir(parents=True, exist_ok=True)
    with open(_COUNTS, "a+", encoding="utf-8") as counts:
        fcntl.flock(counts, fcntl.LOCK_EX)
        place.TAPS.write_text("")
        counts.truncate(0)


#: The answer to a call that must not be passed on; nobody is left to read it.
DROPPED = b"HTTP/1.1 503 Dropped\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def engine_writes(method: str, path: str) -> bool:
    """Whether a call to a Docker engine writes: all but GET, HEAD, /auth and /session."""
    if method in ("GET", "HEAD"):
        return False
    bare = path.split("?")[0].rstrip("/")
    return not (bare.endswith("/auth") or bare.endswith("/session"))


def registry_writes(method: str, path: str) -> bool:
    """Whether a call to a registry writes: all but GET, HEAD and token requests."""
    return method not in ("GET", "HEAD") and path.split("?")[0] != "/token"


def command_writes(command: str) -> bool:
    """Whether a command on a host writes: all but the one fixed read-only command line.

    The bridge to the engine's socket is not counted as a write itself: what goes
    through it is counted at the engine's tap.
    """
    words = command.split()
    if words[:2] == ["sudo", "-n"]:
        words = words[2:]
    return words not in (["sh", "-s", "a3-read"], ["docker", "system", "dial-stdio"])
