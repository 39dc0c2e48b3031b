"""Compiled, a request is counted as it is in Python."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.observe import cells
from fsm_twisted.observe.cells import SECONDS, UpstreamCells
from tests.compiled import compiled


@pytest.fixture(scope="module")
def observe(tmp_path_factory: pytest.TempPathFactory) -> Any:
    speedups = compiled("fsm_twisted.observe._speedups", tmp_path_factory)
    tables = (cells.REQUESTS, SECONDS, cells._FIRST_BUCKET)
    return speedups.observe_method(UpstreamCells, *tables, cells.REFERENCE)


methods = st.sampled_from([b"GET", b"HEAD", b"POST", b"BREW", b""])
seconds = st.one_of(st.floats(0, 12), st.sampled_from(SECONDS), st.floats(), st.integers(0, 12))


def counted(of: UpstreamCells) -> object:
    return of.counts, repr((of.duration_seconds, of.upstream_seconds)), of.bytes_in, of.retries


@given(st.lists(st.tuples(methods, st.integers(1, 5), seconds, seconds), max_size=20))
def test_both_count_the_same(observe: Any, ended: list[tuple[bytes, int, float, float]]) -> None:
    quick, pure = UpstreamCells(), UpstreamCells()
    for each in ended:
        observe(quick, *each)
        cells.REFERENCE(pure, *each)

    assert counted(quick) == counted(pure)


def test_cells_that_are_not_as_usual_are_left_to_the_reference(observe: Any) -> None:
    strange = UpstreamCells()
    strange.upstream_seconds = 1
    observe(strange, b"GET", 2, 0.1, 0.5)
    assert strange.upstream_seconds == 1.5
    del strange.counts[-1:]
    with pytest.raises(IndexError):
        observe(strange, cells.OTHER, 5, 0.1, 0.1)
    del strange.counts[20:]
    with pytest.raises(IndexError):
        observe(strange, b"GET", 2, 11.0, 11.0)
    del strange.duration_seconds
    with pytest.raises(AttributeError):
        observe(strange, b"GET", 2, 0.1, 0.1)


def test_what_is_no_cell_is_a_mistake_of_ours(observe: Any) -> None:
    with pytest.raises(TypeError):
        observe(object(), b"GET", 2, 0.1, 0.1)
    with pytest.raises(TypeError):
        observe(UpstreamCells(), b"GET", 2, 0.1)


def test_nothing_is_kept_or_given_away(observe: Any) -> None:
    method, duration, upstream = b"GET" * 1, 0.25 * 1, 0.125 * 1
    one = UpstreamCells()
    observe(one, method, 2, duration, upstream)
    watched = [method, duration, upstream, one, one.counts, cells.REQUESTS]
    before = [sys.getrefcount(each) for each in watched]
    for _ in range(1000):
        observe(one, method, 2, duration, upstream)

    assert [sys.getrefcount(each) for each in watched] == before
    assert one.counts[cells.REQUESTS[method, 2]] == 1001
