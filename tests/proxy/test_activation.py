"""Snapshots follow each other by changes; what is served is what each says as a whole."""

from __future__ import annotations

import gc
from collections.abc import Sequence

import attrs
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm_twisted.proxy.runtime import BoundRoute, RunTime
from fsm_twisted.snapshot import wire
from fsm_twisted.snapshot.model import EMPTY, Route, Snapshot, Upstream, VirtualHost
from fsm_twisted.snapshot.policy import Affinity, Algorithm, Balancing, PlainAccess, Timeouts
from fsm_twisted.snapshot.rewrite import Rewrite
from tests.proxy.worlds import prefix, runtime, snapshot, upstream

PATTERNS = ("", "a.example", "b.example", "*.a.example", "*.example")
HOSTS = (b"", b"a.example", b"b.example", b"c.example", b"x.a.example", b"x.b.example")
PATHS = (b"/", b"/x", b"/x/y", b"*")
BALANCINGS = (Balancing(), Balancing(Algorithm.LEAST_WORK), Balancing(affinity=Affinity.COOKIE))
NAMES = tuple((service, ingress) for service in ("web", "api") for ingress in ("one", "other"))


@st.composite
def upstreams(draw: st.DrawFn, service: str, ingress: str) -> Upstream:
    numbers = draw(st.sets(st.integers(1, 3)))
    balancing = draw(st.sampled_from(BALANCINGS))
    made = upstream(service, *numbers, ingress=ingress, balancing=balancing)
    return attrs.evolve(made, timeouts=Timeouts(draw(st.sampled_from((None, 1.0)))))


def routes(host: str, path: str) -> st.SearchStrategy[Route]:
    # An upstream that the snapshot does not have is no trouble either.
    targets = st.sampled_from([upstream(service, ingress=of) for service, of in NAMES])
    return st.builds(
        lambda target, plain: attrs.evolve(prefix(path, target, host=host), plain=plain),
        targets,
        st.sampled_from(PlainAccess),
    )


@st.composite
def hosts(draw: st.DrawFn, pattern: str) -> VirtualHost:
    paths = draw(st.sets(st.sampled_from(("/", "/x", "/x/y"))))
    found = tuple(draw(routes(pattern, path)) for path in sorted(paths))
    default = draw(st.none() | routes(pattern, "/")) if pattern else None
    return VirtualHost(pattern, found, default)


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    patterns = draw(st.sets(st.sampled_from(PATTERNS)))
    names = draw(st.sets(st.sampled_from(NAMES)))
    made = [draw(upstreams(*name)) for name in sorted(names)]
    return Snapshot(
        hosts={each: draw(hosts(each)) for each in patterns},
        upstreams={each.id: each for each in made},
        tls_hosts=frozenset(draw(st.sets(st.sampled_from(PATTERNS[1:])))),
        default=draw(st.none() | routes("", "/")),
        passthrough={each: draw(routes(each, "/")) for each in patterns if each > "b"},
    )


def seen(state: RunTime) -> dict[object, object]:
    """Tell all that clients can learn of what is served, and what it is made of."""
    told: dict[object, object] = {}
    for host in HOSTS:
        told[host] = (state.active.tls_hosts.covers(host), state.active.host_of(host or b"a"))
        told["passes", host] = state.active.way_of(host)
        for path in PATHS:
            bound = matched(state, host, path)
            told[host, path] = bound and (
                bound.route,
                bound.upstream and (bound.upstream.upstream, bound.usual is bound.upstream),
                bound.upstream is state.upstreams.get(bound.route.upstream),  # type: ignore[arg-type]
            )
    told["upstreams"] = {
        key: (each.upstream, each.connect_seconds, set(_reachable(each.balancer)))
        for key, each in state.upstreams.items()
    }
    told["endpoints"] = sorted(each.endpoint for each in state.endpoints)
    return told


def matched(state: RunTime, host: bytes, path: bytes) -> BoundRoute | None:
    """Find a route as the straight road does, by what is remembered of Host fields."""
    active, host = state.active, host or b"nobody.knows"
    _, _, table = active.known.get(host) or active.known_of(host)
    found = table.find(path) or active.router.match(host, path)
    assert found is active.router.match(host, path)
    return found


def _reachable(balancer: object) -> Sequence[object]:
    return [each.endpoint for each in balancer._loads]  # type: ignore[attr-defined]


@settings(max_examples=150)
@given(st.lists(snapshots(), min_size=1, max_size=4))
def test_whatever_came_before_a_snapshot_is_served_as_if_it_were_the_first(
    following: list[Snapshot],
) -> None:
    state, last = runtime(), EMPTY
    for number, each in enumerate(following, 1):
        new = attrs.evolve(each, generation=number)
        # As a worker gets it: what has not changed are the same objects.
        last = wire.apply(last, wire.encode_delta(last, new))
        state.activate(last)
        seen(state)  # and so remembers hosts

    fresh = runtime()
    fresh.activate(last)

    assert seen(state) == seen(fresh)


@settings(max_examples=50)
@given(snapshots(), st.data())
def test_a_change_leaves_the_tables_of_all_other_hosts_alone(
    before: Snapshot, data: st.DataObject
) -> None:
    state = runtime()
    state.activate(before)
    old = state.active.router
    changed = data.draw(hosts("b.example"))

    state.activate(attrs.evolve(before, hosts={**before.hosts, "b.example": changed}))

    new = state.active.router
    assert new.hostless is old.hostless
    assert new.wildcard == old.wildcard
    assert new.exact.get(b"a.example") is old.exact.get(b"a.example")
    assert new.exact[b"b.example"] is not old.exact.get(b"b.example")


def test_how_a_host_field_reads_is_remembered_until_the_tls_hosts_change() -> None:
    state = runtime()
    state.active.host_of(b"A.example")

    state.activate(Snapshot(1, tls_hosts=frozenset()))
    assert state.active.hosts == {b"A.example": (b"a.example", False)}

    state.activate(Snapshot(2, tls_hosts=frozenset({"a.example"})))
    assert state.active.hosts == {}
    assert state.active.host_of(b"A.example") == (b"a.example", True)


def test_which_table_a_host_has_is_remembered_while_the_tables_stay() -> None:
    state, web = runtime(), upstream("web", 1)
    state.activate(snapshot(prefix("/", web), upstreams=(web,)))
    known = state.active.known_of(b"A.example")

    more = upstream("web", 1, 2)
    state.activate(attrs.evolve(state.active.snapshot, upstreams={more.id: more}))
    assert state.active.known == {b"A.example": known}

    state.activate(snapshot(prefix("/new", web), upstreams=(web,)))
    assert state.active.known == {}
    assert state.active.known_of(b"A.example")[2].find(b"/") is None


def test_only_the_rewrites_that_are_served_are_kept() -> None:
    state, target = runtime(), upstream("web", 1)
    paths = ("/a", "/b")
    before = _compiled_patterns()

    for number in range(5):
        rewrite = Rewrite.parse(f"^/kept-{number}/(.*)", "/$1")
        state.activate(snapshot(*(prefix(path, target, rewrite=rewrite) for path in paths)))

    assert _compiled_patterns() - before == {b"^/kept-4/(.*)"}
    first, second = (state.bind(prefix(path, target, rewrite=rewrite)) for path in paths)
    assert first.rewrite is second.rewrite


def _compiled_patterns() -> set[bytes]:
    """Return all patterns of RE2 that live in this process."""
    kind = type(re2.compile(b""))
    return {each.pattern for each in gc.get_objects() if isinstance(each, kind)}
