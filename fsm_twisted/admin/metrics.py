"""
``/metrics`` on the admin port: what has been counted, for Prometheus.

The text is collected, made and written a piece a turn: five thousand Ingresses are twenty
megabytes, and no request may wait for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request
from zope.interface import implementer

from fsm_twisted._version import __version__
from fsm_twisted.compiler.findings import Finding
from fsm_twisted.control.controller import Controller
from fsm_twisted.observe.exposition import CONTENT_TYPE, render, series
from fsm_twisted.observe.report import Number, Report
from fsm_twisted.proxy.telemetry import labels_of
from fsm_twisted.snapshot.reasons import Severity

_log = Logger()

MOST_SCRAPES: Final = 4
MOST_FINDINGS: Final = 1000


def control_series(controller: Controller) -> Mapping[str, Number]:
    """Return what the control road knows, by series."""
    found: dict[str, Number] = {
        "snapshot_generation": controller.snapshot.generation,
        "snapshot_age_seconds": controller.age_seconds,
        series("build_info", version=__version__): 1,
    }
    for code, number in Counter(each.reason.code for each in controller.findings).items():
        found[series("findings", reason=code)] = number
    worst = sorted(
        controller.findings, key=lambda each: each.reason.severity is not Severity.ERROR
    )
    for finding in worst[:MOST_FINDINGS]:
        found[_finding_series(finding)] = 1
    for each in controller.certificates:
        namespace, secret = each.secret.namespace, each.secret.name
        name = series("certificate_expiry_seconds", namespace=namespace, secret_name=secret)
        found[name] = int(each.not_after.timestamp())
    return found


def _finding_series(finding: Finding) -> str:
    about, reason = finding.object, finding.reason
    return series(
        "finding",
        severity=reason.severity.value,
        reason=reason.code,
        kind=about.kind,
        namespace=about.namespace,
        name=about.name,
        remedy=finding.remedy,
    )


class Metrics(Resource):
    """
    The resource.

    Args:
        reactor: The one that runs.
        report: Asked at each scrape for the counts of all processes.
        controller: Of this process.
        further: Series of the master that are known elsewhere.
    """

    isLeaf = True

    def __init__(
        self,
        reactor: Any,
        report: Callable[[], Deferred[Report]],
        controller: Controller,
        further: Callable[[], Mapping[str, Number]],
    ) -> None:
        super().__init__()
        self._reactor = reactor
        self._report = report
        self._controller = controller
        self._further = further
        self._scrapes = 0
        # Memory, processor time, open files and garbage collections of this process.
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def render_GET(self, request: Request) -> bytes | int:
        """Answer with the metrics as text, or 503 while `MOST_SCRAPES` others are answered."""
        if self._scrapes >= MOST_SCRAPES:
            request.setResponseCode(503)
            return b"too many scrapes at the same time\n"
        self._scrapes += 1
        answering = Deferred.fromCoroutine(self._answer(request))
        request.notifyFinish().addErrback(lambda _: answering.cancel())
        answering.addErrback(lambda failure: failure.trap(CancelledError))
        answering.addErrback(lambda failure: self._failed(request, failure))
        answering.addBoth(self._ended)
        return NOT_DONE_YET

    async def _answer(self, request: Request) -> None:
        report = await self._report()
        request.setHeader(b"content-type", CONTENT_TYPE)
        request.setHeader(b"cache-control", b"no-store")
        await Writer(self._reactor, request, self._pieces(report)).done
        request.finish()

    def _pieces(self, report: Report) -> Iterator[bytes]:
        shown = report.only(labels_of(self._controller.snapshot))
        own = {**control_series(self._controller), **self._further()}
        for text in render(shown, own):
            yield text.encode("utf-8", "backslashreplace")
        yield generate_latest(self._registry)

    def _failed(self, request: Request, failure: Failure) -> None:
        _log.failure("no metrics", failure)
        if request.startedWriting:
            request.loseConnection()  # half of the metrics may not pass for the whole
        else:
            request.setResponseCode(500)
            request.finish()

    def _ended(self, _: object) -> None:
        self._scrapes -= 1


@implementer(IPushProducer)
class Writer:
    """
    Writes pieces to a request, one a turn, and waits while the other side does not read.

    Attributes:
        done: Fires when the last piece has been handed over, fails when one cannot be made;
            cancelling it ends the writing.
    """

    def __init__(self, reactor: Any, request: Request, pieces: Iterator[bytes]) -> None:
        self._reactor = reactor
        self._request = request
        self._pieces = pieces
        self._turn: Any = None
        self.done: Deferred[None] = Deferred(lambda _: self.pauseProducing())
        request.registerProducer(self, streaming=True)
        self.resumeProducing()

    def resumeProducing(self) -> None:
        """Go on with the next turn."""
        if self._turn is None:
            self._turn = self._reactor.callLater(0, self._write)

    def pauseProducing(self) -> None:
        """Wait."""
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None

    def stopProducing(self) -> None:
        """Learn that the client has gone; the request tells whoever waits."""
        self.pauseProducing()

    def _write(self) -> None:
        self._turn = None
        try:
            piece = next(self._pieces, None)
        except Exception:  # noqa: BLE001  a piece that cannot be made: whoever waits says so
            self._request.unregisterProducer()
            self.done.errback(Failure())
            return
        if piece is None:
            self._request.unregisterProducer()
            self.done.callback(None)
            return
        self.resumeProducing()
        self._request.write(piece)
