"""
The slow, obvious matcher that the router must agree with.

Written from the Kubernetes documentation ("Ingress": path types, multiple matches, hostname
wildcards, default backend) and from decision D7 for what the documentation leaves open. It scans
every route of every host and compares lists of path elements; it shares no code with the router.
"""

from __future__ import annotations

from collections.abc import Callable

from fsm_twisted.snapshot.model import Match, Route, Snapshot
from tests.routing.worlds import Request


def reference_match(world: Snapshot, request: Request) -> Route | None:
    levels: list[Callable[[str], bool]] = [
        lambda pattern: is_exact_host(pattern, request.host),
        lambda pattern: is_wildcard_host(pattern, request.host),
        lambda pattern: pattern == "",
    ]
    for covers in levels:
        matching = [
            route
            for pattern, host in world.hosts.items()
            if covers(pattern)
            for route in host.routes
            if path_matches(route, request.path)
        ]
        if matching:
            return max(matching, key=precedence)
    for covers in levels[:2]:
        for pattern, host in world.hosts.items():
            if covers(pattern) and host.default is not None:
                return host.default
    return world.default


def is_exact_host(pattern: str, host: str) -> bool:
    """Precise match: the host header matches the host field."""
    return pattern != "" and not pattern.startswith("*.") and pattern == host


def is_wildcard_host(pattern: str, host: str) -> bool:
    """The host is equal to the suffix of the wildcard rule, which covers only a single label."""
    star, *suffix = pattern.split(".")
    first, *rest = host.split(".")
    return star == "*" and first != "" and suffix == rest


def path_matches(route: Route, path: str) -> bool:
    if route.match is Match.EXACT:
        return route.path == path
    wanted, sent = elements(route.path), elements(path)
    return sent[: len(wanted)] == wanted


def elements(path: str) -> list[str]:
    """
    Return the labels of *path* split by the '/' separator.

    The root has none, and neither has the ``*`` of OPTIONS.
    """
    return [] if path in {"/", "*"} else path.split("/")[1:]


def precedence(route: Route) -> tuple[bool, int]:
    """First the longest matching path; an exact path over a prefix path that is as long."""
    return route.match is Match.EXACT, len(elements(route.path))
