"""Links of the pages in the tree lead somewhere, to the heading that they name."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
FENCES, CODE = re.compile(r"```.*?```", re.DOTALL), re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def pages() -> list[str]:
    found = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    return found.stdout.split() or [
        str(each.relative_to(CHECKOUT))
        for each in (*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md"))
    ]


def anchors(page: Path) -> set[str]:
    """The names of headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.*?) *$", FENCES.sub("", page.read_text()), re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", each).lower() for each in headings)
    return {re.sub(r"[^\w\- ]", "", each).replace(" ", "-") for each in plain}


@pytest.mark.parametrize("name", pages())
def test_relative_links_lead_to_a_file_and_a_heading(name: str) -> None:
    page = CHECKOUT / name
    text = CODE.sub("", FENCES.sub("", page.read_text()))
    lost = []
    for link in LINK.findall(text):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)

    assert lost == []
