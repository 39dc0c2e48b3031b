"""Laws of host and path matching, for all snapshots and requests."""

from __future__ import annotations

import attrs
from hypothesis import assume, given
from hypothesis import strategies as st

from fsm_twisted.routing.router import Router, build_router
from fsm_twisted.snapshot.model import Match, Route, Snapshot
from tests.routing.reference import path_matches, reference_match
from tests.routing.worlds import (
    Request,
    names,
    paths,
    patterns,
    requests_for,
    route,
    snapshot,
    snapshots,
    virtual_host,
    virtual_hosts,
    worlds,
)

element = st.text("ab%2F.-_", min_size=1, max_size=4)


def router_of(world: Snapshot) -> Router[Route]:
    return build_router(world, lambda each: each)


def found(world: Snapshot, request: Request) -> Route | None:
    return router_of(world).match(*request.wire)


@given(worlds())
def test_the_router_finds_what_a_scan_of_all_routes_by_the_documentation_finds(
    drawn: tuple[Snapshot, Request],
) -> None:
    world, request = drawn

    assert found(world, request) == reference_match(world, request)


@given(worlds())
def test_what_the_first_table_of_a_host_finds_is_what_is_found(
    drawn: tuple[Snapshot, Request],
) -> None:
    world, request = drawn
    router = router_of(world)
    host, path = request.wire

    assert router.first(host).find(path) in {None, router.match(host, path)}


@given(st.data(), worlds())
def test_the_order_of_hosts_and_routes_does_not_matter(
    data: st.DataObject, drawn: tuple[Snapshot, Request]
) -> None:
    world, request = drawn
    hosts = [
        attrs.evolve(host, routes=tuple(data.draw(st.permutations(host.routes))))
        for host in data.draw(st.permutations(list(world.hosts.values())))
    ]

    assert found(snapshot(*hosts, default=world.default), request) == found(world, request)


@given(st.data(), worlds(), names)
def test_a_host_changes_nothing_for_other_hosts(
    data: st.DataObject, drawn: tuple[Snapshot, Request], name: str
) -> None:
    world, request = drawn
    assume(name != request.host and name not in world.hosts)
    more = snapshot(*world.hosts.values(), data.draw(virtual_hosts(name)), default=world.default)

    assert found(more, request) == found(world, request)


@given(st.data(), snapshots())
def test_a_route_whose_path_and_host_are_asked_for_is_never_missed(
    data: st.DataObject, world: Snapshot
) -> None:
    """Something answers, and it is at least as specific as that route."""
    every = [each for host in world.hosts.values() for each in host.routes]
    assume(every)
    wanted = data.draw(st.sampled_from(every))
    host = wanted.host.replace("*", "a")

    answer = found(world, Request(host, wanted.path))

    assert answer is not None
    if answer.host == wanted.host:
        assert answer.path == wanted.path
        assert answer.match is Match.EXACT or wanted.match is Match.PREFIX


@given(prefix=paths, more=element, rest=paths)
def test_a_prefix_covers_its_path_and_what_lies_below_but_never_part_of_an_element(
    prefix: str, more: str, rest: str
) -> None:
    only = route("", prefix)
    router = router_of(snapshot(virtual_host("", only)))
    path = only.path.rstrip("/")

    assert router.match(b"", only.path.encode()) is only
    assert router.match(b"", f"{path}/".encode()) is only
    assert router.match(b"", f"{path}{rest}".encode()) is only
    if path:
        assert router.match(b"", f"{path}{more}".encode()) is None
        assert router.match(b"", f"{path[:-1]}".encode()) is None


@given(st.lists(paths, min_size=1, max_size=5), paths)
def test_the_longest_prefix_wins(claims: list[str], rest: str) -> None:
    routes = [route("", path) for path in claims]
    longest = max(routes, key=lambda each: len(each.path.rstrip("/")))
    router = router_of(snapshot(virtual_host("", *routes)))
    sent = longest.path.rstrip("/") + rest

    answer = router.match(b"", sent.encode())

    assert answer is not None
    assert answer.path == longest.path


@given(path=paths, claims=st.lists(paths, max_size=4))
def test_an_exact_path_beats_every_prefix(path: str, claims: list[str]) -> None:
    exact = route("", path, Match.EXACT)
    prefixes = [route("", each) for each in (path, *claims)]
    router = router_of(snapshot(virtual_host("", *prefixes, exact)))

    assert router.match(b"", path.encode()) is exact


