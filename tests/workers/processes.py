"""Processes and their sockets, as the kernel tells them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

SECONDS = 15.0


def until(probe: Callable[[], T], seconds: float = 60.0) -> T:
    """Wait for something true and return it."""
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)
    return found


def children(pid: int) -> list[int]:
    """Return the children of a process that are alive, oldest first."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    with suppress(OSError):
        return [int(each) for each in path.read_text().split() if is_alive(int(each))]
    return []


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def _inodes_by_peer(port: int) -> dict[int, str]:
    """Return the sockets that *port* has accepted, by the port of their peer."""
    found = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, *rest = line.split()
        if state != "0A" and int(local.rpartition(":")[2], 16) == port:
            found[int(remote.rpartition(":")[2], 16)] = rest[5]
    return found


def has_connections(port: int) -> bool:
    """Tell whether anybody still holds a connection that *port* has accepted."""
    return any(inode != "0" for inode in _inodes_by_peer(port).values())


def owners(port: int, peers: Iterable[int], processes: Iterable[int]) -> dict[int, int]:
    """
    Tell which of *processes* has accepted which connection to *port*.

    Args:
        port: That of the program.
        peers: The clients' ports.
        processes: Those that may have accepted.

    Returns:
        The process of each client's port; those that nobody has yet are left out.
    """
    inodes = _inodes_by_peer(port)
    holder: dict[str, int] = {}
    for pid in processes:
        with suppress(OSError):
            for fd in os.listdir(f"/proc/{pid}/fd"):
                with suppress(OSError):
                    target = os.readlink(f"/proc/{pid}/fd/{fd}")
                    if target.startswith("socket:["):
                        holder[target[8:-1]] = pid
    return {
        peer: holder[inodes[peer]] for peer in peers if peer in inodes and inodes[peer] in holder
    }
