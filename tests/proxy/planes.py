"""A data plane on a reactor that is turned by hand, with clocks that stand still."""

from __future__ import annotations

from typing import Any

from fsm_twisted.net.sweep import Sweep
from fsm_twisted.proxy.options import ProxyOptions
from fsm_twisted.proxy.plane import DataPlane
from tests.net.turning import Turning


def plane_on(world: Turning, **options: Any) -> DataPlane:
    """Make one with these options of `ProxyOptions`; its draws are all 0."""
    return DataPlane(
        world.reactor,
        Sweep(world.reactor, lambda: 0.0),
        ProxyOptions(**options),
        draw=lambda _: 0,
        wall_seconds=lambda: 0.0,
        request_ids=lambda: b"id",
    )
