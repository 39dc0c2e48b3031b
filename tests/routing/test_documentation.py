"""The tables of docs/routing.md are true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fsm_twisted.routing.rewrite import compile_rewrite
from fsm_twisted.routing.router import build_router
from fsm_twisted.snapshot.model import Match
from fsm_twisted.snapshot.rewrite import Rewrite
from tests.routing.worlds import route, snapshot, virtual_host

PAGE = (Path(__file__).parents[2] / "docs" / "routing.md").read_text()


def rows(first_column: str) -> list[list[str]]:
    """Return the cells of the table whose first column has that title."""
    _, _, rest = PAGE.partition(f"\n| {first_column} |")
    lines = rest.split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def code(cell: str) -> str:
    return cell.strip("`")


@pytest.mark.parametrize(("claims", "request_path", "answer"), rows("paths of the host"))
def test_paths_match_as_the_page_says(claims: str, request_path: str, answer: str) -> None:
    routes = {}
    for claim in claims.split(", "):
        match, path = claim.split()
        routes[claim] = route("", code(path), Match(match.lower()), name=claim)
    router = build_router(snapshot(virtual_host("", *routes.values())), lambda each: each)

    assert router.match(b"", code(request_path).encode()) is routes.get(answer)
    assert answer in {*routes, "nothing"}


@pytest.mark.parametrize(("pattern", "template", "path", "result"), rows("from"))
def test_rewrites_work_as_the_page_says(
    pattern: str, template: str, path: str, result: str
) -> None:
    rewrite = compile_rewrite(Rewrite.parse(code(pattern), code(template)))

    assert rewrite(code(path).encode()) == code(result).encode()


def test_the_tables_are_found() -> None:
    assert len(rows("paths of the host")) == 8
    assert len(rows("from")) == 7
