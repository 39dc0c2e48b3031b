"""Run-time state survives swaps by identity, and leaves with what it belongs to."""

from __future__ import annotations

import gc

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm_twisted.proxy.active import REMEMBERED_HOST_BYTES, REMEMBERED_HOSTS
from fsm_twisted.snapshot.model import EMPTY, Snapshot
from fsm_twisted.snapshot.policy import (
    Affinity,
    Algorithm,
    Balancing,
    ClientVerification,
    HashBy,
    HashSource,
    VerifyClient,
)
from fsm_twisted.snapshot.rewrite import Rewrite
from tests.proxy.worlds import (
    HOST,
    endpoint,
    loads,
    picks,
    prefix,
    runtime,
    serving,
    snapshot,
    upstream,
)

NUMBERS = st.sets(st.integers(1, 5))


def test_before_the_first_snapshot_there_is_nothing() -> None:
    state = runtime()

    assert state.active.snapshot == EMPTY
    assert state.active.router.match(b"a.example", b"/") is None


def test_the_active_snapshot_is_the_last_one_and_an_older_one_stays_as_it_was() -> None:
    state = runtime()
    first, second = serving(upstream("a", 1)), serving(upstream("b", 1))
    state.activate(first)
    kept = state.active

    state.activate(second)

    assert state.active.snapshot is second
    assert kept.snapshot is first
    assert kept.router.match(HOST.encode(), b"/a/web") is not None
    assert kept.router.match(HOST.encode(), b"/b/web") is None


def test_what_is_counted_without_a_service_stays_as_long_as_a_path_leads_nowhere() -> None:
    state = runtime()
    web = upstream("web", 1)
    gone = attrs.evolve(prefix("/gone", web), upstream=None)
    state.activate(snapshot(gone))
    bound = state.active.router.match(HOST.encode(), b"/gone")
    assert bound is not None
    bound.cells.count(b"GET", 5, 0.0)
    kept = bound.cells

    state.activate(snapshot(attrs.evolve(gone, path="/other")))

    assert dict(state.cells_without_service) == {web.id.ingress: kept}
    del bound, kept
    state.activate(snapshot(prefix("/gone", web)))
    gc.collect()
    assert dict(state.cells_without_service) == {}


@settings(max_examples=60)
@given(st.lists(NUMBERS, min_size=1, max_size=6))
def test_an_endpoint_that_stays_keeps_its_state_and_one_that_leaves_is_retired(
    worlds: list[set[int]],
) -> None:
    state = runtime()
    before = loads(state)
    for numbers in worlds:
        state.activate(serving(upstream("web", *numbers)))
        after = loads(state)

        assert set(after) == {endpoint(each) for each in numbers}
        for key in before.keys() & after.keys():
            assert after[key] is before[key]
        for key in before.keys() - after.keys():
            assert before[key].is_retired
        assert not any(each.is_retired for each in after.values())
        before = after


def test_one_that_comes_back_begins_anew() -> None:
    state = runtime()
    state.activate(serving(upstream("web", 1, 2)))
    old = loads(state)[endpoint(1)]
    state.activate(serving(upstream("web", 2)))

    state.activate(serving(upstream("web", 1, 2)))

    new = loads(state)[endpoint(1)]
    assert new is not old
    assert (old.is_retired, new.is_retired) == (True, False)


def test_ingresses_share_the_endpoints_of_a_service_and_services_do_not() -> None:
    state = runtime()
    one, other = upstream("web", 1), upstream("web", 1, ingress="other")
    elsewhere = upstream("elsewhere", 1)
    state.activate(serving(one, other, elsewhere))

    found = [state.upstreams[each.id].balancer.pick() for each in (one, other, elsewhere)]

    assert found[0] is found[1]
    assert found[2] is not found[0]
    assert len(state.endpoints) == 2


