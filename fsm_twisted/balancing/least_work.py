"""Least work: the endpoint with the fewest requests in flight."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Generic

from fsm_twisted.balancing.load import Draw, L, usable


class LeastWork(Generic[L]):
    """
    Picks the endpoint with the fewest requests of this worker in flight, ties by drawing.

    Without the draw every worker would send its first request to the same endpoint.
    """

    __slots__ = ("_draw", "_loads")

    needs_key = False

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._loads: tuple[L, ...] = ()

    def update(self, loads: Sequence[L]) -> None:
        """Take the loads of the current endpoints."""
        self._loads = tuple(loads)

    def pick(self, key: bytes = b"", tried: Collection[L] = ()) -> L | None:
        """Return the endpoint with the least work; see `Balancer.pick`."""
        idlest: list[L] = []
        least = -1
        for load in self._loads:
            work = load.in_flight
            if not load.available or (tried and load in tried):
                continue
            if work < least or least < 0:
                least = work
                idlest = [load]
            elif work == least:
                idlest.append(load)
        if not idlest:
            return self._least_bad(tried)
        return idlest[0] if len(idlest) == 1 else idlest[self._draw(len(idlest))]

    def _least_bad(self, tried: Collection[L]) -> L | None:
        left = usable(self._loads, tried)
        least = min((load.in_flight for load in left), default=0)
        idlest = [load for load in left if load.in_flight == least]
        return idlest[self._draw(len(idlest))] if idlest else None
