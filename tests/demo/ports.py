"""Ports for a demo of a test's own, so that several may run at once."""

from __future__ import annotations

import contextlib
import socket

_NAMES = ("DEMO_HTTP_PORT", "DEMO_HTTPS_PORT", "DEMO_ADMIN_PORT")


def free_ports() -> dict[str, str]:
    """Return a free port for each variable that ``examples/demo.sh`` reads, no two the same."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in _NAMES]
        return {n: str(s.getsockname()[1]) for n, s in zip(_NAMES, sockets, strict=True)}
