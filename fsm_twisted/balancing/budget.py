"""A retry budget: retries may be a share of the traffic, so that they never become the traffic."""

from __future__ import annotations

from typing import Final

SHARE: Final = 0.2
RESERVE: Final = 100.0


class RetryBudget:
    """
    Every request earns a fifth of a retry, up to a reserve of a hundred.

    A quiet proxy can so retry at once, and a proxy all of whose endpoints fail sends at most 1.2
    times the requests that it gets. ``requests`` is for the caller to count up.
    """

    __slots__ = ("_seen", "_tokens", "requests")

    def __init__(self) -> None:
        self.requests = 0
        self._seen = 0
        self._tokens = RESERVE

    def spend(self) -> bool:
        """Take a retry out of the budget; false when there is none left."""
        self._tokens = min(self._tokens + SHARE * (self.requests - self._seen), RESERVE)
        self._seen = self.requests
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
