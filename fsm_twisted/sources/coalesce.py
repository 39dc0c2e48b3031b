"""Many events, one act: when it has been quiet for a moment, but never too late."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Coalescer:
    """
    Calls *act* once for a burst of `poke`.

    That is *quiet_seconds* after the last poke of the burst, and at the latest
    *at_most_seconds* after the first one.
    """

    def __init__(
        self,
        clock: IReactorTime,
        act: Callable[[], None],
        *,
        quiet_seconds: float,
        at_most_seconds: float,
    ) -> None:
        self._clock = clock
        self._act = act
        self._quiet_seconds = quiet_seconds
        self._at_most_seconds = at_most_seconds
        self._latest = 0.0
        self._acted = -quiet_seconds
        self._is_hurried = False
        self._call: IDelayedCall | None = None

    def poke(self) -> None:
        """Note that there is something to do."""
        now = self._clock.seconds()
        self._is_hurried = False
        if self._call is None:
            self._latest = now + self._at_most_seconds
            wait = min(self._quiet_seconds, self._at_most_seconds)
            self._call = self._clock.callLater(wait, self._run)
        else:
            self._call.reset(max(0.0, min(self._quiet_seconds, self._latest - now)))

    def hurry(self) -> None:
        """
        Note that there is something urgent to do.

        It is done in the next turn of the reactor when nothing else waits and nothing was done
        for *quiet_seconds*; otherwise it is one more poke.
        """
        now = self._clock.seconds()
        if self._call is None and now - self._acted >= self._quiet_seconds:
            self._latest = now + self._at_most_seconds
            self._is_hurried = True
            self._call = self._clock.callLater(0, self._run)
        elif not self._is_hurried:
            self.poke()

    def cancel(self) -> None:
        """Forget what is still to be done."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
            self._is_hurried = False

    def _run(self) -> None:
        self._call = None
        self._is_hurried = False
        self._act()
        # Counted from its end: what is urgent after a long act is not done at once again.
        self._acted = self._clock.seconds()
