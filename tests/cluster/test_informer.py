"""One informer alone: its pauses, its phases, and its end."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import LogLevel

from fsm_twisted.sources.cluster.access import ApiFailure
from fsm_twisted.sources.cluster.backoff import Backoff
from fsm_twisted.sources.cluster.informer import Collection, Informer, Phase
from fsm_twisted.sources.cluster.kinds import SERVICE
from fsm_twisted.sources.cluster.stream import WatchEvent
from tests.cluster.world import SERVICES, World, service
from tests.net.turning import logged


class Names:
    """A sink that keeps names, and breaks when told to."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.troubles: list[str] = []
        self.is_broken = False

    def read(self, item: Mapping[str, object], version: str) -> str:
        assert version == "v1"
        metadata = item["metadata"]
        assert isinstance(metadata, dict)
        return str(metadata["name"])

    def replace(self, read: list[str]) -> None:
        self.names = read

    def apply(self, event: WatchEvent, version: str) -> None:
        if self.is_broken:
            self.is_broken = False
            raise ZeroDivisionError
        self.names.append(self.read(event.object, version))

    def trouble(self, failure: ApiFailure | None) -> None:
        self.troubles.append(str(failure or "none"))


class Alone:
    """An informer of Services, alone with its server."""

    def __init__(self, luck: float = 0.5) -> None:
        self.world = World()
        self.sink = Names()
        self.informer = Informer(
            Collection(SERVICE),
            self.world.api,
            self.sink,
            clock=self.world.clock,
            draw=lambda: luck,
        )


def pauses(alone: Alone) -> list[int]:
    return [round(b - a) for a, b in pairwise(alone.world.network.attempts)]


def test_failures_are_met_with_longer_and_longer_pauses() -> None:
    alone = Alone(luck=0.9999)
    alone.world.network.is_down = True
    alone.informer.start()
    alone.world.run(200, step=0.1)
    alone.informer.stop()

    assert pauses(alone) == [1, 2, 3, 6, 13, 26, 30, 30, 30, 30]
    assert set(alone.sink.troubles) == {"Connection was refused by other side"}


def test_after_a_healthy_minute_pauses_are_short_again() -> None:
    alone = Alone(luck=0.9999)
    alone.world.network.is_down = True
    alone.informer.start()
    alone.world.run(100, step=0.1)
    alone.world.network.is_down = False
    alone.world.run(100, step=0.1)
    alone.world.network.is_down = True
    alone.world.network.attempts.clear()
    alone.world.server.break_watches()
    alone.world.run(5, step=0.1)
    alone.informer.stop()

    assert pauses(alone)[:1] == [2]


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=20))
def test_a_pause_is_never_longer_than_its_ceiling(draws: list[float]) -> None:
    left = iter(draws)
    backoff = Backoff(lambda: next(left))

    for number in range(len(draws)):
        assert 0 <= backoff.next_seconds() <= min(30.0, 0.8 * 2**number)


def test_phases_follow_the_table() -> None:
    alone = Alone()
    phases = [alone.informer.phase]
    alone.informer.start()
    phases.append(alone.informer.phase)
    alone.world.run(1)
    phases.append(alone.informer.phase)
    alone.world.network.is_down = True
    alone.world.server.break_watches()
    alone.world.network.settle()
    phases.append(alone.informer.phase)
    alone.informer.stop()
    phases.append(alone.informer.phase)

    assert phases == [
        Phase.IDLE,
        Phase.LISTING,
        Phase.WATCHING,
        Phase.WAITING,
        Phase.STOPPED,
    ]


@pytest.mark.parametrize("seconds", [0.0, 1.0, 10.0])
@pytest.mark.parametrize("network", ["up", "down", "far", "stuck"])
def test_stopping_leaves_nothing_behind_whatever_is_under_way(
    seconds: float, network: str
) -> None:
    alone = Alone()
    alone.world.network.is_down = network == "down"
    alone.world.network.is_far = network == "far"
    alone.world.network.is_stuck = network == "stuck"
    alone.informer.start()
    alone.world.run(seconds)

    assert alone.informer.stop().called
    alone.world.network.is_stuck = False
    assert alone.world.network.open_connections == 0
    assert alone.world.clock.getDelayedCalls() == []


def test_a_fault_of_ours_is_logged_and_everything_is_listed_anew() -> None:
    alone = Alone()
    alone.informer.start()
    alone.world.run(1)
    alone.sink.is_broken = True
    with logged() as log:
        alone.world.server.put(SERVICES, service("a"))
        alone.world.run(5)
    alone.informer.stop()

    assert alone.sink.names == ["a"]
    assert [each["log_level"] for each in log.events] == [LogLevel.critical]


def test_a_version_that_is_refused_again_and_again_is_given_up() -> None:
    alone = Alone()
    alone.informer.start()
    alone.world.run(10)
    for _ in range(3):
        alone.world.server.fail_once(lambda asked: "watch" in asked.query, 504)
    alone.world.server.end_watches()
    alone.world.run(60)
    alone.informer.stop()

    assert len(alone.world.server.lists()) == 2
