"""What the program owes the cluster that it follows: each duty starts and stops with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from twisted.internet.defer import Deferred, gatherResults, maybeDeferred


class Duty(Protocol):
    """Something that is done for a cluster as long as the program runs."""

    def start(self) -> None:
        """Begin; called once, after the source has started."""

    def stop(self) -> Deferred[None] | None:
        """End; a Deferred fires when nothing is under way, and does not fail."""


class Duties:
    """All duties as one."""

    def __init__(self, duties: Iterable[Duty] = ()) -> None:
        self._duties = tuple(duties)

    def start(self) -> None:
        """Begin them in their order."""
        for duty in self._duties:
            duty.start()

    def stop(self) -> Deferred[None]:
        """End them all; fires when nothing is under way."""
        ending = gatherResults([maybeDeferred(duty.stop) for duty in reversed(self._duties)])
        return ending.addCallback(lambda _: None)
