"""What we promise of our figures, and whether a run keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import frozen

from benchmarks import latency, table
from benchmarks.latency import Latencies
from benchmarks.measure import Sample
from benchmarks.table import OURS, Results

HEADINGS = ("promise", "beside", "at most", "aim", "measured", "kept")


@frozen
class Promise:
    """
    CPU of ours for a load is at most so many times that of a peer; *aim* is what we wish.

    *ours* says which of ours: the pure one, or that with the compiled core.
    """

    load: str
    peer: str
    most: float
    aim: float | None = None
    ours: str = OURS


COMPILED = "compiled"
PROMISES = (
    Promise("plain", "nginx", 1.6, 1.45),
    Promise("plain", "traefik", 0.4, 0.35),
    Promise("plain", "envoy", 0.5, 0.42),
    Promise("tls", "nginx", 1.7, 1.5),
    Promise("handshake", "nginx", 1.6),
    Promise("resumed", "nginx", 1.6),
    Promise("h2", "nginx", 2.2),
    Promise("h2", "traefik", 0.45),
    Promise("large", "nginx", 0.7, 0.3),
    Promise("tunnel", "haproxy", 0.4),
    Promise("plain", "nginx", 1.1, 0.95, COMPILED),
    Promise("tls", "nginx", 1.4, None, COMPILED),
)
P99_ADDED = 2.0
MANY_HOSTS = 1.2


@frozen
class Verdict:
    """A promise beside what was measured."""

    what: str
    peer: str
    most: float
    aim: float | None
    measured: float

    @property
    def is_kept(self) -> bool:
        """Whether the promise holds."""
        return self.measured <= self.most

    def cells(self) -> tuple[str, ...]:
        """Return the line of the table, one entry for each of `HEADINGS`."""
        aim = "-" if self.aim is None else f"{self.aim:.2f}"
        kept = "yes" if self.is_kept else "NO"
        return (self.what, self.peer, f"{self.most:.2f}", aim, f"{self.measured:.2f}", kept)


def verdicts(results: Results, latencies: Latencies) -> list[Verdict]:
    """Judge what was measured; what was not is left out."""
    found = []
    for each in PROMISES:
        taken = results.get(each.load, {})
        if each.ours in taken and each.peer in taken:
            measured = table.paired_ratio(taken[each.ours], taken[each.peer])
            what = f"CPU, {each.load}" + (f", {each.ours}" if each.ours != OURS else "")
            found.append(Verdict(what, each.peer, each.most, each.aim, measured))
    found += _many_hosts(results)
    added = latency.added_ratio(latencies)
    if added is not None:
        found.append(Verdict("p99 added at half load", "nginx", P99_ADDED, None, added))
    return found


def _many_hosts(results: Mapping[str, Mapping[str, Sequence[Sample]]]) -> list[Verdict]:
    many, one = results.get("hosts", {}).get(OURS), results.get("plain", {}).get(OURS)
    if not many or not one:
        return []
    measured = table.paired_ratio(many, one)
    return [Verdict("CPU, hosts", "ours, plain", MANY_HOSTS, None, measured)]
