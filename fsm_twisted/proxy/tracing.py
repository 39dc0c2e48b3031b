"""
Traces: which one a request belongs to, and what is told of those that are sampled.

A request that is sampled goes on under a span of ours; another one keeps the traceparent that it
came with, so that no trace loses its thread, or gets one that says that it is not sampled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import attrs

from fsm_twisted.message.fields import values_of
from fsm_twisted.message.traceparent import TraceParent, parse_traceparent
from fsm_twisted.observe.access import head_alone
from fsm_twisted.observe.exposition import series
from fsm_twisted.observe.spans import with_parent
from fsm_twisted.proxy.record import Recorder, note_of

if TYPE_CHECKING:
    from fsm_twisted.message.heads import RequestHead
    from fsm_twisted.observe.report import Number
    from fsm_twisted.proxy.client import Claims
    from fsm_twisted.proxy.exchange import Exchange
    from fsm_twisted.proxy.record import Answering
    from fsm_twisted.snapshot.reasons import ReplyReason

# Blanks are taken off afterwards: here a run of them could be divided in as many ways as it is
# long, and a head of 32 KiB would take seconds.
_PARENT: Final = re.compile(rb"\r\ntraceparent:([^\r]*+)(?=\r\n)", re.IGNORECASE)
_CONTEXT: Final = re.compile(rb"\r\ntrace(?:parent|state):[^\r]*+(?=\r\n)", re.IGNORECASE)
_BLANKS: Final = b" \t"
_STATUS: Final = slice(9, 12)  # in the first line of an answer
_BOTH: Final = (b"traceparent", b"tracestate")
_BEGIN: Final = b"\r\ntrace"
_TRACE_BITS: Final = 128
_SPAN_BITS: Final = 64


class Tracer:
    """
    Gives requests their place in a trace.

    Args:
        share: The part of those requests that is sampled of which nobody else has decided it.
        draw: Gives a random number of at least 0 and below 1.
        draw_bits: Gives a random number of so many bits.
    """

    def __init__(
        self, share: float, draw: Callable[[], float], draw_bits: Callable[[int], int]
    ) -> None:
        self._share = share
        self._draw = draw
        self._draw_bits = draw_bits

    def begin(self, exchange: Exchange, *, is_trusted: bool = False) -> None:
        """
        Decide whether a request is sampled, and say so in its head.

        Args:
            exchange: Of a usual request, which is yet to be sent.
            is_trusted: Whether it comes from a trusted proxy.
        """
        sent = exchange.head_bytes
        head = head_alone(sent)  # a short body may follow it
        rest = sent[len(head) :]
        # Most heads have neither field, and this is the quick way to know.
        has_context = _BEGIN in head.lower()
        parent = _parent_of(_PARENT.findall(head)) if has_context else None
        ours = self._ours(parent, is_trusted=is_trusted)
        if ours is None:
            return
        if has_context:
            # What was said of a trace that cannot be read belongs to no trace.
            head = (_CONTEXT if parent is None else _PARENT).sub(b"", head)
        exchange.head_bytes = b"".join((head, _line(ours), rest))
        exchange.parent_span = _above(ours, parent)

    def placed(
        self, head: RequestHead, claims: Claims
    ) -> tuple[RequestHead, Claims, bytes | None]:
        """
        Decide whether any request is sampled.

        Returns:
            Its head and our fields as an endpoint is to get them, and `Account.parent_span`.
        """
        parent = _parent_of(values_of(head.fields, b"traceparent"))
        ours = self._ours(parent, is_trusted=claims.is_trusted)
        if ours is None:
            return head, claims, None
        stale = _BOTH if parent is None else _BOTH[:1]
        fields = tuple(each for each in head.fields if each[0].lower() not in stale)
        head = attrs.evolve(head, fields=fields)
        claims = attrs.evolve(claims, fields=claims.fields + _line(ours))
        return head, claims, _above(ours, parent)

    def _ours(self, parent: TraceParent | None, *, is_trusted: bool) -> TraceParent | None:
        """Return what the endpoint is to be told, None when the request goes on as it came."""
        if parent is not None and is_trusted:
            is_sampled = parent.is_sampled
        else:
            is_sampled = self._draw() < self._share
        if parent is not None and not is_sampled:
            return None
        trace_id = self._number(_TRACE_BITS) if parent is None else parent.trace_id
        return TraceParent(trace_id, self._number(_SPAN_BITS), is_sampled)

    def _number(self, bits: int) -> bytes:
        return b"%0*x" % (bits // 4, self._draw_bits(bits) or 1)


def _parent_of(values: Sequence[bytes]) -> TraceParent | None:
    """Return the context that a request has come with; several are none."""
    return parse_traceparent(values[0].strip(_BLANKS)) if len(values) == 1 else None


def _line(ours: TraceParent) -> bytes:
    return b"traceparent: %b\r\n" % ours.value


def _above(ours: TraceParent, parent: TraceParent | None) -> bytes | None:
    """Return `Account.parent_span` of a request that is told *ours*."""
    if not ours.is_sampled:
        return None
    return b"" if parent is None else parent.parent_id


class SpanRecorder(Recorder):
    """
    Collects exchanges that are sampled, and passes all that it is told on to the access log.

    Attributes:
        log: What the access log is told by, if there is one.
    """

    log: Recorder | None = None

    def usual(
        self,
        exchange: Exchange,
        tries: tuple[int, bytes],
        data: bytes,
        bytes_out: int,
        now: float,
    ) -> None:
        """Record an exchange on the straight road, if it is sampled."""
        if self.log is not None:
            self.log.usual(exchange, tries, data, bytes_out, now)
        if exchange.parent_span is not None:
            body = len(data) - data.find(b"\r\n\r\n") - len(b"\r\n\r\n")
            exchange.bytes_out, exchange.head_bytes_out = bytes_out, bytes_out - body
            self._keep_span(exchange, now, int(data[_STATUS]), b"")

    def _end(self, exchange: Exchange, now: float, status: int, reason: bytes) -> None:
        if self.log is not None:
            self.log._end(exchange, now, status, reason)
        if exchange.parent_span is not None:
            self._keep_span(exchange, now, status, reason)

    def _answered(
        self,
        downstream: Answering,
        reason: ReplyReason,
        head_bytes: int,
        bytes_out: int,
        grpc_status: int | None,
    ) -> None:
        # What no endpoint is asked for has no span.
        if self.log is not None:
            self.log._answered(downstream, reason, head_bytes, bytes_out, grpc_status)

    def _keep_span(self, exchange: Exchange, now: float, status: int, reason: bytes) -> None:
        parent = exchange.parent_span or b""
        self._keep(with_parent(note_of(exchange, now, status, reason), parent))

    def flush(self) -> None:
        """Hand on what has been collected."""
        super().flush()
        if self.log is not None:
            self.log.flush()

    def counters(self, *, is_log: bool) -> dict[str, Number]:
        """Return how many nobody could take, by series; see `Recorder.counters`."""
        own: dict[str, Number] = {series("spans_dropped_total", at="worker"): self.dropped}
        return own if self.log is None else {**own, **self.log.counters(is_log=is_log)}
