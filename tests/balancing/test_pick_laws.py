"""What every balancer promises, whatever its policy."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.balancing.hashing import Rendezvous
from fsm_twisted.balancing.keys import make_key
from fsm_twisted.balancing.least_work import LeastWork
from fsm_twisted.balancing.load import EndpointLoad
from fsm_twisted.balancing.round_robin import RoundRobin
from fsm_twisted.balancing.selection import Balancer, make_balancer
from fsm_twisted.snapshot.identity import Endpoint
from fsm_twisted.snapshot.policy import Affinity, Algorithm, Balancing
from tests.balancing.loads import (
    balancer,
    keys,
    loads,
    loads_of,
    policies,
    randoms,
    some_endpoints,
)


@given(st.data(), policies, loads(), randoms, st.lists(keys, min_size=1, max_size=5))
def test_an_ejected_endpoint_is_never_picked_while_an_available_one_is_left(
    data: st.DataObject,
    policy: Balancing,
    current: list[EndpointLoad],
    random: Random,
    requests: list[bytes],
) -> None:
    chosen = balancer(policy, current, random)
    for key in requests:
        tried = data.draw(
            st.lists(st.sampled_from(current), unique=True) if current else st.just([])
        )
        left = [load for load in current if load not in tried]

        load = chosen.pick(key, tried)

        assert (load in left) if left else (load is None)
        if load is not None and not load.available:
            assert not any(other.available for other in left)


@given(policies, loads(min_size=1), randoms, keys)
def test_a_request_that_fails_everywhere_has_tried_every_endpoint_once(
    policy: Balancing, current: list[EndpointLoad], random: Random, key: bytes
) -> None:
    chosen = balancer(policy, current, random)
    tried: list[EndpointLoad] = []
    while (load := chosen.pick(key, tried)) is not None:
        tried.append(load)

    assert len(tried) == len(current)
    assert set(tried) == set(current)
    health = [load.available for load in tried]
    assert health == sorted(health, reverse=True)


@given(policies, st.lists(some_endpoints, min_size=1, max_size=6), randoms, keys)
def test_only_endpoints_of_the_last_update_are_picked(
    policy: Balancing, history: list[list[Endpoint]], random: Random, key: bytes
) -> None:
    chosen = balancer(policy, [], random)
    for current in history:
        now = loads_of(current)
        chosen.update(now)

        load = chosen.pick(key)

        assert (load in now) if now else (load is None)


@given(policies)
def test_a_key_is_made_exactly_when_the_balancer_looks_at_one(policy: Balancing) -> None:
    made: Balancer[EndpointLoad] = make_balancer(policy, lambda _: 0)

    assert made.needs_key == (make_key(policy) is not None)


@given(policies)
def test_stickiness_by_client_address_comes_before_the_algorithm(policy: Balancing) -> None:
    expected = {
        Algorithm.ROUND_ROBIN: RoundRobin,
        Algorithm.HASHING: Rendezvous,
        Algorithm.LEAST_WORK: LeastWork,
    }[policy.algorithm]
    if policy.affinity is Affinity.CLIENT_IP:
        expected = Rendezvous
    made: Balancer[EndpointLoad] = make_balancer(policy, lambda _: 0)

    assert type(made) is expected
