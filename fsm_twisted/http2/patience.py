"""How much nuisance a peer may cause: a budget that grows again with time."""

from __future__ import annotations

from fsm_twisted.http2.errors import calm_fault
from fsm_twisted.http2.limits import Patience


class Budget:
    """
    What is left of a `Patience`.

    Args:
        patience: How much there is, and how it grows.
        now: Seconds of the clock that `spend` is told.
        name: What the frames are, for the log.
    """

    __slots__ = ("_at", "_left", "_name", "_patience")

    def __init__(self, patience: Patience, now: float, name: str) -> None:
        self._patience = patience
        self._left = patience.burst
        self._at = now
        self._name = name

    def spend(self, now: float, count: int = 1) -> None:
        """
        Take *count* at *now*.

        Raises:
            ConnectionFault: ENHANCE_YOUR_CALM, when nothing is left.
        """
        patience = self._patience
        grown = self._left + max(0.0, now - self._at) * patience.a_second
        self._left = min(grown, patience.burst) - count
        self._at = now
        if self._left < 0:
            raise calm_fault(f"too many {self._name}")

    def add(self, count: float) -> None:
        """Allow *count* more; what is over the whole is lost with the next `spend`."""
        self._left += count
