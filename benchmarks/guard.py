"""
Whether a change has made requests dearer: beside nginx and an earlier commit, in one run.

    .venv/bin/python benchmarks/guard.py                 # the commit before this one, three loads
    .venv/bin/python benchmarks/guard.py --baseline main --loads plain,tls,h2,handshake

It fails when a load costs over 8 % more CPU than at the earlier commit, or more times nginx's than
promised. It is no part of CI: a machine that others use, too, would make it fail or pass by luck.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Run as a script, this folder would come first on the path, and http.py hide the library's http.
if sys.path and Path(sys.path[0] or ".").resolve() == Path(__file__).resolve().parent:
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import argparse
import subprocess
import tempfile
from collections.abc import Sequence

from benchmarks import http, promises, table
from benchmarks.measure import BenchmarkError
from benchmarks.table import OURS, Results

MOST_GROWTH = 1.08
HEADINGS = ("load", "beside", "measured", "at most", "kept")


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks/guard.py", description=__doc__)
    add = parser.add_argument
    add("--baseline", metavar="REV",
        help="the earlier commit [HEAD when files are changed, else the one before]")  # fmt: skip
    add("--loads", default="plain,tls,h2", help="see benchmarks/http.py [%(default)s]")
    add("--rounds", type=int, default=5, help="[%(default)s]")
    add("--seconds", type=float, default=3.0, help="length of one turn [%(default)s]")
    add("--warm", type=float, default=1.0, help="warm-up before each turn [%(default)s s]")
    return parser.parse_args(arguments)


def earlier() -> str:
    """Return the commit to compare with."""
    command = ("git", "-C", str(http.ROOT), "diff", "--quiet", "HEAD")
    is_changed = subprocess.run(command, check=False).returncode != 0
    return "HEAD" if is_changed else "HEAD~1"


def judge(results: Results, baseline: str) -> list[tuple[tuple[str, ...], bool]]:
    """Return for each comparison its line of the table and whether it is kept."""
    limits = {
        each.load: each.most
        for each in promises.PROMISES
        if each.peer == table.REFERENCE and each.ours == OURS
    }
    judged: list[tuple[tuple[str, ...], bool]] = []
    for load, taken in results.items():
        for peer, most in ((baseline, MOST_GROWTH), (table.REFERENCE, limits.get(load))):
            if most is None:
                continue
            measured = table.paired_ratio(taken[OURS], taken[peer])
            kept = measured <= most
            line = (load, peer, f"{measured:.2f}", f"{most:.2f}", "yes" if kept else "NO")
            judged.append((line, kept))
    return judged


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code: 1 when something became too dear."""
    options = parse_arguments(arguments)
    baseline = options.baseline or earlier()
    words = [
        "--peers", f"{OURS},{table.REFERENCE}", "--baseline", baseline, "--loads", options.loads,
        "--rounds", str(options.rounds), "--seconds", str(options.seconds),
        "--warm", str(options.warm), "--minutes", "60",
    ]  # fmt: skip
    measured = http.parse_arguments(words)
    why = http.check_tools(measured)
    if why:
        print(f"benchmarks/guard.py: {why}", file=sys.stderr)
        return http.MISSING
    try:
        with tempfile.TemporaryDirectory(prefix="fsm-bench-") as folder:
            Path(folder).chmod(0o755)  # the backend's worker is another user when we are root
            report = http.measure(measured, Path(folder))
    except BenchmarkError as error:
        print(f"benchmarks/guard.py: {error}", file=sys.stderr)
        return 1
    judged = judge(report.results, baseline)
    print(f"\n{report.text()}\n\n{table.plain(HEADINGS, [line for line, _ in judged])}")
    return 0 if all(kept for _, kept in judged) else 1


if __name__ == "__main__":
    sys.exit(main())
