"""Laws of least work."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.balancing.least_work import LeastWork
from fsm_twisted.balancing.load import EndpointLoad
from tests.balancing.loads import always, loads, randoms


def least_work(current: list[EndpointLoad], random: Random) -> LeastWork[EndpointLoad]:
    made: LeastWork[EndpointLoad] = LeastWork(random.randrange)
    made.update(current)
    return made


@given(st.data(), loads(min_size=1), randoms)
def test_nobody_left_has_less_to_do_than_the_one_picked(
    data: st.DataObject, current: list[EndpointLoad], random: Random
) -> None:
    tried = data.draw(st.lists(st.sampled_from(current), unique=True))
    load = least_work(current, random).pick(tried=tried)

    left = [each for each in current if each not in tried]
    usable = [each for each in left if each.available] or left
    assert (load is None) == (not usable)
    assert all(load is not None and load.in_flight <= other.in_flight for other in usable)


@given(loads(min_size=1))
def test_every_one_of_the_least_busy_can_be_drawn_and_nobody_else(
    current: list[EndpointLoad],
) -> None:
    usable = [each for each in current if each.available] or current
    least = min(each.in_flight for each in usable)
    idlest = [each for each in usable if each.in_flight == least]

    picked = []
    for number in range(len(idlest)):
        made: LeastWork[EndpointLoad] = LeastWork(always(number))
        made.update(current)
        picked.append(made.pick())

    assert picked == idlest


@given(loads(min_size=1), randoms, st.lists(st.booleans(), max_size=40))
def test_equal_requests_keep_the_work_of_available_endpoints_within_one(
    current: list[EndpointLoad], random: Random, ends: list[bool]
) -> None:
    """Whenever as many requests end as begin at the busiest, nobody is left behind."""
    chosen = least_work(current, random)
    usable = [each for each in current if each.available] or current
    for each in current:
        each.in_flight = 0
    for is_end in ends:
        busiest = max(usable, key=lambda each: each.in_flight)
        if is_end and busiest.in_flight:
            busiest.in_flight -= 1
        else:
            load = chosen.pick()
            assert load is not None
            load.in_flight += 1
        work = [each.in_flight for each in usable]
        assert max(work) - min(work) <= 1
