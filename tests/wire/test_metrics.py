"""What /metrics says of the running program is what its clients have seen."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import ssl
import urllib.request
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.strategies.objects import PREFIX
from tests.wire.harness.backend import Served, closing, once
from tests.wire.harness.client import connect, connect_tls, tls_context
from tests.wire.harness.lanes import Lane, World
from tests.wire.harness.message import Ended
from tests.wire.harness.program import Program, running
from tests.workers.processes import children, until

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scrape(program: Program) -> Samples:
    """Read /metrics with the parser of Prometheus."""
    with urllib.request.urlopen(f"http://127.0.0.1:{program.admin}/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = answer.read().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(samples: Samples, name: str, **labels: str) -> float:
    """Add up the series of *name* that have these labels."""
    return sum(
        value
        for (sample, found), value in samples.items()
        if sample == f"fsm_ingress_{name}" and labels.items() <= dict(found).items()
    )


@pytest.fixture(scope="module", params=["0", "2"])
def program(whole_world: World, logs: Path, request: pytest.FixtureRequest) -> Iterator[Program]:
    options = ("--workers", request.param, "--plain-http-on-tls-hosts", "serve")
    with running(whole_world.folder, logs / f"metrics-{request.param}", *options) as program:
        yield program


def labels_of(lane: Lane) -> dict[str, str]:
    service = lane.host.decode().replace(".", "-")
    return {"namespace": "default", "ingress": "lanes", "service": service}


def by_target(served: Served) -> None:
    """Answer ``/404`` with 404, and so on."""
    while True:
        status = served.request().target[1:]
        served.send(b"HTTP/1.1 %b Some\r\nContent-Length: 5\r\n\r\nhello" % status)


def test_totals_are_what_the_clients_have_sent_and_got(program: Program, lane: Lane) -> None:
    lane.backend.serve(by_target)
    asked: Counter[tuple[str, str]] = Counter()
    got = 0
    for number in range(40):
        method = (b"GET", b"POST", b"FIND")[number % 3]
        status = (200, 404, 503)[number % 2]
        with contextlib.closing(connect(program.http)) as client:
            for _ in range(3):
                client.ask(lane.request(method, b"/%d" % status))
            got += len(client.received)
        label = method.decode() if method != b"FIND" else "OTHER"
        asked[label, f"{status // 100}xx"] += 3

    samples = scrape(program)

    owner = labels_of(lane)
    for (method_label, status_label), number in asked.items():
        labels = {**owner, "method": method_label, "status": status_label}
        assert total(samples, "requests_total", **labels) == number
    assert total(samples, "request_duration_seconds_count", **owner) == 120
    assert total(samples, "request_duration_seconds_bucket", le="+Inf", **owner) == 120
    assert total(samples, "response_duration_seconds_count", **owner) == 120
    assert total(samples, "response_bytes_total", **owner) == got


def test_no_counter_falls_when_a_worker_is_killed(
    whole_world: World, tmp_path: Path, lane: Lane
) -> None:
    lane.backend.serve(by_target)
    with running(whole_world.folder, tmp_path / "log", "--workers", "2") as program:
        (nursery,) = children(program.process.pid)
        workers = children(nursery)
        for _ in range(20):
            with contextlib.closing(connect(program.http)) as client:
                client.ask(lane.get(b"/200"))
        before = scrape(program)

        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        until(lambda: total(scrape(program), "workers") == 2)
        with contextlib.closing(connect(program.http)) as client:
            client.ask(lane.get(b"/200"))
        after = scrape(program)

    owner = labels_of(lane)
    assert total(before, "requests_total", **owner) == 20
    assert total(after, "requests_total", **owner) == 21
    assert total(after, "request_duration_seconds_count", **owner) == 21
    fallen = {
        series: (value, after.get(series, 0.0))
        for series, value in before.items()
        if series[0].endswith(("_total", "_count", "_bucket", "_sum"))
        and series[0].startswith("fsm_")
        and after.get(series, 0.0) < value
    }
    assert fallen == {}


def test_our_own_answers_are_counted_by_reason(program: Program, lane: Lane) -> None:
    before = scrape(program)
    for host in (b"nobody.test", b"empty.test", b"empty.test"):
        with contextlib.closing(connect(program.http)) as client:
            client.ask(b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % host)
    after = scrape(program)

    for reason, number in (("no_route", 1), ("no_endpoints", 2)):
        grown = total(after, "replies_total", reason=reason) - total(
            before, "replies_total", reason=reason
        )
        assert grown == number


def test_what_we_answer_without_an_endpoint_is_counted_for_its_ingress(program: Program) -> None:
    before = scrape(program)
    with contextlib.closing(connect(program.http)) as client:
        assert client.ask(
            b"POST / HTTP/1.1\r\nHost: small.test\r\nContent-Length: 11\r\n\r\n"
        ).status == 413  # fmt: skip
    after = scrape(program)

    of = {"service": "named-small-test", "status": "4xx", "method": "POST"}
    assert total(after, "requests_total", **of) - total(before, "requests_total", **of) == 1


def test_what_ends_without_a_whole_answer_is_counted_by_the_status_that_is_logged(
    program: Program, lane: Lane
) -> None:
    lane.backend.serve(once(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel", Served.reset))
    with contextlib.closing(connect(program.http)) as client:
        client.send(lane.get())
        with pytest.raises(Ended):
            client.response()
        got = len(client.received)
    lane.backend.serve(once(b""))
    with contextlib.closing(connect(program.http)) as client:
        client.send(lane.get(b"/nobody-waits"))
        until(lambda: any(each.target == b"/nobody-waits" for each in lane.backend.requests))
        client.reset()

    owner = {**labels_of(lane), "method": "GET"}
    until(lambda: total(scrape(program), "requests_total", status="4xx", **owner) == 1)
    samples = scrape(program)
    assert total(samples, "requests_total", status="2xx", **owner) == 1
    assert total(samples, "request_duration_seconds_count", **labels_of(lane)) == 2
    assert total(samples, "response_duration_seconds_count", **labels_of(lane)) == 0
    assert total(samples, "response_bytes_total", **labels_of(lane)) == got
    assert total(samples, "requests_in_flight") == 0


def test_bytes_of_our_own_answers_are_bytes_of_answers(program: Program, lane: Lane) -> None:
    lane.backend.serve(once(b"nonsense\r\n\r\n"))
    with contextlib.closing(connect(program.http)) as client:
        assert client.ask(lane.get()).status == 502
        got = len(client.received)

    assert total(scrape(program), "response_bytes_total", **labels_of(lane)) == got


def test_a_retry_is_counted_when_an_endpoint_is_asked_again(program: Program, lane: Lane) -> None:
    lane.backend.serve(closing(b""))  # and nobody else is there
    with contextlib.closing(connect(program.http)) as client:
        assert client.ask(lane.get()).status == 502

    assert len(lane.backend.requests) == 1
    assert total(scrape(program), "retries_total", **labels_of(lane)) == 0


def _ingress(host: str, **annotations: str) -> Any:
    backend = {"service": {"name": "not-there", "port": {"number": 80}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": host.partition(".")[0],
            "annotations": {f"{PREFIX}{name}": value for name, value in annotations.items()},
        },
        "spec": {"ingressClassName": "pipy", "rules": [{"host": host, "http": {"paths": paths}}]},
    }


@pytest.mark.parametrize("workers", ["0", "1"])
def test_answers_to_paths_that_lead_to_no_service_are_counted_for_their_ingress(
    workers: str, tmp_path: Path
) -> None:
    closed = _ingress("closed.test", **{"upstream-ssl-verify": "perhaps"})
    folder = tmp_path / "manifests"
    folder.mkdir()
    for item in (_ingress("gone.test"), closed):
        host = item["spec"]["rules"][0]["host"]
        (folder / f"{host}.json").write_text(json.dumps(item))

    with running(folder, tmp_path / "log", "--workers", workers) as program:
        for host in (b"gone.test", b"gone.test", b"closed.test"):
            with contextlib.closing(connect(program.http)) as client:
                assert client.ask(b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % host).status == 503
        samples = scrape(program)

    of = {"namespace": "default", "service": "", "status": "5xx", "method": "GET"}
    assert total(samples, "requests_total", ingress="gone", **of) == 2
    assert total(samples, "requests_total", ingress="closed", **of) == 1
    assert total(samples, "replies_total", reason="no_service") == 2
    assert total(samples, "replies_total", reason="unprotected") == 1


def test_gauges_tell_what_is_open_now(program: Program) -> None:
    clients = [connect(program.http) for _ in range(3)]
    for client in clients:
        client.ask(b"GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n")
    many = total(scrape(program), "connections")
    for client in clients:
        client.close()

    assert many >= 3
    assert total(scrape(program), "findings", reason="no_endpoints") == 1
    assert total(scrape(program), "snapshot_generation") == 1


def test_handshakes_are_counted_by_result(program: Program) -> None:
    def results() -> dict[str, float]:
        samples = scrape(program)
        kinds = (
            "ok", "not_tls", "client_gone", "client_refused", "no_common_version",
            "no_common_protocol",
        )  # fmt: skip
        return {kind: total(samples, "tls_handshakes_total", result=kind) for kind in kinds}

    before = results()
    connect_tls(program.https, "secure.test").close()
    with contextlib.closing(connect(program.https)) as plain:
        plain.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            plain.sock.recv(100)
    with contextlib.closing(connect(program.https)) as gone:
        gone.half_close()
        with contextlib.suppress(ConnectionError):
            gone.sock.recv(100)
    old = tls_context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = ssl.TLSVersion.TLSv1_1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        connect_tls(program.https, "secure.test", old)
    strange = tls_context()
    strange.set_alpn_protocols(["foo"])
    with pytest.raises(ssl.SSLError):
        connect_tls(program.https, "secure.test", strange)
    distrustful = ssl.create_default_context()
    with pytest.raises(ssl.SSLCertVerificationError):
        connect_tls(program.https, "secure.test", distrustful)
    after = results()

    grown = {kind: after[kind] - before[kind] for kind in after}
    assert grown["not_tls"] == grown["client_gone"] == 1
    assert grown["no_common_version"] == grown["no_common_protocol"] == 1
    # The alert comes after the server's part of a TLS 1.3 handshake; which one is first is open.
    assert grown["ok"] + grown["client_refused"] == 2


def test_the_time_of_certificates_is_told_by_secret(program: Program) -> None:
    samples = scrape(program)

    secret = {"namespace": "default", "secret_name": "tls-named-secure-test"}
    name = "certificate_expiry_seconds"
    assert total(samples, name, **secret) > 1e9
