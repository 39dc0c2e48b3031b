"""Log events of a worker on their way to the master, the only writer of the log."""

from __future__ import annotations

import json
from collections.abc import Callable

from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel, eventAsText
from zope.interface import implementer

TEXT_LIMIT = 64 * 1024


@implementer(ILogObserver)
class Forwarder:
    """
    Sends log events as text.

    Args:
        least: Events below this level stay here.
        offer: Takes one message, or says False when it cannot; such events are counted.
    """

    def __init__(self, least: str, offer: Callable[[bytes], bool]) -> None:
        self._least = LogLevel.lookupByName(least)
        self._offer = offer
        self._lost = 0
        self._busy = False

    def __call__(self, event: LogEvent) -> None:
        """Send *event*, never waiting."""
        level = event.get("log_level") or LogLevel.info
        if level < self._least or self._busy:
            return
        # What sending itself logs would come back here.
        self._busy = True
        try:
            text = eventAsText(event, includeTimestamp=False, includeSystem=False)[:TEXT_LIMIT]
            if self._lost:
                text += f" ({self._lost} log events before this one are lost)"
            message = [level.name, str(event.get("log_namespace", "-")), text]
            self._lost = 0 if self._offer(json.dumps(message).encode()) else self._lost + 1
        finally:
            self._busy = False


def tell(worker: int, payload: bytes) -> None:
    """
    Write a log event of *worker*, as `Forwarder` has sent it, to the log of this process.

    Raises:
        ValueError: It is none.
    """
    level, namespace, text = json.loads(payload)
    Logger(namespace=str(namespace)).emit(
        LogLevel.lookupByName(level), "worker {worker}: {text}", worker=worker, text=str(text)
    )
