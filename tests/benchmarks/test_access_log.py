"""benchmarks/access_log.py: a short run comes to figures."""

from __future__ import annotations

import re

import pytest

from benchmarks import access_log
from benchmarks.site import missing_programs


def test_a_short_run_tells_what_the_log_costs_worker_and_master(
    capsys: pytest.CaptureFixture[str],
) -> None:
    missing = missing_programs(("wrk", "nginx", "openssl"))
    if missing:
        pytest.skip(f"not installed here: {', '.join(missing)}")

    assert access_log.main(["--rounds", "2", "--seconds", "0.2", "--warm", "0.2"]) == 0

    rows = re.findall(
        r"^(worker|master), (\w+) +([-0-9.]+)", capsys.readouterr().out, re.MULTILINE
    )
    assert [row[:2] for row in rows] == [
        ("worker", "without"), ("worker", "logged"), ("worker", "more"), ("master", "more"),
    ]  # fmt: skip
    assert all(float(row[2]) > 0 for row in rows if row[1] != "more")
