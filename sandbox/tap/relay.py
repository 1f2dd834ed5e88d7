"""An HTTP/1.1 relay that sees request lines and is otherwise transparent.

Requests are framed (Content-Length, chunked), so that every one of a connection
is seen; answers and upgraded connections are copied as they are.
"""

import socket
import threading
from dataclasses import dataclass
from typing import Callable

_CHUNK = 256 * 1024
_HEAD_LIMIT = 256 * 1024


@dataclass
class Request:
    """The head of one request."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes


#: Sees a request before it goes on. Bytes are the answer in its place; None lets it pass.
Watch = Callable[[Request], bytes | None]


class _Reader:
    """Buffered reading from a socket, by head, by count and by what is there."""

    def __init__(self, sock: socket.socket):
        self.sock, self.rest = sock, b""

    def head(self) -> bytes | None:
        while (end := self.rest.find(b"\r\n\r\n")) < 0:
            more = self.sock.recv(_CHUNK)
            if not more or len(self.rest) > _HEAD_LIMIT:
                return None
            self.rest += more
        head, self.rest = self.rest[: end + 4], self.rest[end + 4 :]
        return head

    def some(self, limit: int = _CHUNK) -> bytes:
        if self.rest:
            out, self.rest = self.rest[:limit], self.rest[limit:]
            return out
        return self.sock.recv(min(limit, _CHUNK))

    def line(self) -> bytes:
        while (end := self.rest.find(b"\n")) < 0:
            more = self.sock.recv(_CHUNK)
            if not more:
                raise ConnectionError("closed within a chunk's head")
            self.rest += more
        out, self.rest = self.rest[: end + 1], self.rest[end + 1 :]
        return out


def _parse(raw: bytes) -> Request:
    first, *lines = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, path, *_ = first.split(" ")
    headers = {}
    for line in lines:
        key, _, value = line.partition(":")
        headers[key.strip().lower()] = value.strip()
    return Request(method, path, headers, raw)


def _body(request: Request, reader: _Reader, send: Callable[[bytes], None]) -> None:
    if "chunked" in request.headers.get("transfer-encoding", "").lower():
        while True:
            head = reader.line()
            send(head)
            left = int(head.split(b";")[0].strip() or b"0", 16)
            if left == 0:
                while (trailer := reader.line()).strip():
                    send(trailer)
                send(trailer)
                return
            _count(reader, send, left + 2)
    else:
        _count(reader, send, int(request.headers.get("content-length", "0")))


def _count(reader: _Reader, send: Callable[[bytes], None], left: int) -> None:
    while left > 0:
        part = reader.some(left)
        if not part:
            raise ConnectionError("closed within a body")
        send(part)
        left -= len(part)


def _shut(sock: socket.socket, how: int) -> None:
    try:
        sock.shutdown(how)
    except OSError:
        pass


class _Answers(threading.Thread):
    """Copies answers back, and tells whether an upgrade was accepted."""

    def __init__(self, server: socket.socket, client: socket.socket):
        super().__init__(daemon=True)
        self.server, self.client = server, client
        self.asked = threading.Event()
        self.told = threading.Event()
        self.upgraded = False

    def run(self) -> None:
        try:
            while part := self.server.recv(_CHUNK):
                if self.asked.is_set() and not self.told.is_set():
                    self.upgraded = part[9:12] == b"101" or b"application/vnd.docker" in part[:400]
                    self.told.set()
                self.client.sendall(part)
        except OSError:
            pass
        finally:
            self.told.set()
            _shut(self.client, socket.SHUT_WR)


def serve(client: socket.socket, dial: Callable[[], socket.socket], watch: Watch) -> None:
    """Relays one connection until both sides are done."""
    reader, server, answers = _Reader(client), None, None
    try:
        while raw := reader.head():
            request = _parse(raw)
            if (instead := watch(request)) is not None:
                if "100-continue" not in request.headers.get("expect", "").lower():
                    _body(request, reader, lambda _: None)
                client.sendall(instead)
                return
            if server is None:
                server = dial()
                answers = _Answers(server, client)
                answers.start()
            upgrade = "upgrade" in request.headers.get("connection", "").lower()
            if upgrade:
                answers.asked.set()
            server.sendall(raw)
            _body(request, reader, server.sendall)
            if upgrade:
                answers.told.wait(60)
                if answers.upgraded:
                    while part := reader.some():
                        server.sendall(part)
                    break
                answers.asked.clear()
                answers.told.clear()
    except (OSError, ValueError):
        pass
    finally:
        if server is not None:
            _shut(server, socket.SHUT_WR)
            answers.join()
            server.close()
        client.close()


def accept(listener: socket.socket, each: Callable[[socket.socket], None]) -> None:
    """Hands every connection to a thread of its own, until the listener is closed."""
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=each, args=(client,), daemon=True).start()


def unix_listener(path, mode: int = 0o660, group: int = -1) -> socket.socket:
    """A listening unix socket at `path`; one that is there is replaced."""
    import os

    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    os.chmod(path, mode)
    os.chown(path, -1, group)
    listener.listen(128)
    return listener


def unix_dial(path) -> Callable[[], socket.socket]:
    """A way to the unix socket at `path`."""

    def dial() -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(path))
        return sock

    return dial
