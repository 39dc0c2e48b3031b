"""Laws of reports: they travel, they add up, and what is deleted is gone."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.observe.cells import METHODS as METHODS_KNOWN
from fsm_twisted.observe.cells import SECONDS, UpstreamCells
from fsm_twisted.observe.report import Report, ReportError, UpstreamCounts
from tests.observe.strategies import KEYS, METHODS, REPORTS


@given(report=REPORTS)
def test_a_report_survives_the_way_to_the_master(report: Report) -> None:
    assert Report.from_bytes(report.to_bytes()) == report


@given(one=REPORTS, two=REPORTS, three=REPORTS)
def test_it_does_not_matter_in_which_order_reports_are_added(
    one: Report, two: Report, three: Report
) -> None:
    assert one.plus(two) == two.plus(one)
    assert one.plus(two).plus(three) == one.plus(two.plus(three))


@given(report=REPORTS)
def test_adding_nothing_changes_nothing(report: Report) -> None:
    assert report.plus(Report()) == report
    assert Report().plus(report) == report


@given(report=REPORTS, other=REPORTS)
def test_every_count_of_a_sum_is_the_sum_of_the_counts(report: Report, other: Report) -> None:
    total = report.plus(other)

    for key in report.upstreams.keys() | other.upstreams.keys():
        one = report.upstreams.get(key, UpstreamCounts())
        two = other.upstreams.get(key, UpstreamCounts())
        assert total.upstreams[key].bytes_out == one.bytes_out + two.bytes_out
        assert sum(total.upstreams[key].requests.values()) == sum(one.requests.values()) + sum(
            two.requests.values()
        )
        assert sum(total.upstreams[key].duration.counts) == sum(
            total.upstreams[key].requests.values()
        )


@given(report=REPORTS)
def test_a_dead_process_leaves_its_counters_and_takes_its_gauges(report: Report) -> None:
    left = report.of_the_dead()

    assert left.gauges == {}
    assert (left.upstreams, left.counters) == (report.upstreams, report.counters)


@given(report=REPORTS, keys=st.lists(KEYS, unique=True))
def test_only_upstreams_that_exist_are_left(
    report: Report, keys: list[tuple[str, str, str]]
) -> None:
    assert report.only(keys).upstreams.keys() == report.upstreams.keys() & set(keys)


@given(
    data=st.binary(max_size=40) | REPORTS.map(lambda report: report.to_bytes()[:-2]),
)
def test_bytes_that_are_no_report_are_refused(data: bytes) -> None:
    with pytest.raises(ReportError):
        Report.from_bytes(data)


def test_a_report_of_another_version_is_refused() -> None:
    version, *rest = json.loads(Report().to_bytes())

    with pytest.raises(ReportError, match="version"):
        Report.from_bytes(json.dumps([version + 1, *rest]).encode())


@given(methods=st.lists(st.binary(min_size=1, max_size=9), max_size=60))
def test_methods_that_clients_think_up_take_no_memory(methods: list[bytes]) -> None:
    cells = UpstreamCells()
    for method in methods:
        cells.observe(method, 2, 0.1, 0.1)
        cells.count(method, 4, 0.1)

    requests = UpstreamCounts.of(cells).requests
    assert len(cells.counts) == len(UpstreamCells().counts)
    assert sum(requests.values()) == 2 * len(methods)
    assert {method for method, _ in requests} <= {"OTHER", *map(bytes.decode, METHODS_KNOWN)}


@given(method=METHODS, seconds=st.floats(0, 1000), share=st.floats(0, 1))
def test_what_is_neither_the_endpoint_s_time_nor_that_of_our_own_answers_is_overhead(
    method: bytes, seconds: float, share: float
) -> None:
    cells = UpstreamCells()
    cells.observe(method, 2, seconds, seconds * share)
    cells.count(method, 5, 77.0)

    assert cells.overhead_seconds == pytest.approx(seconds - seconds * share, abs=1e-6)


@pytest.mark.parametrize("bound", SECONDS)
def test_a_duration_on_a_bound_counts_as_not_above_it(bound: float) -> None:
    cells = UpstreamCells()
    cells.count(b"GET", 2, bound)

    assert UpstreamCounts.of(cells).duration.counts.index(1) == SECONDS.index(bound)


def test_what_has_counted_nothing_says_so() -> None:
    cells = UpstreamCells()
    assert cells.is_untouched

    cells.bytes_in += 1
    assert not cells.is_untouched


def test_what_was_taken_is_not_there_a_second_time() -> None:
    cells = UpstreamCells()
    cells.observe(b"GET", 2, 0.5, 0.25)
    cells.count_passed("ok")
    cells.retries += 1
    before = UpstreamCounts.of(cells)

    assert UpstreamCounts.taken(cells) == before
    assert cells.is_untouched
    assert UpstreamCounts.of(cells) == UpstreamCounts()
    assert (before.duration.seconds, before.upstream.seconds) == (0.5, 0.25)
    assert (before.requests, before.rare, before.retries) == ({("GET", 2): 1}, {"passed:ok": 1}, 1)
