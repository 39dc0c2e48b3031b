"""Ports for a demo of a test's own, so that several may run at once."""

from __future__ import annotations

import contextlib
import random
import socket

_NAMES = ("DEMO_HTTP_PORT", "DEMO_HTTPS_PORT", "DEMO_ADMIN_PORT")
# Below those that the kernel gives to clients: it will not give ours away before they are bound.
_PORTS = range(15000, 32000)


def free_ports() -> dict[str, str]:
    """Return a free port for each variable that ``examples/demo.sh`` reads, no two the same."""
    with contextlib.ExitStack() as held:
        return {name: str(_held(held)) for name in _NAMES}


def _held(held: contextlib.ExitStack) -> int:
    while True:
        port = random.choice(_PORTS)
        with contextlib.suppress(OSError):
            held.enter_context(socket.create_server(("127.0.0.1", port)))
            return port
