"""/metrics: all of it, a piece a turn, for as long as somebody reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import Site

from fsm_twisted.admin.metrics import MOST_SCRAPES, Metrics, control_series
from fsm_twisted.compiler.options import CompilerOptions
from fsm_twisted.control.controller import Controller
from fsm_twisted.observe.cells import UpstreamCells
from fsm_twisted.observe.report import Report, UpstreamCounts
from fsm_twisted.proxy.telemetry import labels_of
from fsm_twisted.snapshot.identity import IngressId, ServicePortId, UpstreamId
from fsm_twisted.snapshot.model import Match, Route, Snapshot, Upstream, VirtualHost
from fsm_twisted.sources.manifests import Contents
from tests.compiler.test_tls import ingress, secret
from tests.net.turning import logged
from tests.strategies.certificates import days, make_pair

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TURN_SECONDS = 0.001
SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"


def upstream(ingress_name: str, service: str = "s", port: int = 80) -> Upstream:
    return Upstream(UpstreamId(IngressId("n", ingress_name), ServicePortId("n", service, port)))


class TurnClock(Clock):
    """A clock on which "at once" is the next turn, as on a reactor."""

    def callLater(  # noqa: N802
        self,
        delay: float,
        callable: Callable[..., object],  # noqa: A002
        *args: object,
        **kw: object,
    ) -> IDelayedCall:
        return super().callLater(max(delay, TURN_SECONDS), callable, *args, **kw)

    def is_due(self) -> bool:
        """Whether the next turn has something to do."""
        until = self.seconds() + 2 * TURN_SECONDS
        return any(call.getTime() <= until for call in self.getDelayedCalls())


class Scrape:
    """An admin port, and a connection to it that keeps what it is sent."""

    def __init__(self, ingresses: int = 0) -> None:
        self.clock = TurnClock()
        self.now = NOW
        self.answers: Callable[[], Deferred[Report]] | None = None
        self.controller = Controller(CompilerOptions(), lambda _: None, now=lambda: self.now)
        cells = UpstreamCells()
        cells.observe(b"GET", 2, 1, 1)
        counts = UpstreamCounts.of(cells)
        upstreams = [upstream(f"i{number}") for number in range(ingresses)]
        self.controller.snapshot = Snapshot(1, upstreams={each.id: each for each in upstreams})
        keys = [("n", f"i{number}", "s") for number in range(ingresses)]
        self.report = Report(dict.fromkeys(keys, counts))
        root = Resource()
        root.putChild(
            b"metrics",
            Metrics(self.clock, self.ask_workers, self.controller, lambda: {"workers": 2}),
        )
        self.site = Site(root)
        self.transport = StringTransport()
        self.channel = self.connect(self.transport)

    def ask_workers(self) -> Deferred[Report]:
        """Answer at once with the report of this world."""
        return succeed(self.report) if self.answers is None else self.answers()

    def connect(self, transport: StringTransport) -> Any:
        channel: Any = self.site.buildProtocol(None)
        channel.callLater = self.clock.callLater  # its own timeouts, on our clock
        channel.makeConnection(transport)
        return channel

    def ask(self) -> None:
        self.channel.dataReceived(SCRAPE)

    def turns(self) -> Iterator[bytes]:
        """Let turns pass, as long as something is to be done at once; give each one's output."""
        while self.clock.is_due():
            self.clock.advance(TURN_SECONDS)
            said = self.transport.value()
            self.transport.clear()
            yield said

    def text(self) -> str:
        """Return the body of the answer so far, chunks joined."""
        _, _, rest = b"".join(self.turns()).partition(b"\r\n\r\n")
        body = b""
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            body += rest[: int(size, 16)]
            rest = rest[int(size, 16) + 2 :]
        return body.decode()


@pytest.fixture
def scrape() -> Iterator[Scrape]:
    made = Scrape(ingresses=50)
    yield made
    if not made.transport.disconnected:
        made.channel.connectionLost(Failure(ConnectionResetError()))
    assert made.clock.getDelayedCalls() == []


def test_the_answer_is_whole_and_prometheus_reads_it(scrape: Scrape) -> None:
    scrape.ask()

    families = {each.name: each for each in text_string_to_metric_families(scrape.text())}

    assert len(families["fsm_ingress_requests"].samples) == 50
    assert families["fsm_ingress_workers"].samples[0].value == 2
    assert families["process_open_fds"].samples[0].value > 0
    assert "python_gc_collections" in families


def test_one_turn_writes_one_piece(scrape: Scrape) -> None:
    scrape.ask()

    longest = max(said.count(b"\nfsm_ingress_") for said in scrape.turns())

    assert 0 < longest <= 200


def test_a_deleted_ingress_has_no_series_any_more(scrape: Scrape) -> None:
    kept = upstream("i7")
    scrape.controller.snapshot = Snapshot(2, upstreams={kept.id: kept})
    scrape.ask()

    text = scrape.text()

    assert 'ingress="i7"' in text
    assert 'ingress="i8"' not in text


