"""docs/install.md says what the chart says."""

from tests.chart.rendering import ROOT
from tests.compiler.test_documentation import generator


def test_the_table_of_values_is_up_to_date() -> None:
    text = (ROOT / "docs" / "install.md").read_text()

    assert generator().renewed("install.md", text) == text, "run python tools/generate_docs.py"
