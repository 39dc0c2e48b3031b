"""
The program in a large cluster: start, changes, memory and idle work, with a real API server.

Everything runs on this machine: etcd, the API server, the program, the clients. A change is timed
from the moment when its request is sent to the API server until every worker, asked through a
connection of its own, answers by it; so etcd's and the API server's own time is in the figures.
Events are off: the first ones, 10 a second, would be written during all of the run.

    KUBEBUILDER_ASSETS=$(.ci/control-plane) .venv/bin/python benchmarks/scale.py
        [--size 5000] [--changes 200] [--workers 2] [--seed 1] [--markdown FILE]

Ends with 1 when a promise is not kept.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Run as a script, this folder would come first on the path and its http.py hide the library's.
if sys.path and Path(sys.path[0] or ".").resolve() == Path(__file__).resolve().parent:
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import argparse
import contextlib
import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence

from attrs import frozen

from benchmarks import cluster_load, table
from benchmarks.circumstances import circumstances
from benchmarks.cluster_load import Backend, Writer, host
from benchmarks.doors import Door, open_doors
from benchmarks.measure import BenchmarkError, cpu_nanoseconds
from benchmarks.memory import Figure
from benchmarks.site import free_port
from tests.cluster.control_plane import ADMIN, ControlPlane, missing_binaries
from tests.wire.harness.program import Program, is_ready
from tests.workers.processes import children

HEADINGS = ("load", "of", "measured", "promise", "kept")
MIB = 1024
PAUSE_SECONDS = 0.15
_START_SECONDS = 120.0
_EFFECT_SECONDS = 10.0
_IDLE_SECONDS = 20.0
_SETTLE_SECONDS = 10.0


@frozen
class Plan:
    """How much of everything."""

    size: int = 5000
    changes: int = 200
    workers: int = 2
    seed: int = 1
    options: tuple[str, ...] = ("--events=off",)


@frozen
class Changed:
    """
    One change, in seconds until the last worker served it.

    ``asked`` counts from the request to the API server, ``answered`` from its answer, which may
    come after the effect.
    """

    asked: float
    answered: float


class Scale:
    """A program that follows a full cluster."""

    def __init__(
        self, plan: Plan, program: Program, writer: Writer, doors: Sequence[Door]
    ) -> None:
        self._plan = plan
        self._program = program
        self._writer = writer
        self._doors = doors
        self._draw = random.Random(plan.seed)  # noqa: S311  no secret
        self._size = f"{plan.size} Ingresses"

    @property
    def _workers(self) -> list[int]:
        return [
            each for nursery in children(self._program.process.pid) for each in children(nursery)
        ]

    def memory(self) -> Iterator[Figure]:
        """Look at the resident memory of the master, and of the largest worker."""
        master = _resident_mib(self._program.process.pid)
        worker = max(map(_resident_mib, self._workers))
        yield Figure("memory, master", self._size, master, 400.0, "MiB")
        yield Figure("memory, largest worker", self._size, worker, 200.0, "MiB")

    def idle(self) -> Iterator[Figure]:
        """Look at the processor time of all processes while nothing happens."""
        time.sleep(_SETTLE_SECONDS)
        pids = (self._program.process.pid, *self._workers)
        before, began = cpu_nanoseconds(pids), time.monotonic()
        time.sleep(_IDLE_SECONDS)
        share = (cpu_nanoseconds(pids) - before) / 1e9 / (time.monotonic() - began)
        yield Figure("idle", "all processes, of one core", share * 100, 2.0, "%")

    def changes(self, port: int) -> Iterator[Figure]:
        """
        Make changes one after the other, of endpoints and of rules.

        Args:
            port: Of a backend that is no endpoint yet.
        """
        address, count = cluster_load.own_address(), self._plan.changes
        numbers = self._draw.sample(range(self._plan.size), min(count, self._plan.size))
        target = f"/new-{self._plan.seed}"

        def move(number: int) -> Changed:
            wanted = b"\r\n\r\n%d" % port
            return self._time(
                lambda: self._writer.change_endpoint(number, address, port),
                lambda door: door.ask(host(number), "/").endswith(wanted),
            )

        def rule(number: int) -> Changed:
            return self._time(
                lambda: self._writer.change_paths(number, "/", target),
                lambda door: door.ask(host(number), target).startswith(b"HTTP/1.1 200"),
            )

        yield from self._told("endpoints", move, numbers)
        yield from self._told("a rule", rule, numbers)

    def _told(
        self, what: str, change: Callable[[int], Changed], numbers: Sequence[int]
    ) -> Iterator[Figure]:
        master = (self._program.process.pid,)
        before = cpu_nanoseconds(master)
        made = []
        for number in numbers:
            made.append(change(number))
            time.sleep(PAUSE_SECONDS)
        spent = (cpu_nanoseconds(master) - before) / len(made) / 1e6
        of = f"{len(made)} changes, every worker"
        p50, p99, longest = _percentiles([each.asked for each in made])
        yield Figure(f"change of {what}, p50", of, p50, 20.0, "ms")
        yield Figure(f"change of {what}, p99", of, p99, 100.0, "ms")
        yield Figure(f"change of {what}, longest", of, longest, None, "ms")
        after = _percentiles([each.answered for each in made])[0]
        yield Figure(f"change of {what}, p50", "after the API server's answer", after, None, "ms")
        yield Figure(f"change of {what}, CPU", "master, each", spent, 5.0, "ms")

    def _time(self, write: Callable[[], None], shows: Callable[[Door], bool]) -> Changed:
        begin = time.perf_counter()
        write()
        answered = time.perf_counter()
        for door in self._doors:
            while not shows(door):
                if time.perf_counter() - begin > _EFFECT_SECONDS:
                    raise BenchmarkError(f"a change has no effect\n{self._program.log[-2000:]}")
                time.sleep(0.0005)
        end = time.perf_counter()
        return Changed(end - begin, end - answered)


def _percentiles(seconds: Sequence[float]) -> tuple[float, float, float]:
    """Return p50, p99 and the maximum in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return cuts[49] * 1000, cuts[98] * 1000, max(seconds) * 1000


