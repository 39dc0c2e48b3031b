"""
The requests of the last moments, for as long as somebody looks.

Nobody looks: no worker records anything for this. Somebody looks: batches of records, as the
access log gets them, lie in a ring until they are read; only what is read is ever unpacked.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Collection
from typing import Any, Final

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from fsm_twisted.admin.documents.world import Json
from fsm_twisted.observe.access import AccessRecord, BatchError, unpack_batch
from fsm_twisted.observe.access_format import json_line, make_redaction

_log = Logger()

LOOK_SECONDS: Final = 15.0
"""So long after somebody has asked, requests are recorded."""
RING_BYTES: Final = 2 * 1024 * 1024
MOST_SHOWN: Final = 1000
MOST_WAITING: Final = 16


@attrs.frozen
class Filter:
    """
    Which requests are shown; empty values mean any.

    ``status`` is ``503`` or ``5xx``; ``ingress`` is ``namespace/name``; ``path`` is a part of the
    path and ``host`` of the host; ``reason`` is a reason code, ``any`` for every reason.
    """

    status: str = ""
    reason: str = ""
    origin: str = ""
    method: str = ""
    host: str = ""
    path: str = ""
    ingress: str = ""
    client: str = ""

    def takes(self, record: AccessRecord) -> bool:
        """Tell whether *record* is to be shown."""
        status = str(record.status)
        wanted = self.status.lower().replace("x", "")
        return (
            (status == self.status if len(wanted) == len(status) else status.startswith(wanted))
            and (not self.reason or self.reason in {record.reason, record.reason and "any"})
            and self.origin in {"", record.origin}
            and self.method.upper() in {"", record.method}
            and self.host.lower() in record.host.lower()
            and self.path in record.path
            and self.ingress in {"", f"{record.namespace}/{record.ingress}"}
            and self.client in {"", record.client}
        )


@attrs.frozen
class Seen:
    """
    What a reader gets.

    ``position`` is where to go on; ``was_cut`` says that some before it have been lost.
    """

    records: tuple[Json, ...]
    position: int
    was_cut: bool


class RequestTail:
    """
    The ring, and who looks at it.

    Args:
        clock: The reactor.
        record: Has workers record requests, or no longer.
        redacted: What nobody may read, as the access log has it (``--access-log-redact``).
    """

    def __init__(
        self,
        clock: IReactorTime,
        record: Callable[[bool], None],
        redacted: Collection[str] = (),
    ) -> None:
        self._clock = clock
        self._record = record
        self._redact = make_redaction(redacted)
        self._ring: deque[bytes] = deque()
        self._bytes = 0
        self._first = 0  # the position of the oldest batch in the ring
        self._until: IDelayedCall | None = None
        self._waiting: list[Deferred[None]] = []

    @property
    def is_watched(self) -> bool:
        """Whether somebody looks."""
        return self._until is not None

    @property
    def is_crowded(self) -> bool:
        """Whether as many wait as may."""
        return len(self._waiting) >= MOST_WAITING

    def look(self) -> None:
        """Have requests recorded from now on, for `LOOK_SECONDS`."""
        if self._until is not None:
            self._until.reset(LOOK_SECONDS)
            return
        self._until = self._clock.callLater(LOOK_SECONDS, self._look_away)
        self._record(True)  # noqa: FBT003

    def end(self) -> None:
        """Look away at once, and leave nobody waiting."""
        if self._until is not None:
            self._until.cancel()
            self._look_away()
        self._wake()

    def _look_away(self) -> None:
        self._until = None
        self._record(False)  # noqa: FBT003
        self._first += len(self._ring)
        self._ring.clear()
        self._bytes = 0

    def take(self, batch: bytes) -> bool:
        """Take a batch of the data plane, and say that it has been taken."""
        if not self.is_watched:
            return True
        self._ring.append(batch)
        self._bytes += len(batch)
        while self._bytes > RING_BYTES:
            self._bytes -= len(self._ring.popleft())
            self._first += 1
        self._wake()
        return True

    def wait(self, seconds: float) -> Deferred[None]:
        """
        Wait for the next batch.

        Returns:
            Fires when there is one, or after so many seconds. Cancelling it ends the wait with
            `CancelledError`.
        """
        waiting: Deferred[None] = Deferred(self._forget)
        self._waiting.append(waiting)
        limit = self._clock.callLater(seconds, self._give_up, waiting)

        def ended(result: Any) -> Any:
            if limit.active():
                limit.cancel()
            return result

        return waiting.addBoth(ended)

    def _give_up(self, waiting: Deferred[None]) -> None:
        self._forget(waiting)
        waiting.callback(None)

    def _forget(self, waiting: Deferred[None]) -> None:
        self._waiting = [each for each in self._waiting if each is not waiting]

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)

    @property
    def end_position(self) -> int:
        """The position behind the newest batch."""
        return self._first + len(self._ring)

    def since(self, position: int | None, wanted: Filter, most: int) -> Seen:
        """
        Return what has been recorded.

        Args:
            position: Where the reader is; None for all that there is.
            wanted: Which requests.
            most: At most so many, the newest ones.
        """
        begin = self._first if position is None or position > self.end_position else position
        was_cut = begin < self._first
        batches = list(self._ring)[max(begin - self._first, 0) :]
        found: list[AccessRecord] = []
        for batch in reversed(batches):
            # What nobody may read cannot be guessed by a filter either.
            told = map(self._redact, _records(batch))
            found[:0] = [each for each in told if wanted.takes(each)]
            if len(found) > most:
                was_cut = True
                break
        records = tuple(json.loads(json_line(each)) for each in found[-most:])
        return Seen(records, self.end_position, was_cut)


def _records(batch: bytes) -> list[AccessRecord]:
    found: list[AccessRecord] = []
    try:
        found.extend(unpack_batch(batch))
    except BatchError as error:
        _log.error("a batch of requests cannot be read: {why}", why=str(error))
    return found
