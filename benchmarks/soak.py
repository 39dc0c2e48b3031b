"""
Memory of the ingress: idle connections, clients that do not read, and many mixed requests.

``python benchmarks/soak.py --help`` tells the options; docs/performance.md has the figures.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Run as a script, this folder would come first on the path and its http.py hide the library's.
if sys.path and Path(sys.path[0] or ".").resolve() == Path(__file__).resolve().parent:
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import argparse
import asyncio
import json
import resource
import tempfile
from collections.abc import Awaitable, Callable, Sequence

from attrs import frozen

from benchmarks import ingress, memory, table
from benchmarks.circumstances import circumstances
from benchmarks.ingress import HOST, Running
from benchmarks.measure import BenchmarkError
from benchmarks.memory import Figure
from benchmarks.origin import Origin
from benchmarks.site import Rule, free_port

SPARE_DESCRIPTORS = 500
# Nothing may time out while it is being looked at.
OPTIONS = ("--header-timeout", "900", "--idle-timeout", "900", "--body-timeout", "900")
HEADINGS = ("load", "of", "measured", "promise", "kept")

Phase = Callable[[Running], Awaitable[Figure]]


@frozen
class Amounts:
    """How much of each; 0 leaves a phase out."""

    idle: int = 10_000
    idle_tls: int = 1_000
    slow: int = 30
    requests: int = 1_000_000
    warm_requests: int = 50_000


def allow_descriptors(wanted: int) -> None:
    """
    Raise our limit of open files; the processes that we start inherit it.

    Raises:
        BenchmarkError: The system lets us have less.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        msg = (
            f"{wanted} open files are needed, {hard} are allowed: ulimit -Hn, or a smaller --idle"
        )
        raise BenchmarkError(msg)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def phases(amounts: Amounts) -> tuple[Phase, ...]:
    """Return what is measured, each on a process of its own: freed memory is used again."""
    chosen: list[Phase] = []
    if amounts.idle:
        chosen.append(lambda it: memory.idle(it, amounts.idle, after_request=False))
        chosen.append(lambda it: memory.idle(it, amounts.idle, after_request=True))
    if amounts.idle_tls:
        chosen.append(lambda it: memory.idle_tls(it, amounts.idle_tls))
    if amounts.slow:
        chosen.append(lambda it: memory.slow_readers(it, amounts.slow))
    if amounts.requests:
        chosen.append(lambda it: memory.mixed(it, amounts.warm_requests, amounts.requests))
    return tuple(chosen)


async def _on_fresh_process(phase: Phase, port: int) -> Figure:
    ports = ingress.Ports(free_port(), free_port(), free_port())
    text = ingress.manifests((Rule(HOST),), (port,))
    with tempfile.TemporaryDirectory(prefix="fsm-soak-") as folder:
        running = await asyncio.to_thread(ingress.launch, Path(folder), text, ports, OPTIONS)
        try:
            return await phase(running)
        finally:
            await asyncio.to_thread(ingress.stop, running.process)


async def soak(amounts: Amounts) -> list[Figure]:
    """
    Measure all phases, one after the other.

    Raises:
        BenchmarkError: The ingress answered wrongly, or does not start.
    """
    allow_descriptors(max(amounts.idle, amounts.idle_tls) + SPARE_DESCRIPTORS)
    origin = Origin("soak")
    await origin.start()
    figures = []
    try:
        for phase in phases(amounts):
            figure = await _on_fresh_process(phase, origin.port)
            print(": ".join(figure.cells()[:3]), file=sys.stderr, flush=True)
            figures.append(figure)
    finally:
        origin.kill()
    return figures


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks/soak.py", description=__doc__)
    default = Amounts()
    add = parser.add_argument
    add("--idle", type=int, default=default.idle, help="plain connections [%(default)s]")
    add("--idle-tls", type=int, default=default.idle_tls, help="TLS connections [%(default)s]")
    add("--slow", type=int, default=default.slow, help="clients that do not read [%(default)s]")
    add("--requests", type=int, default=default.requests, help="mixed requests [%(default)s]")
    add("--warm-requests", type=int, default=default.warm_requests,
        help="mixed requests before the memory is first looked at [%(default)s]")  # fmt: skip
    add("--json", type=Path, metavar="FILE", help="write the figures there")
    add("--markdown", type=Path, metavar="FILE", help="write the table for docs/performance.md")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 when a promise is not kept."""
    options = parse_arguments(arguments)
    amounts = Amounts(
        options.idle, options.idle_tls, options.slow, options.requests, options.warm_requests
    )
    try:
        figures = asyncio.run(soak(amounts))
    except BenchmarkError as error:
        print(f"benchmarks/soak.py: {error}", file=sys.stderr)
        return 1
    facts = circumstances(sys.executable)
    table.report(HEADINGS, [figure.cells() for figure in figures], facts, options.markdown)
    if options.json:
        rows = [dict(zip(HEADINGS, figure.cells(), strict=True)) for figure in figures]
        options.json.write_text(
            json.dumps({"circumstances": facts, "rows": rows}, indent=1) + "\n"
        )
    return 0 if all(figure.is_kept for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
