"""
Changes under load: what clients notice while the manifests change.

Pods, clients and the program run on this machine; the program is started as users start it and
seen from outside only. Every answer is judged: its pod must be an endpoint, its path rewritten, as
one of the states promises that may count at that moment. WebSockets and downloads stay open all
the while, most of them to pods that leave meanwhile. Latencies include the clients' own work, so
only the two columns beside each other say something.

    .venv/bin/python benchmarks/changes.py [--changes 200] [--seconds 30] [--seed 1] [--workers 2]

With workers, a change counts as served when every one of them serves it, each asked through a
connection of its own; without, the program is one process. How long workers were more than one
configuration apart is what the program itself tells, by the clocks of its workers.

Ends with 1 when a request failed, a WebSocket died, a download broke off, or the program did not
end well.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Run as a script, this folder would come first on the path, and http.py hide the library's http.
if sys.path and Path(sys.path[0] or ".").resolve() == Path(__file__).resolve().parent:
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import argparse
import statistics
import tempfile

from tests.load.run import APPLICATIONS, Plan, Report, carry_out

CALM_REQUESTS = 5000


def main() -> int:
    """Carry out the plan of the command line, and print the table."""
    plan = read_plan()
    with tempfile.TemporaryDirectory() as folder:
        try:
            report = carry_out(plan, Path(folder))
        except AssertionError as error:
            print(f"the program did not start or end well: {error}")
            return 1
    print(table(report))
    for fault in (*report.faults, *report.ledger.faults):
        print(f"FAILED  {fault}")
    print("good" if report.is_good else "NOT GOOD")
    return 0 if report.is_good else 1


def read_plan() -> Plan:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="What clients notice while manifests change.")
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=30.0, help="at least, of a download")
    parser.add_argument("--seed", type=int, default=1, help="of the order of the changes")
    parser.add_argument("--workers", type=int, default=0, help="0: all in one process")
    given = parser.parse_args()
    return Plan(given.changes, given.seconds, CALM_REQUESTS, given.seed, given.workers)


def table(report: Report) -> str:
    """Write the figures."""
    ledger = report.ledger
    count = report.changes.total()
    calm, changing = (_percentiles(each) for each in (ledger.calm, ledger.changing))
    longest = max((each.seconds for each in report.downloads), default=0.0)
    lines = [
        ("changes", f"{count} in {report.change_seconds:.1f} s"),
        *((f"  {name}", str(number)) for name, number in sorted(report.changes.items())),
        ("served after, ms", _told(report.settle_seconds)),
        ("workers apart, ms", _told(report.apart_seconds)),
        ("  by more than one, longest", f"{report.longest_apart_seconds * 1000:.1f}"),
        ("requests", str(ledger.requests.total())),
        *((f"  {name}", str(number)) for name, number in sorted(ledger.requests.items())),
        ("failed", str(ledger.failed)),
        ("pods that answered", str(len(ledger.pods - {""}))),
        ("WebSockets alive", f"{len(report.beats)} of {APPLICATIONS}"),
        ("downloads whole", f"{len(report.downloads)} of 4, longest {longest:.1f} s"),
        ("latency, ms", f"{'calm':>8}{'changes':>10}"),
        *(
            (f"  {name}", f"{before:8.1f}{during:10.1f}")
            for name, before, during in zip(("p50", "p99", "longest"), calm, changing, strict=True)
        ),
    ]
    return "\n".join(f"{name:<28}{text}" for name, text in lines)


def _told(seconds: list[float]) -> str:
    return "p50 {:.0f}, p99 {:.0f}, longest {:.0f}".format(*_percentiles(seconds))


def _percentiles(seconds: list[float]) -> tuple[float, float, float]:
    """Return p50, p99 and the maximum in milliseconds."""
    if len(seconds) < 2:
        return (0.0, 0.0, 0.0)
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return cuts[49] * 1000, cuts[98] * 1000, max(seconds) * 1000


if __name__ == "__main__":
    sys.exit(main())
