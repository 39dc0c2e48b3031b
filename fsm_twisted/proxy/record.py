"""
What the access log is told of requests, each at its end, exactly once.

On the straight road this is copying a dozen values; heads are read by whoever writes the lines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

import attrs

from fsm_twisted.net.stream import Stream
from fsm_twisted.net.tls_stream import TlsStream
from fsm_twisted.observe.access import UNTOLD, Note, Noted, head_alone, pack_batch, pack_peer
from fsm_twisted.observe.exposition import series

if TYPE_CHECKING:
    from fsm_twisted.message.heads import RequestHead
    from fsm_twisted.observe.report import Number
    from fsm_twisted.proxy.client import Claims, Peer
    from fsm_twisted.proxy.exchange import Exchange
    from fsm_twisted.proxy.runtime import BoundRoute
    from fsm_twisted.snapshot.reasons import ReplyReason

FLUSH_SECONDS: Final = 0.2
_BATCH: Final = (
    32  # few enough for the nearest caches; and of heads of 8 KiB within a channel's message
)
_LONG_HEAD_BYTES: Final = 8 * 1024
_LONGEST_TEXT: Final = 2 * 1024
_WANTED: Final = (
    b"host:", b"user-agent:", b"referer:", b"x-request-id:", b"x-real-ip:", b"traceparent:",
    b"parent-span:",
)  # fmt: skip
NOBODY_WAITS: Final = 499  # of nginx: the client has closed before its answer
_STATUS: Final = slice(9, 12)
_STATUSES: Final = {b"%d" % status: status for status in range(100, 1000)}
_EMPTY_LINE: Final = b"\r\n\r\n"
_LINE_ENDS: Final = len(_EMPTY_LINE)


@attrs.frozen
class Asked:
    """A request that gets an answer of ours without ever becoming an exchange."""

    head: RequestHead
    claims: Claims
    bound: BoundRoute | None
    bytes_in: int
    minor: int = attrs.field()

    @minor.default
    def _minor(self) -> int:
        return self.head.minor

    @property
    def method(self) -> bytes:
        """What it asks for."""
        return self.head.method

    @property
    def persistent(self) -> bool:
        """Whether the client allows another request."""
        return self.head.persistent

    def forwarded(self) -> bytes:
        """Write what the log wants to know, as a head that goes to an endpoint has it."""
        head = self.head
        begin = (head.method, head.target.wire, head.authority.wire)
        lines = [b"%b %b HTTP/1.1\r\nHost: %b\r\n" % begin]
        for name, value in head.fields:
            if name.lower() in {b"user-agent", b"referer"}:
                lines.append(b"%b: %b\r\n" % (name, value))
        return b"".join((*lines, self.claims.fields))


class Unasked(Protocol):
    """What no endpoint is asked for: a request (`Asked`), or a TLS connection."""

    @property
    def bound(self) -> BoundRoute | None:
        """Its route, if it has one."""

    @property
    def bytes_in(self) -> int:
        """Its size."""

    @property
    def minor(self) -> int:
        """See `Account.minor`."""

    def forwarded(self) -> bytes:
        """Write what the log wants to know, as a head that goes to an endpoint has it."""


class Answering(Protocol):
    """A client's side that answers itself; see `sides.ClientSide`."""

    @property
    def exchange(self) -> Exchange | None:
        """The one being served."""

    @property
    def asked(self) -> Unasked | None:
        """What is answered by us, if there is no exchange."""

    @property
    def note(self) -> bytes:
        """What the access log says of the client."""


def note_of_peer(peer: Peer, stream: Stream) -> bytes:
    """Return what records say of every request of a connection."""
    version, server_name = stream.description() if isinstance(stream, TlsStream) else (b"", b"")
    identity = peer.identity
    if identity is None:
        return pack_peer(peer.address, version, server_name)
    shown = (identity.subject, identity.fingerprint)
    return pack_peer(peer.address, version, server_name, *shown)


Take = Callable[[bytes], bool]
"""Takes a batch at once, or says that it cannot."""


