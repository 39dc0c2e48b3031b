"""
The reactor of the data path: Twisted's epoll reactor with a shorter way to ``doRead``.

Twisted wraps every event in a log context; for a readable descriptor of ours that costs more than
the proxying does. Everything but a plain "readable" still takes Twisted's own way.
"""

from __future__ import annotations

import errno
from select import EPOLLIN
from typing import Any

from twisted.internet import error, main
from twisted.internet.epollreactor import EPollReactor
from twisted.logger import Logger
from twisted.python import log
from twisted.python.failure import Failure

from fsm_twisted.net.loop import Outbox

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
            self._flush()
        try:
            ready = self._poller.poll(-1 if timeout is None else timeout, EVENTS_PER_POLL)
        except OSError as failure:
            if failure.errno == errno.EINTR:
                return
            raise
        find = self._selectables.get
        for fd, event in ready:
            selectable = find(fd)
            if selectable is None:
                continue
            if event == EPOLLIN:
                why: Any
                try:
                    why = selectable.doRead()
                except BaseException as failure:  # noqa: BLE001  the loop outlives its descriptors
                    _log.failure("a descriptor failed", Failure())
                    why = failure
                if why is not None:
                    self._disconnectSelectable(selectable, why, True)  # noqa: FBT003
            else:
                log.callWithLogger(selectable, self._doReadOrWrite, selectable, fd, event)
        if self.outbox:
            self._flush()

    def _flush(self) -> None:
        waiting = self.outbox[:]
        self.outbox.clear()
        for each in waiting:
            try:
                each.flush()
            except BaseException as failure:  # noqa: BLE001  nobody else loses its turn
                _log.failure("a descriptor failed", Failure())
                self._disconnectSelectable(each, failure, False)  # noqa: FBT003

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
