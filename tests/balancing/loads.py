"""Endpoints, loads and balancers for the laws."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from random import Random

from hypothesis import strategies as st

from fsm_twisted.balancing.load import Draw, EndpointLoad
from fsm_twisted.balancing.selection import Balancer, make_balancer
from fsm_twisted.snapshot.identity import Endpoint, IngressId, ServicePortId, UpstreamId
from fsm_twisted.snapshot.policy import Affinity, Algorithm, Balancing

POLICIES = [
    Balancing(algorithm=algorithm, affinity=affinity)
    for algorithm, affinity in product(Algorithm, Affinity)
]


def endpoint(number: int) -> Endpoint:
    return Endpoint(f"10.0.0.{number}", 8080)


def loads_of(endpoints: Iterable[Endpoint]) -> list[EndpointLoad]:
    return [EndpointLoad(each) for each in sorted(endpoints)]


def upstream(name: str = "web") -> UpstreamId:
    return UpstreamId(IngressId("default", name), ServicePortId("default", "pods", 80))


def balancer(
    policy: Balancing, loads: Iterable[EndpointLoad], random: Random
) -> Balancer[EndpointLoad]:
    made: Balancer[EndpointLoad] = make_balancer(policy, random.randrange)
    made.update(sorted(loads, key=lambda load: load.endpoint))
    return made


def always(number: int) -> Draw:
    """Return a draw that gives *number* whatever it is asked for."""
    return lambda _: number


policies = st.sampled_from(POLICIES)
randoms = st.randoms(use_true_random=False)
keys = st.binary(max_size=80)
endpoints = st.integers(1, 20).map(endpoint)
some_endpoints = st.lists(endpoints, max_size=8, unique=True)


@st.composite
def loads(draw: st.DrawFn, min_size: int = 0) -> list[EndpointLoad]:
    """Draw loads in any state, sorted by endpoint."""
    made = loads_of(draw(st.lists(endpoints, min_size=min_size, max_size=8, unique=True)))
    for load in made:
        load.available = draw(st.booleans())
        load.in_flight = draw(st.integers(0, 3))
    return made