def test_an_endpoint_is_retired_only_when_the_last_ingress_has_left_it() -> None:
    state = runtime()
    one, other = upstream("web", 1), upstream("web", 1, ingress="other")
    state.activate(serving(one, other))
    (load,) = state.endpoints

    state.activate(serving(other))
    assert not load.is_retired

    state.activate(EMPTY)
    assert load.is_retired


class _Idle:
    """An idle connection, as far as an endpoint's state knows one."""

    def __init__(self, home: list[object]) -> None:
        self.home = home
        self.closed = 0
        home.append(self)

    def close(self) -> None:
        self.closed += 1
        self.home.remove(self)


def test_all_idle_connections_of_a_retired_endpoint_are_closed() -> None:
    state = runtime()
    state.activate(serving(upstream("web", 1)))
    (load,) = state.endpoints
    connections = [_Idle(load.idle) for _ in range(3)]  # type: ignore[arg-type]

    state.activate(EMPTY)

    assert [each.closed for each in connections] == [1, 1, 1]
    assert load.idle == []


@settings(max_examples=60)
@given(
    turns=st.integers(0, 7),
    others=st.lists(NUMBERS, max_size=4),
    numbers=st.sets(st.integers(1, 5), min_size=1),
)
def test_changes_elsewhere_take_no_turn_from_a_balancer(
    turns: int, others: list[set[int]], numbers: set[int]
) -> None:
    web = upstream("web", *numbers)
    calm, busy = runtime(), runtime()
    for state in (calm, busy):
        state.activate(serving(web))
        picks(state, web, turns)

    for each in others:
        busy.activate(serving(web, upstream("other", *each)))

    assert picks(busy, web, 7) == picks(calm, web, 7)


def test_another_route_to_the_same_upstream_takes_no_turn_either() -> None:
    state, web = runtime(), upstream("web", 1, 2, 3)
    state.activate(serving(web))
    assert picks(state, web, 1) == ["1"]

    state.activate(snapshot(prefix("/", web), prefix("/more", web), upstreams=(web,)))

    assert picks(state, web, 3) == ["2", "3", "1"]


def test_an_endpoint_more_takes_no_turn_from_those_that_stay() -> None:
    state = runtime()
    state.activate(serving(upstream("web", 1, 3, 5)))
    assert picks(state, upstream("web"), 1) == ["1"]

    state.activate(serving(upstream("web", 1, 2, 3, 5)))

    assert picks(state, upstream("web"), 3) == ["3", "5", "1"]


def test_another_policy_takes_effect_and_keeps_the_endpoints() -> None:
    state = runtime()
    state.activate(serving(upstream("web", 1, 2)))
    before = loads(state)
    least = Balancing(Algorithm.LEAST_WORK)

    state.activate(serving(upstream("web", 1, 2, balancing=least)))

    assert state.upstreams[upstream("web").id].upstream.balancing == least
    assert loads(state) == before
    before[endpoint(1)].in_flight = 5
    assert picks(state, upstream("web"), 3) == ["2", "2", "2"]


def test_an_upstream_without_endpoints_picks_none() -> None:
    state = runtime()
    state.activate(serving(upstream("web")))

    assert picks(state, upstream("web"), 2) == ["", ""]


def test_a_cookie_goes_on_naming_its_endpoint_across_swaps() -> None:
    state = runtime()
    sticky = Balancing(affinity=Affinity.COOKIE)
    state.activate(serving(upstream("web", 1, 2, balancing=sticky)))
    cookie = state.upstreams[upstream("web").id].cookie
    assert cookie is not None
    load = loads(state)[endpoint(2)]
    sent = cookie.header(load, secure=False).split(b";")[0]

    state.activate(serving(upstream("web", 1, 2, 3, balancing=sticky)))
    now = state.upstreams[upstream("web").id].cookie
    assert now is not None
    assert now.find(((b"Cookie", sent),)) is load

    state.activate(serving(upstream("web", 1, 3, balancing=sticky)))
    now = state.upstreams[upstream("web").id].cookie
    assert now is not None
    assert now.find(((b"Cookie", sent),)) is None


