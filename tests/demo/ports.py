"""Ports for a demo of a test's own, so that several may run at once."""

from __future__ import annotations

from tests import ports

_NAMES = ("DEMO_HTTP_PORT", "DEMO_HTTPS_PORT", "DEMO_ADMIN_PORT")


def free_ports() -> dict[str, str]:
    """Return a free port for each variable that ``examples/demo.sh`` reads."""
    return dict(zip(_NAMES, map(str, ports.free_ports(len(_NAMES))), strict=True))
