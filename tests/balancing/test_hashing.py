"""Laws of rendezvous hashing: who moves when endpoints come and go."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.balancing.hashing import Rendezvous
from fsm_twisted.balancing.load import EndpointLoad
from fsm_twisted.snapshot.identity import Endpoint
from tests.balancing.loads import endpoint, endpoints, keys, loads_of

crowds = st.lists(endpoints, min_size=1, max_size=8, unique=True)
many_keys = st.lists(keys, min_size=1, max_size=20, unique=True)
CLIENTS = [f"192.0.{number // 256}.{number % 256}".encode() for number in range(10_000)]


def owners(crowd: list[Endpoint], asked: list[bytes]) -> dict[bytes, Endpoint]:
    table: Rendezvous[EndpointLoad] = Rendezvous()
    table.update(loads_of(crowd))
    return {key: owner_of(table, key) for key in asked}


def owner_of(table: Rendezvous[EndpointLoad], key: bytes) -> Endpoint:
    load = table.pick(key)
    assert load is not None
    return load.endpoint


@given(crowds, endpoints, many_keys)
def test_an_endpoint_that_leaves_moves_only_its_own_clients(
    crowd: list[Endpoint], leaving: Endpoint, clients: list[bytes]
) -> None:
    staying = [each for each in crowd if each != leaving] or [endpoint(99)]
    before, after = owners([*staying, leaving], clients), owners(staying, clients)

    assert all(after[key] == before[key] for key in clients if before[key] != leaving)


@given(crowds, endpoints, many_keys)
def test_an_endpoint_that_joins_only_takes_clients_to_itself(
    crowd: list[Endpoint], joining: Endpoint, clients: list[bytes]
) -> None:
    before, after = owners(crowd, clients), owners(sorted({*crowd, joining}), clients)

    assert all(after[key] in {before[key], joining} for key in clients)


@given(st.lists(crowds, min_size=1, max_size=5), many_keys)
def test_every_worker_agrees_whatever_it_has_seen_before(
    history: list[list[Endpoint]], clients: list[bytes]
) -> None:
    """A worker that started just now and one that lived through *history* pick the same."""
    old: Rendezvous[EndpointLoad] = Rendezvous()
    for crowd in history:
        old.update(loads_of(crowd))
        for key in clients:
            old.pick(key)

    assert {key: owner_of(old, key) for key in clients} == owners(history[-1], clients)


@given(crowds, st.data(), many_keys)
def test_ejection_moves_only_the_clients_of_the_ejected_and_brings_them_back(
    crowd: list[Endpoint], data: st.DataObject, clients: list[bytes]
) -> None:
    table: Rendezvous[EndpointLoad] = Rendezvous()
    current = loads_of(crowd)
    table.update(current)
    before = {key: table.pick(key) for key in clients}
    ejected = data.draw(st.sampled_from(current))

    ejected.available = False
    for key in clients:
        assert before[key] is ejected or table.pick(key) is before[key]

    ejected.available = True
    assert {key: table.pick(key) for key in clients} == before


@pytest.mark.parametrize("size", [2, 3, 10, 40])
def test_clients_are_spread_evenly(size: int) -> None:
    shares = Counter(owners([endpoint(n) for n in range(size)], CLIENTS).values())
    fair = len(CLIENTS) / size
    # Four standard deviations of a fair draw; the addresses are fixed, so is the outcome.
    assert all(abs(shares[endpoint(n)] - fair) < 4 * fair**0.5 for n in range(size))


@pytest.mark.parametrize("size", [2, 10, 40])
def test_an_endpoint_that_joins_takes_its_share_from_everybody(size: int) -> None:
    crowd = [endpoint(n) for n in range(size)]
    before, after = owners(crowd, CLIENTS), owners([*crowd, endpoint(99)], CLIENTS)
    moved = Counter(before[key] for key in CLIENTS if after[key] != before[key])
    fair = len(CLIENTS) / (size + 1)

    assert abs(moved.total() - fair) < 4 * fair**0.5
    assert all(abs(moved[each] - fair / size) < 4 * (fair / size) ** 0.5 + 4 for each in crowd)


def test_clients_of_an_ejected_endpoint_are_spread_over_all_others() -> None:
    table: Rendezvous[EndpointLoad] = Rendezvous()
    current = loads_of(map(endpoint, range(5)))
    table.update(current)
    orphans = [key for key in CLIENTS if table.pick(key) is current[0]]

    current[0].available = False

    shares = Counter(table.pick(key) for key in orphans)
    assert all(shares[load] > len(orphans) / 4 * 0.8 for load in current[1:])


PINNED = {
    b"": "10.0.0.2:8080",
    b"192.0.2.1": "10.0.0.3:8080",
    b"2001:db8::1": "10.0.0.1:8080",
    b"/cart?id=7": "[2001:db8::7]:8443",
    b"k" * 64: "10.0.0.3:8080",
    b"k" * 65: "10.0.0.3:8080",
}


def test_the_owners_of_keys_never_change_between_releases() -> None:
    """Replicas of two releases run side by side during an upgrade and must agree."""
    crowd = [*map(endpoint, range(1, 6)), Endpoint("2001:db8::7", 8443)]

    assert {key: str(owner) for key, owner in owners(crowd, list(PINNED)).items()} == PINNED


def test_strangers_with_new_keys_do_not_make_the_memory_grow() -> None:
    table: Rendezvous[EndpointLoad] = Rendezvous()
    table.update(loads_of([endpoint(1), endpoint(2)]))
    for key in CLIENTS[:3000]:
        table.pick(key + b"x" * 10_000)

    assert len(table._winners) <= 1024
    assert max(map(len, table._winners)) <= 64
