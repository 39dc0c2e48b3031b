"""One sweep a second instead of a timer for every request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.logger import Logger

_log = Logger()

INTERVAL_SECONDS = 1.0


class Expiring(Protocol):
    """Something with a deadline in seconds of the sweep's clock; infinity for none."""

    deadline: float

    def expired(self) -> None:
        """Learn that the deadline has passed; called until it is moved or the object discarded."""


class Clock(Protocol):
    """The part of the reactor that tells and keeps time."""

    def callLater(  # noqa: D102, N802
        self, delay: float, call: Callable[..., Any], /, *args: Any
    ) -> Any: ...


class Sweep:
    """
    Calls `expired` on members whose deadline has passed, up to a second late, never early.

    Args:
        clock: Where the sweep itself is scheduled.
        seconds: The clock that deadlines are measured with, monotonic.
    """

    def __init__(self, clock: Clock, seconds: Callable[[], float]) -> None:
        self._clock = clock
        self._members: set[Expiring] = set()
        self._periodic: list[Callable[[float], None]] = []
        self._call: Any = None
        self.seconds = seconds
        self.add = self._members.add
        self.discard = self._members.discard

    def every_second(self, call: Callable[[float], None]) -> None:
        """Have *call* called with the time at each sweep."""
        self._periodic.append(call)

    def start(self) -> None:
        """Begin to sweep."""
        self._call = self._clock.callLater(INTERVAL_SECONDS, self._sweep)

    def stop(self) -> None:
        """Sweep no more."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None

    def _sweep(self) -> None:
        self._call = self._clock.callLater(INTERVAL_SECONDS, self._sweep)
        now = self.seconds()
        for member in [each for each in self._members if each.deadline <= now]:
            # One that expired before it may have moved this one's deadline, or ended it.
            if member in self._members and member.deadline <= now:
                self._expire(member)
        for call in self._periodic:
            call(now)

    def _expire(self, member: Expiring) -> None:
        try:
            member.expired()
        except Exception:  # noqa: BLE001  it must not keep the others from expiring
            _log.failure("a deadline could not be kept")
            self._members.discard(member)
