"""
What all workers have counted, told over their channels and added up by the master.

A worker tells every second what is new, in pieces, a turn each, so that no request waits for it;
when somebody wants to know now, it is asked. What a worker had told before it died is kept: no
counter falls.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import reduce
from typing import Any, Final

from twisted.internet.defer import Deferred

from fsm_twisted.observe.report import Report, ReportError, UpstreamCounts, UpstreamKey
from fsm_twisted.proxy.plane import DataPlane
from fsm_twisted.proxy.telemetry import news_of
from fsm_twisted.workers.channel import Channel, Kind
from fsm_twisted.workers.questions import Asked, Questions

# What a worker that is killed has counted since it last told is lost.
TELL_SECONDS: Final = 1.0
# Telling costs worker and master each 5 us for each upstream: half a per cent of their time.
UPSTREAMS_A_SECOND: Final = 1000
LONGEST_SECONDS: Final = 10.0
FORGET_SECONDS: Final = 60.0
_EMPTY: Final = Report()


class Teller:
    """
    A worker's side: tells what is new every `TELL_SECONDS`, and at once when it is asked.

    Args:
        reactor: The worker's.
        channel: To the master.
        plane: Whose counts they are.
    """

    def __init__(self, reactor: Any, channel: Channel, plane: DataPlane) -> None:
        self._reactor = reactor
        self._channel = channel
        self._plane = plane
        self._questions: list[bytes] = []
        self._is_telling = False
        self._telling = self._told = 0  # upstreams, so far and the last time
        self._last = Report()
        self._seen: tuple[int, ...] = ()
        self._was_idle = False
        self._quiet_seconds = 0.0
        reactor.callLater(TELL_SECONDS, self._tell_again)

    def ask(self, question: bytes) -> None:
        """Tell all that has been counted by now, and then say so by repeating the question."""
        self._questions.append(question)
        if not self._is_telling:
            self._begin()

    def _tell_again(self) -> None:
        if self._channel.is_closed:
            return
        if not self._is_telling and not self._is_quiet():
            self._begin()
        # By what was told the last time: this time, it has only begun.
        pause = min(max(TELL_SECONDS, self._told / UPSTREAMS_A_SECOND), LONGEST_SECONDS)
        self._reactor.callLater(pause, self._tell_again)

    def _is_quiet(self) -> bool:
        """
        Tell whether nothing has happened: then looking at every upstream would be all our work.

        What changes by time alone (an ejection that ends) is told within `LONGEST_SECONDS`.
        """
        plane = self._plane
        seen = (
            plane.budget.requests,
            plane.accepted,
            len(plane.connections),
            sum(plane.replies.values()),
            plane.runtime.active.snapshot.generation,
        )
        is_idle = all(each.is_idle for each in plane.connections)
        is_same = seen == self._seen and is_idle and self._was_idle
        self._quiet_seconds = self._quiet_seconds + TELL_SECONDS if is_same else 0.0
        self._seen, self._was_idle = seen, is_idle
        if self._quiet_seconds >= LONGEST_SECONDS:
            self._quiet_seconds = 0.0
        return self._quiet_seconds > 0

    def _begin(self) -> None:
        self._is_telling = True
        self._telling = 0
        questions, self._questions = self._questions, []
        self._tell(questions, news_of(self._plane))

    def _tell(self, questions: list[bytes], pieces: Iterator[Report]) -> None:
        if self._channel.is_closed:
            return
        piece = next(pieces, None)
        if piece is not None:
            if piece not in (self._last, _EMPTY):
                self._channel.send(Kind.METRICS, piece.to_bytes())
            self._telling += len(piece.upstreams)
            if piece.counters:
                self._last = piece
            self._reactor.callLater(0, self._tell, questions, pieces)
            return
        for question in questions:
            self._channel.send(Kind.METRICS, question)
        self._is_telling = False
        self._told = self._telling
        if self._questions:
            self._begin()


class Counts:
    """
    The master's side.

    Args:
        reactor: The master's.
        exist: Tells what there is of Ingresses and Services; other counts are forgotten in time.
    """

    def __init__(self, reactor: Any, exist: Callable[[], Collection[UpstreamKey]]) -> None:
        self._reactor = reactor
        self._exist = exist
        self._questions = Questions(reactor, Kind.COUNT)
        self._forgetting: Any = None
        self._upstreams: dict[UpstreamKey, UpstreamCounts] = {}
        self._newest: dict[int, Report] = {}
        self._past = Report()

    def watch(self, posts: Iterable[Asked]) -> None:
        """Ask these when somebody wants to know; they tell by themselves, too."""
        self._questions.watch(posts)
        self._forgetting = self._reactor.callLater(FORGET_SECONDS, self._forget_deleted)

    def end(self) -> None:
        """Do nothing more by ourselves."""
        if self._forgetting is not None and self._forgetting.active():
            self._forgetting.cancel()

    def _forget_deleted(self) -> None:
        exist = set(self._exist())
        self._upstreams = {key: n for key, n in self._upstreams.items() if key in exist}
        self._forgetting = self._reactor.callLater(FORGET_SECONDS, self._forget_deleted)

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
        await self._questions.ask()
        upstreams: Mapping[UpstreamKey, UpstreamCounts] = dict(self._upstreams)
        return reduce(Report.plus, self._newest.values(), self._past).with_upstreams(upstreams)

    def received(self, number: int, payload: bytes) -> None:
        """
        Take a piece from worker *number*, or the end of its answer.

        Raises:
            ReportError: It is neither.
        """
        if payload.startswith(b"["):
            piece = Report.from_bytes(payload)
            for key, counts in piece.upstreams.items():
                known = self._upstreams.get(key)
                self._upstreams[key] = counts if known is None else known.plus(counts)
            if not piece.upstreams:
                self._newest[number] = piece
            return
        if not payload.isdigit():
            raise ReportError("neither a piece nor an end")
        self._questions.answered(number, int(payload))

    def gone(self, number: int) -> None:
        """Keep what worker *number* has told: it tells no more."""
        self._past = self._past.plus(self._newest.pop(number, Report()).of_the_dead())
        self._questions.gone(number)
