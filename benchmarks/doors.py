"""A connection into every worker, through which it can be asked what it serves."""

from __future__ import annotations

import socket

from benchmarks.measure import BenchmarkError
from tests.wire.harness.program import Program
from tests.workers.processes import children, owners

_MOST_CONNECTIONS = 200


class Door:
    """A connection that is kept, used for nothing else."""

    def __init__(self, port: int) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port), 10)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port: int = self._sock.getsockname()[1]

    def ask(self, host: str, target: str) -> bytes:
        """Send a request and return the whole answer."""
        self._sock.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        answer = b""
        while not _is_whole(answer):
            data = self._sock.recv(65536)
            if not data:
                raise BenchmarkError(f"an answer broke off: {answer[:100]!r}")
            answer += data
        return answer

    def close(self) -> None:
        """Close the connection."""
        self._sock.close()


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
    return len(body) >= int(length)


def open_doors(program: Program, host: str) -> list[Door]:
    """
    Open a door to every worker; who has accepted a connection is the kernel's word.

    Raises:
        BenchmarkError: Some worker accepts nothing.
    """
    workers = [each for nursery in children(program.process.pid) for each in children(nursery)]
    found: dict[int, Door] = {}
    spare: list[Door] = []
    while len(found) < len(workers):
        if len(spare) > _MOST_CONNECTIONS:
            raise BenchmarkError(f"of the workers {workers}, only {list(found)} accept")
        door = Door(program.http)
        # An answer shows that it has been accepted.
        door.ask(host, "/")
        owner = owners(program.http, [door.port], workers).get(door.port)
        if owner is None or owner in found:
            # Kept for now: the one that has more leaves the next one to another.
            spare.append(door)
        else:
            found[owner] = door
    for door in spare:
        door.close()
    return [found[each] for each in workers]
