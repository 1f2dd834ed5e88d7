"""Faults on request: one JSON file each, read by whoever should fail."""

import fcntl
import json
import time

import place


def set_fault(name: str, **values) -> None:
    """Sets a fault. `count` is how often it strikes (absent: until cleared)."""
    place.FAULTS.mkdir(parents=True, exist_ok=True)
    new = place.FAULTS.with_name(f"fault-{name}.new")
    new.write_text(json.dumps({"since": time.time(), **values}))
    new.rename(place.FAULTS / name)


def clear(name: str | None = None) -> None:
    """Clears one fault (a prefix will do) or all."""
    for path in place.FAULTS.glob(f"{name}*" if name else "*"):
        path.unlink(missing_ok=True)


def show() -> dict[str, dict]:
    """All faults in force."""
    if not place.FAULTS.is_dir():
        return {}
    return {p.name: json.loads(p.read_text()) for p in sorted(place.FAULTS.iterdir())}


def get(name: str) -> dict | None:
    """A fault without using it up."""
    try:
        return json.loads((place.FAULTS / name).read_text())
    except (OSError, ValueError):
        return None


def strike(name: str) -> dict | None:
    """A fault that strikes now: counts it down, and None if it is not set."""
    path = place.FAULTS / name
    try:
        with open(path, "r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            values = json.loads(file.read())
            if "count" in values:
                values["count"] = int(values["count"]) - 1
                if values["count"] < 0:
                    return None
                file.seek(0)
                file.truncate()
                file.write(json.dumps(values))
                if values["count"] == 0:
                    path.unlink(missing_ok=True)
            return values
    except (OSError, ValueError):
        return None
