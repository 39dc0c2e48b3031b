"""docs/cli.md and docs/admin-api.md say what there is."""

from __future__ import annotations

import re

import pytest

from fsm_twisted.cli.main import program
from fsm_twisted.settings import OPTIONS
from fsm_twisted.snapshot.reasons import FINDINGS, REPLIES
from tests.compiler.test_documentation import ROOT, generator

CLI = (ROOT / "docs/cli.md").read_text()


def test_the_tables_are_up_to_date() -> None:
    assert generator().renewed("cli.md", CLI) == CLI, "run python tools/generate_docs.py"


def test_every_option_that_is_named_exists() -> None:
    known = {name for each in program.commands.values() for p in each.params for name in p.opts}
    known |= {f"--{each.name}" for each in OPTIONS} | {"--help"}

    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", CLI))
    assert named - known == set()


@pytest.mark.parametrize(
    "code", re.findall(r"`([a-z]+_[a-z_]+)`", (ROOT / "docs/troubleshooting.md").read_text())
)
def test_troubleshooting_names_codes_that_exist(code: str) -> None:
    metric = "fsm_ingress_finding"

    assert code in {*FINDINGS, *REPLIES, metric}
