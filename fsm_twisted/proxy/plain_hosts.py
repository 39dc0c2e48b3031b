"""Hosts where it matters whether a request comes by TLS."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import attrs

from fsm_twisted.routing.server_name import ServerNames
from fsm_twisted.snapshot.changes import Changes
from fsm_twisted.snapshot.model import Route, VirtualHost
from fsm_twisted.snapshot.policy import PlainAccess

_REDIRECTING: Final = frozenset({PlainAccess.REDIRECTED, PlainAccess.ALWAYS_REDIRECTED})


@attrs.frozen(eq=False)
class PlainHosts:
    """
    Where that has to be looked at: a question asked once for each Host, not each request.

    ``looks_at_tls_hosts``: options say so of all TLS hosts (redirect, forbid, HSTS). ``patterns``
    are the hosts, ``""`` for rules without one, that have a route which redirects by itself, and
    ``default`` says whether the default backend of everything else does.
    """

    looks_at_tls_hosts: bool
    patterns: frozenset[str] = frozenset()
    default: bool = False
    _names: ServerNames[bool] = attrs.field(factory=lambda: ServerNames({}))

    def redirect(self, host: bytes) -> bool:
        """Tell whether a request for *host* may meet such a route."""
        return self.default or "" in self.patterns or self._names.covers(host)

    def after(self, hosts: Changes[str, VirtualHost], default: Route | None) -> PlainHosts:
        """Return what holds after a change; this very object when that is the same."""
        there = {
            pattern for pattern, host in hosts.changed.items() if _redirects(host.all_routes())
        }
        patterns = self.patterns.difference(hosts.changed, hosts.gone) | there
        is_default = default is not None and _redirects((default,))
        if (patterns, is_default) == (self.patterns, self.default):
            return self
        names = ServerNames(dict.fromkeys(filter(None, patterns), True))
        return PlainHosts(self.looks_at_tls_hosts, patterns, is_default, names)


def _redirects(routes: Iterable[Route]) -> bool:
    return any(each.plain in _REDIRECTING for each in routes)
