"""
What one process has counted, as a value that can be sent and added up.

Workers send reports; the master adds those of all workers, and of workers that are gone, so that
no counter ever falls.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from operator import add
from typing import Final, Self, TypeVar

import attrs

from fsm_twisted.observe.cells import (
    BUCKETS,
    DURATION,
    PLACES,
    REQUESTS,
    UPSTREAM,
    UpstreamCells,
)

_Key = TypeVar("_Key")
Number = int | float
_Number = TypeVar("_Number", int, Number)

UpstreamKey = tuple[str, str, str]
"""Namespace, Ingress and Service: what series are labelled with."""

_VERSION: Final = 3

# How the numbers of one upstream travel: those that have names, then the places of `cells`.
_ROW: Final = struct.Struct(f"<qqqdd{PLACES}q")
_NAMED: Final = 5
_NOTHING: Final = (0, 0, 0, 0.0, 0.0, *(0,) * PLACES)
_DURATION, _UPSTREAM = (
    slice(each.start + _NAMED, each.stop + _NAMED, each.step) for each in (DURATION, UPSTREAM)
)
_REQUESTS: Final = [
    ((method.decode("ascii"), digit), place + _NAMED)
    for (method, digit), place in REQUESTS.items()
]


class ReportError(ValueError):
    """Bytes that are no report of this version."""


@attrs.frozen
class Durations:
    """A histogram: counts by bucket (not cumulated), and the sum in seconds."""

    counts: tuple[int, ...] = (0,) * BUCKETS
    seconds: float = 0.0


@attrs.frozen
class UpstreamCounts:
    """
    The cells of one (Ingress, Service) at one moment; see `UpstreamCells`.

    ``numbers`` are all of them but ``rare`` in a row, which is added and sent as it is: there
    may be ten thousand upstreams. They are read by name.
    """

    numbers: tuple[Number, ...] = _NOTHING
    rare: Mapping[str, int] = attrs.field(factory=dict)

    @classmethod
    def of(cls, cells: UpstreamCells) -> Self:
        """Copy *cells*."""
        numbers = (
            cells.bytes_in,
            cells.bytes_out,
            cells.retries,
            cells.duration_seconds,
            cells.upstream_seconds,
            *cells.counts,
        )
        return cls(numbers, dict(cells.rare))

    @classmethod
    def taken(cls, cells: UpstreamCells) -> Self:
        """Copy *cells* and have them begin again at zero."""
        counts = cls.of(cells)
        cells.clear()
        return counts

    @property
    def requests(self) -> Mapping[tuple[str, int], int]:
        """Requests by method and first digit of the status, where there were any."""
        numbers = self.numbers
        return {key: int(numbers[place]) for key, place in _REQUESTS if numbers[place]}

    @property
    def duration(self) -> Durations:
        """From the head of requests to the end of their answers."""
        return Durations(self._buckets(_DURATION), self.numbers[3])

    @property
    def upstream(self) -> Durations:
        """The part of it that is the endpoint's."""
        return Durations(self._buckets(_UPSTREAM), self.numbers[4])

    def _buckets(self, places: slice) -> tuple[int, ...]:
        return tuple(map(int, self.numbers[places]))

    @property
    def bytes_in(self) -> int:
        """Bytes of requests."""
        return int(self.numbers[0])

    @property
    def bytes_out(self) -> int:
        """Bytes of answers."""
        return int(self.numbers[1])

    @property
    def retries(self) -> int:
        """Requests that were sent to an endpoint again."""
        return int(self.numbers[2])

    def plus(self, other: UpstreamCounts) -> UpstreamCounts:
        """Add the counts of another process."""
        numbers = tuple(map(add, self.numbers, other.numbers))
        rare = _added(self.rare, other.rare) if other.rare else self.rare
        return UpstreamCounts(numbers, rare)


@attrs.frozen
class Report:
    """
    All counts of one process, or the sum over several.

    ``counters`` only grow: name of the series to number, for instance
    ``replies_total{reason="no_route"}``. ``gauges`` are true at the moment and are added up too,
    but die with their process.
    """

    upstreams: Mapping[UpstreamKey, UpstreamCounts] = attrs.field(factory=dict)
    counters: Mapping[str, Number] = attrs.field(factory=dict)
    gauges: Mapping[str, int] = attrs.field(factory=dict)

    def plus(self, other: Report) -> Report:
        """Add the report of another process."""
        upstreams = dict(self.upstreams)
        for key, counts in other.upstreams.items():
            own = upstreams.get(key)
            upstreams[key] = counts if own is None else own.plus(counts)
        return Report(
            upstreams, _added(self.counters, other.counters), _added(self.gauges, other.gauges)
        )

    def with_upstreams(self, upstreams: Mapping[UpstreamKey, UpstreamCounts]) -> Report:
        """Return the same counters and gauges with other *upstreams*."""
        return attrs.evolve(self, upstreams=upstreams)

    def of_the_dead(self) -> Report:
        """Return what counts on when the process is gone."""
        return attrs.evolve(self, gauges={})

    def only(self, upstreams: Iterable[UpstreamKey]) -> Report:
        """Leave out upstreams that exist no more: deleted objects vanish from the metrics."""
        kept = {key: self.upstreams[key] for key in upstreams if key in self.upstreams}
        return attrs.evolve(self, upstreams=kept)

    def to_bytes(self) -> bytes:
        """Encode for `from_bytes`: a line of JSON, and a row of numbers for each upstream."""
        labels = [[*key, counts.rare] for key, counts in self.upstreams.items()]
        whole = [_VERSION, labels, dict(self.counters), dict(self.gauges)]
        head = json.dumps(whole, separators=(",", ":")).encode("utf-8")
        rows = [_ROW.pack(*counts.numbers) for counts in self.upstreams.values()]
        return b"".join((head, b"\n", *rows))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """
        Decode a report.

        Raises:
            ReportError: It is none, or of another version.
        """
        head, _, rows = data.partition(b"\n")
        try:
            version, *rest = json.loads(head)
            if version == _VERSION:
                labels, counters, gauges = rest
                upstreams = {
                    (namespace, ingress, service): UpstreamCounts(numbers, rare)
                    for (namespace, ingress, service, rare), numbers in zip(
                        labels, _ROW.iter_unpack(rows), strict=True
                    )
                }
                return cls(upstreams, counters, gauges)
        except (ValueError, TypeError, KeyError, IndexError, struct.error) as error:
            raise ReportError("not a report") from error
        raise ReportError(f"a report of version {version!r}, not {_VERSION}")


def _added(one: Mapping[_Key, _Number], other: Mapping[_Key, _Number]) -> Mapping[_Key, _Number]:
    total = dict(one)
    for key, number in other.items():
        total[key] = total.get(key, 0) + number
    return total
