"""
The end, as design decision D11 has it.

The first signal drains: not ready, then answers are the last of their connections, then no new
connections, then what runs is finished. The second one, or the drain's time, ends it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any, Final

from twisted.logger import Logger

from fsm_twisted.assembly.serving import Serving

_log = Logger()

LAST_ANSWERS_SECONDS: Final = 1.0
"""
How long before the delay's end answers begin to be the last of their connections.

By then the load balancers know, and a busy client comes again elsewhere; if its connection were
closed as an idle one, that could cross its next request. Sooner, each request would cost a client
that still comes here a connection of its own.
"""


def _has_terminal() -> bool:
    """Whether a terminal can hang up on us."""
    try:
        os.close(os.open(os.ctermid(), os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


class Ending:
    """
    Ends the program when it is told to.

    Args:
        reactor: The one that runs.
        delay_seconds: How long new connections are still accepted.
        timeout_seconds: How long what runs may go on after that.

    Attributes:
        has_begun: Whether the program is on its way out.
    """

    def __init__(self, reactor: Any, delay_seconds: float, timeout_seconds: float) -> None:
        self._reactor = reactor
        self._delay_seconds = delay_seconds
        self._timeout_seconds = timeout_seconds
        self._serving: Serving
        self.has_begun = False
        self._told: list[Callable[[], None]] = []
        self._is_over = False

    def watch(self, serving: Serving) -> None:
        """
        Take over for *serving* the signals that would end the program at once.

        SIGHUP comes from a terminal that closes, which is to end us, or from somebody who wants a
        reload, of which there is none. Without log files, SIGUSR1 has nothing to do.
        """
        self._serving = serving
        if signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL:
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup has it
            hung_up = self._signalled if _has_terminal() else self._asked_to_reload
            signal.signal(signal.SIGHUP, hung_up)
        # Whoever reads the ready lines may signal at once; the reactor installs its own handlers
        # when it begins to run.
        self._take_signals()
        self._reactor.callWhenRunning(self._take_signals)

    def when_begun(self, call: Callable[[], None]) -> None:
        """Have *call* called as soon as the program is told to end."""
        self._told.append(call)

    def _take_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)

    def _signalled(self, number: int, _: object) -> None:
        self._reactor.callFromThread(self._asked_to_stop, signal.Signals(number).name)

    def _asked_to_reload(self, *_: object) -> None:
        text = "SIGHUP: there is nothing to reload, changes are followed as they come"
        self._reactor.callFromThread(_log.info, text)

    def _asked_to_stop(self, name: str) -> None:
        if self.has_begun:
            _log.warn("{name} again: stopping at once", name=name)
            self._stop_reactor()
            return
        self.has_begun = True
        _log.info("{name}: draining", name=name)
        for call in self._told:
            call()
        if self._delay_seconds:
            early = max(self._delay_seconds - LAST_ANSWERS_SECONDS, 0.0)
            self._reactor.callLater(early, self._serving.announce_end)
        self._reactor.callLater(self._delay_seconds, self._drain)

    def _drain(self) -> None:
        self._reactor.callLater(self._timeout_seconds, self._cut)
        self._serving.drain(self._stop_reactor)

    def _cut(self) -> None:
        if not self._is_over:
            self._serving.cut()
            self._stop_reactor()

    def _stop_reactor(self) -> None:
        # The last connection may end in the same turn as the drain's time.
        if not self._is_over:
            self._is_over = True
            self._reactor.stop()
