"""
What the access log costs a request from end to end, in one and the same process.

    .venv/bin/python benchmarks/access_log.py

Two programs differ by a few per cent however equal they are, in where their memory lies above all;
that is more than the log costs. So one program serves two Ingresses, one of which has
``enable-access-log: "false"``, and they take turns of a second. Master and worker are told apart;
the master shares the core of backend and load.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Run as a script, this folder would come first on the path, and http.py hide the library's http.
if sys.path and Path(sys.path[0] or ".").resolve() == Path(__file__).resolve().parent:
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import argparse
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from statistics import median, quantiles

from attrs import evolve, frozen

from benchmarks import loads, peers
from benchmarks.loads import Load
from benchmarks.measure import BenchmarkError, Sample, take_sample
from benchmarks.site import Site
from benchmarks.turns import Running, Stage

UNLOGGED_HOST = "unlogged.example.com"
_PLAIN = next(load for load in loads.LOADS if load.name == "plain")
_INGRESS = f"""\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: unlogged
  annotations: {{pipy.ingress.kubernetes.io/enable-access-log: "false"}}
spec:
  ingressClassName: pipy
  rules:
  - host: {UNLOGGED_HOST}
    http:
      paths:
      - {{path: /, pathType: Prefix, backend: {{service: {{name: bench, port: {{number: 80}}}}}}}}
"""


@frozen
class Cost:
    """Microseconds a request, of the worker and of the master, without the log and with it."""

    without: Sample
    logged: Sample

    @property
    def of_worker(self) -> float:
        """What a worker takes more."""
        return self.logged.other_microseconds - self.without.other_microseconds

    @property
    def of_master(self) -> float:
        """What the master takes more."""
        return self.logged.first_microseconds - self.without.first_microseconds


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks/access_log.py", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=20, help="pairs of turns [%(default)s]")
    add("--seconds", type=float, default=1.0, help="length of a turn [%(default)s]")
    add("--warm", type=float, default=0.3, help="warm-up before each [%(default)s s]")
    add("--pause", type=int, default=0, metavar="MS",
        help="let each connection wait so long before its next request [%(default)s]")  # fmt: skip
    add("--connections", type=int, default=_PLAIN.connections, help="[%(default)s]")
    add("--log", default="/dev/null", metavar="FILE", help="where lines go [%(default)s]")
    return parser.parse_args(arguments)


def start(site: Site, stage: Stage, log: str) -> Running:
    """Start the program with both Ingresses."""
    folder = site.folder / "manifests"
    peer = peers.ours(site, "ours", sys.executable, None, ("--workers", "1", "--access-log", log))
    (folder / "unlogged.yaml").write_text(_INGRESS)
    return stage.start(peer)


def take_costs(options: argparse.Namespace, stage: Stage, running: Running) -> list[Cost]:
    """Take the turns, logged and not in either order."""
    logged = evolve(_PLAIN, pause=options.pause, connections=options.connections)
    without = evolve(logged, host=f'"{UNLOGGED_HOST}"')

    def sample(load: Load) -> Sample:
        length = options.seconds + options.warm
        run = loads.make_run(
            load, running.peer.http_port, length, stage.site.folder, stage.load_core
        )
        seen = partial(stage.seen, load)
        return take_sample(running.pid, run, options.seconds, options.warm, seen)

    costs = []
    for number in range(options.rounds):
        if number % 2:
            first, second = sample(without), sample(logged)
        else:
            second, first = sample(logged), sample(without)
        costs.append(Cost(first, second))
    return costs


def table(costs: Sequence[Cost]) -> str:
    """Return what was measured, as lines."""
    rows = {
        "worker, without": [each.without.other_microseconds for each in costs],
        "worker, logged": [each.logged.other_microseconds for each in costs],
        "worker, more": [each.of_worker for each in costs],
        "master, more": [each.of_master for each in costs],
    }
    lines = [f"{'':16} {'median':>8} {'quartiles':>16}"]
    for name, values in rows.items():
        low, _, high = quantiles(values, n=4)
        lines.append(f"{name:16} {median(values):8.2f} {low:8.2f}{high:8.2f}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    options = parse_arguments(arguments)
    with tempfile.TemporaryDirectory(prefix="fsm-bench-") as place, ExitStack() as stack:
        stage = Stage(Path(place) / "site", lambda _: (), stack, is_apart=True)
        try:
            costs = take_costs(options, stage, start(stage.site, stage, options.log))
        except BenchmarkError as error:
            print(f"benchmarks/access_log.py: {error}", file=sys.stderr)
            return 1
    print(f"CPU of a request in microseconds, {options.rounds} pairs of turns")
    print(table(costs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
