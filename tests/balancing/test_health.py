"""Passive ejection: failing endpoints rest, most of a Service never does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.balancing.health import (
    CONSECUTIVE_FAILURES,
    FIRST_SECONDS,
    LONGEST_SECONDS,
    HealthGroup,
)
from fsm_twisted.balancing.load import EndpointLoad
from fsm_twisted.snapshot.identity import Endpoint


def _loads(count: int) -> list[EndpointLoad]:
    return [EndpointLoad(Endpoint(f"10.0.0.{n}", 80)) for n in range(count)]


def _group(count: int) -> tuple[HealthGroup[EndpointLoad], list[EndpointLoad]]:
    group: HealthGroup[EndpointLoad] = HealthGroup()
    loads = _loads(count)
    group.update(loads)
    return group, loads


def _is_in(load: EndpointLoad) -> bool:
    return load.available


def _fail(group: HealthGroup[EndpointLoad], load: EndpointLoad, times: int, now: float) -> None:
    for _ in range(times):
        group.failed(load, now)


def test_only_failures_in_a_row_eject() -> None:
    group, (first, _) = _group(2)
    _fail(group, first, CONSECUTIVE_FAILURES - 1, 0)
    group.succeeded(first)
    _fail(group, first, CONSECUTIVE_FAILURES - 1, 0)
    assert _is_in(first)

    assert group.failed(first, 0)
    assert not _is_in(first)


def test_the_only_endpoint_is_never_ejected() -> None:
    group, (only,) = _group(1)

    _fail(group, only, 50, 0)

    assert _is_in(only)


def test_an_endpoint_returns_on_probation_and_rests_twice_as_long() -> None:
    group, (first, _) = _group(2)
    _fail(group, first, CONSECUTIVE_FAILURES, 0)
    group.readmit(FIRST_SECONDS - 0.1)
    assert not _is_in(first)
    group.readmit(FIRST_SECONDS)
    assert _is_in(first)

    assert group.failed(first, 100)
    group.readmit(100 + 2 * FIRST_SECONDS - 0.1)
    assert not _is_in(first)
    group.readmit(100 + 2 * FIRST_SECONDS)
    assert _is_in(first)


def test_one_answer_clears_an_endpoint() -> None:
    group, (first, _) = _group(2)
    _fail(group, first, CONSECUTIVE_FAILURES, 0)
    group.readmit(FIRST_SECONDS)
    group.succeeded(first)

    assert not group.failed(first, 100)
    assert _is_in(first)


def test_the_rest_never_grows_over_its_bound() -> None:
    group, (first, _) = _group(2)
    now = 0.0
    _fail(group, first, CONSECUTIVE_FAILURES, now)
    for _ in range(40):
        now += LONGEST_SECONDS
        group.readmit(now)
        assert _is_in(first)
        assert group.failed(first, now)


def test_an_endpoint_that_has_left_is_of_no_interest() -> None:
    group, loads = _group(3)
    group.update(loads[1:])

    assert not group.failed(loads[0], 0)
    group.succeeded(loads[0])


_steps = st.lists(
    st.tuples(st.sampled_from(["fail", "succeed", "readmit"]), st.integers(0, 9)), max_size=120
)


@given(count=st.integers(1, 10), steps=_steps)
def test_never_more_than_half_are_out(count: int, steps: list[tuple[str, int]]) -> None:
    group, loads = _group(count)
    now = 0.0
    for what, number in steps:
        load = loads[number % count]
        now += number
        if what == "fail":
            group.failed(load, now)
        elif what == "succeed":
            group.succeeded(load)
        else:
            group.readmit(now)
        assert 2 * len(group.ejected) <= count
        assert set(group.ejected) == {each for each in loads if not each.available}
