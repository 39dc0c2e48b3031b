"""The fleet: the data road in worker processes, kept alive and up to date by the master."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from fsm_twisted.observe.exposition import series
from fsm_twisted.observe.live import Endpoints, WorkerFacts
from fsm_twisted.observe.report import Number, Report, UpstreamKey
from fsm_twisted.proxy.telemetry import labels_of
from fsm_twisted.snapshot.model import Snapshot
from fsm_twisted.workers.channel import Kind
from fsm_twisted.workers.counts import Counts
from fsm_twisted.workers.looks import Looks
from fsm_twisted.workers.plan import Plan
from fsm_twisted.workers.post import Encoder, Patience, Post, Receivers
from fsm_twisted.workers.road import Front
from fsm_twisted.workers.spawn import NurseryProcess
from fsm_twisted.workers.spread import Spread
from fsm_twisted.workers.usage import ProcessorTime, usage_of

_log = Logger()

OBEY_SECONDS = 2.0
LATE_SECONDS = 1.0
_NO_RECEIVERS: Receivers = {}


class Fleet:
    """
    Keeps so many workers, each on the newest snapshot, and a nursery that forks them.

    A worker that dies is replaced; a nursery that dies is rebuilt, while its workers go on. The
    end of this process ends them all, because their channels end.

    Workers go from snapshot to snapshot together: the next one is sent when all serve the one
    before, and what comes meanwhile is sent as one change. One that takes longer than
    `LATE_SECONDS` is not waited for until it has caught up.

    Args:
        reactor: The master's.
        workers: How many, at least 1.
        plan: What they obey.
        fronts: The sockets of the plan; closed when the program drains.
        receivers: Take what workers report, by kind, with the worker's number.
    """

    def __init__(
        self,
        reactor: Any,
        workers: int,
        plan: Plan,
        fronts: Sequence[Front],
        receivers: Receivers = _NO_RECEIVERS,
    ) -> None:
        self._reactor = reactor
        self._plan = plan
        self._fronts = fronts
        self._nursery: NurseryProcess | None = None
        self._nursery_began = 0.0
        self._patience = Patience()
        self._is_ending = False
        self._have_all_served = False
        self._gone: list[Callable[[], None]] = []
        self._waiting: list[tuple[int, Deferred[None]]] = []
        self._newest: Snapshot | None = None
        self._sent: Snapshot | None = None
        self._late: Any = None
        self._spread = Spread()
        self._cpu = {number: ProcessorTime() for number in range(1, workers + 1)}
        self._accepting: dict[int, frozenset[int]] = {}
        encoder = Encoder()
        self._counts = Counts(reactor, self._labels)
        self._looks = Looks(reactor)
        self._is_watched = False
        receivers = {
            Kind.METRICS: self._counts.received,
            Kind.SHOWN: self._looks.received,
            **receivers,
        }
        self._posts = tuple(
            Post(reactor, number, encoder, self._acknowledged, self._vacated, receivers)
            for number in range(1, workers + 1)
        )
        self._counts.watch(self._posts)
        self._looks.watch(self._posts)

    def start(self) -> None:
        """Start the nursery and have all workers forked."""
        self._start_nursery()

    def publish(self, snapshot: Snapshot) -> None:
        """Have *snapshot* served by every worker, as soon as all serve the one before."""
        self._newest = snapshot
        self._advance()

    def _advance(self) -> None:
        newest = self._newest
        if any(post.is_changing and not post.is_late for post in self._posts):
            return
        self._wait_no_longer()
        if newest is None or newest is self._sent:
            return
        self._sent = newest
        for post in self._posts:
            post.publish(newest)
        self._late = self._reactor.callLater(LATE_SECONDS, self._go_on)

    def _go_on(self) -> None:
        """Leave those behind that are late."""
        self._late = None
        for post in self._posts:
            if post.is_changing and not post.is_late:
                post.is_late = True
                _log.warn("worker {number} is slow; the others go on", number=post.number)
        self._advance()

    def _wait_no_longer(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def missing(self) -> str:
        """
        Say what is missing until every worker serves a snapshot; ``""`` when nothing is.

        After that one serving worker is enough: the others are being replaced.
        """
        serving = self.serving
        if serving and self._have_all_served:
            return ""
        return f"{serving} of {len(self._posts)} workers serve"

    def report(self) -> Deferred[Report]:
        """
        Add up what all workers have counted, see `Counts.report`.

        Returns:
            Fires with the sum, within seconds; does not fail.
        """
        return self._counts.report()

    def look(self) -> Deferred[Endpoints]:
        """
        Ask all workers what they know of their endpoints, see `Looks.look`.

        Returns:
            Fires with the sum, within seconds; does not fail.
        """
        return self._looks.look()

    def show_requests(self, *, to_people: bool) -> None:
        """Have all workers tell of requests from now on, or no longer."""
        self._is_watched = to_people
        for post in self._posts:
            post.tell(Kind.RECORD, b"%d" % to_people)

    def workers(self) -> tuple[WorkerFacts, ...]:
        """Return the processes that serve."""
        return tuple(map(_facts, self._posts))

    @property
    def serving(self) -> int:
        """How many workers serve a snapshot."""
        return len(self._generations())

    def series(self) -> Mapping[str, Number]:
        """Return what is known of the workers, by series."""
        self._spread.tell(self._generations(), time.monotonic())
        found: dict[str, Number] = {
            "workers": self.serving,
            "workers_wanted": len(self._posts),
            "workers_apart_longest_seconds": self._spread.longest_seconds,
        }
        for post in self._posts:
            usage = usage_of(post.pid) if post.pid else None
            worker, cpu = str(post.number), self._cpu[post.number]
            if usage is not None:
                cpu.tell(post.pid, usage.cpu_seconds)
                found[series("worker_resident_bytes", worker=worker)] = usage.resident_bytes
                found[series("worker_open_fds", worker=worker)] = usage.open_fds
            found[series("worker_cpu_seconds_total", worker=worker)] = cpu.total_seconds
        return found

    def _labels(self) -> set[UpstreamKey]:
        return set(labels_of(self._newest)) if self._newest else set()

    def _generations(self) -> list[int]:
        return [post.serving.generation for post in self._posts if post.serving is not None]

    def when_served(self, generation: int) -> Deferred[None]:
        """
        Wait until every worker serves *generation* or a later one.

        Returns:
            Fires at once when that is so already; it never fails. Cancelling it ends the wait
            with `CancelledError`.
        """
        waiting: Deferred[None] = Deferred(self._forget)
        self._waiting.append((generation, waiting))
        self._tell_served()
        return waiting

    def _share_fronts(self) -> None:
        """Have the own socket of each worker accepted on: by another one while it is missing."""
        serving = [post for post in self._posts if post.serving is not None]
        if not serving or not any(front.worker for front in self._fronts):
            return
        wanted: dict[int, set[int]] = {post.number: {post.number} for post in serving}
        for post in self._posts:
            if post.serving is None:
                wanted[serving[post.number % len(serving)].number].add(post.number)
        for post in serving:
            numbers = frozenset(wanted[post.number])
            # A worker begins with its own.
            if self._accepting.get(post.number, frozenset({post.number})) != numbers:
                post.tell(Kind.FRONTS, b" ".join(b"%d" % each for each in sorted(numbers)))
                self._accepting[post.number] = numbers

    def _forget(self, waiting: Deferred[None]) -> None:
        self._waiting = [each for each in self._waiting if each[1] is not waiting]

    def _acknowledged(self, seconds: float) -> None:
        self._have_all_served |= self.serving == len(self._posts)
        self._spread.tell(self._generations(), seconds)
        self._share_fronts()
        self._tell_served()
        self._advance()

    def _tell_served(self) -> None:
        served = self._generations()
        if len(served) < len(self._posts) or not self._waiting:
            return
        slowest = min(served)
        ready = [each for generation, each in self._waiting if generation <= slowest]
        self._waiting = [each for each in self._waiting if each[0] > slowest]
        for each in ready:
            each.callback(None)

    # Supervision

    def _start_nursery(self) -> None:
        if self._is_ending:
            return
        self._nursery_began = time.monotonic()
        try:
            self._nursery = NurseryProcess.start(
                self._reactor, self._plan, self._forked, self._nursery_lost
            )
        except OSError as error:
            _log.error("the nursery cannot be started: {why}", why=error.strerror)
            self._nursery_lost()
            return
        for post in self._posts:
            self._fork(post)

    def _nursery_lost(self) -> None:
        self._nursery = None
        if self._is_ending:
            return
        delay = self._patience.delay(time.monotonic() - self._nursery_began)
        _log.warn("the nursery has died; a new one starts in {seconds} s", seconds=delay)
        self._reactor.callLater(delay, self._start_nursery)

    def _fork(self, post: Post) -> None:
        # Without a nursery the post waits for the next one.
        if self._nursery is None or post.is_held or self._is_ending:
            return
        try:
            ours, its = socket.socketpair()
        except OSError as error:
            _log.error("no channel for a worker: {why}", why=error.strerror)
            self._reactor.callLater(1, self._fork, post)
            return
        ours.setblocking(False)  # noqa: FBT003
        post.take(ours, time.monotonic())
        if self._is_watched:
            post.tell(Kind.RECORD, b"1")
        with its:
            self._nursery.fork(post.number, its)

    def _forked(self, number: int, pid: int) -> None:
        self._posts[number - 1].pid = pid

    def _vacated(self, post: Post) -> None:
        self._counts.gone(post.number)
        self._looks.gone(post.number)
        self._spread.tell(self._generations(), time.monotonic())
        self._accepting.pop(post.number, None)
        if not self._is_ending:
            self._share_fronts()
            self._advance()
            delay = post.patience.delay(time.monotonic() - post.began_seconds)
            _log.warn(
                "worker {number} has died; the next one starts in {seconds} s",
                number=post.number,
                seconds=delay,
            )
            self._reactor.callLater(delay, self._fork, post)
        elif not self._held():
            for call in self._gone:
                self._reactor.callLater(0, call)
            self._gone = []

    def _held(self) -> tuple[Post, ...]:
        return tuple(post for post in self._posts if post.is_held)

    # The end

    def announce_end(self) -> None:
        """Let each answer be the last of its connection; new ones are still accepted."""
        for post in self._posts:
            post.tell(Kind.LAST_ANSWERS)

    def drain(self, drained: Callable[[], None]) -> None:
        """Accept no more, finish what runs; *drained* is called when every worker has ended."""
        self._begin_end()
        for post in self._posts:
            post.tell(Kind.DRAIN)
        self._when_gone(drained)

    def cut(self) -> None:
        """Abort what is still under way."""
        for post in self._posts:
            post.tell(Kind.CUT)

    def stop(self) -> Deferred[None]:
        """
        End every worker at once.

        Returns:
            Fires when they have ended, `OBEY_SECONDS` later at most: those that do not obey are
            killed. It never fails.
        """
        self._begin_end()
        ended: Deferred[None] = Deferred()
        killing = self._reactor.callLater(OBEY_SECONDS, self._kill)

        def finished() -> None:
            if killing.active():
                killing.cancel()
            ended.callback(None)

        for post in self._posts:
            post.end()
        self._when_gone(finished)
        return ended

    def _begin_end(self) -> None:
        self._is_ending = True
        self._wait_no_longer()
        self._counts.end()
        # Nobody but workers may hold the listening sockets now, or the kernel goes on accepting.
        if self._nursery is not None:
            self._nursery.close()
            self._nursery = None
        for front in self._fronts:
            front.sock.close()

    def _when_gone(self, call: Callable[[], None]) -> None:
        if self._held():
            self._gone.append(call)
        else:
            call()

    def _kill(self) -> None:
        for post in self._held():
            _log.error("worker {number} does not end; it is killed", number=post.number)
            post.kill()


def _facts(post: Post) -> WorkerFacts:
    generation = None if post.serving is None else post.serving.generation
    age = time.monotonic() - post.began_seconds if post.is_held else 0.0
    facts = WorkerFacts(post.number, post.pid, generation, age, post.is_late)
    usage = usage_of(post.pid) if post.pid else None
    return facts if usage is None else attrs.evolve(facts, **attrs.asdict(usage))
