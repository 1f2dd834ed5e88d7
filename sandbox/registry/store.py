"""Configuration and content of the two docker-registry processes behind the relays."""

import json
import secrets
import shutil
import subprocess

import place


def configure() -> None:
    """Writes credentials and configuration; credentials that are there stay."""
    place.SECRETS.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in ("ghcr-owner", "ghcr-readonly", "ghcr-other", "basic"):
        path = place.SECRETS / name
        if not path.exists():
            prefix = "" if name == "basic" else "ghp_"
            path.touch(mode=0o600)
            path.write_text(prefix + secrets.token_hex(18) + "\n")
    password = (place.SECRETS / "basic").read_text().strip()
    line = subprocess.run(
        ["htpasswd", "-niBC", "5", place.BASIC_USER], input=password, text=True, check=True, capture_output=True
    ).stdout
    (place.SECRETS / "htpasswd").write_text(line.strip() + "\n")
    token = {
        "realm": f"https://{place.GHCR}/token",
        "service": place.GHCR,
        "issuer": "a3-sandbox",
        "rootcertbundle": str(place.RUN / "ca/token.crt"),
    }
    basic = {"realm": "a3 sandbox", "path": str(place.SECRETS / "htpasswd")}
    _write("ghcr", place.GHCR, {"token": token})
    _write("basic", place.BASIC, {"htpasswd": basic})


def _write(where: str, public: str, auth: dict) -> None:
    root = place.REGISTRIES / where
    root.mkdir(parents=True, exist_ok=True)
    config = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(root)},
            "delete": {"enabled": True},
            "maintenance": {"uploadpurging": {"enabled": False}},
        },
        "http": {
            "net": "unix",
            "addr": str(place.SOCKETS / f"{where}.sock"),
            "host": f"https://{public}",
            "secret": "a3-sandbox",
        },
        "auth": auth,
    }
    # JSON is YAML.
    (place.REGISTRIES / f"{where}.yml").write_text(json.dumps(config, indent=1))


def wipe() -> None:
    """Removes all content. The processes hold none of it in memory."""
    for where in ("ghcr", "basic"):
        root = place.REGISTRIES / where
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True, exist_ok=True)


if __name__ == "__main__":
    configure()
