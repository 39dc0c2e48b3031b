"""
What all workers have counted, asked for over their channels and added up by the master.

Workers answer in pieces, a turn each, so that no request waits for a report. What a worker had
told before it died is kept: no counter falls.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import reduce
from typing import Any, Final, Protocol

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from fsm_twisted.observe.report import Report, ReportError
from fsm_twisted.proxy.plane import DataPlane
from fsm_twisted.proxy.telemetry import reports_of
from fsm_twisted.workers.channel import Channel, Kind

ANSWER_SECONDS: Final = 2.0
# What a worker that is killed has counted since the last question is lost.
QUESTION_SECONDS: Final = 10.0


class Teller:
    """
    A worker's side: answers one question after the other.

    Args:
        reactor: The worker's.
        channel: To the master.
        plane: Whose counts they are.
    """

    def __init__(self, reactor: Any, channel: Channel, plane: DataPlane) -> None:
        self._reactor = reactor
        self._channel = channel
        self._plane = plane
        self._question = b""
        self._is_telling = False

    def ask(self, question: bytes) -> None:
        """Answer from now on; a later question is answered after it, the newest one at last."""
        self._question = question
        if not self._is_telling:
            self._begin()

    def _begin(self) -> None:
        self._is_telling = True
        self._tell(self._question, reports_of(self._plane))

    def _tell(self, question: bytes, pieces: Iterator[Report]) -> None:
        if self._channel.is_closed:
            return
        piece = next(pieces, None)
        if piece is not None:
            self._channel.send(Kind.METRICS, piece.to_bytes())
            self._reactor.callLater(0, self._tell, question, pieces)
            return
        self._channel.send(Kind.METRICS, question)
        self._is_telling = False
        if question != self._question:
            self._begin()


class Asked(Protocol):
    """A worker's post, as far as it matters here."""

    number: int

    @property
    def is_held(self) -> bool:
        """Whether there is a worker."""

    def tell(self, kind: Kind, payload: bytes = b"") -> None:
        """Send it a message."""


@attrs.define(eq=False)
class _Wait:
    question: int
    missing: set[int]
    answer: Deferred[None]


class Counts:
    """
    The master's side.

    Args:
        reactor: The master's.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._posts: tuple[Asked, ...] = ()
        self._next: Any = None
        self._question = 0
        self._coming: dict[int, list[Report]] = {}
        self._newest: dict[int, list[Report]] = {}
        self._past = Report()
        self._waits: list[_Wait] = []

    def watch(self, posts: Iterable[Asked]) -> None:
        """Ask these from now on, every `QUESTION_SECONDS` and when somebody wants to know."""
        self._posts = tuple(posts)
        self._next = self._reactor.callLater(QUESTION_SECONDS, self._ask_again)

    def end(self) -> None:
        """Ask no more by ourselves."""
        if self._next is not None and self._next.active():
            self._next.cancel()

    def _ask_again(self) -> None:
        self._put_question()
        self._next = self._reactor.callLater(QUESTION_SECONDS, self._ask_again)

    def report(self) -> Deferred[Report]:
        """
        Ask every worker.

        Returns:
            Fires with the sum, little more than `ANSWER_SECONDS` later at most: what a worker
            has told before stands for one that is silent. It does not fail. Cancelling it ends
            the wait with `CancelledError`.
        """
        return Deferred.fromCoroutine(self._report())

    async def _report(self) -> Report:
        await self._ask()
        total = self._past
        for piece in [piece for pieces in self._newest.values() for piece in pieces]:
            total = total.plus(piece)
            await deferLater(self._reactor, 0)
        return total

    def _ask(self) -> Deferred[None]:
        asked = {post.number for post in self._put_question()}
        wait = _Wait(self._question, asked, Deferred(self._forget))
        self._waits.append(wait)
        limit = self._reactor.callLater(ANSWER_SECONDS, self._end, wait)
        wait.answer.addBoth(_passing(limit))
        self._settle()
        return wait.answer

    def _put_question(self) -> list[Asked]:
        self._question += 1
        held = [post for post in self._posts if post.is_held]
        for post in held:
            post.tell(Kind.COUNT, b"%d" % self._question)
        return held

    def received(self, number: int, payload: bytes) -> None:
        """
        Take a piece from worker *number*, or the end of its answer.

        Raises:
            ReportError: It is neither.
        """
        if payload.startswith(b"["):
            self._coming.setdefault(number, []).append(Report.from_bytes(payload))
            return
        if not payload.isdigit():
            raise ReportError("neither a piece nor an end")
        self._newest[number] = self._coming.pop(number, [])
        for wait in self._waits:
            if int(payload) >= wait.question:
                wait.missing.discard(number)
        self._settle()

    def gone(self, number: int) -> None:
        """Keep what worker *number* has told: it tells no more."""
        self._coming.pop(number, None)
        told = [piece.of_the_dead() for piece in self._newest.pop(number, [])]
        self._past = reduce(Report.plus, told, self._past)
        for wait in self._waits:
            wait.missing.discard(number)
        self._settle()

    def _settle(self) -> None:
        for wait in tuple(self._waits):
            if not wait.missing:
                self._end(wait)

    def _end(self, wait: _Wait) -> None:
        if wait in self._waits:
            self._waits.remove(wait)
            wait.answer.callback(None)

    def _forget(self, answer: Deferred[None]) -> None:
        self._waits = [each for each in self._waits if each.answer is not answer]


def _passing(limit: Any) -> Any:
    def passed(result: Any) -> Any:
        if limit.active():
            limit.cancel()
        return result

    return passed
