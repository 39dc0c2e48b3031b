"""A worker tells what it has counted while something happens, and seldom while nothing does."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock

from fsm_twisted.net.sweep import Sweep
from fsm_twisted.observe.report import Report, UpstreamCounts
from fsm_twisted.proxy.options import ProxyOptions
from fsm_twisted.proxy.places import Refusal
from fsm_twisted.proxy.plane import DataPlane
from fsm_twisted.proxy.telemetry import UPSTREAMS_PER_PIECE, news_of
from fsm_twisted.workers.channel import Kind
from fsm_twisted.workers.counts import (
    LONGEST_SECONDS,
    TELL_SECONDS,
    UPSTREAMS_A_SECOND,
    Teller,
)
from tests.proxy.worlds import serving, upstream


class Channel:
    """The worker's end: it remembers what is sent."""

    is_closed = False

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, kind: Kind, payload: bytes) -> None:
        assert kind is Kind.METRICS
        self.sent.append(payload)


class World:
    def __init__(self) -> None:
        self.clock = Clock()
        loop: Any = self.clock
        self.plane = DataPlane(
            loop,
            Sweep(loop, self.clock.seconds),
            ProxyOptions(),
            draw=lambda _: 0,
            wall_seconds=self.clock.seconds,
            request_ids=lambda: b"x",
        )
        self.channel = Channel()
        channel: Any = self.channel
        self.teller = Teller(loop, channel, self.plane)

    def told(self, seconds: float) -> int:
        """Let time pass, and count what is told meanwhile."""
        before = len(self.channel.sent)
        for _ in range(round(seconds / TELL_SECONDS)):
            self.clock.advance(TELL_SECONDS)
            self.clock.advance(0)
            self.clock.advance(0)
        return len(self.channel.sent) - before


@pytest.fixture
def world() -> World:
    made = World()
    made.told(2 * TELL_SECONDS)
    return made


def test_what_happens_is_told_within_a_second(world: World) -> None:
    for number in range(1, 4):
        world.plane.replies["no_route"] = number
        assert world.told(TELL_SECONDS) == 1


def test_what_is_not_looked_at_every_second_is_told_after_a_while(world: World) -> None:
    world.plane.places.refused[Refusal.MAX_CONNECTIONS] = 7

    assert world.told(LONGEST_SECONDS + TELL_SECONDS) == 1


def test_a_quiet_worker_does_not_look_at_its_upstreams_every_second(world: World) -> None:
    looked: list[float] = []
    runtime = world.plane.runtime

    class Watching(type(runtime)):  # type: ignore[misc]
        @property
        def ejections(self) -> int:
            looked.append(world.clock.seconds())
            return 0

    runtime.__class__ = Watching
    world.told(3 * LONGEST_SECONDS)

    assert 2 <= len(looked) <= 4


def test_many_busy_upstreams_are_told_as_often_as_their_number_allows(world: World) -> None:
    number = 3 * UPSTREAMS_A_SECOND
    each = [upstream("web", 1, ingress=f"i{index}") for index in range(number)]
    world.plane.activate(serving(*each))
    seconds = 13
    for _ in range(seconds):
        world.plane.budget.requests += number
        for state in world.plane.runtime.upstreams.values():
            state.cells.observe(b"GET", 2, 0.5, 0.25)
        world.told(TELL_SECONDS)
        for _ in range(number // UPSTREAMS_PER_PIECE):
            world.clock.advance(0)

    reports = [Report.from_bytes(each) for each in world.channel.sent]
    rows = sum(len(report.upstreams) for report in reports)
    total = sum(n for r in reports for c in r.upstreams.values() for n in c.requests.values())

    # At the first time nobody knows that there are so many.
    assert rows == number * (1 + seconds // 3)
    assert total + sum(
        sum(UpstreamCounts.of(state.cells).requests.values())
        for state in world.plane.runtime.upstreams.values()
    ) == (seconds * number)


def test_what_nobody_uses_is_looked_at_a_piece_a_turn_and_not_told(world: World) -> None:
    number = 4 * UPSTREAMS_PER_PIECE
    world.plane.activate(serving(*(upstream("web", 1, ingress=f"i{n}") for n in range(number))))
    *_, last = world.plane.runtime.upstreams.values()
    last.cells.observe(b"GET", 2, 0.5, 0.25)
    assert [len(each.upstreams) for each in news_of(world.plane)] == [0, 0, 0, 1, 0]

    last.cells.observe(b"GET", 2, 0.5, 0.25)
    world.plane.budget.requests += 1

    # One piece, and the counters.
    assert world.told(TELL_SECONDS) == 2
