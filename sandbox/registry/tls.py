"""A TLS socket that one thread may read while another writes.

Python before 3.13 lets both run inside OpenSSL at once, which OpenSSL forbids;
so every step takes a lock, and waiting happens outside of it.
"""

import select
import socket
import ssl
import threading
import time

_TIMEOUT = 600


class Tls:
    """The server's side of one connection, with the socket methods that the relay needs."""

    def __init__(self, raw: socket.socket, context: ssl.SSLContext):
        raw.setblocking(False)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.lock = threading.Lock()
        self.sock = context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
        self._step(self.sock.do_handshake, 20)

    def _step(self, action, timeout: float = _TIMEOUT):
        until = time.monotonic() + timeout
        while True:
            with self.lock:
                try:
                    return action()
                except ssl.SSLWantReadError:
                    wait = ([self.sock.fileno()], [])
                except ssl.SSLWantWriteError:
                    wait = ([], [self.sock.fileno()])
            left = until - time.monotonic()
            if left <= 0 or wait in (([-1], []), ([], [-1])):
                raise TimeoutError("tls")
            select.select(*wait, [], min(left, 5))

    def recv(self, size: int) -> bytes:
        try:
            return self._step(lambda: self.sock.recv(size))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._step(lambda: self.sock.send(view)) :]

    def shutdown(self, _how: int) -> None:
        """Tells the other side that nothing more comes (close_notify)."""
        with self.lock:
            try:
                self.sock.unwrap()
            except (OSError, ValueError):
                pass

    def close(self) -> None:
        with self.lock:
            self.sock.close()
