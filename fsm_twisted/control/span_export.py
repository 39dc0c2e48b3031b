"""
Spans of all workers on their way to a collector, by OTLP over HTTP.

It needs the extra ``[otel]``, so only who has been told of a collector imports it. Batching,
waiting and trying again are the library's, in a thread of its own; whatever OTEL_* variables say
of headers, certificates, compression and resource attributes holds.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
from twisted.logger import Logger

from fsm_twisted.observe.exposition import series
from fsm_twisted.observe.report import Number
from fsm_twisted.observe.spans import Span, unpack_spans

_log = Logger()

_LIBRARY: Final = "opentelemetry"
_SCOPE: Final = InstrumentationScope("fsm_twisted")
_OWN_NAME: Final = "fsm-ingress"
_NANOSECONDS: Final = 1_000_000_000
_FLUSH_SECONDS: Final = 3.0
_SILENT_SECONDS: Final = 60.0
_OUR_FAULT: Final = 500  # from this status on a server's span is an error

Attributes = dict[str, str | int | float]


class SpanExport:
    """
    Makes spans of what the data plane has sampled, and hands them to the library.

    Args:
        endpoint: The URL that batches are posted to.
    """

    def __init__(self, endpoint: str) -> None:
        self._exporter = _Counting(OTLPSpanExporter(endpoint))
        own = Resource({SERVICE_NAME: _OWN_NAME})
        self._resource = own.merge(OTELResourceDetector().detect())
        self._processor: BatchSpanProcessor | None = None

    def start(self) -> None:
        """Begin to export; not before the process has become a daemon."""
        library = logging.getLogger(_LIBRARY)
        library.addHandler(_Teller())
        library.propagate = False
        self._processor = BatchSpanProcessor(self._exporter)

    def take(self, batch: bytes) -> bool:
        """
        Take a batch of the data plane, and say that it has been taken.

        Raises:
            BatchError: It is none.
        """
        if self._processor is not None:
            for span in unpack_spans(batch):
                self._processor.on_end(self._readable(span))
        return True

    def counts(self) -> Mapping[str, Number]:
        """Return what has become of spans, by series."""
        done = self._exporter.done
        return {series("spans_total", result=result): done[result] for result in ("ok", "failed")}

    def close(self) -> None:
        """Export what waits, for at most a few seconds, and end."""
        if self._processor is not None:
            ending = threading.Thread(target=self._processor.shutdown, daemon=True)
            ending.start()
            ending.join(_FLUSH_SECONDS)

    def _readable(self, span: Span) -> ReadableSpan:
        record = span.record
        begun = int(record.begun * _NANOSECONDS)
        return ReadableSpan(
            name=f"{record.method} {record.route}".strip(),
            context=_context(span.trace_id, span.span_id, is_remote=False),
            parent=None
            if span.parent_id is None
            else _context(span.trace_id, span.parent_id, is_remote=True),
            resource=self._resource,
            attributes=attributes_of(span),
            kind=SpanKind.SERVER,
            status=Status(StatusCode.ERROR if record.status >= _OUR_FAULT else StatusCode.UNSET),
            start_time=begun,
            end_time=begun + int(record.seconds * _NANOSECONDS),
            instrumentation_scope=_SCOPE,
        )


def attributes_of(span: Span) -> Attributes:
    """
    Return the attributes of a span: those of HTTP servers (OpenTelemetry's conventions), and ours.

    The query is left out: it is where secrets are.
    """
    record = span.record
    found: Attributes = {
        "http.request.method": record.method,
        "http.response.status_code": record.status,
        "http.route": record.route,
        "url.path": record.path.partition("?")[0],
        "url.scheme": "https" if record.tls else "http",
        "server.address": record.host,
        "client.address": record.client,
        # The conventions write 1.0, 1.1 and 2.
        "network.protocol.version": record.protocol.removeprefix("HTTP/").replace("2.0", "2"),
        "user_agent.original": record.user_agent,
        "k8s.namespace.name": record.namespace,
        "k8s.ingress.name": record.ingress,
        "k8s.service.name": record.service,
        "fsm.request_id": record.request_id,
        "fsm.endpoints": record.endpoints,
        "fsm.tries": record.tries,
        "fsm.overhead_seconds": record.overhead_seconds,
        "error.type": record.reason,
    }
    return {name: value for name, value in found.items() if value != ""}


def _context(trace_id: int, span_id: int, *, is_remote: bool) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote, TraceFlags(TraceFlags.SAMPLED))


class _Counting(SpanExporter):
    """Counts what another exporter does."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self.done: Counter[str] = Counter()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        self.done["ok" if result is SpanExportResult.SUCCESS else "failed"] += len(spans)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


class _Teller(logging.Handler):
    """Has the program's log say what the library complains of, once a minute at most."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._silent_until = float("-inf")

    def emit(self, record: logging.LogRecord) -> None:
        now = time.monotonic()
        if now >= self._silent_until:
            self._silent_until = now + _SILENT_SECONDS
            _log.warn("spans cannot be exported: {what}", what=record.getMessage()[:500])
