"""The registry of codes: nothing in it that the program never says."""

from __future__ import annotations

from pathlib import Path

import pytest

import fsm_twisted
from fsm_twisted.snapshot.reasons import FINDINGS, REPLIES

_ROOT = Path(fsm_twisted.__file__).parent
_SOURCE = "".join(
    path.read_text() for path in _ROOT.rglob("*.py") if path.name != "reasons.py"
)  # fmt: skip


@pytest.mark.parametrize("code", [*REPLIES, *FINDINGS])
def test_a_code_is_used_somewhere(code: str) -> None:
    assert f'"{code}"' in _SOURCE
