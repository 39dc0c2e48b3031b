"""Compiled, a request is counted and written down as it is in Python."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fsm_twisted.observe import access_lines, cells
from fsm_twisted.observe.access import PROTOCOLS, BatchError, Noted
from fsm_twisted.observe.cells import SECONDS, UpstreamCells
from tests.compiled import compiled
from tests.observe.test_access import NOTED, USUAL


@pytest.fixture(scope="module")
def speedups(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return compiled("fsm_twisted.observe._speedups", tmp_path_factory)


@pytest.fixture(scope="module")
def observe(speedups: Any) -> Any:
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


# The access log

PARTS = (access_lines._way, access_lines._endpoints, access_lines._connection, PROTOCOLS)
HEAD = (
    b"GET /shop?page=2 HTTP/1.1\r\nHost: a.test\r\nUser-Agent:\t curl/8 \t\r\naccept: */*\r\n"
    b"REFERER: http://r/\r\nX-Real-IP: 10.0.0.9\r\nX-Request-ID: 0123456789abcdef\r\n\r\n"
)
_spelt = st.sampled_from(
    [b"Host", b"hOST", b"User-Agent", b"USER-AGENT", b"Referer", b"X-Request-ID", b"x-request-id",
     b"X-Real-IP", b"X-Real-Ip", b"Cookie", b"Hos", b"Host2", b"host\x1a", b"User\x0dAgent", b""]
)  # fmt: skip
_values = st.text("a \t~", max_size=6).map(str.encode) | st.sampled_from(
    [b'"', b"\\", b"\x7f", b"\xc3\xa4", b"\xff", b"\n", b"\r", b"a: b"]
)
_fields = st.builds(
    b"%b%b%b\r\n".__mod__, st.tuples(_spelt, st.sampled_from([b": ", b":"]), _values)
)
_ours = st.just(b"X-Real-IP: 10.0.0.9\r\n") | st.just(b"")
_lines = st.sampled_from(
    [b"GET / HTTP/1.1\r\n", b"GET  HTTP/1.1\r\n", b" / x\r\n", b"GET /\r\n", b"\r\n", b"GET /",
     b"X-Real-IP: 1 HTTP/1.1\r\n", b"GET /\tb c HTTP/1.1\r\n"]
)  # fmt: skip
_heads = st.builds(
    lambda line, fields, ours, end: b"".join((line, *fields, ours, end)),
    _lines, st.lists(_fields, max_size=6), _ours, st.sampled_from([b"\r\n", b"", b"x", b"\r"]),
)  # fmt: skip
# The middles between millionths, where it is doubtful which way to round.
_middles = st.integers(0, 1 << 40).map(lambda count: (count + 0.5) / 1e6)
_durations = st.floats(0, 1e-3) | st.floats(0, 2e5) | _middles | st.floats(0, 3e11)


def timed(begun: float, waited: float, lasted: float) -> Noted:
    return USUAL._replace(begun=begun, sent=begun + waited, ended=begun + waited + lasted)


@pytest.fixture(scope="module")
def json_lines(speedups: Any) -> Any:
    return speedups.json_lines_function(access_lines.quick_json_line, *PARTS)


def written(write: Any, notes: list[Noted]) -> object:
    try:
        return write(1e9, notes)
    except ValueError as error:
        return str(error)


@given(st.lists(NOTED | st.builds(lambda head: USUAL._replace(head=head), _heads), max_size=4))
@example([USUAL._replace(head=HEAD), USUAL._replace(head=HEAD, peer=b"nonsense"), USUAL])
@example([USUAL._replace(head=HEAD, minor=each) for each in (0, 1, 2, 20, 30)])
@example([USUAL._replace(head=HEAD, ended=1.0)])
@example([USUAL._replace(head=HEAD, sent=9.0)])
@example([USUAL._replace(head=HEAD, bytes_out=-1, bytes_in=1 << 70, status=-1)])
def test_both_write_the_same_lines(json_lines: Any, notes: list[Noted]) -> None:
    assert written(json_lines, notes) == written(access_lines._json_lines, notes)


@given(begun=st.floats(0, 2.6e11), waited=_durations, lasted=_durations)
@example(begun=0.0, waited=0.0, lasted=0.0)
@example(begun=5.0005, waited=0.0000005, lasted=0.0000015)
def test_both_write_times_alike(
    json_lines: Any, begun: float, waited: float, lasted: float
) -> None:
    notes = [timed(begun, waited, lasted)._replace(head=HEAD)]

    assert written(json_lines, notes) == written(access_lines._json_lines, notes)


def test_what_is_usual_is_written_without_the_reference(speedups: Any) -> None:
    asked: list[Noted] = []

    def reference(_: float, noted: Noted) -> str:
        asked.append(noted)
        return "asked\n"

    write = speedups.json_lines_function(reference, *PARTS)
    usual = USUAL._replace(head=HEAD)
    unusual = [usual._replace(head=HEAD.replace(b"curl", each)) for each in (b'"', b"\\", b"\xff")]

    assert write(1e9, [usual, *unusual, usual]).count(b"asked\n") == 3
    assert asked == unusual


def test_a_fault_of_the_reference_is_the_callers(json_lines: Any) -> None:
    with pytest.raises(BatchError, match="out of time"):
        json_lines(1e9, [USUAL._replace(head=HEAD), USUAL._replace(begun=9e9)])


@pytest.mark.parametrize("nothing", [None, b"bytes", "\xe4"])
@pytest.mark.parametrize("which", range(4))
def test_parts_that_are_no_ascii_are_a_mistake_of_ours(
    speedups: Any, which: int, nothing: object
) -> None:
    helpers: list[Any] = [access_lines.quick_json_line, *PARTS]
    helpers[which] = lambda *_: nothing
    write = speedups.json_lines_function(*helpers)

    with pytest.raises(TypeError):
        write(1e9, [USUAL._replace(head=HEAD if which else b"")])


def test_what_is_no_batch_is_a_mistake_of_ours(speedups: Any, json_lines: Any) -> None:
    wrongs: list[tuple[Any, ...]] = [(1, []), (1e9, 5), (1e9,)]
    for wrong in wrongs:
        with pytest.raises(TypeError):
            json_lines(*wrong)
    with pytest.raises(TypeError):
        speedups.json_lines_function(access_lines.quick_json_line)
    assert json_lines(1e9, []) == b""


def test_no_line_keeps_or_gives_away_anything(json_lines: Any) -> None:
    noted = USUAL._replace(head=HEAD)
    strange = noted._replace(head=HEAD.replace(b"curl", b'"'))
    notes = [noted, strange]
    json_lines(1e9, notes)
    watched = [notes, *noted, strange.head, *PARTS[:3], access_lines._way(b"", noted.route)]
    before = [sys.getrefcount(each) for each in watched]
    for _ in range(1000):
        json_lines(1e9, notes)

    assert [sys.getrefcount(each) for each in watched] == before
