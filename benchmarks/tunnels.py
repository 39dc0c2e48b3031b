"""
Both ends of WebSocket tunnels: an origin that sends as fast as it can, and a client that reads.

    python -m benchmarks.tunnels origin PORT
    python -m benchmarks.tunnels client PORT HOST PATH [--connections 4]

The client runs until it is interrupted; then it asks the origin to stop by a close frame, reads to
the end, and tells its outcome in one line, as the script of wrk does: in megabytes instead of
requests. The origin answers ``GET /counter`` with the megabytes that it has sent.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import select
import signal
import socket
import threading
from collections.abc import Callable

MEGABYTE = 1_000_000
_PAYLOAD = 65_536
# RFC 6455 section 5.2: one final binary frame, not masked, with a length of eight octets.
_FRAMES = (b"\x82\x7f" + _PAYLOAD.to_bytes(8) + bytes(_PAYLOAD)) * 4
CLOSE = b"\x88\x00"
_CLOSE_MASKED = b"\x88\x80\x00\x00\x00\x00"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SECONDS = 20.0


def _read_head(sock: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            raise ConnectionError("the head breaks off")
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def _accept_value(key: bytes) -> bytes:
    """Return what proves that the key was read (RFC 6455 section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + _GUID).digest())  # noqa: S324  the RFC's choice


class Origin:
    """Listens on a port, with a thread for each connection."""

    def __init__(self, port: int) -> None:
        self._sent: dict[int, int] = {}
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    @property
    def sent(self) -> int:
        """How many octets went into tunnels so far, but for the last frames."""
        return sum(self._sent.values())

    def serve(self) -> None:
        """Accept connections for ever."""
        number = 0
        while True:
            sock, _ = self._listener.accept()
            number += 1
            threading.Thread(target=self._serve, args=(sock, number), daemon=True).start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        with sock:
            try:
                head, _ = _read_head(sock)
                if head.startswith(b"GET /counter "):
                    text = b"%d" % (self.sent // MEGABYTE)
                    sock.sendall(
                        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"
                        % (len(text), text)
                    )
                else:
                    self._pour(sock, head, number)
            except OSError:
                pass  # the client tells what it has got

    def _pour(self, sock: socket.socket, head: bytes, number: int) -> None:
        marker = b"\r\nsec-websocket-key: "
        start = head.lower().index(marker) + len(marker)
        key = head[start:].partition(b"\r\n")[0].strip()
        sock.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n\r\n" % _accept_value(key)
        )
        while not select.select([sock], [], [], 0)[0]:
            sock.sendall(_FRAMES)
            self._sent[number] = self._sent.get(number, 0) + len(_FRAMES)
        sock.recv(65536)  # to close with something unread would reset the connection
        sock.sendall(CLOSE)


def pour_out(port: int, host: str, path: str, is_stopped: Callable[[], bool]) -> int:
    """
    Open a tunnel and read until told to stop, and then to the end.

    Returns:
        How many octets came through it.

    Raises:
        OSError: There is no tunnel, or it breaks.
    """
    with socket.create_connection(("127.0.0.1", port), _SECONDS) as sock:
        key = base64.b64encode(os.urandom(16))
        sock.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key.decode()}\r\n\r\n".encode()
        )
        head, rest = _read_head(sock)
        if not head.startswith(b"HTTP/1.1 101 ") or _accept_value(key) not in head:
            raise ConnectionError("no tunnel")
        got, last = len(rest), rest[-2:]
        buffer = bytearray(262_144)
        asked = False
        while size := sock.recv_into(buffer):
            got += size
            last = (last + bytes(buffer[max(size - 2, 0) : size]))[-2:]
            if not asked and is_stopped():
                sock.sendall(_CLOSE_MASKED)
                asked = True
        if not asked or last != CLOSE:
            raise ConnectionError("the tunnel breaks off")
        return got


def run_client(port: int, host: str, path: str, connections: int) -> str:
    """Read from tunnels until interrupted; return the outcome."""
    stopped = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stopped.set())
    got: list[int] = []
    broken: list[str] = []

    def work() -> None:
        try:
            got.append(pour_out(port, host, path, stopped.is_set))
        except OSError as error:
            broken.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return f"outcome {sum(got) // MEGABYTE} 0 {len(broken)} 0 0 0"


def main() -> None:
    """Be one of the two ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="end", required=True)
    origin = commands.add_parser("origin")
    origin.add_argument("port", type=int)
    client = commands.add_parser("client")
    client.add_argument("port", type=int)
    client.add_argument("host")
    client.add_argument("path")
    client.add_argument("--connections", type=int, default=4)
    options = parser.parse_args()
    if options.end == "origin":
        Origin(options.port).serve()
    else:
        print(run_client(options.port, options.host, options.path, options.connections))


if __name__ == "__main__":
    main()
