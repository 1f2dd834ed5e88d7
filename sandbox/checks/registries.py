"""Both registries from this machine's engine, and their faults."""

import base64
import json
import ssl
import urllib.error
import urllib.request

from checks.tools import ENV, PREFIX, World

GHCR, BASIC = ENV["A3_SANDBOX_GHCR"], ENV["A3_SANDBOX_BASIC"]
OWNER, OTHER = ENV["A3_SANDBOX_GHCR_USER"], ENV["A3_SANDBOX_GHCR_OTHER_USER"]


def _login(world: World, server: str, user: str, variable: str) -> None:
    with open(ENV[variable], "rb") as password:
        world.run("docker", "login", "-u", user, "--password-stdin", server, stdin=password.read())


def _tag(world: World, name: str) -> str:
    world.run("docker", "tag", ENV["A3_SANDBOX_TINY"], name)
    world.images.append(name)
    return name


def _get(url: str, user: str = "", password: str = "", method: str = "GET") -> tuple[int, str]:
    request = urllib.request.Request(url, method=method)
    if user:
        request.add_header("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())
    context = ssl.create_default_context(cafile=ENV["A3_SANDBOX_CA"])
    try:
        with urllib.request.urlopen(request, context=context, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def _secret(variable: str) -> str:
    with open(ENV[variable], encoding="utf-8") as file:
        return file.read().strip()


def check_push_and_pull_with_a_token(world: World) -> None:
    _login(world, GHCR, OWNER, "A3_SANDBOX_GHCR_PASSWORD_FILE")
    name = _tag(world, f"{GHCR}/{OWNER}/{PREFIX}:1")
    world.run("docker", "push", name)
    world.run("docker", "rmi", name)
    world.run("docker", "pull", name)


def check_push_and_pull_with_a_password(world: World) -> None:
    _login(world, BASIC, ENV["A3_SANDBOX_BASIC_USER"], "A3_SANDBOX_BASIC_PASSWORD_FILE")
    name = _tag(world, f"{BASIC}/any/{PREFIX}:1")
    world.run("docker", "push", name)
    world.run("docker", "pull", name)


def check_wrong_credentials_are_refused(world: World) -> None:
    for server, word in ((GHCR, "denied"), (BASIC, "401 Unauthorized")):
        done = world.run("docker", "login", "-u", OWNER, "--password-stdin", server, stdin=b"wrong", check=False)
        assert done.returncode and word in done.stderr.decode(), done.stderr


def check_an_unknown_name_is_denied_and_not_missing(world: World) -> None:
    url = f"https://{GHCR}/token?service={GHCR}&scope=repository:{OWNER}/nothing-{PREFIX}:pull"
    status, text = _get(url, OWNER, _secret("A3_SANDBOX_GHCR_PASSWORD_FILE"))
    assert status == 403 and json.loads(text)["errors"][0]["code"] == "DENIED", text
    status, _ = _get(url + ",push", OWNER, _secret("A3_SANDBOX_GHCR_PASSWORD_FILE"))
    assert status == 200, status
    assert _get(url)[0] == 401
    assert _get(url, OWNER, _secret("A3_SANDBOX_GHCR_PASSWORD_FILE"), "POST")[0] == 405


def check_only_the_owner_may_push(world: World) -> None:
    foreign = _tag(world, f"{GHCR}/{OTHER}/{PREFIX}:1")
    done = world.run("docker", "push", foreign, check=False)
    assert done.returncode and b"denied: permission_denied" in done.stderr, done.stderr
    _login(world, GHCR, OWNER, "A3_SANDBOX_GHCR_READONLY_PASSWORD_FILE")
    own = f"{GHCR}/{OWNER}/{PREFIX}:1"
    world.run("docker", "pull", own)
    other = _tag(world, f"{GHCR}/{OWNER}/{PREFIX}:2")
    done = world.run("docker", "push", other, check=False)
    assert done.returncode and b"does not match expected scopes" in done.stderr, done.stderr
    _login(world, GHCR, OTHER, "A3_SANDBOX_GHCR_OTHER_PASSWORD_FILE")
    done = world.run("docker", "pull", own, check=False)
    assert done.returncode and b"denied" in done.stderr, done.stderr
    world.run("docker", "push", foreign)


def check_registry_faults(world: World) -> None:
    url = f"https://{BASIC}/v2/"
    world.fault("registry-status", "place=basic", "status=503", "count=2")
    assert [_get(url)[0] for _ in range(3)] == [503, 503, 401]
    world.fault("registry-down", "place=basic")
    try:
        import time

        time.sleep(0.4)
        _get(url)
        raise AssertionError("it answered")
    except urllib.error.URLError as error:
        assert isinstance(error.reason, ConnectionRefusedError), error
    finally:
        world.fault("clear", "registry-down")
    time.sleep(0.4)
    assert _get(url)[0] == 401


def check_tls_needs_our_ca(world: World) -> None:
    try:
        urllib.request.urlopen(f"https://{GHCR}/v2/", context=ssl.create_default_context(cafile="/etc/ssl/certs/ca-certificates.crt"))
        raise AssertionError("trusted by everybody")
    except urllib.error.URLError as error:
        assert isinstance(error.reason, ssl.SSLCertVerificationError), error
