"""
Passive health: an endpoint that fails again and again is left out for a while.

Shared by all routes to a Service port. Never more than half of its endpoints are out at once: when
most of them fail, the fault is probably elsewhere, and fewer endpoints would only make it worse.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Generic

from fsm_twisted.balancing.load import L

CONSECUTIVE_FAILURES: Final = 3
FIRST_SECONDS: Final = 10.0
LONGEST_SECONDS: Final = 300.0


class Record:
    """What is remembered of one endpoint: failures in a row, how often it was out, until when."""

    __slots__ = ("ejections", "failures", "until")

    def __init__(self) -> None:
        self.failures = 0
        self.ejections = 0
        self.until = 0.0


class HealthGroup(Generic[L]):
    """
    The endpoints of one Service port.

    An endpoint is ejected by so many failures in a row, at first for 10 s, then for twice as long
    each time. When its time is over it may be picked again, and the next failure ejects it at
    once; an answer clears it.
    """

    def __init__(self) -> None:
        self._records: dict[L, Record] = {}

    def update(self, loads: Iterable[L]) -> None:
        """Take the current endpoints; what is known of those that stay is kept."""
        old = self._records
        self._records = {load: old.get(load) or Record() for load in loads}

    @property
    def ejected(self) -> tuple[L, ...]:
        """The endpoints that are out now."""
        return tuple(load for load in self._records if not load.available)

    def succeeded(self, load: L) -> None:
        """Note that *load* has answered."""
        record = self._records.get(load)
        if record is not None and record.failures:
            record.failures = 0
            record.ejections = 0
            load.available = True

    def failed(self, load: L, now: float) -> bool:
        """
        Note that *load* has not answered; true when it is ejected by that.

        Args:
            load: The endpoint; one that has left the Service is of no interest.
            now: Seconds on the caller's clock.
        """
        record = self._records.get(load)
        if record is None:
            return False
        record.failures += 1
        if record.failures < CONSECUTIVE_FAILURES or not load.available:
            return False
        if 2 * (len(self.ejected) + 1) > len(self._records):
            return False
        record.until = now + min(FIRST_SECONDS * 2.0**record.ejections, LONGEST_SECONDS)
        record.ejections = min(record.ejections + 1, 16)
        load.available = False
        return True

    def readmit(self, now: float) -> None:
        """Let those whose time is over be picked again, on probation."""
        for load, record in self._records.items():
            if not load.available and record.until <= now:
                record.failures = CONSECUTIVE_FAILURES - 1
                load.available = True
