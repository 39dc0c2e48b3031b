"""A retry budget: retries may be a share of the traffic, so that they never become the traffic."""

from __future__ import annotations

from typing import Final

SHARE: Final = 0.2
RESERVE: Final = 100.0


class RetryBudget:
    """
    Every request earns a fifth of a retry, up to a reserve of a hundred.

    A quiet proxy can so retry at once, and a proxy all of whose endpoints fail sends at most 1.2
    times the requests that it gets.
    """

    __slots__ = ("_tokens",)

    def __init__(self) -> None:
        self._tokens = RESERVE

    def earn(self) -> None:
        """Note a request."""
        self._tokens = min(self._tokens + SHARE, RESERVE)

    def spend(self) -> bool:
        """Take a retry out of the budget; false when there is none left."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
