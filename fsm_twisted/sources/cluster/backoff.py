"""How long to wait after a failure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

FIRST_SECONDS: Final = 0.8
LONGEST_SECONDS: Final = 30.0
# Beyond this the ceiling is reached anyway.
_STEPS: Final = 6


class Backoff:
    """
    Full jitter: uniform between nothing and a ceiling that doubles up to 30 s.

    *draw* returns a number of [0, 1).
    """

    def __init__(self, draw: Callable[[], float]) -> None:
        self._draw = draw
        self._failures = 0

    def next_seconds(self) -> float:
        """Return how long to wait after one more failure."""
        ceiling = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0**self._failures)
        self._failures = min(self._failures + 1, _STEPS)
        return self._draw() * ceiling

    def reset(self) -> None:
        """Forget the failures: all has been well for a while."""
        self._failures = 0
