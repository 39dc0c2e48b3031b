"""What the kernel holds of bytes on their way, so that the rest is known to be the program's."""

from __future__ import annotations

import array
import fcntl
import os
import termios
from collections.abc import Iterator
from pathlib import Path

import attrs

_LISTENING = 0x0A  # its queues count connections


def _largest(queue: str) -> int:
    return int(Path(f"/proc/sys/net/ipv4/tcp_{queue}").read_text().split()[2])


CONNECTION_BYTES = _largest("rmem") + _largest("wmem")
"""More than a connection, both of its ends, can hold of bytes that go one way."""


@attrs.frozen
class _Socket:
    local: int
    remote: int
    sending: int  # bytes that the peer has not acknowledged
    receiving: int  # bytes that its owner has not read


def _sockets() -> Iterator[_Socket]:
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, queues, *_ = line.split()
        if int(state, 16) != _LISTENING:
            ports = (int(each.partition(":")[2], 16) for each in (local, remote))
            yield _Socket(*ports, *(int(each, 16) for each in queues.split(":")))


def bytes_from(*ports: int) -> int:
    """Return how many bytes are on their way from servers at *ports* to their clients."""
    return sum(
        each.sending * (each.local in ports) + each.receiving * (each.remote in ports)
        for each in _sockets()
    )


def bytes_towards(*ports: int) -> int:
    """Return how many bytes are on their way from clients to servers at *ports*."""
    return sum(
        each.sending * (each.remote in ports) + each.receiving * (each.local in ports)
        for each in _sockets()
    )


def bytes_in_pipes(process: int) -> int:
    """Return how many bytes are in the pipes of a process."""
    held: dict[str, int] = {}
    for each in Path(f"/proc/{process}/fd").iterdir():
        try:
            name = os.readlink(each)
            if name.startswith("pipe:") and name not in held:
                held[name] = _waiting(each)
        except OSError:
            continue  # closed in the meantime
    return sum(held.values())


def _waiting(pipe: Path) -> int:
    descriptor = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        count = array.array("i", [0])
        fcntl.ioctl(descriptor, termios.FIONREAD, count)
        return count[0]
    finally:
        os.close(descriptor)
