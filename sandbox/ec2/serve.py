"""Serves EC2, STS and IAM, and keeps the hosts."""

import io
import logging
import os
import threading
import time
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

os.environ["MOTO_ENABLE_AMI_VALIDATION"] = "true"
os.environ["MOTO_ENABLE_KEYPAIR_VALIDATION"] = "true"
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"

import faults
import place
from ec2 import amis, changes, control, instances, launches
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from tap import log
from werkzeug.serving import run_simple

_READS = ("Describe", "Get", "List")


def _callers() -> None:
    """The two IAM users whose keys `up` hands out."""
    from moto.iam.models import iam_backends

    backend = iam_backends[place.ACCOUNT]["aws"]
    for name, key_id in place.ACCESS_KEYS.items():
        backend.create_user(place.REGION, name)
        key = backend.create_access_key(name)
        key.access_key_id, key.secret_access_key = key_id, place.ACCESS_SECRET


_STS = ("GetCallerIdentity", "AssumeRole")


def _error(action: str, code: str, message: str) -> bytes:
    error = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
    if action in _STS:
        whole = f"<ErrorResponse><Error><Type>Sender</Type>{error}<RequestId>a3-sandbox</RequestId></ErrorResponse>"
    else:
        whole = f"<Response><Errors><Error>{error}</Errors><RequestID>a3-sandbox</RequestID></Response>"
    return f"<?xml version='1.0' encoding='UTF-8'?>{whole}".encode()


class Front:
    """Taps, our own URLs and faults in front of moto."""

    def __init__(self) -> None:
        self.moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: dict, start_response):
        own = control.answer(environ)
        if own is not None:
            status, kind, body = own
            start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
            return [body]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        form = parse_qs(body.decode("latin-1"))
        action = form.get("Action", [environ["PATH_INFO"]])[0]
        dry = form.get("DryRun", [""])[0].lower() == "true"
        reads = action.startswith(_READS)
        heedless = faults.get("ec2-heedless")
        if dry and heedless and action not in heedless.get("but", "").split(","):
            body = body.replace(b"DryRun=true", b"DryRun=false")
            environ["CONTENT_LENGTH"] = str(len(body))
        environ["wsgi.input"] = io.BytesIO(body)
        if log.note("ec2", "DRYRUN" if dry else "POST", action, not (reads or dry)):
            start_response("503 Dropped", [("Content-Length", "0")])
            return [b""]
        if (answer := self._fault(action, "ec2-error", environ, dry)) is not None:
            start_response(answer[0], [("Content-Type", "text/xml"), ("Content-Length", str(len(answer[1])))])
            return [answer[1]]
        head: list = []
        result = list(self.moto(environ, lambda *started: head.append(started)))
        if not reads:
            instances.refresh_firewalls()
        if (answer := self._fault(action, "ec2-lost-answer", environ)) is not None:
            start_response(answer[0], [("Content-Type", "text/xml"), ("Content-Length", str(len(answer[1])))])
            return [answer[1]]
        start_response(*head[-1])
        return result

    def _fault(self, action: str, name: str, environ: dict, dry: bool = False) -> tuple[str, bytes] | None:
        fault = faults.get(name)
        if not fault or action not in fault.get("action", action).split(","):
            return None
        if fault.get("dry") == ("never" if dry else "only"):
            return None
        # The region is a part of what is signed: KEY/DATE/REGION/ec2/aws4_request.
        if "region" in fault and f"/{fault['region']}/" not in environ.get("HTTP_AUTHORIZATION", ""):
            return None
        fault = faults.strike(name)
        if not fault:
            return None
        code = fault.get("code", "InternalError")
        return f"{fault.get('status', 500)} Fault", _error(action, code, "the sandbox was told to fail")


def _watch() -> None:
    """The hosts' deaths; the engine's stream is taken up again when it breaks."""
    while True:
        try:
            instances.watch()
        except SystemExit:
            time.sleep(0.5)


def main() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    for part in (amis, instances, launches, changes):
        part.install()
    _callers()
    threading.Thread(target=_watch, daemon=True).start()
    run_simple(place.GATEWAY, place.EC2_PORT, Front(), threaded=True, request_handler=MotoRequestHandler)


if __name__ == "__main__":
    main()
