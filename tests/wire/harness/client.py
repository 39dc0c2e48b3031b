"""A client that sends exactly the bytes it is told to."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import weakref
from collections.abc import Iterable, Iterator

from tests.wire.harness.message import PATIENCE, Response, Stream, read_response

_made: list[weakref.ref[Client]] = []


@contextlib.contextmanager
def all_closed() -> Iterator[None]:
    """Close, at the end, what was opened meanwhile and is still held, as by a test that failed."""
    before = len(_made)
    yield
    for each in _made[before:]:
        if (client := each()) is not None:
            client.close()
    del _made[before:]


class Client(Stream):
    """One connection to the proxy."""

    def __init__(self, sock: socket.socket, seconds: float = PATIENCE) -> None:
        super().__init__(sock, seconds)
        _made.append(weakref.ref(self))

    def send(self, data: bytes) -> None:
        """Send all of *data*."""
        self.sock.sendall(data)

    def send_chopped(self, pieces: Iterable[bytes]) -> None:
        """Send each piece in a packet of its own."""
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            self.sock.sendall(piece)

    def response(self, method: bytes = b"GET") -> Response:
        """Read one response to a request of *method*."""
        return read_response(self, method)

    def ask(self, data: bytes, method: bytes = b"GET") -> Response:
        """Send a request and read its response."""
        self.send(data)
        return self.response(method)

    def half_close(self) -> None:
        """Say that nothing more will be sent."""
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End the connection in order."""
        self.sock.close()

    def reset(self) -> None:
        """End the connection with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def connect(
    port: int, *, receive_buffer: int = 0, seconds: float = PATIENCE, source: str = "127.0.0.1"
) -> Client:
    """Connect to the proxy; a small *receive_buffer* fills soon."""
    sock = socket.socket()
    try:
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.bind((source, 0))
        sock.settimeout(seconds)
        sock.connect(("127.0.0.1", port))
    except OSError:
        sock.close()
        raise
    return Client(sock, seconds)


def tls_context() -> ssl.SSLContext:
    """Make a context that believes every certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def connect_tls(
    port: int,
    name: str | None,
    context: ssl.SSLContext | None = None,
    session: ssl.SSLSession | None = None,
) -> Client:
    """
    Connect and shake hands; *name* is the server name sent, if any.

    An end without close_notify is an error, `ssl.SSLEOFError`.
    """
    sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        secured = (context or tls_context()).wrap_socket(
            sock, server_hostname=name, session=session, suppress_ragged_eofs=False
        )
    except BaseException:
        sock.close()
        raise
    return Client(secured)
