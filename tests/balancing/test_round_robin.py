"""Laws of taking turns."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.balancing.load import EndpointLoad
from fsm_twisted.balancing.round_robin import RoundRobin
from fsm_twisted.snapshot.identity import Endpoint
from tests.balancing.loads import (
    always,
    endpoint,
    endpoints,
    loads,
    loads_of,
    randoms,
    some_endpoints,
)


def round_robin(current: list[EndpointLoad], random: Random) -> RoundRobin[EndpointLoad]:
    made: RoundRobin[EndpointLoad] = RoundRobin(random.randrange)
    made.update(current)
    return made


@given(loads(min_size=1), randoms, st.integers(0, 20), st.integers(1, 40))
def test_shares_are_within_one_of_each_other_over_any_window_without_changes(
    current: list[EndpointLoad], random: Random, skipped: int, window: int
) -> None:
    turns = round_robin(current, random)
    for _ in range(skipped):
        turns.pick()

    shares = Counter(turns.pick() for _ in range(window))

    usable = [load for load in current if load.available] or current
    assert set(shares) <= set(usable)
    counts = [shares[load] for load in usable]
    assert max(counts) - min(counts) <= 1


class History:
    """Every change of the endpoints and every pick, in order, with the endpoints at that time."""

    def __init__(self, random: Random) -> None:
        self._turns = round_robin([], random)
        self._present: frozenset[Endpoint] = frozenset()
        self.steps: list[tuple[Endpoint | None, frozenset[Endpoint]]] = []

    def change(self, present: list[Endpoint]) -> None:
        self._present = frozenset(present)
        self._turns.update(loads_of(present))
        self.steps.append((None, self._present))

    def pick(self) -> None:
        load = self._turns.pick()
        if load is not None:
            self.steps.append((load.endpoint, self._present))


@given(
    randoms,
    st.lists(st.tuples(some_endpoints, st.integers(0, 6)), min_size=1, max_size=8),
    st.sets(endpoints, max_size=4),
)
def test_endpoints_that_come_and_go_take_no_turn_from_those_that_stay(
    random: Random, churn: list[tuple[list[Endpoint], int]], staying: set[Endpoint]
) -> None:
    """Between two turns of one endpoint, every other that stayed has had exactly one."""
    history = History(random)
    for changing, picks in churn:
        history.change(sorted({*changing, *staying}))
        for _ in range(picks):
            history.pick()

    last: dict[Endpoint, int] = {}
    for step, (picked, _) in enumerate(history.steps):
        if picked is None:
            continue
        if picked in last:
            span = history.steps[last[picked] : step + 1]
            stayed = frozenset.intersection(*(present for _, present in span))
            between = Counter(each for each, _ in span[1:-1])
            if picked in stayed:
                assert all(between[other] == 1 for other in stayed - {picked})
        last[picked] = step


@given(st.integers(1, 8))
def test_the_first_turn_is_drawn_so_that_workers_do_not_march_in_step(size: int) -> None:
    current = loads_of(map(endpoint, range(1, size + 1)))
    firsts = []
    for start in range(size):
        turns: RoundRobin[EndpointLoad] = RoundRobin(always(start))
        turns.update(current)
        firsts.append(turns.pick())

    assert firsts == current


def test_an_endpoint_that_comes_back_from_ejection_gets_its_turn_again() -> None:
    one, two, three = current = loads_of(map(endpoint, (1, 2, 3)))
    turns = round_robin(current, Random(0))
    two.available = False
    assert {turns.pick() for _ in range(4)} == {one, three}

    two.available = True

    assert {turns.pick() for _ in range(3)} == {one, two, three}
