"""The machine's real Docker engine, through its command line."""

import os
import subprocess

import place

_ENV = {**os.environ, "DOCKER_HOST": place.ENGINE, "DOCKER_CLI_HINTS": "false"}
_ENV.pop("DOCKER_CONTEXT", None)


def docker(*arguments: str, check: bool = True, timeout: float = 60) -> str:
    """Runs `docker …` and returns its output, stripped.

    Raises RuntimeError with what docker said when it fails and `check` is on.
    """
    done = subprocess.run(
        ["docker", *arguments], env=_ENV, capture_output=True, text=True, timeout=timeout, check=False
    )
    if check and done.returncode:
        raise RuntimeError(f"docker {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def events(*filters: str) -> subprocess.Popen:
    """A running `docker events`; one line per event on its stdout."""
    arguments = [part for one in filters for part in ("--filter", one)]
    return subprocess.Popen(
        ["docker", "events", "--format", "{{.Action}} {{index .Actor.Attributes \"a3-sandbox.instance\"}}", *arguments],
        env=_ENV, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )
