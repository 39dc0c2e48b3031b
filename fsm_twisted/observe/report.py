"""
What one process has counted, as a value that can be sent and added up.

Workers send reports; the master adds those of all workers, and of workers that are gone, so that
no counter ever falls.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, Self, TypeVar

import attrs

from fsm_twisted.observe.cells import SECONDS, UpstreamCells

_Key = TypeVar("_Key")
Number = int | float
_Number = TypeVar("_Number", int, Number)

UpstreamKey = tuple[str, str, str]
"""Namespace, Ingress and Service: what series are labelled with."""

_VERSION: Final = 1
_BUCKETS: Final = len(SECONDS) + 1


class ReportError(ValueError):
    """Bytes that are no report of this version."""


@attrs.frozen
class Durations:
    """A histogram: counts by bucket (not cumulated), and the sum in seconds."""

    counts: tuple[int, ...] = (0,) * _BUCKETS
    seconds: float = 0.0

    def plus(self, other: Durations) -> Durations:
        """Add two histograms."""
        counts = tuple(a + b for a, b in zip(self.counts, other.counts, strict=True))
        return Durations(counts, self.seconds + other.seconds)


@attrs.frozen
class UpstreamCounts:
    """The cells of one (Ingress, Service) at one moment; see `UpstreamCells`."""

    requests: Mapping[tuple[str, int], int] = attrs.field(factory=dict)
    duration: Durations = Durations()
    upstream: Durations = Durations()
    retries: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    passed: Mapping[str, int] = attrs.field(factory=dict)

    @classmethod
    def of(cls, cells: UpstreamCells) -> Self:
        """Copy *cells*."""
        return cls(
            {
                (method.decode("ascii"), digit): number
                for (method, digit), number in cells.requests.items()
            },
            Durations(tuple(cells.duration.counts), cells.duration.seconds),
            Durations(tuple(cells.upstream.counts), cells.upstream.seconds),
            cells.retries,
            cells.bytes_in,
            cells.bytes_out,
            dict(cells.passed),
        )

    @classmethod
    def taken(cls, cells: UpstreamCells) -> Self:
        """Copy *cells* and have them begin again at zero."""
        counts = cls.of(cells)
        cells.clear()
        return counts

    def plus(self, other: UpstreamCounts) -> UpstreamCounts:
        """Add the counts of another process."""
        return UpstreamCounts(
            _added(self.requests, other.requests),
            self.duration.plus(other.duration),
            self.upstream.plus(other.upstream),
            self.retries + other.retries,
            self.bytes_in + other.bytes_in,
            self.bytes_out + other.bytes_out,
            _added(self.passed, other.passed),
        )


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
        """Encode for `from_bytes`."""
        upstreams = [
            [
                *key,
                [[method, digit, n] for (method, digit), n in counts.requests.items()],
                [*counts.duration.counts, counts.duration.seconds],
                [*counts.upstream.counts, counts.upstream.seconds],
                [counts.retries, counts.bytes_in, counts.bytes_out, dict(counts.passed)],
            ]
            for key, counts in self.upstreams.items()
        ]
        whole = [_VERSION, upstreams, dict(self.counters), dict(self.gauges)]
        return json.dumps(whole, separators=(",", ":")).encode("utf-8")

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """
        Decode a report.

        Raises:
            ReportError: It is none, or of another version.
        """
        try:
            version, *rest = json.loads(data)
            if version == _VERSION:
                upstreams, counters, gauges = rest
                counts = {(row[0], row[1], row[2]): _counts(row) for row in upstreams}
                return cls(counts, counters, gauges)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise ReportError("not a report") from error
        raise ReportError(f"a report of version {version!r}, not {_VERSION}")


def _counts(row: list[Any]) -> UpstreamCounts:
    requests, duration, upstream, numbers = row[3:]
    return UpstreamCounts(
        {(str(method), digit): n for method, digit, n in requests},
        Durations(tuple(duration[:-1]), duration[-1]),
        Durations(tuple(upstream[:-1]), upstream[-1]),
        *numbers,
    )


def _added(one: Mapping[_Key, _Number], other: Mapping[_Key, _Number]) -> Mapping[_Key, _Number]:
    total = dict(one)
    for key, number in other.items():
        total[key] = total.get(key, 0) + number
    return total