class Recorder:
    """
    Collects what ends in one process and hands it on in batches.

    Of an exchange only a row of values is kept, so that its memory serves the next one; rows
    become bytes together.

    Args:
        seconds: The data plane's clock.
        wall_seconds: Seconds since the epoch.
        take: Takes a batch at once, or says that it cannot.
        later: Calls something in so many seconds.
        chosen: Asked for each request whether it is to be recorded; None for every one.
        tells_bodies: Somebody wants to know the size of bodies on the straight road.

    Attributes:
        dropped: How many records nobody could take.
    """

    def __init__(
        self,
        seconds: Callable[[], float],
        wall_seconds: Callable[[], float],
        take: Take,
        later: Callable[[float, Callable[[], None]], object],
        chosen: Callable[[], bool] | None = None,
        *,
        tells_bodies: bool = True,
    ) -> None:
        self._seconds = seconds
        self._wall_seconds = wall_seconds
        self._take = take
        self._later = later
        self._chosen = chosen
        self._tells_bodies = tells_bodies
        self._will_flush = False
        self._notes: list[Note | Noted] = []
        self.dropped = 0

    def usual(
        self,
        exchange: Exchange,
        tries: tuple[int, bytes],
        data: bytes,
        bytes_out: int,
        now: float,
    ) -> None:
        """
        Record an exchange on the straight road, which has ended well.

        It runs between reading and sending, where a line costs three times what it costs in a
        loop: so it copies, and no more.

        Args:
            exchange: Its bytes and its route are known.
            tries: Its own, see `Account.tries`.
            data: The answer as it came.
            bytes_out: Its size as it went on; the body is that of *data*.
            now: On the data plane's clock.
        """
        bound, notes, chosen = exchange.bound, self._notes, self._chosen
        if bound is None or not bound.is_logged or (chosen is not None and not chosen()):
            return
        head = exchange.head_bytes
        if exchange.method not in {b"GET", b"HEAD"}:
            head = head_alone(head)  # a body is nobody's business but the endpoint's
        if len(head) > _LONG_HEAD_BYTES:
            head = _shortened(head)
        body = UNTOLD
        if self._tells_bodies:
            body = len(data) - data.find(_EMPTY_LINE) - _LINE_ENDS
        notes.append((
            exchange.begun, now, exchange.sent, _STATUSES[data[_STATUS]], tries[0],
            exchange.minor, exchange.bytes_in, bytes_out, body,
            head, b"", exchange.downstream.note, bound.made_note or bound.note, tries[1], b"",
        ))  # fmt: skip
        if len(notes) >= _BATCH:
            self.flush()
        elif not self._will_flush:
            self._flush_soon()

    def passed(self, exchange: Exchange, now: float) -> None:
        """Record an exchange whose answer, of the endpoint, has been passed on, whole."""
        self._end(exchange, now, exchange.status, b"")

    def cut(self, exchange: Exchange) -> None:
        """Record an exchange that has ended before its answer."""
        status = exchange.status or NOBODY_WAITS
        self._end(exchange, self._seconds(), status, exchange.cut_reason)

    def _end(self, exchange: Exchange, now: float, status: int, reason: bytes) -> None:
        bound, chosen = exchange.bound, self._chosen
        if bound is None or not bound.is_logged or (chosen is not None and not chosen()):
            return
        self._keep(note_of(exchange, now, status, reason))

    def replied(
        self,
        downstream: Answering,
        reason: ReplyReason,
        head_bytes: int,
        bytes_out: int,
        grpc_status: int | None = None,
    ) -> None:
        """
        Record an answer of ours.

        Args:
            downstream: Whom it is for; its exchange, if there was one, is still there.
            reason: Why.
            head_bytes: Size of its head.
            bytes_out: Size of it all.
            grpc_status: What is said to a call of gRPC.
        """
        exchange, code = downstream.exchange, reason.code.encode("ascii")
        if exchange is not None:
            exchange.head_bytes_out, exchange.bytes_out = head_bytes, bytes_out
            self._end(exchange, self._seconds(), reason.status, code)
        else:
            self._answered(downstream, reason, head_bytes, bytes_out, grpc_status)

    def _answered(
        self,
        downstream: Answering,
        reason: ReplyReason,
        head_bytes: int,
        bytes_out: int,
        grpc_status: int | None,
    ) -> None:
        """Record an answer of ours to what no endpoint was asked for; see `replied`."""
        code = reason.code.encode("ascii")
        asked, bound = downstream.asked, None
        minor, bytes_in, head = 1, 0, b""
        if asked is not None:
            minor, bytes_in, head, bound = (
                asked.minor, asked.bytes_in, _shortened(asked.forwarded()), asked.bound,
            )  # fmt: skip
        if bound is not None and not bound.is_logged:
            return
        if self._chosen is not None and not self._chosen():
            return
        now, route = self._seconds(), b"" if bound is None else bound.note
        numbers = (now, now, 0.0, reason.status, 0, minor, bytes_in, bytes_out)
        body = bytes_out - head_bytes
        note = (*numbers, body, head, b"", downstream.note, route, b"", code)
        self._keep(note if grpc_status is None else Noted(*note, grpc_status))

    def _keep(self, note: Note | Noted) -> None:
        self._notes.append(note)
        if len(self._notes) >= _BATCH:
            self.flush()
        elif not self._will_flush:
            self._flush_soon()

    def _flush_soon(self) -> None:
        self._will_flush = True
        self._later(FLUSH_SECONDS, self._flush_now)

    def _flush_now(self) -> None:
        self._will_flush = False
        self.flush()

    def counters(self, *, is_log: bool) -> dict[str, Number]:
        """Return how many nobody could take, by series; *is_log*: it was to be the access log."""
        return {series("access_log_dropped_total", at="worker"): self.dropped} if is_log else {}

    def flush(self) -> None:
        """Hand on what has been collected."""
        notes, self._notes = self._notes, []
        if notes:
            batch = pack_batch(self._wall_seconds() - self._seconds(), notes)
            if not self._take(batch):
                self.dropped += len(notes)


def note_of(exchange: Exchange, now: float, status: int, reason: bytes) -> Note | Noted:
    """Write down an exchange that has ended, as `Noted` says."""
    asked, bound = exchange.head, exchange.bound
    head, target = head_alone(exchange.head_bytes), b"" if asked is None else asked.target.wire
    if len(head) > _LONG_HEAD_BYTES:
        head, target = _shortened(head), target[:_LONGEST_TEXT]
    bytes_out = exchange.bytes_out
    tries, endpoints = exchange.tries
    note = (
        exchange.begun, now, exchange.sent, status, tries, exchange.minor,
        exchange.bytes_in, bytes_out, bytes_out - exchange.head_bytes_out,
        head, target,
        exchange.downstream.note, b"" if bound is None else bound.note, endpoints, reason,
    )  # fmt: skip
    call = exchange.grpc_status
    return note if call is None else Noted(*note, call)


def _shortened(head: bytes) -> bytes:
    """Return the lines of *head* that the log wants, none of them long."""
    line, *fields = head_alone(head).split(b"\r\n")
    if len(line) > _LONGEST_TEXT:
        line = line[:_LONGEST_TEXT] + b" HTTP/1.1"
    wanted = [each[:_LONGEST_TEXT] for each in fields if each[:13].lower().startswith(_WANTED)]
    return b"\r\n".join((line, *wanted, b""))
