"""
One turn of the reactor: everything that is ready is read, then everything that waits is sent.

The functions here are the reference; the compiled module, where it was built, does the same
(tests/net/test_turn.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from select import EPOLLIN
from typing import Any, Protocol

from fsm_twisted.net.loop import Flushable, Outbox


class Turned(Protocol):
    """The reactor as it is asked about what is not usual; nothing of it raises."""

    def otherwise_ready(self, descriptor: Any, fd: int, event: int) -> None:
        """Serve a *descriptor* that is not just readable."""

    def disconnect(self, descriptor: Any, why: Any) -> None:
        """Take away a descriptor whose ``doRead`` has returned *why*."""

    def read_failed(self, descriptor: Any, failure: BaseException) -> None:
        """Learn what has come out of the ``doRead`` of *descriptor*."""

    def flush_failed(self, descriptor: Flushable, failure: BaseException) -> None:
        """Learn what has come out of its ``flush``."""


def serve(ready: list[tuple[int, int]], selectables: Mapping[int, Any], reactor: Turned) -> None:
    """
    Serve what is ready, one after the other; one may take another out of *selectables*.

    Args:
        ready: File descriptors with their events, as ``epoll`` gives them.
        selectables: Who belongs to a file descriptor.
        reactor: Is told of everything but a ``doRead`` that returns None.
    """
    for fd, event in ready:
        try:
            descriptor = selectables[fd]
        except KeyError:
            continue
        if event != EPOLLIN:
            reactor.otherwise_ready(descriptor, fd, event)
            continue
        try:
            why = descriptor.doRead()
        except BaseException as failure:  # noqa: BLE001  the loop outlives its descriptors
            reactor.read_failed(descriptor, failure)
            continue
        if why is not None:
            reactor.disconnect(descriptor, why)


def flush_all(outbox: Outbox, reactor: Turned) -> None:
    """Flush everybody in *outbox*, which is empty before the first one is."""
    waiting = outbox[:]
    outbox.clear()
    for each in waiting:
        try:
            each.flush()
        except BaseException as failure:  # noqa: BLE001  nobody else loses its turn
            reactor.flush_failed(each, failure)
