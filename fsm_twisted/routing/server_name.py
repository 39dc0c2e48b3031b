"""Which entry answers a server name: exact, then one-label wildcard (design decision D3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Generic, Self, TypeVar

from fsm_twisted.routing.paths import as_sent

T = TypeVar("T")


class ServerNames(Generic[T]):
    """
    Entries by the name patterns of ``spec.tls``: lower-case names, ``*.`` in front for one label.

    No entry is None.
    """

    __slots__ = ("_exact", "_wildcard")

    def __init__(self, entries: Mapping[str, T]) -> None:
        self._exact: dict[bytes, T] = {}
        # Keyed by the name behind "*.", which stands for exactly one label.
        self._wildcard: dict[bytes, T] = {}
        self._put(entries)

    def _put(self, entries: Mapping[str, T]) -> None:
        for pattern, entry in entries.items():
            if pattern.startswith("*."):
                self._wildcard[as_sent(pattern[2:])] = entry
            else:
                self._exact[as_sent(pattern)] = entry

    def renewed(self, changed: Mapping[str, T], gone: Iterable[str]) -> Self:
        """Return the entries after a change; *gone* are patterns that may be missing already."""
        renewed = type(self)({})
        renewed._exact, renewed._wildcard = dict(self._exact), dict(self._wildcard)
        for pattern in gone:
            if pattern.startswith("*."):
                renewed._wildcard.pop(as_sent(pattern[2:]), None)
            else:
                renewed._exact.pop(as_sent(pattern), None)
        renewed._put(changed)
        return renewed

    def lookup(self, name: bytes) -> T | None:
        """
        Return the entry for *name*, a server name in any case, with or without trailing dot.

        RFC 6066 section 3 leaves the trailing dot out; clients that send it mean the same name.
        """
        return self.find(name.lower().removesuffix(b"."))

    def find(self, host: bytes) -> T | None:
        """Return the entry for *host*, which is lower-case already, without trailing dot."""
        found = self._exact.get(host)
        if found is None:
            dot = host.find(b".")
            if dot > 0:
                found = self._wildcard.get(host[dot + 1 :])
        return found

    def find_beside(self, host: bytes, others: ServerNames[Any]) -> T | None:
        """Do as `find`, but no wildcard counts for a *host* that *others* have for itself."""
        found = self.find(host)
        is_own = found is None or host in self._exact or host not in others._exact
        return found if is_own else None

    def has_own(self, host: bytes) -> bool:
        """Tell whether *host*, written as for `find`, has an entry that is no wildcard's."""
        return host in self._exact

    def covers(self, host: bytes) -> bool:
        """Tell whether there is an entry for *host*, written as for `find`."""
        return self.find(host) is not None
