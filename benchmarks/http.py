"""
CPU per request of this ingress, nginx and haproxy, in one interleaved run.

``python benchmarks/http.py --help`` tells the options, docs/performance.md the method.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Run as a script, this folder would come first on the path and our name hide the library's http.
if sys.path and Path(sys.path[0] or ".").resolve() == Path(__file__).resolve().parent:
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import argparse
import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count

from benchmarks import ingress, loads, peers, table
from benchmarks.circumstances import circumstances
from benchmarks.loads import Load
from benchmarks.measure import BenchmarkError, Sample, take_sample
from benchmarks.peers import Peer, Site

ROOT = Path(__file__).resolve().parent.parent
UNCOUNTED = ROOT / "benchmarks" / "uncounted"
MISSING = 3
ALL_PEERS = ("ours", "nginx", "haproxy")


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks/http.py", description=__doc__)
    names = [load.name for load in loads.LOADS]
    add = parser.add_argument
    add("--rounds", type=int, default=5, help="how often each proxy gets its turn [%(default)s]")
    add("--seconds", type=float, default=3.0, help="length of one turn [%(default)s]")
    add("--warm", type=float, default=1.0, help="warm-up before each turn [%(default)s s]")
    add("--loads", default=",".join(names), help="which of them [%(default)s]")
    add("--peers", default=",".join(ALL_PEERS), help="which of them [%(default)s]")
    add("--python", default=sys.executable, metavar="PATH",
        help="interpreter of the environment that ours runs in [the running one]")  # fmt: skip
    add("--workers", type=int, default=0, help="of ours; 0: one process [%(default)s]")
    add(
        "--option",
        action="append",
        default=[],
        metavar="'--NAME VALUE'",
        dest="variants",
        help="measure ours with further options of its own, too, in the same run; repeatable",
    )
    add("--uncounted", action="store_true", help="measure ours without counting requests, too")
    add("--baseline", metavar="REV", help="measure this commit of ours too, in the same run")
    add("--json", type=Path, metavar="FILE", help="write figures and samples there")
    add("--markdown", type=Path, metavar="FILE", help="write the table for docs/performance.md")
    options = parser.parse_args(arguments)
    for given, known in ((options.loads, names), (options.peers, ALL_PEERS)):
        for name in given.split(","):
            if name not in known:
                parser.error(f"unknown name {name!r}; there are: {', '.join(known)}")
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


def choose_peers(options: argparse.Namespace, site: Site, stack: ExitStack) -> list[Peer]:
    """Configure the proxies that were asked for, in the order of their turns."""
    workers = ("--workers", str(options.workers))

    def ours(name: str, root: Path | None = None, *more: str) -> Peer:
        return peers.ours(site, name, options.python, root, (*workers, *more))

    makers = {
        "ours": lambda: ours("ours"),
        "nginx": lambda: peers.nginx(site),
        "haproxy": lambda: peers.haproxy(site),
    }
    chosen = [makers[name]() for name in options.peers.split(",")]
    chosen += [ours(f"ours {each}", None, *shlex.split(each)) for each in options.variants]
    if options.uncounted:
        chosen.append(ours("ours, uncounted", UNCOUNTED))
    if options.baseline:
        root = stack.enter_context(worktree(options.baseline, site.folder))
        chosen.append(ours(options.baseline, root))
    return chosen


def cores() -> tuple[int, int]:
    """Return the core of the proxies and that of backend and load generator."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


def measure(options: argparse.Namespace, folder: Path) -> dict[str, dict[str, list[Sample]]]:
    """Start everything and take the turns: one proxy after the other, round after round."""
    proxy_core, load_core = cores()
    site = peers.make_site(folder)
    wanted = [load for load in loads.LOADS if load.name in options.loads.split(",")]
    if any(load.is_http2 for load in wanted) and peers.missing_programs(["h2load"]):
        print("h2: left out, for h2load is missing (Debian: nghttp2-client)", file=sys.stderr)
        wanted = [load for load in wanted if not load.is_http2]
    with ExitStack() as stack:
        backend = peers.start(peers.backend(site), site, load_core)
        stack.callback(ingress.stop, backend)
        running: list[tuple[Peer, int]] = []
        for peer in choose_peers(options, site, stack):
            process = peers.start(peer, site, proxy_core)
            stack.callback(ingress.stop, process)
            running.append((peer, process.pid))
        return {
            load.name: _measure_load(options, load, running, site, load_core) for load in wanted
        }


def _measure_load(
    options: argparse.Namespace,
    load: Load,
    running: Sequence[tuple[Peer, int]],
    site: Site,
    core: int,
) -> dict[str, list[Sample]]:
    path = site.folder / f"{load.name}.load"
    path.write_text(loads.paths() if load.is_http2 else loads.script(load))
    make_run = loads.h2load_run if load.is_http2 else loads.wrk_run
    seen = count_from(site)
    taken: dict[str, list[Sample]] = {peer.name: [] for peer, _ in running}
    for number in range(options.rounds):
        for peer, pid in running:
            port = peer.https_port if load.is_tls else peer.http_port
            run = make_run(load, port, options.seconds + options.warm, path, core)
            try:
                sample = take_sample(pid, run, options.seconds, options.warm, seen)
            except BenchmarkError as error:
                msg = f"{peer.name}, {load.name}: {error}"
                raise BenchmarkError(msg) from None
            taken[peer.name].append(sample)
            figure = f"{sample.microseconds_per_request:.1f}"
            print(f"{load.name} {number + 1}/{options.rounds} {peer.name}: {figure}", flush=True)
    return taken


def count_from(site: Site) -> Callable[[], int]:
    """Return a counter of the backend's requests that leaves its own askings out."""
    asked = count()
    return lambda: peers.requests_seen(site.backend_port) - next(asked)


def check_tools(options: argparse.Namespace) -> str:
    """Return why nothing can be measured here, in one line; empty when all is there."""
    wanted = ["wrk", "nginx", "openssl"]
    if "haproxy" in options.peers.split(","):
        wanted.append("haproxy")
    missing = peers.missing_programs(wanted)
    if missing:
        return f"missing: {', '.join(missing)}; on Debian: apt-get install {' '.join(missing)}"
    installed = subprocess.run(
        [options.python, "-c", "import fsm_twisted, twisted"], capture_output=True, check=False
    )
    if installed.returncode != 0 or not (Path(options.python).parent / "twistd").exists():
        folder = Path(options.python).parent
        return f"the project is not installed for {options.python}: {folder}/pip install {ROOT}"
    return ""


def report(options: argparse.Namespace, results: table.Results) -> None:
    """Print the table; write the files that were asked for."""
    facts = circumstances(options.python) | peers.versions()
    lines = [row.cells() for row in table.rows(results)]
    table.report(table.HEADINGS, lines, facts, options.markdown)
    if options.json:
        document = {"circumstances": facts, "rows": table.data(results)}
        options.json.write_text(json.dumps(document, indent=1) + "\n")


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
            results = measure(options, Path(folder))
    except BenchmarkError as error:
        print(f"benchmarks/http.py: {error}", file=sys.stderr)
        return 1
    report(options, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
