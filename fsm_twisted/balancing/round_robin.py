"""Round-robin: every endpoint in turn."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from typing import Generic

from fsm_twisted.balancing.load import Draw, L, usable
from fsm_twisted.snapshot.identity import Endpoint


class RoundRobin(Generic[L]):
    """
    Goes round the sorted endpoints, starting at a drawn one so that workers do not march in step.

    The turn is a place in the order of all possible endpoints, not an index: endpoints that come
    and go take no turn from those that stay. Between two picks of one endpoint, each other that
    was there and available all along is picked exactly once (but for retries).
    """

    __slots__ = ("_draw", "_loads", "_next", "_turn")

    needs_key = False

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._loads: tuple[L, ...] = ()
        self._next = 0
        self._turn: Endpoint | None = None

    def update(self, loads: Sequence[L]) -> None:
        """Take the loads of the current endpoints; the turn stays where it was."""
        if self._loads:
            self._turn = self._loads[self._next].endpoint
        self._loads = tuple(loads)
        if not self._loads:
            self._next = 0
        elif self._turn is None:
            self._next = self._draw(len(self._loads))
        else:
            place = bisect_left(self._loads, self._turn, key=lambda load: load.endpoint)
            self._next = place % len(self._loads)

    def pick(self, key: bytes = b"", tried: Collection[L] = ()) -> L | None:
        """Return the endpoint whose turn it is; see `Balancer.pick`."""
        loads, at = self._loads, self._next
        if not loads:
            return None
        load = loads[at]
        if tried or not load.available:
            return self._skip(tried)
        at += 1
        self._next = at if at < len(loads) else 0
        return load

    def _skip(self, tried: Collection[L]) -> L | None:
        loads, at = self._loads, self._next
        in_turn = usable(loads[at:] + loads[:at], tried)
        if not in_turn:
            return None
        self._next = (loads.index(in_turn[0]) + 1) % len(loads)
        return in_turn[0]
