"""Many pokes, one act."""

from __future__ import annotations

from twisted.internet.task import Clock

from fsm_twisted.sources.coalesce import Coalescer


class Acting:
    """A coalescer, and the moments at which it acted."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.moments: list[float] = []
        self.coalescer = Coalescer(
            self.clock,
            lambda: self.moments.append(round(self.clock.seconds(), 2)),
            quiet_seconds=0.05,
            at_most_seconds=0.25,
        )

    def pass_seconds(self, seconds: float) -> None:
        self.clock.pump([0.01] * round(seconds * 100))


def test_what_is_urgent_is_done_in_the_next_turn() -> None:
    acting = Acting()

    acting.coalescer.hurry()
    acting.coalescer.hurry()
    assert acting.moments == []
    acting.clock.advance(0)

    assert acting.moments == [0.0]


def test_what_is_urgent_waits_for_what_already_waits() -> None:
    acting = Acting()

    acting.coalescer.poke()
    acting.clock.advance(0.01)
    acting.coalescer.hurry()
    acting.pass_seconds(1)

    assert acting.moments == [0.06]


def test_a_poke_after_something_urgent_makes_both_wait() -> None:
    acting = Acting()

    acting.coalescer.hurry()
    acting.coalescer.poke()
    acting.pass_seconds(1)

    assert acting.moments == [0.05]


def test_a_stream_of_urgent_things_is_coalesced() -> None:
    acting = Acting()

    for _ in range(100):
        acting.coalescer.hurry()
        acting.clock.advance(0.01)

    assert acting.moments[0] == 0.01
    assert 4 <= len(acting.moments) <= 6


def test_nothing_is_done_after_cancel() -> None:
    acting = Acting()

    acting.coalescer.hurry()
    acting.coalescer.cancel()
    acting.pass_seconds(1)
    assert acting.moments == []

    acting.coalescer.poke()
    acting.pass_seconds(1)
    assert acting.moments == [1.05]