def _resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / MIB
    raise BenchmarkError(f"process {pid} has ended")


@contextlib.contextmanager
def following(plane: ControlPlane, folder: Path, plan: Plan) -> Iterator[tuple[Program, float]]:
    """Start the program on the cluster; yields it when it is ready, and how long that took."""
    config = plane.kubeconfig("admin", {"token": ADMIN}, {})
    http, admin = free_port(), free_port()
    log_path = folder / "ingress.log"
    twistd = str(Path(sys.executable).with_name("twistd"))
    command = (
        twistd, "--nodaemon", "--pidfile=", "fsm-ingress", "--kubeconfig", str(config),
        "--workers", str(plan.workers), *plan.options, "--http", f"tcp:{http}:interface=127.0.0.1",
        "--admin", f"tcp:{admin}:interface=127.0.0.1",
    )  # fmt: skip
    with log_path.open("wb") as log:
        begin = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    program = Program(process, http, 0, admin, log_path)
    try:
        while not is_ready(admin):
            if process.poll() is not None or time.monotonic() - begin > _START_SECONDS:
                raise BenchmarkError(f"the program does not start\n{program.log[-2000:]}")
            time.sleep(0.02)
        yield program, time.monotonic() - begin
        program.stop()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def carry_out(plan: Plan, folder: Path) -> list[Figure]:
    """
    Fill a cluster, follow it, and measure.

    Raises:
        BenchmarkError: Something cannot be measured here.
    """
    if reason := missing_binaries():
        raise BenchmarkError(reason)
    (folder / "plane").mkdir()
    plane = ControlPlane(folder / "plane")
    backends = (Backend(), Backend())
    try:
        plane.start()
        cluster_load.fill(plane, plan.size, cluster_load.own_address(), backends[0].port)
        with following(plane, folder, plan) as (program, seconds):
            doors = open_doors(program, host(0))
            scale = Scale(plan, program, Writer(plane), doors)
            size = f"{plan.size} Ingresses"
            return [
                Figure("cold start to ready", size, seconds, 10.0, "s"),
                *scale.idle(),
                *scale.changes(backends[1].port),
                *scale.memory(),
            ]
    finally:
        plane.stop()
        for each in backends:
            each.close()


def main() -> int:
    """Carry out the plan of the command line, and print the table."""
    parser = argparse.ArgumentParser(description="The program in a large cluster.")
    parser.add_argument("--size", type=int, default=5000, help="Ingresses, Services and slices")
    parser.add_argument("--changes", type=int, default=200, help="of each kind")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1, help="of the choice of what changes")
    parser.add_argument("--markdown", type=Path, help="write the table to this file")
    given = parser.parse_args()
    plan = Plan(given.size, given.changes, given.workers, given.seed)
    with tempfile.TemporaryDirectory() as folder:
        try:
            figures = carry_out(plan, Path(folder))
        except BenchmarkError as error:
            print(error, file=sys.stderr)
            return 1
    lines = [each.cells() for each in figures]
    table.report(HEADINGS, lines, circumstances(sys.executable), given.markdown)
    return 0 if all(each.is_kept for each in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
