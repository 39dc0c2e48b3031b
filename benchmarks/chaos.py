"""
Endpoints that fail in scripted ways while keep-alive clients load them through the ingress.

``python benchmarks/chaos.py --help`` tells the options; docs/performance.md has the figures.
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
import tempfile
from collections.abc import Sequence

from benchmarks import ingress, table
from benchmarks.circumstances import circumstances
from benchmarks.ingress import HOST
from benchmarks.measure import BenchmarkError
from benchmarks.origin import Origin
from benchmarks.scenarios import SCENARIOS, Outcome, Plan, play
from benchmarks.site import Rule, free_port

HEADINGS = (
    "scenario", "faulty", "requests", "failed idempotent", "failed others",
    "p50 ms calm / during", "p99 ms calm / during", "p99 x", "promise",
)  # fmt: skip


async def run_scenario(name: str, plan: Plan) -> Outcome:
    """
    Play one scenario on fresh endpoints and a fresh ingress.

    Raises:
        BenchmarkError: The ingress does not start, or fails requests while all is calm.
    """
    origins = [Origin(f"e{number}") for number in range(plan.endpoints)]
    for origin in origins:
        await origin.start()
    ports = ingress.Ports(free_port(), free_port(), free_port())
    text = ingress.manifests((Rule(HOST),), tuple(origin.port for origin in origins))
    options = ("--upstream-timeout", f"{plan.upstream_seconds:g}", "--connect-timeout", "1")
    with tempfile.TemporaryDirectory(prefix="fsm-chaos-") as folder:
        running = await asyncio.to_thread(ingress.launch, Path(folder), text, ports, options)
        try:
            return await play(SCENARIOS[name], plan, ports.http, origins)
        finally:
            await asyncio.to_thread(ingress.stop, running.process)
            for origin in origins:
                origin.kill()


async def run_all(names: Sequence[str], plan: Plan) -> list[Outcome]:
    """Play scenarios one after the other."""
    outcomes = []
    for name in names:
        outcomes.append(await run_scenario(name, plan))
        reasons = outcomes[-1].during.reasons or "no failure"
        print(f"{name}: {outcomes[-1].verdict(plan)}; {reasons}", file=sys.stderr, flush=True)
    return outcomes


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks/chaos.py", description=__doc__)
    default, names = Plan(), ",".join(SCENARIOS)
    add = parser.add_argument
    add("--scenarios", default=names, help="which of them [%(default)s]")
    add("--seconds", type=float, default=default.seconds, help="of each phase [%(default)s]")
    add("--clients", type=int, default=default.clients, help="keep-alive clients [%(default)s]")
    add("--endpoints", type=int, default=default.endpoints, help="in all [%(default)s]")
    add("--faulty", type=int, default=default.faulty, help="how many misbehave [%(default)s]")
    add("--upstream-timeout", type=float, default=default.upstream_seconds,
        help="of the ingress, in seconds [%(default)s]")  # fmt: skip
    add("--json", type=Path, metavar="FILE", help="write the figures there")
    add("--markdown", type=Path, metavar="FILE", help="write the table for docs/performance.md")
    options = parser.parse_args(arguments)
    for name in options.scenarios.split(","):
        if name not in SCENARIOS:
            parser.error(f"unknown scenario {name!r}; there are: {', '.join(SCENARIOS)}")
    if not 0 < options.faulty < options.endpoints:
        parser.error("--faulty: at least one, and fewer than --endpoints")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Play, print; 1 when a promise is not kept."""
    options = parse_arguments(arguments)
    plan = Plan(
        options.seconds,
        options.clients,
        options.endpoints,
        options.faulty,
        options.upstream_timeout,
    )
    try:
        outcomes = asyncio.run(run_all(options.scenarios.split(","), plan))
    except BenchmarkError as error:
        print(f"benchmarks/chaos.py: {error}", file=sys.stderr)
        return 1
    facts = circumstances(sys.executable) | {"plan": str(plan)}
    lines = [outcome.cells(plan) for outcome in outcomes]
    table.report(HEADINGS, lines, facts, options.markdown)
    if options.json:
        rows = [dict(zip(HEADINGS, line, strict=True)) for line in lines]
        document = {"circumstances": facts, "rows": rows}
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0 if all(outcome.verdict(plan) == "kept" for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
