"""
CPU time of a process tree, and one measured run of the load generator.

The scheduler's own account (``/proc/PID/task/TID/schedstat``, first number: nanoseconds on a CPU,
user and system together) is used instead of ``utime``, which counts ticks of 10 ms.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median

from attrs import frozen

PROC = Path("/proc")


class BenchmarkError(Exception):
    """The run cannot be measured; the text is one line for the person who started it."""


@frozen
class Sample:
    """One measured run: what the proxy's processes spent and what the clients got for it."""

    cpu_nanoseconds: int
    requests: int
    seconds: float

    @property
    def microseconds_per_request(self) -> float:
        """CPU microseconds, user and system, of one request."""
        return self.cpu_nanoseconds / self.requests / 1000


def schedstat_nanoseconds(text: str) -> int:
    """Return the time on a CPU that one ``schedstat`` file tells."""
    return int(text.split()[0])


def cpu_nanoseconds(pids: Iterable[int], proc: Path = PROC) -> int:
    """
    Sum the CPU time of all threads of these processes, in nanoseconds.

    A thread that has ended meanwhile takes its time along: fine for proxies with a fixed set of
    threads, and only for those.
    """
    total = 0
    for pid in pids:
        for path in (proc / str(pid) / "task").glob("*/schedstat"):
            total += schedstat_nanoseconds(path.read_text())
    return total


def parents(proc: Path = PROC) -> dict[int, int]:
    """Map every process to its parent."""
    found = {}
    for path in proc.glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:  # ended between the listing and the reading
            continue
        # The name is in parentheses and may hold anything, parentheses included.
        found[int(path.parent.name)] = int(text.rpartition(")")[2].split()[1])
    return found


def family(pid: int, parent_of: Mapping[int, int]) -> tuple[int, ...]:
    """Return the process and all its descendants: a master with its workers."""
    members = {pid}
    grown = True
    while grown:
        children = {child for child, parent in parent_of.items() if parent in members} - members
        members |= children
        grown = bool(children)
    return tuple(sorted(members))


def parse_outcome(output: str) -> tuple[int, float]:
    """
    Read the line that the Lua script prints at the end.

    Returns:
        Answered requests, and the seconds that they took.

    Raises:
        BenchmarkError: Some answer was not 2xx, a connection failed, or nothing was answered: a
            proxy that refuses quickly must not look fast.
    """
    for line in output.splitlines():
        if line.startswith("outcome "):
            requests, microseconds, *faults = (int(word) for word in line.split()[1:])
            if requests == 0 or any(faults):
                msg = f"{requests} answers; connect/read/write/status/timeout errors: {faults}"
                raise BenchmarkError(msg)
            return requests, microseconds / 1e6
    msg = "wrk ended without its outcome line"
    raise BenchmarkError(msg)


def run_wrk(command: tuple[str, ...], seconds: float) -> tuple[int, float]:
    """
    Run the load generator to its end; the same result as `parse_outcome`.

    wrk knows whole seconds only; a shorter time is made by stopping it, which it takes as the end.
    """
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            output, complaint = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(2)
            output, complaint = process.communicate()
    if process.returncode != 0:
        msg = f"wrk failed: {(complaint or output).strip().splitlines()[-1:]}"
        raise BenchmarkError(msg)
    return parse_outcome(output)


def take_sample(root_pid: int, command: tuple[str, ...], seconds: float, warm: float) -> Sample:
    """Warm up, then measure the tree below *root_pid* while *command* loads it."""
    if warm > 0:
        run_wrk(command, warm)
    pids = family(root_pid, parents())
    before = cpu_nanoseconds(pids)
    requests, lasted = run_wrk(command, seconds)
    return Sample(cpu_nanoseconds(pids) - before, requests, lasted)


def middle(samples: Iterable[Sample]) -> float:
    """Return the median of the CPU microseconds per request."""
    return median(each.microseconds_per_request for each in samples)
