"""benchmarks/http.py: the arithmetic, and that a short run comes to figures."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import ingress, loads, measure, table
from benchmarks.measure import BenchmarkError, ClientRun, Sample
from benchmarks.site import Rule, missing_programs

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "benchmarks" / "http.py"

nanoseconds = st.integers(1, 10**12)
samples = st.lists(
    st.builds(Sample, nanoseconds, st.integers(1, 10**6), st.just(1.0)), min_size=1, max_size=9
)


def thread(folder: Path, pid: int, tid: int, spent: int) -> None:
    place = folder / str(pid) / "task" / str(tid)
    place.mkdir(parents=True)
    (place / "schedstat").write_text(f"{spent} 77 99\n")


def test_cpu_time_is_summed_over_all_threads_of_all_processes(tmp_path: Path) -> None:
    thread(tmp_path, 10, 10, 1_000)
    thread(tmp_path, 10, 11, 200)
    thread(tmp_path, 20, 20, 30)
    thread(tmp_path, 30, 30, 4)

    assert measure.cpu_nanoseconds((10, 20), tmp_path) == 1_230


def test_the_cpu_time_of_this_process_grows_by_working() -> None:
    (own,) = {int(Path("/proc/self").resolve().name)}
    before = measure.cpu_nanoseconds((own,))
    while measure.cpu_nanoseconds((own,)) == before:
        sum(range(10_000))

    assert measure.cpu_nanoseconds((own,)) > before


def test_a_process_name_with_parentheses_hides_no_parent(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_text("7 (odd) name (x)) S 3 7 7 0")

    assert measure.parents(tmp_path) == {7: 3}


def test_a_family_is_the_process_with_all_its_descendants_and_nobody_else() -> None:
    parent_of = {1: 0, 2: 1, 3: 2, 4: 3, 5: 1, 6: 5}

    assert measure.family(2, parent_of) == (2, 3, 4)


def test_outcome_of_good_answers_is_their_number() -> None:
    assert measure.parse_outcome("Running\noutcome 123 0 0 0 0 0\n") == 123


@pytest.mark.parametrize("fault", range(5))
def test_a_run_with_any_kind_of_failure_is_no_figure(fault: int) -> None:
    counts = ["0"] * 5
    counts[fault] = "1"

    with pytest.raises(BenchmarkError, match="1"):
        measure.parse_outcome(f"outcome 123 {' '.join(counts)}\n")


@pytest.mark.parametrize("output", ["", "outcome 0 0 0 0 0 0", "Running 1s test\n"])
def test_a_run_without_answers_is_no_figure(output: str) -> None:
    with pytest.raises(BenchmarkError):
        measure.parse_outcome(output)


def test_a_proxy_that_answers_by_itself_or_asks_twice_is_no_figure() -> None:
    measure.check_counts(1000, 1050, connections=50)
    with pytest.raises(BenchmarkError, match="backend saw 0"):
        measure.check_counts(1000, 0, connections=50)
    with pytest.raises(BenchmarkError, match="backend saw 2000"):
        measure.check_counts(1000, 2000, connections=50)


def test_the_counter_is_the_third_number_of_the_status_page() -> None:
    page = "Active connections: 2 \nserver accepts handled requests\n 16 17 31 \nReading: 0"

    assert measure.parse_counter(page) == 31


@given(ours=samples)
def test_nobody_is_faster_or_slower_than_oneself(ours: list[Sample]) -> None:
    (row,) = table.rows({"plain": {table.REFERENCE: ours}})

    assert row.ratio == 1.0
    assert row.least <= row.median <= row.most
    assert row.requests == sum(each.requests for each in ours)


@given(reference=samples, factor=st.integers(2, 50))
def test_a_ratio_is_that_of_the_rounds_whatever_the_machine_did_between_them(
    reference: list[Sample], factor: int
) -> None:
    ours = [Sample(each.cpu_nanoseconds * factor, each.requests, 1.0) for each in reference]
    rows = {row.peer: row for row in table.rows({"x": {"ours": ours, table.REFERENCE: reference}})}

    assert rows["ours"].ratio == pytest.approx(factor)


def test_without_the_reference_there_is_no_ratio() -> None:
    (row,) = table.rows({"plain": {"ours": [Sample(3_000_000, 100, 1.0)]}})

    assert row.ratio is None
    assert row.cells() == ("plain", "ours", "30.0 us", "30.0 us - 30.0 us", "-", "1.00", "100")


def test_what_a_master_does_beside_its_workers_is_shown() -> None:
    (row,) = table.rows({"plain": {"ours": [Sample(3_000_000, 100, 1.0, 1_000_000)]}})

    assert row.cells()[2] == "30.0 us (10.0 us + 20.0 us)"


def test_times_from_a_millisecond_on_are_told_in_milliseconds() -> None:
    (row,) = table.rows({"large": {"nginx": [Sample(54_500_000, 10, 1.0)]}})

    assert row.cells()[2] == "5.45 ms"


def test_both_layouts_carry_every_cell() -> None:
    lines = [("plain", "ours", "12.3 us"), ("tls", "a longer name", "4.5 us")]
    headings = ("load", "proxy", "CPU")

    text = table.plain(headings, lines).splitlines()
    assert text[0].split() == ["load", "proxy", "CPU"]
    assert text[2] == "tls    a longer name   4.5 us"
    assert table.markdown(headings, lines).splitlines()[2] == "| plain | ours | 12.3 us |"


H2LOAD = """\
requests: 99 total, 99 started, {done} done, {succeeded} succeeded, {failed} failed, 0 errored, \
0 timeout
status codes: {good} 2xx, 0 3xx, {bad} 4xx, 0 5xx
"""


def test_h2load_tells_what_was_answered() -> None:
    output = H2LOAD.format(done=21141, succeeded=21141, failed=0, good=21150, bad=0)

    assert measure.parse_h2load(output) == 21141


@pytest.mark.parametrize(
    "figures",
    [
        {"done": 0, "succeeded": 0, "failed": 0, "good": 0, "bad": 0},
        {"done": 9, "succeeded": 8, "failed": 1, "good": 9, "bad": 0},
        {"done": 9, "succeeded": 9, "failed": 0, "good": 8, "bad": 1},
        {"done": 9, "succeeded": 9, "failed": 0, "good": 8, "bad": 0},
    ],
)
def test_a_run_of_h2load_with_a_fault_is_no_figure(figures: dict[str, int]) -> None:
    with pytest.raises(BenchmarkError):
        measure.parse_h2load(H2LOAD.format(**figures))


@pytest.mark.parametrize("load", loads.LOADS, ids=lambda load: load.name)
def test_a_script_has_no_gap_left(load: loads.Load) -> None:
    assert not re.search("@[A-Z]+@", loads.script(load))


def test_wrk_runs_longer_than_we_measure(tmp_path: Path) -> None:
    run = loads.make_run(loads.LOADS[0], 8000, 3.2, tmp_path, 1)

    (seconds,) = (int(word[2:-1]) for word in run.command if word.startswith("-d"))
    assert seconds > 3.2
    assert run == ClientRun(run.command, loads.LOADS[0].connections)


def test_each_endpoint_gets_its_slice_and_each_host_its_ingress() -> None:
    text = ingress.manifests((Rule("a.example"), Rule("b.example", ("/c", "/d"))), (9001, 9002))

    assert text.count("kind: EndpointSlice") == 2
    assert text.count("kind: Ingress") == 2
    assert text.count("pathType: ") == 3
    assert "Secret" not in text


def test_what_speaks_websocket_is_a_service_of_its_own() -> None:
    text = ingress.manifests((Rule("a.example"), Rule("b.example")), (9001,), socket_port=9002)

    assert text.count(f"path: {loads.SOCKET_PATH},") == 1
    assert "name: socket-9002" in text


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False
    )


def test_an_unknown_load_is_named_with_those_that_there_are() -> None:
    done = run("--loads", "plain,quic")

    assert done.returncode == 2
    assert "'quic'" in done.stderr
    assert "plain, tls, h2, " in done.stderr


def test_missing_programs_are_told_in_one_line_with_the_command_that_brings_them() -> None:
    # A path of its own, and no /usr/sbin: as on a machine without them.
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); from benchmarks import http, site;"
        "site.PLACES = (); sys.exit(http.main([]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/nowhere"},
    )

    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "apt-get install gcc libc6-dev nghttp2-client haproxy nginx openssl wrk" in done.stderr


def test_a_short_run_comes_to_a_figure_for_each_load(tmp_path: Path) -> None:
    missing = missing_programs(("wrk", "nginx", "openssl"))
    if missing:
        pytest.skip(f"not installed here: {', '.join(missing)}")
    figures, page = tmp_path / "figures.json", tmp_path / "table.md"

    done = run(
        "--peers", "ours", "--loads", "plain,tls,handshake,resumed,tunnel", "--rounds", "1",
        "--seconds", "0.2", "--warm", "0.3", "--json", str(figures), "--markdown", str(page),
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    rows = json.loads(figures.read_text())["rows"]
    names = ["plain", "tls", "handshake", "resumed", "tunnel"]
    assert [row["load"] for row in rows] == names
    assert all(row["requests"] > 0 and row["median_us"] > 0 for row in rows)
    told = page.read_text()
    assert all(f"| {name} | ours |" in told for name in names)
    assert "| ours | " in told.partition("Memory after the run")[2]
