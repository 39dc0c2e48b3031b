"""
The paths of one virtual host, ready for matching.

Exact comes before the longest Prefix, and a Prefix covers whole elements only (Ingress v1 API,
"Path types"; design decision D7). Paths are compared byte for byte as sent: nothing is decoded,
``//`` is an empty element, ``%2F`` is no separator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, Generic, Self, TypeVar

import attrs

from fsm_twisted.snapshot.model import Match, Route, VirtualHost

T = TypeVar("T")


@attrs.frozen(eq=False)
class PathTable(Generic[T]):
    """
    What each path of a host leads to.

    ``prefixes`` holds every Prefix but the root, without trailing slash; ``lengths`` are their
    lengths in bytes and ``longest`` is the greatest of them (0 when there is none). ``root`` is
    the Prefix ``/``. ``default`` is the host's own default backend; `find` does not look at it,
    because it is asked only after all host levels.
    """

    exact: Mapping[bytes, T]
    prefixes: Mapping[bytes, T]
    lengths: frozenset[int]
    longest: int
    root: T | None
    default: T | None

    @classmethod
    def build(cls, host: VirtualHost, bind: Callable[[Route], T]) -> Self:
        """Bind every route of *host* once."""
        exact: dict[bytes, T] = {}
        prefixes: dict[bytes, T] = {}
        for route in host.routes:
            table = exact if route.match is Match.EXACT else prefixes
            table[_shared_path(route.path)] = bind(route)
        root = prefixes.pop(b"/", None)
        lengths = _shared_lengths(frozenset(map(len, prefixes)))
        default = None if host.default is None else bind(host.default)
        return cls(
            exact or _NONE, prefixes or _NONE, lengths, max(lengths, default=0), root, default
        )

    def find(self, path: bytes) -> T | None:
        """
        Return what *path* leads to: Exact, else the longest Prefix, else None.

        *path* is as sent, without query. ``*`` (of ``OPTIONS *``) lies below no path but the root,
        so only a Prefix ``/`` covers it.

        The walk starts at the host's longest Prefix and goes up by whole elements. It takes at
        most one step for each slash within the first ``longest + 1`` bytes, and cuts and hashes
        only where a Prefix of that very length exists: a request made of slashes costs no more
        than the host's own Ingresses have asked for.
        """
        if self.exact:  # few hosts have such paths: hashing the whole path would be for nothing
            found = self.exact.get(path)
            if found is not None:
                return found
        longest = self.longest
        if not longest:
            return self.root
        end, lengths = len(path), self.lengths
        if end > longest:
            end = path.rfind(b"/", 0, longest + 1)
        while end > 0:
            if end in lengths:
                found = self.prefixes.get(path[:end])
                if found is not None:
                    return found
            end = path.rfind(b"/", 0, end)
        return self.root


REFERENCE: Final = PathTable.find
try:
    from fsm_twisted.routing._speedups import find_method
except ImportError:
    pass
else:
    PathTable.find = find_method(PathTable, REFERENCE)  # type: ignore[method-assign]

# What thousands of hosts have alike is one object: less memory, and in the processor's caches.
_NONE: Final[Mapping[bytes, Any]] = {}


@lru_cache(maxsize=1024)
def _shared_lengths(lengths: frozenset[int]) -> frozenset[int]:
    return lengths


@lru_cache(maxsize=4096)
def _shared_path(text: str) -> bytes:
    return as_sent(text)


NOTHING: Final[PathTable[Any]] = PathTable(_NONE, _NONE, frozenset(), 0, None, None)


def as_sent(text: str) -> bytes:
    """
    Return *text* of a manifest as it would stand on the wire.

    Total on purpose: a path that no request can spell (not ASCII) is only never matched.
    """
    return text.encode("utf-8", "surrogatepass")
