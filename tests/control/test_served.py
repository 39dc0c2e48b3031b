"""An outcome is told when everybody serves it, and the newest one is told in the end."""

from __future__ import annotations

import attrs
from twisted.internet.defer import Deferred, succeed

from fsm_twisted.compiler.compile import Compiled
from fsm_twisted.control.controller import Outcome
from fsm_twisted.control.served import Served
from fsm_twisted.snapshot.model import EMPTY
from fsm_twisted.sources.contents import Contents


def outcome(generation: int) -> Outcome:
    snapshot = attrs.evolve(EMPTY, generation=generation)
    return Outcome(Contents(), Compiled(snapshot, (), (), ()), (), snapshot)


class World:
    def __init__(self) -> None:
        self.told: list[int] = []
        self.waits: dict[int, Deferred[None]] = {}
        self.cancelled: list[int] = []
        self.served = Served(
            self.when_served, lambda each: self.told.append(each.snapshot.generation)
        )

    def when_served(self, generation: int) -> Deferred[None]:
        self.waits[generation] = Deferred(lambda _: self.cancelled.append(generation))
        return self.waits[generation]


def test_nothing_is_told_before_it_is_served() -> None:
    world = World()
    world.served.compiled(outcome(1))
    assert world.told == []

    world.waits[1].callback(None)
    assert world.told == [1]


def test_of_those_that_come_meanwhile_only_the_newest_is_waited_for() -> None:
    world = World()
    for generation in range(1, 5):
        world.served.compiled(outcome(generation))
    assert list(world.waits) == [1]

    world.waits[1].callback(None)
    assert list(world.waits) == [1, 4]
    world.waits[4].callback(None)
    assert world.told == [1, 4]


def test_what_is_served_already_is_told_at_once() -> None:
    told: list[int] = []
    served = Served(lambda _: succeed(None), lambda each: told.append(each.snapshot.generation))
    served.compiled(outcome(1))
    served.compiled(outcome(2))

    assert told == [1, 2]


def test_after_its_end_nothing_is_told() -> None:
    world = World()
    world.served.compiled(outcome(1))
    world.served.compiled(outcome(2))
    world.served.stop()

    assert world.cancelled == [1]
    assert world.told == []
    assert list(world.waits) == [1]
