"""benchmarks/counting.py: a short run comes to figures."""

from __future__ import annotations

import re

import pytest

from benchmarks import counting


def test_a_short_run_tells_what_counting_and_logging_cost(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "TURNS", 2)

    counting.main()

    told = re.findall(r" ([0-9.]+) us$", capsys.readouterr().out, re.MULTILINE)
    assert len(told) == 4
    assert all(float(each) > 0 for each in told)
