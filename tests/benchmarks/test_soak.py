"""benchmarks/soak.py, the short form: the memory promises of reliability hold in the small."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import memory, soak
from benchmarks.measure import BenchmarkError

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "soak.py"


def test_resident_memory_is_that_of_this_process() -> None:
    own = int(Path("/proc/self").resolve().name)
    before = memory.resident_kib(own)
    held = bytearray(b"x" * (32 * 1024 * 1024))

    assert memory.resident_kib(own) - before > 30 * 1024
    assert len(held) == 32 * 1024 * 1024


def test_more_descriptors_than_the_system_allows_are_refused_with_the_figures() -> None:
    with pytest.raises(
        BenchmarkError, match=r"^9000000000 open files are needed, \d+ are allowed"
    ):
        soak.allow_descriptors(9_000_000_000)


@pytest.mark.parametrize(("value", "kept"), [(39.9, "yes"), (40.0, "NO"), (41.0, "NO")])
def test_a_promise_is_kept_below_its_limit(value: float, kept: str) -> None:
    figure = memory.Figure("idle", "10 connections", value, 40.0, "KiB each")

    assert figure.cells()[-1] == kept


def test_the_memory_promises_hold_in_the_small(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--idle", "500", "--idle-tls", "0", "--slow", "5",
         "--requests", "3000", "--warm-requests", "1500", "--json", str(figures)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert figures.exists(), done.stderr
    rows = json.loads(figures.read_text())["rows"]
    assert [row["kept"] for row in rows] == ["yes"] * 4, rows
    assert done.returncode == 0
