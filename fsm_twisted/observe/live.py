"""What processes and endpoints are doing right now: told when somebody looks, never counted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Final, Self

import attrs

EndpointKey = tuple[str, str, int, str, str, str, str]
"""
Namespace, Service and port; protocol, fingerprint and server name of its TLS (as `proxy.endpoints`
groups them); address and port as text.
"""


class LiveError(ValueError):
    """Bytes that are no endpoints."""


@attrs.frozen
class EndpointFacts:
    """
    What one process, or several together, know of an endpoint.

    ``ejected_in`` is in how many processes it is left out now; ``ejections`` is how often it was
    since it came.
    """

    in_flight: int = 0
    idle_connections: int = 0
    ejected_in: int = 0
    ejections: int = 0

    def plus(self, other: EndpointFacts) -> EndpointFacts:
        """Add what another process knows."""
        return EndpointFacts(
            self.in_flight + other.in_flight,
            self.idle_connections + other.idle_connections,
            self.ejected_in + other.ejected_in,
            self.ejections + other.ejections,
        )


NOTHING: Final = EndpointFacts()
Endpoints = Mapping[EndpointKey, EndpointFacts]
"""Endpoints that something can be said of; the others have no requests, and are healthy."""


@attrs.frozen
class WorkerFacts:
    """
    A process that serves, or the place of one that is being replaced (``pid`` 0).

    ``generation`` is None until it serves one; ``is_late``: the others do not wait for it.
    """

    number: int
    pid: int
    generation: int | None
    age_seconds: float
    is_late: bool = False
    resident_bytes: int = 0
    open_fds: int = 0
    cpu_seconds: float = 0.0


@attrs.frozen
class Piece:
    """A part of the answer to question *number*; the last one says so."""

    number: int
    endpoints: Endpoints = attrs.field(factory=dict)
    is_last: bool = False

    def to_bytes(self) -> bytes:
        """Encode for `from_bytes`."""
        rows = [[*key, *attrs.astuple(facts)] for key, facts in self.endpoints.items()]
        return json.dumps([self.number, self.is_last, rows], separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """
        Decode a piece.

        Raises:
            LiveError: It is none.
        """
        try:
            number, is_last, rows = json.loads(data)
            found = {
                (a, b, c, d, e, f, g): EndpointFacts(*numbers)
                for a, b, c, d, e, f, g, *numbers in rows
            }
            return cls(int(number), found, bool(is_last))
        except (ValueError, TypeError) as error:
            raise LiveError("not a piece of endpoints") from error


def added(tables: Iterable[Endpoints]) -> Endpoints:
    """Add up what several processes know."""
    total: dict[EndpointKey, EndpointFacts] = {}
    for table in tables:
        for key, facts in table.items():
            total[key] = total.get(key, NOTHING).plus(facts)
    return total
