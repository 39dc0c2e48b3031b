"""Which entry answers a server name: exact, then one-label wildcard (design decision D3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, Self, TypeVar

import attrs

from fsm_twisted.routing.paths import as_sent

T = TypeVar("T")


@attrs.frozen(eq=False)
class ServerNames(Generic[T]):
    """
    Entries by the name patterns of ``spec.tls``.

    ``wildcard`` is keyed by the name behind ``*.``, which stands for exactly one label.
    """

    exact: Mapping[bytes, T]
    wildcard: Mapping[bytes, T]

    @classmethod
    def build(cls, entries: Mapping[str, T]) -> Self:
        """Take *entries* by pattern: lower-case names, ``*.`` in front for one label."""
        exact: dict[bytes, T] = {}
        wildcard: dict[bytes, T] = {}
        for pattern, entry in entries.items():
            if pattern.startswith("*."):
                wildcard[as_sent(pattern[2:])] = entry
            else:
                exact[as_sent(pattern)] = entry
        return cls(exact, wildcard)

    def lookup(self, name: bytes) -> T | None:
        """
        Return the entry for *name*, a server name in any case, with or without trailing dot.

        RFC 6066 section 3 leaves the trailing dot out; clients that send it mean the same name.
        """
        return self.find(name.lower().removesuffix(b"."))

    def find(self, host: bytes) -> T | None:
        """Return the entry for *host*, which is lower-case already, without trailing dot."""
        found = self.exact.get(host)
        if found is None:
            dot = host.find(b".")
            if dot > 0:
                found = self.wildcard.get(host[dot + 1 :])
        return found

    def covers(self, host: bytes) -> bool:
        """Tell whether there is an entry for *host*, written as for `find`."""
        return self.find(host) is not None
