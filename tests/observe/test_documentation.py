"""What users are told about metrics is what there is."""

from __future__ import annotations

import pytest

from fsm_twisted.observe.access_format import NGINX, REDACTABLE
from tests.compiler.test_documentation import ROOT, generator


@pytest.mark.parametrize("page", ["metrics.md", "access-log.md"])
def test_the_tables_of_the_page_are_up_to_date(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()

    assert generator().renewed(page, text) == text, "run python tools/generate_docs.py"


def test_the_format_of_nginx_is_told_as_it_is() -> None:
    text = " ".join((ROOT / "docs/access-log.md").read_text().split())

    assert NGINX in text


def test_everything_that_can_be_redacted_is_told() -> None:
    text = (ROOT / "docs/access-log.md").read_text()

    assert [name for name in REDACTABLE if f"`{name}`" not in text] == []