# What a route is bound to


@pytest.mark.parametrize(
    ("balancing", "wants_more"),
    [
        (Balancing(), False),
        (Balancing(Algorithm.LEAST_WORK), False),
        (Balancing(Algorithm.HASHING), False),
        (Balancing(Algorithm.HASHING, HashBy(HashSource.URI)), False),
        (Balancing(affinity=Affinity.CLIENT_IP), False),
        (Balancing(Algorithm.HASHING, HashBy(HashSource.HEADER, "x-user")), True),
        (Balancing(Algorithm.HASHING, HashBy(HashSource.HEADER, "x-real-ip")), False),
        (Balancing(Algorithm.HASHING, HashBy(HashSource.COOKIE, "user")), True),
        (Balancing(affinity=Affinity.COOKIE), True),
    ],
)
def test_fields_are_looked_at_only_where_they_choose_the_endpoint(
    balancing: Balancing, wants_more: object
) -> None:
    state = runtime()
    state.activate(serving(upstream("web", 1, balancing=balancing)))

    bound = state.active.router.match(HOST.encode(), b"/web/web")

    assert bound is not None
    assert bound.usual is not None
    assert bound.usual.wants_more is wants_more


def test_a_route_of_a_host_that_verifies_is_usual_for_those_who_are_verified() -> None:
    state, web = runtime(), upstream("web", 1)
    wanted = ClientVerification.of(VerifyClient.ON, 1, b"")
    state.activate(attrs.evolve(snapshot(prefix("/", web)), clients={HOST: wanted}))

    bound = state.active.router.match(HOST.encode(), b"/")

    assert bound is not None
    assert bound.usual is None
    assert bound.verified is bound.upstream
    assert bound.verified is not None


def test_a_rewrite_keeps_a_route_off_the_straight_road() -> None:
    state, web = runtime(), upstream("web", 1)
    state.activate(snapshot(prefix("/", web, rewrite=Rewrite.parse("a", "b"))))

    bound = state.active.router.match(HOST.encode(), b"/")

    assert bound is not None
    assert bound.upstream is not None
    assert bound.usual is None


@pytest.mark.parametrize(
    ("own", "limit"), [(None, 100), (0, None), (5, 5)], ids=["the option's", "none", "its own"]
)
def test_a_route_has_its_own_body_limit_or_the_one_of_the_options(
    own: int | None, limit: int | None
) -> None:
    state = type(runtime())(lambda _: 0, body_limit_bytes=100)
    route = attrs.evolve(prefix("/", upstream("web", 1)), body_limit_bytes=own)
    state.activate(snapshot(route))

    bound = state.active.router.match(HOST.encode(), b"/")

    assert bound is not None
    assert bound.body_limit_bytes == limit


# Host fields


def test_a_host_field_is_read_as_host_and_whether_it_is_a_tls_host() -> None:
    state = runtime()
    state.activate(Snapshot(1, tls_hosts=frozenset({"a.example", "*.wild.example"})))

    assert state.active.host_of(b"A.example.:80") == (b"a.example", True)
    assert state.active.host_of(b"x.wild.example") == (b"x.wild.example", True)
    assert state.active.host_of(b"b.example") == (b"b.example", False)
    assert state.active.known_if_valid(b"a b") is None


def test_strangers_who_send_many_hosts_fill_no_memory() -> None:
    state = runtime()
    for number in range(REMEMBERED_HOSTS + 10):
        state.active.host_of(b"h%d.example" % number)

    assert len(state.active.hosts) <= REMEMBERED_HOSTS
    for number in range(10):
        state.active.host_of(b"h%d." % number + b"a" * 60 + b"." + b"b" * 60)
    assert max(map(len, state.active.hosts)) <= REMEMBERED_HOST_BYTES
