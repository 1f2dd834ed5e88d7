"""The token server of the registry that behaves like GHCR.

GHCR in short: a wrong credential and a name that does not exist (yet) get the
same 403 "denied" when they only pull; who asks to push gets a token, and whether
he may is said at the upload; POST is not answered, so clients fall back to GET.
"""

import base64
import json
import time
import uuid
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

import place

ISSUER = "a3-sandbox"
_LIFETIME = 300


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Signer:
    """Signs tokens with the key whose certificate the registry trusts (ES256)."""

    def __init__(self, key_file, certificate_file):
        self.key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        self.x5c = base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()

    def sign(self, claims: dict) -> str:
        head = {"typ": "JWT", "alg": "ES256", "x5c": [self.x5c]}
        text = ".".join(_b64(json.dumps(part).encode()) for part in (head, claims))
        r, s = utils.decode_dss_signature(self.key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{_b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def credentials() -> dict[str, tuple[str, bool]]:
    """Opaque token → (user, may push)."""
    read = lambda name: (place.SECRETS / name).read_text().strip()
    return {
        read("ghcr-owner"): (place.OWNER, True),
        read("ghcr-readonly"): (place.OWNER, False),
        read("ghcr-other"): (place.OTHER, True),
    }


def exists(name: str) -> bool:
    """Whether the repository has ever held a manifest that is still there."""
    revisions = place.REGISTRIES / "ghcr/docker/registry/v2/repositories" / name / "_manifests/revisions/sha256"
    return revisions.is_dir() and any(revisions.iterdir())


def _who(header: str) -> tuple[str, bool] | None:
    kind, _, value = header.partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        _, _, password = base64.b64decode(value).decode().partition(":")
    except ValueError:
        return None
    return credentials().get(password)


def _granted(name: str, wanted: set[str], user: str, may_push: bool) -> list[str]:
    own = name.split("/")[0] == user
    if not own:
        return []
    if not exists(name) and "push" not in wanted:
        return []
    allowed = {"pull", "push", "delete"} if may_push else {"pull"}
    return sorted(wanted & allowed)


def _json(status: str, document: dict) -> bytes:
    body = json.dumps(document).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


def denied(message: str, status: str = "403 Forbidden") -> bytes:
    """A registry's error answer."""
    return _json(status, {"errors": [{"code": "DENIED", "message": message}]})


def answer(method: str, path: str, headers: dict[str, str], signer: Signer) -> bytes:
    """Answers a request to /token."""
    if method != "GET":
        return _json("405 Method Not Allowed", {"errors": [{"code": "UNSUPPORTED", "message": "method not allowed"}]})
    authorization = headers.get("authorization")
    if not authorization:
        unauthorized = {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}
        return _json("401 Unauthorized", unauthorized)
    who = _who(authorization)
    if who is None:
        return denied("denied")
    access, refused = [], []
    scopes = [one for many in parse_qs(urlsplit(path).query).get("scope", []) for one in many.split(" ")]
    for scope in scopes:
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        granted = _granted(name, set(actions.split(",")), *who) if kind == "repository" else []
        if not granted:
            refused.append(name)
        else:
            access.append({"type": "repository", "name": name, "actions": granted})
    if scopes and not access and not any("push" in scope for scope in scopes):
        return denied("requested access to the resource is denied")
    now = int(time.time())
    claims = {
        "iss": ISSUER, "sub": who[0], "aud": place.GHCR, "access": access, "refused": refused,
        "nbf": now - 10, "iat": now, "exp": now + _LIFETIME, "jti": str(uuid.uuid4()),
    }
    return _json("200 OK", {"token": signer.sign(claims), "expires_in": _LIFETIME})


def refusal(method: str, headers: dict[str, str], name: str) -> bytes | None:
    """The registry's 403 for a bearer token (believed as it is) that may not do this to `name`."""
    try:
        payload = headers["authorization"].split(" ")[1].split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (KeyError, IndexError, ValueError):
        return None  # no token: let the registry ask for one
    granted = {action for a in claims.get("access", []) if a["name"] == name for action in a["actions"]}
    if method in ("GET", "HEAD"):
        return denied("denied") if name in claims.get("refused", []) else None
    if granted & {"push", "delete"}:
        return None
    if name.split("/")[0] != claims["sub"]:
        return denied("permission_denied: The requested installation does not exist.")
    return denied("permission_denied: The token provided does not match expected scopes.")
