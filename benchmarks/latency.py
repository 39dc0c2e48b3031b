"""
Latency at a fixed rate, beside that of the backend without a proxy.

The clock of a request starts when it was meant to be sent, not when a slow proxy let the client
send it (benchmarks/paced.c). All proxies get the same rate: half of what ours can do.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from attrs import frozen

from benchmarks.loads import PLAIN_HOST
from benchmarks.measure import BenchmarkError
from benchmarks.site import missing_programs, program
from benchmarks.table import OURS, REFERENCE

DIRECT = "(no proxy)"
CONNECTIONS = 100
_SOURCE = Path(__file__).parent / "paced.c"
HEADINGS = (
    *("proxy", "requests/s", "p50", "p99", "p99.9", "longest"),
    *("p99 added", f"x {REFERENCE}"),
)


@frozen
class Latency:
    """Of one turn, in nanoseconds."""

    requests: int
    p50: int
    p99: int
    p999: int
    longest: int


Latencies = Mapping[str, Sequence[Latency]]  # peer -> one for each round


def can_build() -> bool:
    """Tell whether there is a C compiler for the client."""
    return not missing_programs(["cc"])


def build(folder: Path) -> Path:
    """
    Compile the client.

    Raises:
        BenchmarkError: The compiler refuses; its first words are in the text.
    """
    path = folder / "paced"
    command = [program("cc"), "-O2", "-o", str(path), str(_SOURCE), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchmarkError(f"cc: {done.stderr.strip()[:300]}")
    return path


def take_latency(
    client: Path, port: int, rate: float, times: tuple[float, float], core: int
) -> Latency:
    """
    Ask at *rate* requests per second; *times* are those of measuring and warming up, in seconds.

    Raises:
        BenchmarkError: Some answer was not 2xx, or did not come.
    """
    words = (str(port), PLAIN_HOST, f"{rate:.0f}", *map(str, times), str(CONNECTIONS))
    command = ("taskset", "-c", str(core), str(client), *words)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return parse(done.stdout) if done.returncode == 0 else _fail(done.stderr)


def _fail(words: str) -> Latency:
    raise BenchmarkError(f"latency: {words.strip()[-200:]}")


def parse(output: str) -> Latency:
    """
    Read the line that the client prints.

    Raises:
        BenchmarkError: It tells of faults, or there is none.
    """
    words = output.split()
    if len(words) != 8 or words[0] != "paced":
        raise BenchmarkError("the paced client ended without its outcome line")
    requests, faults, _, *latencies = map(int, words[1:])
    if faults:
        raise BenchmarkError(f"{faults} of {requests} paced requests were not answered well")
    return Latency(requests, *latencies)


def half_load(microseconds: float) -> float:
    """Return the rate at which requests of so much CPU take half of a core, in full hundreds."""
    return round(0.5e6 / microseconds / 100) * 100.0


def p99_added(latencies: Latencies, peer: str) -> float | None:
    """Return what a proxy adds to the backend's own p99, median of the rounds, nanoseconds."""
    if DIRECT not in latencies or not latencies.get(peer):
        return None
    pairs = zip(latencies[peer], latencies[DIRECT], strict=True)
    return max(median(one.p99 - direct.p99 for one, direct in pairs), 0.0)


def added_ratio(latencies: Latencies, peer: str = OURS) -> float | None:
    """Return how many times that of the reference it is; None where that adds nothing."""
    own, other = p99_added(latencies, peer), p99_added(latencies, REFERENCE)
    return own / other if own is not None and other else None


def cells(latencies: Latencies, rate: float) -> list[tuple[str, ...]]:
    """Return the lines of the table, medians of the rounds."""
    lines = []
    for peer, taken in latencies.items():
        middles = (
            median(getattr(each, name) for each in taken)
            for name in ("p50", "p99", "p999", "longest")
        )
        added = None if peer == DIRECT else p99_added(latencies, peer)
        ratio = None if peer == DIRECT else added_ratio(latencies, peer)
        lines.append(
            (
                peer,
                f"{rate:,.0f}",
                *map(_milliseconds, middles),
                "-" if added is None else _milliseconds(added),
                "-" if ratio is None else f"{ratio:.2f}",
            )
        )
    return lines


def _milliseconds(nanoseconds: float) -> str:
    return f"{nanoseconds / 1e6:.2f} ms"
