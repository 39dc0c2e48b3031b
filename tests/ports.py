"""Ports for programs that must be told theirs."""

from __future__ import annotations

import contextlib
import random
import socket

# Below those that the kernel gives to clients: it will not give ours away before they are bound.
_PORTS = range(15000, 32000)


def free_ports(count: int) -> list[int]:
    """Return so many ports of 127.0.0.1 that nobody listens on at the moment, no two the same."""
    with contextlib.ExitStack() as held:
        return [_held(held) for _ in range(count)]


def _held(held: contextlib.ExitStack) -> int:
    while True:
        port = random.choice(_PORTS)
        with contextlib.suppress(OSError):
            held.enter_context(socket.create_server(("127.0.0.1", port)))
            return port
