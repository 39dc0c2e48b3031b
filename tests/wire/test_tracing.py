"""Traces: kept or started on the wire, and told to a collector."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.wire.harness.backend import OK
from tests.wire.harness.client import connect, connect_tls
from tests.wire.harness.http2 import connect_h2
from tests.wire.harness.http2_backend import Asked, Http2Server, speaking
from tests.wire.harness.lanes import Lane, World
from tests.wire.harness.message import Request
from tests.wire.harness.program import Program, running
from tests.wire.test_metrics import scrape, total
from tests.workers.processes import until

trace_service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")

TRACE, SPAN = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"
GIVEN = b"traceparent: 00-%b-%b-01\r\ntracestate: a=1,b=2\r\n" % (TRACE, SPAN)
UNUSUAL = b"Connection: x\r\n"
PARENT = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])")


class Collector(http.server.ThreadingHTTPServer):
    """Takes spans, as OTLP has them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.spans: list[Any] = []
        self.resources: list[Any] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def span(self, lane: Lane) -> dict[str, Any]:
        """Wait for the only span of a host; return its attributes, and itself."""
        host = lane.host.decode()

        def found() -> list[dict[str, Any]]:
            return [each for each in map(_plain, self.spans) if each["server.address"] == host]

        until(found)
        (span,) = found()
        return span


