"""The sweep: never early, a second late at most, and nobody suffers from another's fault."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from fsm_twisted.net.sweep import INTERVAL_SECONDS, Sweep
from tests.net.turning import logged

NEVER = float("inf")


class Member:
    def __init__(self, deadline: float, expire: Callable[[Member], None]) -> None:
        self.deadline = deadline
        self._expire = expire

    def expired(self) -> None:
        self._expire(self)


class World:
    """A sweep that runs, and the members that have expired with the time when they did."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.sweep = Sweep(self.clock, self.clock.seconds)
        self.sweep.start()
        self.ended: list[tuple[Member, float]] = []

    def end(self, member: Member) -> None:
        self.ended.append((member, self.clock.seconds()))
        self.sweep.discard(member)

    def add(self, deadline: float, expire: Callable[[Member], None] | None = None) -> Member:
        member = Member(deadline, expire or self.end)
        self.sweep.add(member)
        return member

    def pass_time(self, seconds: int) -> None:
        self.clock.pump([0.25] * 4 * seconds)


@given(st.lists(st.floats(0, 8), max_size=12))
def test_each_expires_once_never_early_and_at_most_an_interval_late(
    deadlines: list[float],
) -> None:
    world = World()
    members = [world.add(deadline) for deadline in deadlines]

    world.pass_time(10)

    assert {id(member) for member, _ in world.ended} == {id(member) for member in members}
    assert len(world.ended) == len(members)
    for member, at in world.ended:
        assert member.deadline <= at <= member.deadline + INTERVAL_SECONDS


def test_one_without_a_deadline_never_expires() -> None:
    world = World()
    world.add(NEVER)

    world.pass_time(20)

    assert world.ended == []


def test_a_deadline_may_move_on() -> None:
    world = World()
    member = world.add(2)
    world.pass_time(1)

    member.deadline = 5
    world.pass_time(3)
    assert world.ended == []

    world.pass_time(2)
    assert world.ended == [(member, 5.0)]


def test_one_that_stays_is_told_at_every_sweep() -> None:
    world = World()
    told: list[float] = []
    world.add(2, lambda _: told.append(world.clock.seconds()))

    world.pass_time(4)

    assert told == [2.0, 3.0, 4.0]


def test_a_discarded_member_does_not_expire() -> None:
    world = World()
    world.sweep.discard(world.add(1))

    world.pass_time(3)

    assert world.ended == []


def test_of_two_that_end_together_the_second_is_not_told_after_its_end() -> None:
    world = World()
    pair: list[Member] = []

    def end_both(member: Member) -> None:
        world.end(member)
        for each in pair:
            world.sweep.discard(each)

    pair += [world.add(1, end_both), world.add(1, end_both)]
    world.pass_time(3)

    assert len(world.ended) == 1


def test_one_whose_deadline_was_moved_by_another_is_not_told() -> None:
    world = World()
    pair: list[Member] = []

    def save_the_other(member: Member) -> None:
        world.end(member)
        for each in pair:
            each.deadline = NEVER

    pair += [world.add(1, save_the_other), world.add(1, save_the_other)]
    world.pass_time(3)

    assert len(world.ended) == 1


def fail(_: Member) -> None:
    raise ValueError("a fault of ours")


def test_one_that_fails_is_logged_once_and_hinders_nobody() -> None:
    world = World()
    for _ in range(5):
        world.add(1, fail)
    member = world.add(1)

    with logged() as log:
        world.pass_time(3)

    assert world.ended == [(member, 1.0)]
    assert len(log.failures) == 5


def test_what_is_due_every_second_is_called_with_the_time() -> None:
    world = World()
    times: list[float] = []
    world.sweep.every_second(times.append)

    world.pass_time(3)

    assert times == [1.0, 2.0, 3.0]


def test_after_stop_nothing_is_scheduled() -> None:
    world = World()
    world.add(1)

    world.sweep.stop()
    world.sweep.stop()

    assert world.clock.getDelayedCalls() == []
