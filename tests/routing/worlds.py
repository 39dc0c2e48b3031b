"""
Snapshots and requests for the routing laws.

Both are made from a handful of labels and elements, so that hosts and paths collide all the time:
``aa`` begins with ``a``, empty elements and ``%2F`` sit between slashes, and hosts differ in
their number of labels only.
"""

from __future__ import annotations

import attrs
from hypothesis import strategies as st

from fsm_twisted.snapshot.identity import IngressId
from fsm_twisted.snapshot.model import Match, Route, Snapshot, VirtualHost

LABELS = ("a", "b", "aa")
ELEMENTS = ("a", "aa", "b", "A", "", "%2F", "a.b")


@attrs.frozen
class Request:
    """What the router is asked for."""

    host: str
    path: str

    @property
    def wire(self) -> tuple[bytes, bytes]:
        return self.host.encode(), self.path.encode()


def route(host: str, path: str, match: Match = Match.PREFIX, name: str = "web") -> Route:
    """Write a route as the compiler does: a Prefix has no trailing slash but for the root."""
    if match is Match.PREFIX:
        path = path.rstrip("/") or "/"
    return Route(IngressId("default", name), host, path, match, upstream=None)


def virtual_host(host: str, *routes: Route, default: Route | None = None) -> VirtualHost:
    unique = {(each.path, each.match): each for each in routes}
    return VirtualHost(host, tuple(unique.values()), default)


def snapshot(*hosts: VirtualHost, default: Route | None = None) -> Snapshot:
    return Snapshot(hosts={each.host: each for each in hosts}, default=default)


names = st.lists(st.sampled_from(LABELS), min_size=1, max_size=3).map(".".join)
patterns = st.one_of(names, names.map("*.{}".format), st.just(""))
paths = st.lists(st.sampled_from(ELEMENTS), max_size=4).map(lambda parts: "/" + "/".join(parts))
matches = st.sampled_from(Match)


def defaults(name: str) -> st.SearchStrategy[Route | None]:
    return st.none() | st.just(route(name, "/", name="default"))


@st.composite
def virtual_hosts(draw: st.DrawFn, pattern: str) -> VirtualHost:
    claims = draw(st.lists(st.tuples(paths, matches), max_size=6))
    routes = [route(pattern, path, match) for path, match in claims]
    return virtual_host(pattern, *routes, default=draw(defaults(pattern)))


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    hosts = draw(st.lists(patterns, max_size=6, unique=True))
    return snapshot(
        *(draw(virtual_hosts(host)) for host in hosts), default=draw(defaults("elsewhere"))
    )


@st.composite
def requests_for(draw: st.DrawFn, world: Snapshot) -> Request:
    """
    Draw a request, most often near the routes of *world*.

    Near means: a host that a pattern covers, or nearly covers, and a route's path, cut or drawn
    out at either end.
    """
    hosts = [host.replace("*", label) for host in world.hosts for label in LABELS]
    known = [each.path for host in world.hosts.values() for each in host.routes]
    near = st.one_of(
        st.sampled_from(known or ["/"]),
        st.builds(str.__add__, st.sampled_from(known or ["/"]), paths),
        st.builds(str.__add__, st.sampled_from(known or ["/"]), st.sampled_from(ELEMENTS)),
        st.sampled_from(known or ["/"]).map(lambda path: path[:-1] or "/"),
    )
    host = draw(st.one_of(st.sampled_from(hosts or [""]), names, st.just("")))
    return Request(host, draw(st.one_of(near, paths, st.just("*"))))


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Snapshot, Request]:
    """Draw a snapshot and a request that has something to do with it."""
    world = draw(snapshots())
    return world, draw(requests_for(world))
