"""
Notes that wait to become Events, written one after the other at the pace of the limits.

What is known of Events that are there: a note that was written before is told again by a patch of
its series, as the API wants it. The API server may be away, refuse, or have forgotten an Event
after its time (an hour, as a rule); none of that harms anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from fsm_twisted.control.event_limits import TOTAL_BURST, TOTAL_SECONDS, Bucket, ObjectLimits
from fsm_twisted.control.notes import Author, Note, micro_time
from fsm_twisted.observe.exposition import series
from fsm_twisted.observe.report import Number
from fsm_twisted.sources.cluster.access import ApiFailure
from fsm_twisted.sources.cluster.api import Api, ApiError, Forbidden, NotFound
from fsm_twisted.sources.cluster.backoff import Backoff

_log = Logger()

RULE: Final = '{apiGroups: ["events.k8s.io"], resources: ["events"], verbs: [create, patch]}'
MOST_WAITING: Final = 10_000
FORBIDDEN_SECONDS: Final = 300.0
LEADER_SECONDS: Final = 2.0
_MOST_KNOWN: Final = 10_000
_MERGE: Final = "application/merge-patch+json"
_SERIES_BEGINS: Final = 2
_CONFLICT: Final = 409
_INVALID: Final = 422
_BUSY: Final = 429
_SERVER_FAULT: Final = 500


class EventQueue:
    """
    Writes notes, the oldest first.

    Args:
        api: The API server.
        author: Who says it.
        clock: The reactor.
        wall: The time, aware.
        draw: Returns a number of [0, 1), for jitter.
        is_leader: Whether it is us who write; asked before each Event.
    """

    def __init__(
        self,
        api: Api,
        author: Author,
        *,
        clock: IReactorTime,
        wall: Callable[[], datetime],
        draw: Callable[[], float],
        is_leader: Callable[[], bool],
    ) -> None:
        self._api = api
        self._author = author
        self._clock = clock
        self._wall = wall
        self._is_leader = is_leader
        self._backoff = Backoff(draw)
        self._total = Bucket(TOTAL_BURST, TOTAL_SECONDS, clock.seconds())
        self._objects = ObjectLimits()
        self._waiting: dict[str, Note] = {}
        self._counts: dict[str, int] = {}
        self._writing: Deferred[None] | None = None
        self._is_forbidden = False
        self._written = 0
        self._dropped = {"limit": 0, "queue": 0, "refused": 0}

    def counts(self) -> Mapping[str, Number]:
        """Return how many were written and dropped, by series."""
        dropped = {
            series("events_dropped_total", reason=reason): number
            for reason, number in self._dropped.items()
        }
        waiting = len(self._waiting)
        return {"events_written_total": self._written, "events_waiting": waiting, **dropped}

    def put(self, note: Note) -> None:
        """Have *note* written; one that waits already waits on."""
        if note.name in self._waiting:
            return
        if len(self._waiting) >= MOST_WAITING:
            self._dropped["queue"] += 1
            return
        self._waiting[note.name] = note
        if self._writing is None:
            self._writing = Deferred.fromCoroutine(self._write_all())
            self._writing.addErrback(lambda failure: failure.trap(CancelledError) and None)

    def withdraw(self, name: str) -> None:
        """Do not write a note that is not true any more, if it still waits."""
        self._waiting.pop(name, None)

    def stop(self) -> None:
        """Write nothing any more."""
        self._waiting.clear()
        if self._writing is not None:
            self._writing.cancel()

    async def _write_all(self) -> None:
        # Whoever puts the first note into an empty queue goes on before anything is written.
        await deferLater(self._clock, 0)
        try:
            while self._waiting:
                await self._write_next()
        finally:
            self._writing = None

    async def _write_next(self) -> None:
        pause = self._total.wait_seconds(self._clock.seconds())
        if not self._is_leader():
            pause = LEADER_SECONDS
        if pause:
            await deferLater(self._clock, pause)
            return
        name, note = next(iter(self._waiting.items()))
        now = self._clock.seconds()
        if not self._objects.take(note.about, now):
            self._drop(name, "limit")
            return
        self._total.take(now)
        try:
            await self._tell(note)
        except ApiFailure as failure:
            await self._failed(name, failure)
        except CancelledError:
            raise
        except Exception:  # noqa: BLE001  a fault of ours: the other notes are still to be written
            _log.failure("an Event of {about} failed", Failure(), about=str(note.about))
            self._drop(name, "refused")
        else:
            self._waiting.pop(name, None)
            self._written += 1
            self._backoff.reset()
            if self._is_forbidden:
                self._is_forbidden = False
                _log.info("Events can be written again")

    async def _failed(self, name: str, failure: ApiFailure) -> None:
        """Drop a note that will never be taken, and wait for what may pass."""
        if isinstance(failure, Forbidden) and "is being terminated" not in failure.message:
            if not self._is_forbidden:
                self._is_forbidden = True
                _log.warn(
                    "Events: we may not write them: {why}; add the rule {rule}, or turn them off"
                    " with --events=off",
                    why=str(failure),
                    rule=RULE,
                )
            await deferLater(self._clock, FORBIDDEN_SECONDS)
            return
        if isinstance(failure, ApiError) and _is_final(failure.status):
            _log.debug("Events: one was refused: {why}", why=str(failure))
            self._drop(name, "refused")
            return
        asked = failure.retry_seconds if isinstance(failure, ApiError) else None
        await deferLater(self._clock, self._backoff.next_seconds() + (asked or 0.0))

    def _drop(self, name: str, reason: str) -> None:
        self._waiting.pop(name, None)
        self._dropped[reason] += 1

    async def _tell(self, note: Note) -> None:
        count = self._counts.get(note.name)
        if count is not None:
            try:
                await self._repeat(note, count + 1)
            except NotFound:
                del self._counts[note.name]
            else:
                return
        try:
            await self._request("POST", note, "", note.body(self._author, self._wall()))
        except ApiError as error:
            if error.status != _CONFLICT:
                raise
            if note.is_warning:
                await self._take_over(note)
        self._know(note, self._counts.get(note.name, 1))

    async def _take_over(self, note: Note) -> None:
        """Say that a fault still stands, which somebody before us has told."""
        count = 0
        try:
            answer = await self._patch(note, {})
        except ApiError as error:
            if error.status != _INVALID:
                raise
        else:
            # Not every version minds a series without a count.
            told = answer.get("series")
            counted = told.get("count") if isinstance(told, Mapping) else None
            count = counted if isinstance(counted, int) else 0
        if count < _SERIES_BEGINS:
            await self._repeat(note, _SERIES_BEGINS)
        else:
            self._know(note, count)

    async def _repeat(self, note: Note, count: int) -> None:
        await self._patch(note, {"count": count})
        self._know(note, count)

    async def _patch(self, note: Note, further: Mapping[str, int]) -> Mapping[str, object]:
        seen = {"lastObservedTime": micro_time(self._wall()), **further}
        return await self._request("PATCH", note, f"/{note.name}", {"series": seen})

    async def _request(
        self, method: str, note: Note, name: str, body: Mapping[str, object]
    ) -> Mapping[str, object]:
        path = f"/apis/events.k8s.io/v1/namespaces/{note.namespace}/events{name}"
        kind = _MERGE if method == "PATCH" else "application/json"
        return await self._api.request(method, path, None, body, kind)

    def _know(self, note: Note, count: int) -> None:
        self._counts.pop(note.name, None)
        self._counts[note.name] = count
        if len(self._counts) > _MOST_KNOWN:
            del self._counts[next(iter(self._counts))]


def _is_final(status: int) -> bool:
    """Return whether the same request would be refused again."""
    return status < _SERVER_FAULT and status not in {401, _BUSY}
