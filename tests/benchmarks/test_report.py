"""What a run of benchmarks/http.py is judged and told by."""

from __future__ import annotations

import json
import shutil
import xml.dom.minidom
from pathlib import Path

import pytest

from benchmarks import guard, latency, promises, report
from benchmarks.latency import DIRECT, Latency
from benchmarks.measure import BenchmarkError, Sample
from benchmarks.report import Report

ROOT = Path(__file__).resolve().parents[2]


def sample(microseconds: float) -> Sample:
    return Sample(int(microseconds * 1000 * 100), 100, 1.0)


def paced(p99: int) -> Latency:
    return Latency(1000, p99 // 4, p99, p99 * 2, p99 * 3)


RESULTS = {
    "plain": {"ours": [sample(15)] * 3, "nginx": [sample(10)] * 3, "traefik": [sample(30)] * 3},
    "hosts": {"ours": [sample(18)] * 3, "nginx": [sample(11)] * 3},
}
LATENCIES = {DIRECT: [paced(1000)], "nginx": [paced(3000)], "ours": [paced(6000)]}
MEMORY = {"small": {"ours": 100 * 1024, "nginx": 5 * 1024}, "hosts": {"ours": 300 * 1024}}


def test_promises_are_judged_by_what_was_measured_and_by_nothing_else() -> None:
    kept = {
        (each.what, each.peer): (round(each.measured, 3), each.is_kept)
        for each in promises.verdicts(RESULTS, LATENCIES)
    }

    assert kept == {
        ("CPU, plain", "nginx"): (1.5, True),
        ("CPU, plain", "traefik"): (0.5, False),
        ("CPU, hosts", "ours, plain"): (1.2, True),
        ("p99 added at half load", "nginx"): (2.5, False),
    }


def test_the_compiled_core_has_promises_of_its_own() -> None:
    results = {"plain": {"compiled": [sample(12)], "nginx": [sample(10)]}}

    (verdict,) = promises.verdicts(results, {})
    assert (verdict.what, verdict.is_kept) == ("CPU, plain, compiled", False)


def test_the_guard_holds_ours_to_the_promise_of_the_pure_one() -> None:
    results = {"plain": {"ours": [sample(15)], "old": [sample(15)], "nginx": [sample(10)]}}

    line, is_kept = guard.judge(results, "old")[1]
    assert (line[3], is_kept) == ("1.60", True)


@pytest.mark.parametrize(("measured", "kept"), [(10.0, True), (10.8, True), (10.9, False)])
def test_the_guard_lets_eight_percent_pass(measured: float, *, kept: bool) -> None:
    results = {
        "plain": {"ours": [sample(measured)], "old": [sample(10)], "nginx": [sample(10)]},
    }

    assert [each for _, each in guard.judge(results, "old")] == [kept, True]


def test_the_guard_knows_the_limit_beside_nginx() -> None:
    results = {"plain": {"ours": [sample(17)], "old": [sample(17)], "nginx": [sample(10)]}}

    assert [each for _, each in guard.judge(results, "old")] == [True, False]


def test_a_report_is_published_between_the_marks_and_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    page = tmp_path / report.PAGE
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    made = Report({"date": "today"}, RESULTS, LATENCIES, 9_000, MEMORY)

    made.publish(tmp_path)
    once = page.read_text()
    made.publish(tmp_path)

    assert page.read_text() == once
    assert once.startswith(f"before\n{report.BEGIN}\n")
    assert once.endswith(f"{report.END}\nafter\n")
    assert "old" not in once
    assert "| ours | 100.0 MiB | 300.0 MiB | 2.05 KiB |" in once
    figures = json.loads((tmp_path / report.PLACE / "figures.json").read_text())
    assert {row["peer"] for row in figures["rows"]} == {"ours", "nginx", "traefik"}
    xml.dom.minidom.parse(str(tmp_path / report.PLACE / "cpu.svg"))  # noqa: S318  our own


def test_the_page_has_the_marks() -> None:
    text = (ROOT / report.PAGE).read_text()

    assert text.count(report.BEGIN) == text.count(report.END) == 1
    assert text.index(report.BEGIN) < text.index(report.END)


def test_the_outcome_of_paced_requests_is_read() -> None:
    assert latency.parse("paced 100 0 3 1 2 3 4\n") == Latency(100, 1, 2, 3, 4)


@pytest.mark.parametrize("output", ["", "paced 100 1 0 1 2 3 4", "paced 1 2"])
def test_paced_requests_with_a_fault_are_no_figure(output: str) -> None:
    with pytest.raises(BenchmarkError):
        latency.parse(output)


def test_the_paced_client_tells_where_nobody_listens(tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler here")
    client = latency.build(tmp_path)

    with pytest.raises(BenchmarkError, match="connect"):
        latency.take_latency(client, 1, 100.0, (0.1, 0.0), 0)
