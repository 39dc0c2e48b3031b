"""Compiled, a table finds what it finds in Python."""

from __future__ import annotations

import sys
from collections import UserDict
from typing import Any

import attrs
import pytest
from hypothesis import given

from fsm_twisted.routing import paths
from fsm_twisted.routing.paths import PathTable
from fsm_twisted.routing.router import build_router
from fsm_twisted.snapshot.model import Snapshot
from tests.compiled import compiled
from tests.routing.worlds import Request, route, snapshot, virtual_host, worlds


@pytest.fixture(scope="module")
def find(tmp_path_factory: pytest.TempPathFactory) -> Any:
    speedups = compiled("fsm_twisted.routing._speedups", tmp_path_factory)
    return speedups.find_method(PathTable, paths.REFERENCE)


@given(worlds())
def test_both_find_the_same(find: Any, drawn: tuple[Snapshot, Request]) -> None:
    world, request = drawn
    _, path = request.wire
    for host in world.hosts.values():
        table = PathTable.build(host, lambda each: each)

        assert find(table, path) is paths.REFERENCE(table, path)


def test_tables_of_another_kind_are_left_to_the_reference(find: Any) -> None:
    host = virtual_host("a", route("a", "/b"), route("a", "/b/c/d"))
    table = PathTable.build(host, lambda each: each.path)
    others = (
        attrs.evolve(table, prefixes=UserDict(table.prefixes)),
        attrs.evolve(table, exact=UserDict(table.exact)),
        attrs.evolve(table, lengths=set(table.lengths)),  # type: ignore[arg-type]
    )
    for other in (table, *others):
        assert find(other, b"/b/c/e") == "/b"
        assert find(other, b"/else") is None


def test_what_is_no_table_is_a_mistake_of_ours(find: Any) -> None:
    with pytest.raises(TypeError):
        find(object(), b"/")
    with pytest.raises(TypeError):
        find(build_router(snapshot(), lambda each: each), b"/")
    with pytest.raises(TypeError):
        find(paths.NOTHING)


def test_nothing_is_kept_or_given_away(find: Any) -> None:
    host = virtual_host("a", route("a", "/b"), route("a", "/"))
    table = PathTable.build(host, lambda each: [each.path])
    path = b"/b/c/dd"
    watched = [path, table, table.root, table.prefixes[b"/b"], paths.NOTHING, None]
    before = [sys.getrefcount(each) for each in watched]
    for _ in range(100):
        find(table, path)
        find(table, b"/else")
        find(paths.NOTHING, path)

    assert [sys.getrefcount(each) for each in watched] == before
