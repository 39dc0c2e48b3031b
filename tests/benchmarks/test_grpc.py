"""benchmarks/grpc_roll.py in short: no call fails while endpoints are replaced."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import grpc_unary
from benchmarks.grpc_roll import KINDS

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def test_no_call_of_any_kind_fails_while_endpoints_are_replaced() -> None:
    command = [
        sys.executable, str(FOLDER / "grpc_roll.py"), "--calls", "250", "--clients", "4",
        "--pause", "0.2", "--notice", "0.3", "--workers", "0",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 0, done.stdout + done.stderr
    for kind in KINDS:
        assert f"{kind}: 250 good, 0 failed" in done.stdout


def test_a_proxy_that_nobody_knows_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        grpc_unary.parse_arguments(["--peers", "ours,apache"])

    assert end.value.code == 2
    assert "unknown name 'apache'; there are: ours, nginx, envoy" in capsys.readouterr().err
