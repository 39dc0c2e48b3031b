"""
CPU per request of this ingress and its peers, in one interleaved run.

``python benchmarks/http.py --help`` tells the options, docs/performance.md the method.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Run as a script, this folder would come first on the path and our name hide the library's http.
if sys.path and Path(sys.path[0] or ".").resolve() == Path(__file__).resolve().parent:
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import argparse
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from attrs import evolve, frozen

from benchmarks import compiled, latency, loads, peers, promises, table
from benchmarks.circumstances import circumstances
from benchmarks.measure import BenchmarkError, middle
from benchmarks.peer import Peer
from benchmarks.report import Report, write_json
from benchmarks.site import Site, missing_programs
from benchmarks.turns import Plan, Stage, take_latencies, take_turns

ROOT = Path(__file__).resolve().parent.parent
UNCOUNTED = ROOT / "benchmarks" / "uncounted"
MISSING = 3
LATENCY = "latency"
LATENCY_PEERS = ("ours", "nginx", "haproxy")
COMPILED = promises.COMPILED
ALL_PEERS = (table.OURS, COMPILED, *peers.OTHERS)
PACKAGES = {
    "h2load": "nghttp2-client",
    "cc": "gcc libc6-dev",
}  # those of another name than their program


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks/http.py", description=__doc__)
    names = [*(load.name for load in loads.LOADS), LATENCY]
    add = parser.add_argument
    add("--rounds", type=int, default=9, help="how often each proxy gets its turn [%(default)s]")
    add("--seconds", type=float, default=1.5, help="length of one turn [%(default)s]")
    add("--warm", type=float, default=0.7, help="warm-up before each turn [%(default)s s]")
    add("--loads", default=",".join(names), help="which of them [%(default)s]")
    add("--peers", default=",".join(ALL_PEERS), help="which of them [%(default)s]")
    add("--python", default=sys.executable, metavar="PATH",
        help="interpreter of the environment that ours runs in [the running one]")  # fmt: skip
    add("--workers", type=int, default=1, help="of ours; 0: one process [%(default)s]")
    add("--minutes", type=float, default=20.0,
        help="no round is begun that would end after that [%(default)s]")  # fmt: skip
    add(
        "--option",
        action="append",
        default=[],
        metavar="'--NAME VALUE'",
        dest="variants",
        help="measure ours with further options of its own, too, in the same run; repeatable",
    )
    add("--pause", type=int, default=0, metavar="MS", help="let each connection of wrk wait so "
        "long before its next request: about the same load for all [%(default)s]")  # fmt: skip
    add("--apart", action="store_true", help="move masters to the core of backend and load: "
        "workers then share no core with theirs")  # fmt: skip
    add("--uncounted", action="store_true", help="measure ours without counting requests, too")
    add("--baseline", metavar="REV", help="measure this commit of ours too, in the same run")
    add("--rate", type=float, default=0.0, metavar="N",
        help="requests per second for the latencies [half of what ours can do]")  # fmt: skip
    add("--json", type=Path, metavar="FILE", help="write figures and samples there")
    add("--markdown", type=Path, metavar="FILE", help="write the tables there")
    add("--publish", action="store_true", help="write tables, plot and JSON into docs/")
    options = parser.parse_args(arguments)
    for given, known in ((options.loads, names), (options.peers, ALL_PEERS)):
        for name in given.split(","):
            if name not in known:
                parser.error(f"unknown name {name!r}; there are: {', '.join(known)}")
    asked = options.loads.split(",")
    if LATENCY in asked and "plain" not in asked and not options.rate:
        parser.error("latency needs a --rate, or the load plain to find half load")
    return options


@contextmanager
def worktree(revision: str, folder: Path) -> Iterator[Path]:
    """Check a commit out beside this one, for as long as the context lasts."""
    path = folder / "baseline"
    add = ["git", "-C", str(ROOT), "worktree", "add", "--detach", "--force", str(path), revision]
    done = subprocess.run(add, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        msg = f"--baseline: {done.stderr.strip().splitlines()[-1]}"
        raise BenchmarkError(msg)
    try:
        yield path
    finally:
        remove = ["git", "-C", str(ROOT), "worktree", "remove", "--force", str(path)]
        subprocess.run(remove, capture_output=True, check=False)


@frozen
class Roots:
    """Where other code of ours lies, if any is measured."""

    baseline: Path | None = None
    compiled: Path | None = None


def choose_peers(options: argparse.Namespace, roots: Roots, site: Site) -> list[Peer]:
    """Configure the proxies that were asked for, in the order of their turns."""
    workers = ("--workers", str(options.workers))

    def ours(name: str, root: Path | None = None, *more: str) -> Peer:
        return peers.ours(site, name, options.python, root, (*workers, *more))

    chosen = []
    for name in options.peers.split(","):
        if name == COMPILED:
            chosen.append(evolve(ours(name, roots.compiled), loads=compiled.LOADS))
        else:
            chosen.append(ours(name) if name == table.OURS else peers.OTHERS[name](site))
    chosen += [ours(f"ours {each}", None, *shlex.split(each)) for each in options.variants]
    if options.uncounted:
        chosen.append(ours("ours, uncounted", UNCOUNTED))
    if roots.baseline is not None:
        chosen.append(ours(options.baseline, roots.baseline))
    return chosen


def measure(options: argparse.Namespace, folder: Path) -> Report:
    """Start what is needed and take the turns."""
    wanted = [
        evolve(load, pause=options.pause)
        for load in loads.LOADS
        if load.name in options.loads.split(",")
    ]
    is_paced = LATENCY in options.loads.split(",")
    # Latencies come last: each round of them has a turn of each peer, and one without any.
    turn = options.seconds + options.warm
    later = is_paced * options.rounds * (len(LATENCY_PEERS) + 2) * turn
    plan = Plan(options.rounds, options.seconds, options.warm, options.minutes * 60 - later)
    with ExitStack() as stack:
        roots = Roots()
        if options.baseline:
            roots = evolve(roots, baseline=stack.enter_context(worktree(options.baseline, folder)))
        if COMPILED in options.peers.split(","):
            roots = evolve(roots, compiled=compiled.make_copy(folder, options.python))
        make_peers = partial(choose_peers, options, roots)
        stage = Stage(folder / "site", make_peers, stack, is_apart=options.apart)
        results = take_turns(stage, wanted, plan)
        rate = options.rate or _half_load(results)
        latencies = take_latencies(stage, plan, rate, LATENCY_PEERS) if is_paced else {}
        facts = circumstances(options.python) | peers.versions(options.peers.split(","))
        facts["compiled core in ours"] = "yes" if compiled.is_built() else "no"
        return Report(facts, results, latencies, rate, stage.memory())


def _half_load(results: table.Results) -> float:
    taken = results.get("plain", {}).get(table.OURS)
    return latency.half_load(middle(taken)) if taken else 0.0


def check_tools(options: argparse.Namespace) -> str:
    """Return why nothing can be measured here, in one line; empty when all is there."""
    asked = options.peers.split(",")
    wanted = {load.client.value for load in loads.LOADS if load.name in options.loads.split(",")}
    clients = wanted & {"wrk", "h2load"}
    if LATENCY in options.loads.split(",") or COMPILED in asked:
        clients.add("cc")
    debian = {"nginx", "openssl", *clients, *(name for name in asked if name in peers.DEBIAN)}
    missing = missing_programs(sorted(debian))
    if missing:
        packages = " ".join(PACKAGES.get(name, name) for name in missing)
        return f"missing: {', '.join(missing)}; on Debian: apt-get install {packages}"
    missing = missing_programs([name for name in asked if name in peers.PYPI])
    if missing:
        packages = " ".join(peers.PYPI[name] for name in missing)
        return (
            f"missing: {', '.join(missing)}; {Path(sys.executable).parent}/pip install {packages}"
        )
    installed = subprocess.run(
        [options.python, "-c", "import fsm_twisted, twisted"], capture_output=True, check=False
    )
    if installed.returncode != 0 or not (Path(options.python).parent / "twistd").exists():
        folder = Path(options.python).parent
        return f"the project is not installed for {options.python}: {folder}/pip install {ROOT}"
    return ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    options = parse_arguments(arguments)
    why = check_tools(options)
    if why:
        print(f"benchmarks/http.py: {why}", file=sys.stderr)
        return MISSING
    try:
        with tempfile.TemporaryDirectory(prefix="fsm-bench-") as folder:
            Path(folder).chmod(0o755)  # the backend's worker is another user when we are root
            report = measure(options, Path(folder))
    except BenchmarkError as error:
        print(f"benchmarks/http.py: {error}", file=sys.stderr)
        return 1
    print(f"\n{report.text()}")
    if options.json:
        write_json(options.json, report.document())
    if options.markdown:
        options.markdown.write_text(report.markdown() + "\n")
    if options.publish:
        report.publish(ROOT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