def test_two_ports_of_a_service_are_one_label() -> None:
    upstreams = [upstream("i", port=80), upstream("i", port=81), upstream("i", "t")]
    snapshot = Snapshot(1, upstreams={each.id: each for each in upstreams})

    assert list(labels_of(snapshot)) == [("n", "i", "s"), ("n", "i", "t")]


def test_an_ingress_with_a_path_to_no_service_is_a_label_as_well() -> None:
    ours = upstream("i")
    served = Route(ours.id.ingress, "a", "/", Match.PREFIX, ours.id)
    refused = attrs.evolve(served, path="/gone", upstream=None)
    hosts = {"a": VirtualHost("a", (served, refused, attrs.evolve(refused, path="/too")))}
    snapshot = Snapshot(1, hosts, {ours.id: ours})

    assert list(labels_of(snapshot)) == [("n", "i", "s"), ("n", "i", "")]


def test_a_reader_that_stops_reading_is_waited_for(scrape: Scrape) -> None:
    scrape.ask()
    turns = scrape.turns()
    next(turns)
    producer = scrape.transport.producer
    assert producer is not None

    producer.pauseProducing()
    assert b"".join(turns) == b""
    producer.resumeProducing()

    assert b"fsm_ingress_workers 2" in b"".join(scrape.turns())


def test_a_reader_that_goes_away_ends_the_work(scrape: Scrape) -> None:
    scrape.ask()
    next(scrape.turns())

    scrape.channel.connectionLost(Failure(ConnectionResetError()))
    scrape.transport.disconnected = True

    assert list(scrape.turns()) == []


def test_a_reader_that_goes_away_while_workers_are_asked_ends_the_work(scrape: Scrape) -> None:
    cancelled: list[object] = []
    scrape.answers = lambda: Deferred(cancelled.append)
    scrape.ask()

    scrape.channel.connectionLost(Failure(ConnectionResetError()))
    scrape.transport.disconnected = True

    assert len(cancelled) == 1


def test_more_scrapes_at_the_same_time_than_allowed_are_refused(scrape: Scrape) -> None:
    waiting: list[Deferred[Report]] = [Deferred() for _ in range(MOST_SCRAPES)]
    asked = iter(waiting)
    scrape.answers = lambda: next(asked)
    answers = [StringTransport() for _ in range(MOST_SCRAPES + 1)]
    channels = [scrape.connect(each) for each in answers]
    for channel in channels:
        channel.dataReceived(SCRAPE)

    assert [each.value()[:12] for each in answers] == [b""] * MOST_SCRAPES + [b"HTTP/1.1 503"]
    for each in waiting:
        each.callback(Report())
    while scrape.clock.is_due():
        scrape.clock.advance(TURN_SECONDS)
    assert all(each.value().startswith(b"HTTP/1.1 200") for each in answers[:-1])
    for channel in channels:
        channel.connectionLost(Failure(ConnectionResetError()))


def test_a_report_that_fails_is_an_answer_of_500_and_a_line_in_the_log(scrape: Scrape) -> None:
    with logged() as log:
        scrape.answers = lambda: fail(RuntimeError("no report"))
        scrape.ask()

    assert scrape.transport.value().startswith(b"HTTP/1.1 500")
    assert [str(each) for each in log.failures] == ["no report"]


def test_a_piece_that_cannot_be_made_cuts_the_answer(scrape: Scrape) -> None:
    scrape.report = Report(scrape.report.upstreams, gauges={"in_no_table": 1})
    with logged() as log:
        scrape.ask()
        text = b"".join(scrape.turns())

    assert text.startswith(b"HTTP/1.1 200")
    assert not text.endswith(b"0\r\n\r\n")
    assert scrape.transport.disconnecting
    assert [type(each) for each in log.failures] == [KeyError]


def test_the_control_road_tells_age_findings_and_certificates() -> None:
    times = {"now": NOW}
    controller = Controller(CompilerOptions(), lambda _: None, now=lambda: times["now"])
    assert control_series(controller)["snapshot_age_seconds"] == 0.0
    web = ingress("web", ("a.example", "tls"), ("b.example", "absent"))
    pair = make_pair("a", ("a.example",), begin=NOW - days(30), end=NOW + days(30))
    controller.contents_changed(Contents((web, secret("tls", pair)), {}, ()))
    times["now"] += timedelta(seconds=90)

    series = control_series(controller)

    assert series["snapshot_generation"] == 1
    assert series["snapshot_age_seconds"] == 90
    assert series['findings{reason="secret_missing"}'] == 1
    (expiry,) = [number for name, number in series.items() if name.startswith("certificate")]
    assert 'certificate_expiry_seconds{namespace="default",secret_name="tls"}' in series
    assert datetime.fromtimestamp(expiry, UTC) == NOW + days(30)
