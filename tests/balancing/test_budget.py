"""Retries may be a share of the traffic and a small reserve, never the traffic."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.balancing.budget import RESERVE, SHARE, RetryBudget


def test_a_quiet_proxy_may_retry_its_reserve_and_no_more() -> None:
    budget = RetryBudget()

    assert sum(budget.spend() for _ in range(1000)) == RESERVE


@given(steps=st.lists(st.booleans(), max_size=2000))
def test_retries_never_exceed_their_share_and_the_reserve(steps: list[bool]) -> None:
    budget = RetryBudget()
    requests = retries = 0
    for is_request in steps:
        if is_request:
            requests += 1
            budget.requests += 1
        else:
            retries += budget.spend()
        assert retries <= RESERVE + SHARE * requests


def test_traffic_earns_retries_back() -> None:
    budget = RetryBudget()
    while budget.spend():
        pass

    for _ in range(6):
        budget.requests += 1

    assert budget.spend()
    assert not budget.spend()
