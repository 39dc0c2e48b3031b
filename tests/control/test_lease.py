"""A Lease as values: who may claim it, and what is written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.control.lease import (
    Claim,
    Held,
    Lease,
    Sight,
    Timing,
    decide,
    decode_lease,
    encode_lease,
    look,
    released,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TIMING = Timing()
names = st.sampled_from(["", "me", "other"])
leases = st.builds(
    Lease,
    names,
    st.sampled_from([0.0, 1.0, 15.0, 60.0]),
    st.just("2026-01-01T00:00:00.000000Z"),
    st.just("2026-01-01T00:00:00.000000Z"),
    st.integers(0, 5),
)
moments = st.floats(0, 1000)


@given(leases, moments, moments)
def test_a_lease_of_another_is_claimed_when_it_is_over_and_no_earlier(
    lease: Lease, since: float, later: float
) -> None:
    now = since + later
    step = decide(Sight(lease, since), "me", now, NOW, TIMING)

    lasts = since + (lease.duration_seconds or TIMING.lease_seconds)
    if lease.holder == "other" and now < lasts:
        assert isinstance(step, Held)
        assert step.holder == "other"
    else:
        assert isinstance(step, Claim)
        assert step.lease.holder == "me"


@given(leases, moments)
def test_moves_are_counted_and_renewals_are_not(lease: Lease, since: float) -> None:
    step = decide(Sight(lease, since), "me", since + 100, NOW, TIMING)

    assert isinstance(step, Claim)
    moved = lease.holder != "me"
    assert step.lease.transitions == lease.transitions + moved
    assert (step.lease.acquired == lease.acquired) or moved


@given(leases, leases, moments, moments)
def test_only_a_change_counts_anew(first: Lease, second: Lease, at: float, later: float) -> None:
    sight = look(look(None, first, at), second, at + later)

    assert sight.since == (at if first == second else at + later)


@given(leases, st.timedeltas(timedelta(days=-3000), timedelta(days=3000)))
def test_the_clock_on_the_wall_decides_nothing(lease: Lease, ahead: timedelta) -> None:
    sight = Sight(lease, 0.0)

    here = decide(sight, "me", 10.0, NOW, TIMING)
    assert type(here) is type(decide(sight, "me", 10.0, NOW + ahead, TIMING))


@given(leases)
def test_what_is_written_is_read_again(lease: Lease) -> None:
    written = encode_lease(lease, "fsm", "name")

    assert decode_lease(written) == lease
    assert written["metadata"] == {"namespace": "fsm", "name": "name"}


def test_a_released_lease_is_free_for_all_at_once_and_keeps_its_version() -> None:
    document: dict[str, Any] = {"metadata": {"name": "n", "resourceVersion": "7"}}
    held = Lease("me", 15.0, "", "", 3, document)
    free = released(held, NOW)

    assert encode_lease(free, "fsm", "n")["metadata"] == document["metadata"]
    assert attrs.evolve(free, acquired="", renewed="") == Lease("", 1, "", "", 3)
    step = decide(Sight(free, 0.0), "other", 0.0, NOW, TIMING)
    assert isinstance(step, Claim)
    assert step.lease.transitions == 4