@given(path=paths, sent=paths)
def test_an_exact_path_covers_nothing_but_itself(path: str, sent: str) -> None:
    exact = route("", path, Match.EXACT)
    router = router_of(snapshot(virtual_host("", exact)))

    assert (router.match(b"", sent.encode()) is exact) == (sent == path)


@given(first=st.sampled_from("ab"), second=st.sampled_from("ab"), parent=names)
def test_a_wildcard_covers_exactly_one_label(first: str, second: str, parent: str) -> None:
    wild = route(f"*.{parent}", "/")
    router = router_of(snapshot(virtual_host(wild.host, wild)))

    assert router.match(f"{first}.{parent}".encode(), b"/") is wild
    assert router.match(f"{second}.{first}.{parent}".encode(), b"/") is None
    assert router.match(f".{parent}".encode(), b"/") is None
    assert router.match(parent.encode(), b"/") is None


@given(worlds())
def test_a_host_none_of_whose_paths_matches_is_asked_in_vain_and_no_more(
    drawn: tuple[Snapshot, Request],
) -> None:
    """The next level answers, as if that host had no paths at all."""
    world, request = drawn
    fewer = [
        host
        if any(path_matches(each, request.path) for each in host.routes)
        else attrs.evolve(host, routes=())
        for host in world.hosts.values()
    ]

    assert found(snapshot(*fewer, default=world.default), request) == found(world, request)


def test_the_levels_of_a_host_are_exact_then_wildcard_then_hostless() -> None:
    exact, wild, hostless = route("a.b", "/x"), route("*.b", "/x"), route("", "/x")
    tables = [virtual_host(each.host, each) for each in (exact, wild, hostless)]

    assert found(snapshot(*tables), Request("a.b", "/x")) is exact
    assert found(snapshot(*tables[1:]), Request("a.b", "/x")) is wild
    assert found(snapshot(*tables[2:]), Request("a.b", "/x")) is hostless
    assert found(snapshot(*tables), Request("b.b", "/x")) is wild
    assert found(snapshot(*tables), Request("", "/x")) is hostless


@given(st.data(), snapshots())
def test_a_default_answers_only_what_no_route_does(data: st.DataObject, world: Snapshot) -> None:
    without = snapshot(
        *(attrs.evolve(host, default=None) for host in world.hosts.values()), default=None
    )
    request = data.draw(requests_for(world))
    routed = found(without, request)

    if routed is not None:
        assert found(world, request) == routed


@given(patterns.filter(bool), names)
def test_a_hosts_own_default_stays_with_its_hosts(pattern: str, host: str) -> None:
    own = route(pattern, "/", name="own")
    elsewhere = route("", "/", name="elsewhere")
    router = router_of(snapshot(virtual_host(pattern, default=own), default=elsewhere))
    label, _, parent = host.partition(".")
    is_own = pattern in {host, f"*.{parent}"} and label != ""

    assert router.match(host.encode(), b"/x") is (own if is_own else elsewhere)


def test_a_default_of_rules_without_host_is_not_asked() -> None:
    own, oldest = route("", "/", name="own"), route("", "/", name="oldest")
    world = snapshot(virtual_host("", route("", "/a"), default=own), default=oldest)

    assert found(world, Request("a", "/b")) is oldest


def test_the_asterisk_of_options_goes_to_the_root_prefix_and_to_no_exact_path() -> None:
    root = route("a", "/")
    world = snapshot(virtual_host("a", root), virtual_host("b", route("b", "/", Match.EXACT)))

    assert found(world, Request("a", "*")) is root
    assert found(world, Request("b", "*")) is None


def test_every_route_and_default_is_bound_once() -> None:
    routes = (route("a", "/"), route("a", "/", Match.EXACT), route("a", "/x"))
    own, last = route("a", "/", name="own"), route("", "/", name="last")
    bound: list[Route] = []

    def bind(each: Route) -> int:
        bound.append(each)
        return len(bound)

    build_router(snapshot(virtual_host("a", *routes, default=own), default=last), bind)

    assert sorted(map(id, bound)) == sorted(map(id, (*routes, own, last)))


def test_a_path_that_no_request_can_spell_is_never_matched_and_harms_no_other() -> None:
    good = route("a", "/good")
    world = snapshot(virtual_host("a", route("a", "/ü"), route("a", "/\udc80"), good))

    assert found(world, Request("a", "/good")) is good
