"""Writes to many objects: each at most once at a time, some at once, so many a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from fsm_twisted.objects.model import ObjectRef

_log = Logger()

AT_ONCE: Final = 20
PER_SECOND: Final = 50.0
# Less than this is the inexactness of floating point, not time.
_TICK_SECONDS: Final = 1e-6


class WriteQueue:
    """
    Calls *act* for what was added, in its order.

    Args:
        clock: The reactor.
        act: Begins what there is to do now for an object, or returns None for nothing, which
            counts as no write. What it returns does not fail.
        at_once: Most acts under way.
        per_second: Most acts in a second.
    """

    def __init__(
        self,
        clock: IReactorTime,
        act: Callable[[ObjectRef], Deferred[None] | None],
        *,
        at_once: int = AT_ONCE,
        per_second: float = PER_SECOND,
    ) -> None:
        self._clock = clock
        self._act = act
        self._at_once = at_once
        self._per_second = per_second
        self._first: dict[ObjectRef, None] = {}
        self._waiting: dict[ObjectRef, None] = {}
        self._later: dict[ObjectRef, IDelayedCall] = {}
        self._running: dict[ObjectRef, Deferred[None]] = {}
        self._again: set[ObjectRef] = set()
        self._tokens = per_second
        self._filled = clock.seconds()
        self._paused_until = 0.0
        self._turn: IDelayedCall | None = None

    def __len__(self) -> int:
        """Return how many wait or are under way."""
        return len(self._first) + len(self._waiting) + len(self._later) + len(self._running)

    def add(self, ref: ObjectRef, *, is_urgent: bool = False) -> None:
        """Have *act* called for *ref* as soon as may be, before all others when urgent."""
        if ref in self._running:
            self._again.add(ref)
            return
        if (call := self._later.get(ref)) is not None:
            if call.getTime() > self._clock.seconds():
                return  # it waits for a reason
            del self._later[ref]
        if is_urgent:
            self._waiting.pop(ref, None)
            self._first[ref] = None
        elif ref not in self._first:
            self._waiting[ref] = None
        self._wake(0.0)

    def add_later(self, ref: ObjectRef, seconds: float) -> None:
        """Have *act* called for *ref* in *seconds*, and not before, whoever adds it meanwhile."""
        if ref not in self._later:
            self._first.pop(ref, None)
            self._waiting.pop(ref, None)
            self._later[ref] = self._clock.callLater(seconds, self._due, ref)

    def pause(self, seconds: float) -> None:
        """Begin nothing for so long."""
        self._paused_until = max(self._paused_until, self._clock.seconds() + seconds)

    def clear(self) -> None:
        """Forget everything, and cancel what is under way."""
        self._first.clear()
        self._waiting.clear()
        self._again.clear()
        for call in self._later.values():
            call.cancel()
        self._later.clear()
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        self._paused_until = 0.0
        for running in tuple(self._running.values()):
            running.cancel()

    def _due(self, ref: ObjectRef) -> None:
        del self._later[ref]
        self.add(ref)

    def _wake(self, seconds: float) -> None:
        if self._turn is None:
            self._turn = self._clock.callLater(seconds, self._run)

    def _run(self) -> None:
        self._turn = None
        while (self._first or self._waiting) and len(self._running) < self._at_once:
            if (wait := self._wait_seconds()) > 0:
                self._wake(wait)
                return
            queue = self._first or self._waiting
            ref = next(iter(queue))
            del queue[ref]
            self._begin(ref)

    def _wait_seconds(self) -> float:
        now = self._clock.seconds()
        gained = (now - self._filled) * self._per_second
        self._tokens = min(self._tokens + gained, self._per_second)
        self._filled = now
        wait = max(self._paused_until - now, (1.0 - self._tokens) / self._per_second)
        return wait if wait > _TICK_SECONDS else 0.0

    def _begin(self, ref: ObjectRef) -> None:
        running = self._act(ref)
        if running is None:
            return
        self._tokens -= 1.0
        self._running[ref] = running
        running.addBoth(self._ended, ref)

    def _ended(self, result: object, ref: ObjectRef) -> None:
        del self._running[ref]
        if isinstance(result, Failure) and result.check(CancelledError) is None:
            _log.failure("writing to {object} failed", result, object=str(ref))
        if ref in self._again:
            self._again.discard(ref)
            self.add(ref)
        if self._first or self._waiting:
            self._wake(0.0)
