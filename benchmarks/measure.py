"""
CPU time of a process tree, and one measured run of the load generator.

The scheduler's own account (``/proc/PID/task/TID/schedstat``, first number: nanoseconds on a CPU,
user and system together) is used instead of ``utime``, which counts ticks of 10 ms.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import median

from attrs import frozen

PROC = Path("/proc")


class BenchmarkError(Exception):
    """The run cannot be measured; the text is one line for the person who started it."""


@frozen
class Sample:
    """
    One measured run: what the proxy's processes spent and what the clients got for it.

    ``first_nanoseconds`` is the part of the first process: the master, where there are workers.
    """

    cpu_nanoseconds: int
    requests: int
    seconds: float
    first_nanoseconds: int = 0

    @property
    def microseconds_per_request(self) -> float:
        """CPU microseconds, user and system, of one request."""
        return self.cpu_nanoseconds / self.requests / 1000

    @property
    def first_microseconds(self) -> float:
        """The part of the first process in that."""
        return self.first_nanoseconds / self.requests / 1000

    @property
    def other_microseconds(self) -> float:
        """The part of the other processes: nursery and workers."""
        return self.microseconds_per_request - self.first_microseconds


def schedstat_nanoseconds(text: str) -> int:
    """Return the time on a CPU that one ``schedstat`` file tells."""
    return int(text.split(maxsplit=1)[0])


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


def move(pid: int, core: int, proc: Path = PROC) -> None:
    """Have all threads of this process, and nobody else, run on *core*."""
    for path in (proc / str(pid) / "task").iterdir():
        os.sched_setaffinity(int(path.name), {core})


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


@frozen
class ClientRun:
    """
    A command line of a load generator, and how many requests it keeps under way.

    It ends early, and with its outcome, when it is interrupted, or else *by itself* in its time.
    """

    command: tuple[str, ...]
    connections: int
    ends_by_itself: bool = False


def parse_h2load(output: str) -> int:
    """
    Return the answered requests from what h2load prints at the end.

    Raises:
        BenchmarkError: As `parse_outcome`.
    """
    found = re.search(
        r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", output
    )
    # An answer whose head has come when the time is over has a status, but is not done.
    status = re.search(r"status codes: (\d+) 2xx, 0 3xx, 0 4xx, 0 5xx", output)
    if found is None or status is None:
        raise BenchmarkError(f"h2load ended without good figures: {output.strip()[-400:]}")
    done, succeeded, *faults = map(int, found.groups())
    if not done or succeeded != done or int(status[1]) < done or any(faults):
        raise BenchmarkError(f"{done} answers, {status[1]} with 2xx; faults: {faults}")
    return done


def parse_outcome(output: str) -> int:
    """
    Return the answered requests from the line that the Lua script prints at the end.

    Raises:
        BenchmarkError: Some answer was not 2xx, a connection failed, or nothing was answered: a
            proxy that refuses quickly must not look fast.
    """
    for line in output.splitlines():
        if line.startswith("outcome "):
            requests, *faults = (int(word) for word in line.split()[1:])
            if requests == 0 or any(faults):
                msg = f"{requests} answers; connect/read/write/status/timeout errors: {faults}"
                raise BenchmarkError(msg)
            return requests
    msg = "wrk ended without its outcome line"
    raise BenchmarkError(msg)


def parse_counter(status_page: str) -> int:
    """Return the number of requests in the answer of nginx's ``stub_status``."""
    return int(status_page.split("requests", 1)[1].split()[2])


def check_counts(answered: int, seen: int, connections: int) -> None:
    """
    Refuse a run in which clients and backend have counted differently.

    Requests that are under way when the clients stop may be counted on one side only.

    Raises:
        BenchmarkError: The proxy answered by itself, or sent requests twice.
    """
    if abs(seen - answered) > 2 * connections + 2:
        msg = f"the clients got {answered} answers, but the backend saw {seen} requests"
        raise BenchmarkError(msg)


def settled(seen: Callable[[], int]) -> int:
    """Return the counter once it stands still: what the last clients left under way is through."""
    last = seen()
    while True:
        time.sleep(0.05)
        now = seen()
        if now == last:
            return now
        last = now


def take_sample(
    root_pid: int, run: ClientRun, seconds: float, warm: float, seen: Callable[[], int]
) -> Sample:
    """
    Load the tree of processes below *root_pid*; measure *seconds* of it after *warm* seconds.

    Requests are counted by the backend (*seen* returns its counter), because it can be asked in
    the middle of a run: connecting and TLS handshakes, done while warming up, stay out of the
    figures.

    Raises:
        BenchmarkError: Not every answer was good, or the counts differ.
    """
    at_start = settled(seen)
    with subprocess.Popen(
        run.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        time.sleep(warm)
        pids = family(root_pid, parents())
        first = (root_pid,)
        before = cpu_nanoseconds(pids), seen(), time.monotonic(), cpu_nanoseconds(first)
        time.sleep(seconds)
        after = cpu_nanoseconds(pids), seen(), time.monotonic(), cpu_nanoseconds(first)
        if not run.ends_by_itself:
            process.send_signal(signal.SIGINT)
        output, complaint = process.communicate()
    if process.returncode != 0:
        msg = f"{run.command[3]} failed: {(complaint or output).strip()[-200:]}"
        raise BenchmarkError(msg)
    answered = (parse_h2load if run.ends_by_itself else parse_outcome)(output)
    check_counts(answered, settled(seen) - at_start, run.connections)
    spent, requests, lasted, by_first = (b - a for a, b in zip(before, after, strict=True))
    if requests <= 0:
        msg = "no request was answered while measuring"
        raise BenchmarkError(msg)
    return Sample(int(spent), int(requests), lasted, int(by_first))


def middle(samples: Iterable[Sample]) -> float:
    """Return the median of the CPU microseconds per request."""
    return median(each.microseconds_per_request for each in samples)
