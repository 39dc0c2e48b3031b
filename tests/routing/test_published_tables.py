"""
The tables that others have published about Ingress matching, row by row.

Kubernetes documentation, "Ingress": "Examples" of path types and "Hostname wildcards"; and the
Kubernetes Ingress conformance suite (ingress-controller-conformance), path and host rules.
"""

from __future__ import annotations

import pytest

from fsm_twisted.routing.router import build_router
from fsm_twisted.snapshot.model import Match, Route, Snapshot
from tests.routing.worlds import route, snapshot, virtual_host

EXACT, PREFIX = Match.EXACT, Match.PREFIX
DOCUMENTED_PATHS = [
    ([(PREFIX, "/")], "/", (PREFIX, "/")),
    ([(PREFIX, "/")], "/any/path/at//all", (PREFIX, "/")),
    ([(EXACT, "/foo")], "/foo", (EXACT, "/foo")),
    ([(EXACT, "/foo")], "/bar", None),
    ([(EXACT, "/foo")], "/foo/", None),
    ([(EXACT, "/foo/")], "/foo", None),
    ([(PREFIX, "/foo")], "/foo", (PREFIX, "/foo")),
    ([(PREFIX, "/foo")], "/foo/", (PREFIX, "/foo")),
    ([(PREFIX, "/foo/")], "/foo", (PREFIX, "/foo/")),
    ([(PREFIX, "/foo/")], "/foo/", (PREFIX, "/foo/")),
    ([(PREFIX, "/aaa/bb")], "/aaa/bbb", None),
    ([(PREFIX, "/aaa/bbb")], "/aaa/bbb", (PREFIX, "/aaa/bbb")),
    ([(PREFIX, "/aaa/bbb/")], "/aaa/bbb", (PREFIX, "/aaa/bbb/")),
    ([(PREFIX, "/aaa/bbb")], "/aaa/bbb/", (PREFIX, "/aaa/bbb")),
    ([(PREFIX, "/aaa/bbb")], "/aaa/bbb/ccc", (PREFIX, "/aaa/bbb")),
    ([(PREFIX, "/aaa/bbb")], "/aaa/bbbxyz", None),
    ([(PREFIX, "/"), (PREFIX, "/aaa")], "/aaa/ccc", (PREFIX, "/aaa")),
    ([(PREFIX, "/"), (PREFIX, "/aaa"), (PREFIX, "/aaa/bbb")], "/aaa/bbb", (PREFIX, "/aaa/bbb")),
    ([(PREFIX, "/"), (PREFIX, "/aaa"), (PREFIX, "/aaa/bbb")], "/ccc", (PREFIX, "/")),
    ([(PREFIX, "/aaa")], "/ccc", None),
    ([(PREFIX, "/foo"), (EXACT, "/foo")], "/foo", (EXACT, "/foo")),
]

DOCUMENTED_HOSTS = [
    ("*.foo.com", "bar.foo.com", True),
    ("*.foo.com", "baz.bar.foo.com", False),
    ("*.foo.com", "foo.com", False),
]

CONFORMANCE = snapshot(
    virtual_host("*.foo.com", route("*.foo.com", "/", name="wildcard-foo-com")),
    virtual_host("foo.bar.com", route("foo.bar.com", "/", name="foo-bar-com")),
    virtual_host("exact", route("exact", "/foo", EXACT, "foo-exact")),
    virtual_host(
        "prefix",
        route("prefix", "/foo", PREFIX, "foo-prefix"),
        route("prefix", "/aaa/bbb", PREFIX, "aaa-slash-bbb-prefix"),
        route("prefix", "/aaa", PREFIX, "aaa-prefix"),
    ),
    virtual_host(
        "mixed",
        route("mixed", "/foo", PREFIX, "foo-prefix"),
        route("mixed", "/foo", EXACT, "foo-exact"),
    ),
    virtual_host(
        "trailing",
        route("trailing", "/aaa/bbb/", PREFIX, "aaa-slash-bbb-slash-prefix"),
        route("trailing", "/foo/", EXACT, "foo-slash-exact"),
    ),
)
CONFORMANCE_REQUESTS = [
    ("foo.bar.com", "/", "foo-bar-com"),
    ("subdomain.bar.com", "/", None),
    ("bar.foo.com", "/", "wildcard-foo-com"),
    ("baz.bar.foo.com", "/", None),
    ("foo.com", "/", None),
    ("exact", "/foo", "foo-exact"),
    ("exact", "/foo/", None),
    ("exact", "/FOO", None),
    ("exact", "/bar", None),
    ("prefix", "/foo", "foo-prefix"),
    ("prefix", "/foo/", "foo-prefix"),
    ("prefix", "/FOO", None),
    ("prefix", "/aaa/bbb", "aaa-slash-bbb-prefix"),
    ("prefix", "/aaa/bbb/ccc", "aaa-slash-bbb-prefix"),
    ("prefix", "/aaa/ccc", "aaa-prefix"),
    ("prefix", "/aaaccc", None),
    ("mixed", "/foo", "foo-exact"),
    ("trailing", "/aaa/bbb", "aaa-slash-bbb-slash-prefix"),
    ("trailing", "/aaa/bbb/", "aaa-slash-bbb-slash-prefix"),
    ("trailing", "/foo", None),
]
DEFAULT_BACKEND_REQUESTS = [
    ("my-host", "/"),
    ("my-host", "/sub-path"),
    ("some-host", "/"),
    ("", "/resource"),
    ("some-host", "/resource"),
    ("my-host", "/resource"),
]


def found(world: Snapshot, host: str, path: str) -> Route | None:
    return build_router(world, lambda each: each).match(host.encode(), path.encode())


@pytest.mark.parametrize(("claims", "path", "winner"), DOCUMENTED_PATHS)
def test_path_types_match_as_the_documentation_says(
    claims: list[tuple[Match, str]], path: str, winner: tuple[Match, str] | None
) -> None:
    routes = {claim: route("", claim[1], claim[0], repr(claim)) for claim in claims}
    answer = found(snapshot(virtual_host("", *routes.values())), "", path)

    assert answer is (routes[winner] if winner else None)


@pytest.mark.parametrize(("pattern", "host", "is_match"), DOCUMENTED_HOSTS)
def test_wildcard_hosts_match_as_the_documentation_says(
    pattern: str, host: str, *, is_match: bool
) -> None:
    only = route(pattern, "/")

    assert (found(snapshot(virtual_host(pattern, only)), host, "/") is only) == is_match


@pytest.mark.parametrize(("host", "path", "service"), CONFORMANCE_REQUESTS)
def test_requests_of_the_conformance_suite_reach_its_services(
    host: str, path: str, service: str | None
) -> None:
    answer = found(CONFORMANCE, host, path)

    assert (answer.ingress.name if answer else None) == service


@pytest.mark.parametrize(("host", "path"), DEFAULT_BACKEND_REQUESTS)
def test_everything_reaches_the_default_backend_of_the_conformance_suite(
    host: str, path: str
) -> None:
    echo = route("", "/", name="echo-service")

    assert found(snapshot(default=echo), host, path) is echo
