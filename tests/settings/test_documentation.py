"""What users are told about the options is what the options do."""

from __future__ import annotations

import pytest

from fsm_twisted.settings import OPTIONS, Option, help_text
from tests.compiler.test_documentation import ROOT, generator


def test_the_table_of_options_is_up_to_date() -> None:
    text = (ROOT / "docs/options.md").read_text()

    assert generator().renewed("options.md", text) == text, "run python tools/generate_docs.py"


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_help_says_of_each_option_what_it_does_and_what_it_accepts(option: Option) -> None:
    head, meaning = (
        help_text().partition(f"  --{option.name}=")[2].partition("\n\n")[0].split("\n")
    )

    assert head.strip() == option.accepted
    assert option.meaning in meaning
    assert ("Repeatable." in meaning) == option.repeatable
    assert (f"[default: {option.default}]" in meaning) == (option.default is not None)


def test_help_has_each_group_once_and_in_order() -> None:
    groups = list(dict.fromkeys(option.group for option in OPTIONS))
    titles = [
        line[:-1] for line in help_text().splitlines() if line.endswith(":") and line[0] > " "
    ]

    assert titles == groups


def test_help_fits_a_terminal_of_a_hundred_columns() -> None:
    assert [line for line in help_text().splitlines() if len(line) > 100] == []
