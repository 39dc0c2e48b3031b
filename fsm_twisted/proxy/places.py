"""How many connections there are, in all and of each client, and which ones are turned away."""

from __future__ import annotations

from collections import Counter
from enum import Enum
from typing import Final

from twisted.logger import Logger

_log = Logger()

LOG_SECONDS: Final = 60.0


class Refusal(Enum):
    """Why a connection is closed before anything of it is served; the value is for people."""

    MAX_CONNECTIONS = "over --max-connections"
    MAX_PER_CLIENT = "over --max-connections-per-client"
    PROXY_UNTRUSTED = "--proxy-protocol is on and the peer is not in --trusted-proxies"
    PROXY_HEADER_BAD = "no valid PROXY header"
    PROXY_HEADER_LATE = "no PROXY header within --header-timeout"


class Places:
    """
    The places that connections take, from `enter` to `leave`; `settle` and `rise` lie between.

    A connection that has entered counts in ``taken``; once its client is known it settles, and
    counts for the client's address too.

    Args:
        most: Connections at the same time; 0 for any number.
        most_per_client: The same of one address.
    """

    def __init__(self, most: int, most_per_client: int) -> None:
        self._most = most
        self._most_per_client = most_per_client
        self.taken = 0
        self.by_client: dict[bytes, int] = {}
        self.refused: Counter[Refusal] = Counter()
        self._unlogged: Counter[Refusal] = Counter()
        self._log_after = float("-inf")

    @property
    def are_full(self) -> bool:
        """Whether another connection would be one too many."""
        return 0 < self._most <= self.taken

    def enter(self) -> None:
        """Take a place; the client may not be known yet."""
        self.taken += 1

    def leave(self) -> None:
        """Give the place back, of a connection that has not settled."""
        self.taken -= 1

    def is_too_many(self, address: bytes) -> bool:
        """Whether one more connection of the client at *address* would be too many."""
        return 0 < self._most_per_client <= self.by_client.get(address, 0)

    def settle(self, address: bytes) -> None:
        """Count a connection that has entered for its client."""
        self.by_client[address] = self.by_client.get(address, 0) + 1

    def rise(self, address: bytes) -> None:
        """Give the place of a settled connection back; a client with none left is forgotten."""
        self.taken -= 1
        left = self.by_client[address] - 1
        if left:
            self.by_client[address] = left
        else:
            del self.by_client[address]

    def refuse(self, refusal: Refusal) -> None:
        """Count a connection that is turned away."""
        self.refused[refusal] += 1
        self._unlogged[refusal] += 1

    def report(self, now: float) -> None:
        """Log what has been turned away since the last time, at most once a minute."""
        if self._unlogged and now >= self._log_after:
            self._log_after = now + LOG_SECONDS
            told, self._unlogged = self._unlogged, Counter()
            for refusal, number in told.items():
                _log.warn(
                    "{number} connections closed unserved: {why}",
                    number=number,
                    why=refusal.value,
                    refusal=refusal.name,
                )
