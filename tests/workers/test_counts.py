"""Counts of many workers: asked for, added up, and kept when a worker dies."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from fsm_twisted.observe.report import Report, ReportError, UpstreamCounts
from fsm_twisted.workers.channel import Kind
from fsm_twisted.workers.counts import ANSWER_SECONDS, QUESTION_SECONDS, Counts

KEY = ("n", "i", "s")


def report(retries: int, connections: int = 1) -> Report:
    return Report({KEY: UpstreamCounts(retries=retries)}, {"c": retries}, {"g": connections})


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

    def says(self, *pieces: Report) -> None:
        """Answer the oldest question."""
        question = self.questions.pop(0)
        for piece in pieces:
            self.received(self.number, piece.to_bytes())
        self.received(self.number, question)


class World:
    def __init__(self, workers: int = 2) -> None:
        self.clock = Clock()
        self.counts = Counts(self.clock)
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

    def turns(self) -> None:
        self.clock.pump([0.0] * 20)


def test_a_report_is_the_sum_over_all_workers() -> None:
    world = World()
    found = world.ask()
    world.workers[0].says(report(1), report(2))
    world.turns()
    assert found == []

    world.workers[1].says(report(4))
    world.turns()

    assert found == [report(7, connections=3)]


def test_a_worker_that_dies_takes_its_gauges_and_leaves_its_counters() -> None:
    world = World()
    world.ask()
    world.workers[0].says(report(1))
    world.workers[1].says(report(10))

    world.workers[0].is_held = False
    world.counts.gone(1)
    found = world.ask()
    world.workers[1].says(report(20))
    world.turns()

    assert found == [report(21, connections=1)]


def test_the_next_worker_of_a_post_counts_on_from_what_the_dead_one_had() -> None:
    world = World(workers=1)
    world.ask()
    world.workers[0].says(report(5))
    world.counts.gone(1)

    found = world.ask()
    world.workers[0].says(report(2))
    world.turns()

    assert found == [report(7, connections=1)]


def test_half_an_answer_of_a_worker_that_dies_does_not_count() -> None:
    world = World(workers=1)
    found = world.ask()
    world.counts.received(1, report(5).to_bytes())

    world.workers[0].is_held = False
    world.counts.gone(1)
    world.turns()

    assert found == [Report()]


def test_a_silent_worker_is_waited_for_so_long_and_stands_with_what_it_last_said() -> None:
    world = World()
    world.ask()
    world.workers[0].says(report(1))
    world.workers[1].says(report(10))

    found = world.ask()
    world.workers[0].says(report(2))
    world.clock.advance(ANSWER_SECONDS - 0.01)
    assert found == []
    world.clock.advance(0.01)
    world.turns()

    assert found == [report(12, connections=2)]


def test_an_answer_to_an_older_question_is_not_taken_for_the_newer_one_s() -> None:
    world = World(workers=1)
    first = world.ask()
    second = world.ask()

    world.workers[0].says(report(1))
    world.turns()
    assert (first, second) == ([report(1)], [])
    world.workers[0].says(report(2))
    world.turns()

    assert second == [report(2)]


def test_workers_are_asked_now_and_then_so_that_little_is_lost_when_one_is_killed() -> None:
    world = World(workers=1)
    world.clock.advance(QUESTION_SECONDS)
    world.workers[0].says(report(3))
    world.workers[0].is_held = False
    world.counts.gone(1)

    found = world.ask()
    world.turns()

    assert found == [report(3).of_the_dead()]


def test_without_workers_the_report_is_that_of_the_past() -> None:
    world = World(workers=0)

    assert world.ask() == [Report()]


def test_an_ended_fleet_asks_no_more_and_leaves_no_call_behind() -> None:
    world = World()
    found = world.ask()
    world.counts.end()
    for worker in world.workers:
        worker.says(report(1))
    world.turns()

    assert found == [report(2, connections=2)]
    assert world.clock.getDelayedCalls() == []


@pytest.mark.parametrize("payload", [b"", b"x", b"[1]", b"-1"])
def test_nonsense_is_refused(payload: bytes) -> None:
    with pytest.raises(ReportError):
        World().counts.received(1, payload)
