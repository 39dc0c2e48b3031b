"""The same tests hold with the compiled core: a few of them, on a copy in which it was built."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compiled import ROOT, built

# The reactor and what is on it, and requests through a whole program, which go through all of it.
TESTS = (
    "tests/net/test_reactor.py",
    "tests/proxy/test_unasked.py",
    "tests/wire/test_origin.py",
)
PROGRAM = """
import sys
import pytest
from fsm_twisted.http1 import usual
from fsm_twisted.http1.recognise import forwarded
from fsm_twisted.net import reactor, turn
from fsm_twisted.observe import cells
from fsm_twisted.routing import paths

assert forwarded is not usual.forwarded
assert reactor.serve is not turn.serve
assert cells.UpstreamCells.observe is not cells.REFERENCE
assert paths.PathTable.find is not paths.REFERENCE
sys.exit(pytest.main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("core")
    ignored = shutil.ignore_patterns("_speedups*.so")
    for name in ("fsm_twisted", "tests", "twisted"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copytree(
        built(tmp_path_factory) / "fsm_twisted", folder / "fsm_twisted", dirs_exist_ok=True
    )
    return folder


def test_the_same_tests_hold_with_the_compiled_core(copy: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, "-q", "-x", "-p", "no:cacheprovider", *TESTS]
    asked = os.environ | {"PYTHONPATH": str(copy), "HYPOTHESIS_PROFILE": "ci"}
    ended = subprocess.run(
        command, cwd=copy, env=asked, capture_output=True, text=True, timeout=120, check=False
    )

    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-1000:]
