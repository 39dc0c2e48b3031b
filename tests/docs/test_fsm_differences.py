"""The page for people who come from FSM: each row is shown by tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "fsm-differences.md").read_text("utf-8")
ROWS = [
    line
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith(("| matter", "| ---"))
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row).split("|")[1].strip())
def test_each_row_names_tests_that_exist(row: str) -> None:
    shown_by = re.findall(r"`([^`]+)`", row.rstrip(" |").rpartition("|")[2])
    assert shown_by
    for each in shown_by:
        path, _, name = each.partition("::")
        text = (ROOT / "tests" / path).read_text("utf-8")
        assert not name or re.search(rf"def {name}\(", text), each
