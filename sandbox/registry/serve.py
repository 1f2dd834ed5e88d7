"""Serves both registries: TLS, taps, faults and the token server in front of docker-registry."""

import re
import socket
import ssl
import threading
import time

import faults
import place
from registry import tls, tokens
from tap import log, relay

_NAMED = re.compile(r"^/v2/(.+?)/(?:blobs|manifests|tags)/")


class Front:
    """One registry's public side."""

    def __init__(self, where: str, port: int, signer: tokens.Signer | None):
        self.where, self.port, self.signer = where, port, signer
        self.dial = relay.unix_dial(place.SOCKETS / f"{where}.sock")
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(place.RUN / "ca" / f"{where}.crt", place.RUN / "ca" / f"{where}.key")
        self.tls.set_alpn_protocols(["http/1.1"])

    def watch(self, request: relay.Request) -> bytes | None:
        write = log.registry_writes(request.method, request.path)
        if log.note(self.where, request.method, request.path, write):
            return log.DROPPED
        fault = faults.get(f"registry-status-{self.where}")
        if fault and fault.get("match", "") in request.path and fault.get("method", request.method) == request.method:
            fault = faults.strike(f"registry-status-{self.where}")
            if fault:
                status = int(fault.get("status", 503))
                body = b'{"errors":[{"code":"UNKNOWN","message":"the sandbox was told to fail"}]}'
                head = f"HTTP/1.1 {status} Fault\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                return head.encode() + body
        if self.signer is None:
            return None
        if request.path.split("?")[0] == "/token":
            return tokens.answer(request.method, request.path, request.headers, self.signer)
        if hit := _NAMED.match(request.path):
            return tokens.refusal(request.method, request.headers, hit[1])
        return None

    def each(self, client: socket.socket) -> None:
        try:
            client = tls.Tls(client, self.tls)
        except OSError:
            client.close()
            return
        relay.serve(client, self.dial, self.watch)

    def run(self) -> None:
        """Listens, except while a fault says that this registry cannot be reached."""
        while True:
            if faults.get(f"registry-down-{self.where}"):
                time.sleep(0.05)
                continue
            with socket.create_server((place.GATEWAY, self.port), backlog=128) as listener:
                listener.settimeout(0.1)
                while not faults.get(f"registry-down-{self.where}"):
                    try:
                        client, _ = listener.accept()
                    except TimeoutError:
                        continue
                    threading.Thread(target=self.each, args=(client,), daemon=True).start()


def main() -> None:
    signer = tokens.Signer(place.RUN / "ca/token.key", place.RUN / "ca/token.crt")
    fronts = [Front("ghcr", place.GHCR_PORT, signer), Front("basic", place.BASIC_PORT, None)]
    threads = [threading.Thread(target=front.run, daemon=True) for front in fronts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
