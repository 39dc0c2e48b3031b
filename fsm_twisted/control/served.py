"""What is served by now: the cluster is told of nothing that a client could not yet use."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from fsm_twisted.control.controller import Outcome


class Served:
    """
    Tells of an outcome of the controller once every process serves it.

    While one is waited for, only the newest of those that follow is kept.

    Args:
        when_served: Fires when a generation, or a later one, is served everywhere.
        tell: Takes the outcome.
    """

    def __init__(
        self, when_served: Callable[[int], Deferred[None]], tell: Callable[[Outcome], None]
    ) -> None:
        self._when_served = when_served
        self._tell = tell
        self._newest: Outcome | None = None
        self._waiting: Deferred[None] | None = None

    def compiled(self, outcome: Outcome) -> None:
        """Take what was compiled; an observer of the controller."""
        self._newest = outcome
        if self._waiting is None:
            self._wait()

    def stop(self) -> None:
        """Tell nothing any more."""
        self._newest = None
        if self._waiting is not None:
            self._waiting.cancel()

    def _wait(self) -> None:
        outcome, self._newest = self._newest, None
        if outcome is None:
            return
        # What has fired already is told within addCallback.
        waiting = self._waiting = self._when_served(outcome.snapshot.generation)
        waiting.addCallback(lambda _: self._served(outcome))
        waiting.addErrback(self._stopped)

    def _served(self, outcome: Outcome) -> None:
        self._waiting = None
        self._tell(outcome)
        self._wait()

    def _stopped(self, failure: Failure) -> None:
        self._waiting = None
        failure.trap(CancelledError)
