"""
Which route a request takes: host, then path (design decision D7).

Built once, then renewed host by host. What is found is whatever the caller binds a route to, so a
request costs a few look-ups of bytes, flat in the number of hosts and paths, and hashes no object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import is_
from typing import Generic, TypeVar

import attrs

from fsm_twisted.routing.paths import NOTHING, PathTable, as_sent
from fsm_twisted.snapshot.changes import Changes
from fsm_twisted.snapshot.model import Route, Snapshot, VirtualHost

T = TypeVar("T")


@attrs.frozen(eq=False)
class Router(Generic[T]):
    """
    The hosts of one snapshot.

    ``exact`` is keyed by host, ``wildcard`` by the name behind ``*.``, which stands for exactly
    one label (Ingress v1 API, "Hostname wildcards"). ``hostless`` are the rules without host.
    ``default`` is the default backend of everything else.
    """

    exact: Mapping[bytes, PathTable[T]]
    wildcard: Mapping[bytes, PathTable[T]]
    hostless: PathTable[T] | None
    default: T | None

    def match(self, host: bytes, path: bytes) -> T | None:
        """
        Return what the request leads to, None when nothing answers it (``no_route``).

        The levels of the host are asked in turn, exact, wildcard, host-less; when none of a
        level's paths matches, the next one is asked. After all of them come the defaults: that of
        the exact host, of its wildcard, of the snapshot. A default of host-less rules is not
        asked: those own no host, and the snapshot's default is the oldest claim of all.

        Args:
            host: Lower-case, without port and trailing dot; ``b""`` when absent.
            path: As sent, without query; ``b"*"`` for ``OPTIONS *`` (see `PathTable.find`).
        """
        own = self.exact.get(host)
        if own is not None:
            found = own.find(path)
            if found is not None:
                return found
        wild = None
        dot = host.find(b".")
        if dot > 0:
            wild = self.wildcard.get(host[dot + 1 :])
            if wild is not None:
                found = wild.find(path)
                if found is not None:
                    return found
        if self.hostless is not None:
            found = self.hostless.find(path)
            if found is not None:
                return found
        if own is not None and own.default is not None:
            return own.default
        if wild is not None and wild.default is not None:
            return wild.default
        return self.default

    def has_tables_of(self, other: Router[T]) -> bool:
        """Tell whether it has the very tables of *other*, and so all that `first` may return."""
        mine = (self.exact, self.wildcard, self.hostless)
        return all(map(is_, mine, (other.exact, other.wildcard, other.hostless)))

    def first(self, host: bytes) -> PathTable[T]:
        """
        Return the table that is asked first for *host*; it does not change with the path.

        What it finds is what `match` returns; where it finds nothing, `match` has to be asked.
        """
        own = self.exact.get(host)
        if own is not None:
            return own
        dot = host.find(b".")
        wild = self.wildcard.get(host[dot + 1 :]) if dot > 0 else None
        return wild or self.hostless or NOTHING


def build_router(snapshot: Snapshot, bind: Callable[[Route], T]) -> Router[T]:
    """
    Make the tables of *snapshot*.

    *bind* is called once for each route and default, and gives what `Router.match` returns for
    it; it must not return None.
    """
    empty: Router[T] = Router({}, {}, None, None)
    return renew_router(empty, Changes(snapshot.hosts, ()), snapshot.default, bind)


def renew_router(
    router: Router[T],
    hosts: Changes[str, VirtualHost],
    default: Route | None,
    bind: Callable[[Route], T],
) -> Router[T]:
    """
    Make the tables after a change; *router* stays as it was, and tables of other hosts are shared.

    Args:
        router: The tables before.
        hosts: By host pattern; those that are changed are bound anew.
        default: The default backend of everything else, always bound anew.
        bind: See `build_router`.
    """
    exact, wildcard, hostless = router.exact, router.wildcard, router.hostless
    if hosts:
        exact, wildcard = dict(exact), dict(wildcard)
        for pattern in hosts.gone:
            if not pattern:
                hostless = None
            elif pattern.startswith("*."):
                del wildcard[as_sent(pattern[2:])]
            else:
                del exact[as_sent(pattern)]
        for pattern, host in hosts.changed.items():
            table = PathTable.build(host, bind)
            if not pattern:
                hostless = table
            elif pattern.startswith("*."):
                wildcard[as_sent(pattern[2:])] = table
            else:
                exact[as_sent(pattern)] = table
    return Router(exact, wildcard, hostless, None if default is None else bind(default))
