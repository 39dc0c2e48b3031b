"""
The reactor of the data path: Twisted's epoll reactor with a shorter way to ``doRead``.

Twisted wraps every event in a log context; for a readable descriptor of ours that costs more than
the proxying does. Everything but a plain "readable" still takes Twisted's own way.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from select import EPOLLHUP, EPOLLIN
from typing import Any

from twisted.internet import error, main
from twisted.internet.epollreactor import EPollReactor
from twisted.logger import Logger
from twisted.python import log
from twisted.python.failure import Failure

from fsm_twisted.net import turn
from fsm_twisted.net.loop import Outbox

serve: Callable[[list[tuple[int, int]], Mapping[int, Any], turn.Turned], None] = turn.serve
flush_all: Callable[[Outbox, turn.Turned], None] = turn.flush_all
try:
    from fsm_twisted.net import _speedups
except ImportError:
    pass
else:
    serve, flush_all = _speedups.serve, _speedups.flush_all

_log = Logger()

EVENTS_PER_POLL = 512
_RELIED_UPON = ("_poller", "_selectables", "_disconnectSelectable", "_doReadOrWrite")


class FsmReactor(EPollReactor):
    """
    An `EPollReactor` whose ``doPoll`` calls ``doRead`` directly.

    Attributes:
        outbox: Who is to be flushed when everything that was ready has been served.
    """

    def __init__(self) -> None:
        self.outbox: Outbox = []
        super().__init__()

    def doPoll(self, timeout: float | None) -> None:
        """
        Wait at most *timeout* seconds (None: for ever) and serve what is ready.

        An exception out of ``doRead`` is logged and costs that descriptor its connection, as in
        Twisted.
        """
        if self.outbox:  # timed calls have left something, and this poll may wait
            flush_all(self.outbox, self)
        try:
            ready = self._poller.poll(-1 if timeout is None else timeout, EVENTS_PER_POLL)
        except OSError as failure:
            if failure.errno == errno.EINTR:
                return
            raise
        serve(ready, self._selectables, self)
        if self.outbox:
            flush_all(self.outbox, self)

    # See `turn.Turned` for these.

    def otherwise_ready(self, descriptor: Any, fd: int, event: int) -> None:
        """Serve it in Twisted's way; where both sides have only ended their output, as ever."""
        if event != EPOLLIN | EPOLLHUP:
            log.callWithLogger(descriptor, self._doReadOrWrite, descriptor, fd, event)
            return
        try:
            why = descriptor.doRead()
        except BaseException as failure:  # noqa: BLE001  the loop outlives its descriptors
            self.read_failed(descriptor, failure)
        else:
            if why is not None:
                self.disconnect(descriptor, why)

    def disconnect(self, descriptor: Any, why: Any) -> None:
        """Tell it that it has lost its connection."""
        self._disconnectSelectable(descriptor, why, True)  # noqa: FBT003

    def read_failed(self, descriptor: Any, failure: BaseException) -> None:
        """Log it; it costs the descriptor its connection."""
        _log.failure("a descriptor failed", Failure(failure))
        self._disconnectSelectable(descriptor, failure, True)  # noqa: FBT003

    def flush_failed(self, descriptor: Any, failure: BaseException) -> None:
        """Log it; it costs the descriptor its connection."""
        _log.failure("a descriptor failed", Failure(failure))
        self._disconnectSelectable(descriptor, failure, False)  # noqa: FBT003

    doIteration = doPoll


def install() -> bool:
    """
    Install the reactor of the data path as Twisted's global one.

    Returns:
        False when another reactor is installed already or Twisted's internals have changed: the
        data path then runs on the stock reactor, only slower.
    """
    reactor = FsmReactor()
    if not all(hasattr(reactor, name) for name in _RELIED_UPON):
        return False
    try:
        main.installReactor(reactor)
    except error.ReactorAlreadyInstalledError:
        return False
    return True
