"""Compiled, the router finds what it finds in Python."""

from __future__ import annotations

import sys
from collections import UserDict
from typing import Any

import attrs
import pytest
from hypothesis import given

from fsm_twisted.routing import router
from fsm_twisted.routing.paths import PathTable
from fsm_twisted.routing.router import Router, build_router
from fsm_twisted.snapshot.model import Snapshot
from tests.compiled import compiled
from tests.routing.worlds import Request, route, snapshot, virtual_host, worlds


@pytest.fixture(scope="module")
def match(tmp_path_factory: pytest.TempPathFactory) -> Any:
    speedups = compiled("fsm_twisted.routing._speedups", tmp_path_factory)
    return speedups.match_method(Router, PathTable, router.REFERENCE)


@given(worlds())
def test_both_find_the_same(match: Any, drawn: tuple[Snapshot, Request]) -> None:
    world, request = drawn
    built = build_router(world, lambda each: each)

    assert match(built, *request.wire) is router.REFERENCE(built, *request.wire)


def test_tables_of_another_kind_are_left_to_the_reference(match: Any) -> None:
    world = snapshot(virtual_host("a", route("a", "/b"), route("a", "/b/c/d")))
    built = build_router(world, lambda each: each.path)
    table = built.exact[b"a"]
    others = (
        attrs.evolve(table, prefixes=UserDict(table.prefixes)),
        attrs.evolve(table, exact=UserDict(table.exact)),
        attrs.evolve(table, lengths=set(table.lengths)),  # type: ignore[arg-type]
    )
    for other in (table, *others):
        assert match(attrs.evolve(built, exact={b"a": other}), b"a", b"/b/c/e") == "/b"
    assert match(attrs.evolve(built, exact=UserDict(built.exact)), b"a", b"/b/c/d") == "/b/c/d"


def test_what_is_no_router_is_a_mistake_of_ours(match: Any) -> None:
    with pytest.raises(TypeError):
        match(object(), b"a", b"/")
    with pytest.raises(TypeError):
        match(build_router(snapshot(), lambda each: each), b"a")


def test_nothing_is_kept_or_given_away(match: Any) -> None:
    world = snapshot(virtual_host("a", route("a", "/b"), route("a", "/")))
    built = build_router(world, lambda each: [each.path])
    table, host, path = built.exact[b"a"], b"a" * 1, b"/b/c/dd"
    watched = [host, path, table, table.root, table.prefixes[b"/b"]]
    before = [sys.getrefcount(each) for each in watched]
    for _ in range(100):
        match(built, host, path)
        match(built, host, b"/else")
        match(built, b"other", path)

    assert [sys.getrefcount(each) for each in watched] == before
