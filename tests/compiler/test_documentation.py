"""The tables of docs/ say what the code says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "tools/generate_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["annotations.md", "reason-codes.md", "cluster.md"])
def test_the_tables_of_the_page_are_up_to_date(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()

    assert generator().renewed(page, text) == text, "run python tools/generate_docs.py"
