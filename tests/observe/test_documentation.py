"""What users are told about metrics is what there is."""

from __future__ import annotations

from tests.compiler.test_documentation import ROOT, generator


def test_the_tables_of_metrics_are_up_to_date() -> None:
    text = (ROOT / "docs/metrics.md").read_text()

    assert generator().renewed("metrics.md", text) == text, "run python tools/generate_docs.py"