class _Taking(http.server.BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        message = trace_service.ExportTraceServiceRequest.FromString(body)
        assert self.path == "/v1/traces"
        for resource in message.resource_spans:
            self.server.resources.append(resource.resource)
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _plain(span: Any) -> dict[str, Any]:
    values = {
        each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes
    }
    return {
        "name": span.name,
        "kind": span.kind,
        "trace": span.trace_id.hex().encode(),
        "span": span.span_id.hex().encode(),
        "parent": span.parent_span_id.hex().encode(),
        "seconds": (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
        "error": span.status.code,
        **values,
    }


@attrs.define
class Traced:
    """A program and its collector."""

    program: Program
    collector: Collector

    def ask(self, lane: Lane, extra: bytes = b"", road: str = "plain") -> Request:
        """Send a request on a road; return what the endpoint got."""
        if road == "h2":
            with contextlib.closing(connect_h2(self.program.https)) as speaker:
                lines = [each.split(b": ", 1) for each in extra.split(b"\r\n")[:-1]]
                fields = [(name.lower(), value) for name, value in lines if name != b"Connection"]
                assert speaker.ask(lane, fields=fields, path=b"/a?secret").status == 200
        else:
            source = "127.0.0.2" if road == "trusted" else "127.0.0.1"
            client = (
                connect_tls(self.program.https, "x.test")
                if road == "tls"
                else connect(self.program.http, source=source)
            )
            with contextlib.closing(client):
                client.ask(lane.get(b"/a?secret", extra))
        return lane.backend.requests[-1]


@contextlib.contextmanager
def tracing(world: World, path: Path, *options: str) -> Iterator[Traced]:
    hasty = {"OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    before = dict(os.environ)
    os.environ.update(hasty, OTEL_RESOURCE_ATTRIBUTES="deployment.environment=test")
    collector = Collector()
    try:
        given = ("--trace-collector", collector.url, "--plain-http-on-tls-hosts", "serve")
        with running(world.folder, path, *given, *options) as program:
            yield Traced(program, collector)
    finally:
        os.environ.clear()
        os.environ.update(before)
        collector.shutdown()
        collector.server_close()


@pytest.fixture(scope="module")
def traced(whole_world: World, logs: Path) -> Iterator[Traced]:
    options = ("--trace-sample", "1", "--workers", "2")
    with tracing(whole_world, logs / "traced", *options) as traced:
        yield traced


@pytest.fixture(scope="module")
def unsampled(whole_world: World, logs: Path) -> Iterator[Traced]:
    options = ("--trace-sample", "0", "--trusted-proxies", "127.0.0.2")
    with tracing(whole_world, logs / "unsampled", *options) as traced:
        yield traced


def parent_of(request: Request) -> tuple[bytes, bytes, bytes]:
    """Return trace, span and flags that the endpoint was told."""
    found = PARENT.fullmatch(request.get(b"traceparent") or b"")
    assert found, request.head
    return found[1], found[2], found[3]


@pytest.mark.parametrize("extra", [b"", UNUSUAL], ids=["straight", "general"])
@pytest.mark.parametrize("road", ["plain", "tls", "h2"])
def test_a_request_without_a_trace_begins_one(
    traced: Traced, lane: Lane, road: str, extra: bytes
) -> None:
    lane.backend.answer(OK)
    trace, span, flags = parent_of(traced.ask(lane, extra, road))

    told = traced.collector.span(lane)
    assert (told["trace"], told["span"], told["parent"], flags) == (trace, span, b"", b"01")
    service = lane.host.decode().replace(".", "-")
    expected = {
        "name": "GET /",
        "kind": 2,
        "error": 0,
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/",
        "url.path": "/a",
        "url.scheme": "http" if road == "plain" else "https",
        "network.protocol.version": "2" if road == "h2" else "1.1",
        "client.address": "127.0.0.1",
        "k8s.namespace.name": "default",
        "k8s.ingress.name": "lanes",
        "k8s.service.name": service,
        "fsm.endpoints": f"127.0.0.1:{lane.backend.port}",
        "fsm.tries": 1,
    }
    assert {key: told[key] for key in expected} == expected
    assert 0 < told["seconds"] < 10
    assert "secret" not in str(told)


@pytest.mark.parametrize("extra", [b"", UNUSUAL], ids=["straight", "general"])
@pytest.mark.parametrize("road", ["plain", "h2"])
def test_a_trace_goes_on_under_our_span(
    traced: Traced, lane: Lane, road: str, extra: bytes
) -> None:
    lane.backend.answer(OK)
    request = traced.ask(lane, extra + GIVEN, road)

    trace, span, _ = parent_of(request)
    told = traced.collector.span(lane)
    assert (told["trace"], told["span"], told["parent"]) == (TRACE, span, SPAN)
    assert trace == TRACE
    assert request.get(b"tracestate") == b"a=1,b=2"


@pytest.mark.parametrize("given", [b"", GIVEN], ids=["begun", "kept"])
def test_an_endpoint_of_http2_is_told_as_well(traced: Traced, world: World, given: bytes) -> None:
    lane = world.http2()
    seen: list[Asked] = []

    def play(server: Http2Server) -> None:
        seen.append(server.request())
        server.answer(seen[0].number, b"ok")
        server.request(1)

    lane.backend.serve(speaking(play))
    with contextlib.closing(connect(traced.program.http)) as client:
        assert client.ask(lane.get(extra=given)).status == 200

    (asked,) = seen
    found = PARENT.fullmatch(asked.get(b"traceparent") or b"")
    assert found
    told = traced.collector.span(lane)
    assert (told["trace"], told["span"]) == (found[1], found[2])
    assert (found[1] == TRACE) == bool(given)
    assert asked.get(b"tracestate") == (b"a=1,b=2" if given else None)


@pytest.mark.parametrize(
    "bad", [b"traceparent: nonsense\r\ntracestate: a=1\r\n", GIVEN + b"TraceParent: x\r\n"]
)
def test_what_cannot_be_read_is_replaced(traced: Traced, lane: Lane, bad: bytes) -> None:
    lane.backend.answer(OK)
    request = traced.ask(lane, bad)

    assert parent_of(request)[0] != TRACE
    assert request.get(b"tracestate") is None
    assert traced.collector.span(lane)["parent"] == b""


def test_blanks_in_a_trace_take_no_time(traced: Traced, lane: Lane) -> None:
    lane.backend.answer(OK)
    before = traced.program.cpu_seconds()
    request = traced.ask(lane, b"traceparent: x%by\r\n" % (b" " * 16_000))

    assert traced.program.cpu_seconds() - before < 1  # it took 2 s
    assert parent_of(request)[0] != TRACE


def test_a_trace_may_have_blanks_around_it(traced: Traced, lane: Lane) -> None:
    lane.backend.answer(OK)
    request = traced.ask(
        lane, GIVEN.replace(b"parent: ", b"parent:\t ").replace(b"-01\r", b"-01 \t\r")
    )

    assert parent_of(request)[0] == TRACE


@pytest.mark.parametrize("given", [b"", GIVEN, b"traceparent: x\r\n"], ids=["no", "good", "bad"])
@pytest.mark.parametrize(
    "body",
    [
        b"x=1",
        b"\r\n\r\n",
        b"\r\n%btraceparent: 00-%b-%b-01\r\n\r\n" % (GIVEN, b"a" * 32, b"b" * 16),
    ],
    ids=["short", "lines", "look-alike"],
)
def test_a_body_that_comes_with_its_head_is_no_part_of_it(
    traced: Traced, lane: Lane, given: bytes, body: bytes
) -> None:
    lane.backend.answer(OK)
    with contextlib.closing(connect(traced.program.http)) as client:
        client.ask(lane.post(body, given))
        client.ask(lane.get(extra=given))

    first, second = lane.backend.requests[-2:]
    assert (first.body, second.method) == (body, b"GET")
    told = [parent_of(each)[:2] for each in (first, second)]
    assert (told[0][0] == TRACE) == (given == GIVEN)

    def spans() -> list[tuple[bytes, bytes]]:
        found = map(_plain, traced.collector.spans)
        host = lane.host.decode()
        return [(each["trace"], each["span"]) for each in found if each["server.address"] == host]

    until(lambda: len(spans()) == 2)
    assert sorted(spans()) == sorted(told)


def test_a_span_says_what_went_wrong(traced: Traced, lane: Lane) -> None:
    with contextlib.closing(connect(traced.program.http)) as client:
        assert client.ask(lane.get()).status == 502

    told = traced.collector.span(lane)
    assert (told["error"], told["error.type"]) == (2, "connect_failed")
    assert told["http.response.status_code"] == 502


def test_an_ingress_may_be_out_of_the_log_and_in_the_traces(traced: Traced, world: World) -> None:
    lane = world.by_name("quiet-log.test")
    lane.backend.answer(OK)
    before = len(traced.collector.spans)
    traced.ask(lane)
    until(lambda: len(traced.collector.spans) > before)
    service = traced.collector.resources[-1].attributes
    said = {each.key: each.value.string_value for each in service}
    assert said["service.name"] == "fsm-ingress"
    assert said["deployment.environment"] == "test"
    until(lambda: total(scrape(traced.program), "spans_total", result="ok") > before)


def test_who_is_not_sampled_keeps_the_trace_as_it_came_and_the_trusted_decide(
    unsampled: Traced, world: World
) -> None:
    stranger, newcomer, trusted, refused = (world.single() for _ in range(4))
    for lane in (stranger, newcomer, trusted, refused):
        lane.backend.answer(OK)

    assert parent_of(unsampled.ask(stranger, GIVEN)) == (TRACE, SPAN, b"01")
    assert parent_of(unsampled.ask(newcomer))[2] == b"00"
    not_sampled = GIVEN.replace(b"-01\r", b"-00\r")
    assert parent_of(unsampled.ask(refused, not_sampled, "trusted")) == (TRACE, SPAN, b"00")
    trace, span, flags = parent_of(unsampled.ask(trusted, GIVEN, "trusted"))

    told = unsampled.collector.span(trusted)
    assert (told["span"], told["parent"]) == (span, SPAN)
    assert (trace, flags) == (TRACE, b"01")
    assert len(unsampled.collector.spans) == 1


def test_without_a_collector_nothing_is_touched(steady: Program, lane: Lane) -> None:
    lane.backend.answer(OK)
    with contextlib.closing(connect(steady.http)) as client:
        client.ask(lane.get(extra=GIVEN + b"traceparent: twice\r\n"))
        client.ask(lane.get())
    first, second = lane.backend.requests
    assert first.head.count(b"traceparent: ") == 2
    assert second.get(b"traceparent") is None


def test_a_collector_that_is_away_harms_no_request(
    whole_world: World, logs: Path, lane: Lane
) -> None:
    lane.backend.answer(OK)
    with tracing(whole_world, logs / "alone", "--trace-sample", "1") as traced:
        traced.collector.shutdown()
        traced.collector.server_close()
        traced.ask(lane)
        until(lambda: total(scrape(traced.program), "spans_total", result="failed") == 1)
        traced.ask(lane)
        assert traced.program.log.count("spans cannot be exported") == 1
