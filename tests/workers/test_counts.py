"""Counts of many workers: asked for, added up, and kept when a worker dies."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from fsm_twisted.observe.cells import UpstreamCells
from fsm_twisted.observe.report import Report, ReportError, UpstreamCounts
from fsm_twisted.workers.channel import Kind
from fsm_twisted.workers.counts import FORGET_SECONDS, Counts
from fsm_twisted.workers.questions import ANSWER_SECONDS

KEY = ("n", "i", "s")


def upstreams(retries: int) -> dict[tuple[str, str, str], UpstreamCounts]:
    cells = UpstreamCells()
    cells.retries = retries
    return {KEY: UpstreamCounts.of(cells)}


def report(retries: int, counted: int = 0, connections: int = 1) -> Report:
    return Report(upstreams(retries), {"c": counted}, {"g": connections})


class Worker:
    """A worker as its post has it: it remembers questions, and answers when it is told to."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.is_held = True
        self.questions: list[bytes] = []
        self.received: Callable[[int, bytes], None]

    def tell(self, kind: Kind, payload: bytes = b"") -> None:
        assert kind is Kind.COUNT
        self.questions.append(payload)

    def tells(self, news: Report) -> None:
        """Tell upstreams since it last told, and then everything else as it stands."""
        for piece in (Report(news.upstreams), Report({}, news.counters, news.gauges)):
            self.received(self.number, piece.to_bytes())

    def says(self, news: Report) -> None:
        """Answer the oldest question."""
        self.tells(news)
        self.received(self.number, self.questions.pop(0))


class World:
    def __init__(self, workers: int = 2) -> None:
        self.clock = Clock()
        self.exist = {KEY}
        self.counts = Counts(self.clock, lambda: self.exist)
        self.workers = [Worker(number) for number in range(1, workers + 1)]
        for worker in self.workers:
            worker.received = self.counts.received
        self.counts.watch(self.workers)

    def ask(self) -> list[Report]:
        """Ask for a report; it appears in the list."""
        found: list[Report] = []
        asked: Deferred[Report] = self.counts.report()
        asked.addCallback(found.append)
        return found


def test_a_report_is_the_sum_over_all_workers() -> None:
    world = World()
    found = world.ask()
    world.workers[0].says(report(1, 10))
    assert found == []

    world.workers[1].says(report(4, 5))

    assert found == [report(5, 15, connections=2)]


def test_what_a_worker_tells_again_adds_up_for_upstreams_and_stands_for_itself() -> None:
    world = World(workers=1)
    world.workers[0].tells(report(1, 10, connections=7))
    world.workers[0].tells(report(2, 15, connections=3))
    found = world.ask()
    world.workers[0].says(report(4, 16, connections=1))

    assert found == [report(7, 16, connections=1)]


def test_a_worker_that_dies_takes_its_gauges_and_leaves_its_counters() -> None:
    world = World()
    world.workers[0].tells(report(1, 2))
    world.workers[1].tells(report(10, 20))

    world.workers[0].is_held = False
    world.counts.gone(1)
    found = world.ask()
    world.workers[1].says(report(20, 30))

    assert found == [report(31, 32, connections=1)]


def test_the_next_worker_of_a_post_counts_on_from_what_the_dead_one_had() -> None:
    world = World(workers=1)
    world.workers[0].tells(report(5, 5))
    world.counts.gone(1)

    found = world.ask()
    world.workers[0].says(report(2, 2))

    assert found == [report(7, 7, connections=1)]


def test_what_a_worker_told_before_it_died_within_an_answer_counts() -> None:
    world = World(workers=1)
    found = world.ask()
    world.counts.received(1, Report(upstreams(5)).to_bytes())

    world.workers[0].is_held = False
    world.counts.gone(1)

    assert found == [Report(upstreams(5))]


def test_a_silent_worker_is_waited_for_so_long_and_stands_with_what_it_last_said() -> None:
    world = World()
    world.workers[1].tells(report(10))

    found = world.ask()
    world.workers[0].says(report(2))
    world.clock.advance(ANSWER_SECONDS - 0.01)
    assert found == []
    world.clock.advance(0.01)

    assert found == [report(12, connections=2)]


def test_an_answer_to_an_older_question_is_not_taken_for_the_newer_one_s() -> None:
    world = World(workers=1)
    first = world.ask()
    second = world.ask()

    world.workers[0].says(report(1))
    assert (first, second) == ([report(1)], [])
    world.workers[0].says(report(2))

    assert second == [report(3)]


def test_an_upstream_that_is_deleted_is_forgotten_in_time_and_begins_at_zero_again() -> None:
    world = World(workers=1)
    world.workers[0].tells(report(5))
    world.exist.clear()
    world.clock.advance(FORGET_SECONDS)
    world.exist.add(KEY)

    found = world.ask()
    world.workers[0].says(report(1))

    assert found == [report(1)]


def test_without_workers_the_report_is_that_of_the_past() -> None:
    world = World(workers=0)

    assert world.ask() == [Report()]


def test_an_ended_fleet_leaves_no_call_behind() -> None:
    world = World()
    found = world.ask()
    world.counts.end()
    for worker in world.workers:
        worker.says(report(1))

    assert found == [report(2, connections=2)]
    assert world.clock.getDelayedCalls() == []


@pytest.mark.parametrize("payload", [b"", b"x", b"[1]", b"-1"])
def test_nonsense_is_refused(payload: bytes) -> None:
    with pytest.raises(ReportError):
        World().counts.received(1, payload)
