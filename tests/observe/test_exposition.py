"""The text of /metrics means what was counted, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from fsm_twisted.observe import exposition
from fsm_twisted.observe.cells import METHODS, SECONDS, UpstreamCells
from fsm_twisted.observe.exposition import FAMILIES, PREFIX, render, series
from fsm_twisted.observe.report import Report, UpstreamCounts
from tests.observe.strategies import REPORTS

# What the parser leaves as it is; a line break and a quotation mark are among it.
LABELS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def text_of(report: Report, own: Mapping[str, int | float] | None = None) -> str:
    return "".join(render(report, own or {}))


def parsed(text: str) -> dict[str, Metric]:
    return {each.name: each for each in text_string_to_metric_families(text)}


def find(samples: Iterable[Sample], name: str, **labels: str) -> float:
    (value,) = [
        each.value
        for each in samples
        if each.name == PREFIX + name and labels.items() <= each.labels.items()
    ]
    return value


@given(report=REPORTS)
def test_the_parser_of_prometheus_reads_back_what_was_counted(report: Report) -> None:
    families = parsed(text_of(report))

    for (namespace, ingress, service), counts in report.upstreams.items():
        owner = {"namespace": namespace, "ingress": ingress, "service": service}
        requests = families[PREFIX + "requests"].samples
        for (method, digit), number in counts.requests.items():
            labels = {**owner, "method": method, "status": f"{digit}xx"}
            assert find(requests, "requests_total", **labels) == number
        durations = families[PREFIX + "request_duration_seconds"].samples
        name = "request_duration_seconds"
        assert find(durations, name + "_count", **owner) == sum(counts.duration.counts)
        assert find(durations, name + "_bucket", le="+Inf", **owner) == sum(counts.duration.counts)
        assert find(durations, name + "_sum", **owner) == pytest.approx(
            counts.duration.seconds, abs=1e-6
        )
        answers = families[PREFIX + "response_duration_seconds"].samples
        assert find(answers, "response_duration_seconds_bucket", le="0.5", **owner) == sum(
            counts.upstream.counts[: SECONDS.index(0.5) + 1]
        )
        sent = families[PREFIX + "response_bytes"].samples
        assert find(sent, "response_bytes_total", **owner) == counts.bytes_out


@given(reason=LABELS, number=st.integers(0, 1 << 50))
def test_a_label_is_read_back_whatever_it_holds(reason: str, number: int) -> None:
    name = series("findings", reason=reason)

    families = parsed(text_of(Report(), {name: number}))

    assert find(families[PREFIX + "findings"].samples, "findings", reason=reason) == number


@given(report=REPORTS)
def test_every_line_is_a_comment_or_a_series_with_a_number(report: Report) -> None:
    text = text_of(report)

    assert text.endswith("\n")
    for line in text.split("\n")[:-1]:
        assert line.startswith(("# HELP fsm_ingress_", "# TYPE fsm_ingress_", PREFIX))
        assert line.startswith("#") or float(line.rpartition(" ")[2]) >= 0


def test_every_family_has_one_heading_and_stands_together() -> None:
    own = {series("findings", reason=each): 1 for each in ("a", "b")}
    own |= {series("tls_handshakes_total", result=each): 1 for each in ("a", "b")}
    lines = text_of(Report(), own).splitlines()

    headings = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(headings) == len(set(headings))
    owner = ""
    for line in lines:
        if line.startswith("# TYPE"):
            owner = line.split()[2]
        elif not line.startswith("#"):
            assert line.startswith(owner)


def test_a_series_that_is_in_no_table_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        text_of(Report(), {"unheard_of": 1})


def test_an_ingress_of_one_service_has_at_most_60_series_however_it_is_used() -> None:
    cells = UpstreamCells()
    for method in (*METHODS, b"FIND", b"FIND2"):
        for digit in (2, 3, 4, 5):
            cells.observe(method, digit, 1, 1)
    counts = UpstreamCounts.of(cells)
    report = Report({("a", "b", "c"): counts})

    lines = [line for line in text_of(report).splitlines() if 'ingress="b"' in line]

    assert len(lines) == exposition.series_of(counts) <= 60


def test_a_sum_that_differs_in_its_last_digit_is_the_same_number() -> None:
    one, two = 0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1
    assert one != two

    name = "overhead_seconds_total"
    assert text_of(Report(counters={name: one})) == text_of(Report(counters={name: two}))


def test_beyond_the_most_upstreams_the_same_ones_stay_and_the_rest_is_counted() -> None:
    cells = UpstreamCells()
    cells.observe(b"GET", 2, 1, 1)
    counts = UpstreamCounts.of(cells)
    keys = [("n", f"{number:06}", "s") for number in range(10)]
    report = Report(dict.fromkeys(reversed(keys), counts))

    lines = "".join(render(report, {}, most_upstreams=7)).splitlines()

    shown = [line for line in lines if line.startswith(PREFIX + "requests_total")]
    assert len(shown) == 7
    assert not any(keys[-1][1] in line for line in lines)
    assert f"{PREFIX}series_dropped {3 * exposition.series_of(counts)}" in lines


def test_no_piece_is_long() -> None:
    cells = UpstreamCells()
    cells.observe(b"GET", 2, 1, 1)
    report = Report({("n", str(n), "s"): UpstreamCounts.of(cells) for n in range(100)})

    assert max(piece.count("\n") for piece in render(report, {})) <= 200


def test_buckets_and_labels_are_those_of_ingress_nginx() -> None:
    owner = ("namespace", "ingress", "service")
    labels = {each.name: each.labels for each in FAMILIES}

    assert SECONDS == (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
    assert labels["request_duration_seconds"] == owner
    assert labels["requests_total"] == (*owner, "status", "method")
    assert not any({"path", "host"} & set(each) for each in labels.values())
