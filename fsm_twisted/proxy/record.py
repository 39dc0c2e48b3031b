"""
What the access log is told of requests, each at its end, exactly once.

On the straight road this is copying a dozen values; heads are read by whoever writes the lines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import attrs

from fsm_twisted.net.descriptor import Stream
from fsm_twisted.net.tls import TlsStream
from fsm_twisted.observe.access import Noted, pack, pack_batch, pack_peer

if TYPE_CHECKING:
    from fsm_twisted.message.heads import RequestHead
    from fsm_twisted.proxy.client import Claims, Peer
    from fsm_twisted.proxy.downstream import Downstream
    from fsm_twisted.proxy.exchange import Exchange
    from fsm_twisted.proxy.runtime import BoundRoute
    from fsm_twisted.snapshot.reasons import ReplyReason

BATCH_BYTES: Final = 64 * 1024
_LONG_HEAD_BYTES: Final = 8 * 1024
_LONGEST_TEXT: Final = 2 * 1024
_WANTED: Final = (b"host:", b"user-agent:", b"referer:", b"x-request-id:", b"x-real-ip:")
_NOBODY_WAITS: Final = 499  # of nginx: the client has closed before its answer
_NONE: Final = -1.0
_EMPTY_LINE: Final = len(b"\r\n\r\n")


@attrs.frozen
class Asked:
    """A request that gets an answer of ours without ever becoming an exchange."""

    head: RequestHead
    claims: Claims
    bound: BoundRoute | None
    bytes_in: int

    def forwarded(self) -> bytes:
        """Write what the log wants to know, as a head that goes to an endpoint has it."""
        head = self.head
        begin = (head.method, head.target.wire, head.authority.wire)
        lines = [b"%b %b HTTP/1.1\r\nHost: %b\r\n" % begin]
        for name, value in head.fields:
            if name.lower() in {b"user-agent", b"referer"}:
                lines.append(b"%b: %b\r\n" % (name, value))
        return b"".join((*lines, self.claims.fields))


def note_of_peer(peer: Peer, stream: Stream) -> bytes:
    """Return what records say of every request of a connection."""
    version, server_name = stream.description() if isinstance(stream, TlsStream) else (b"", b"")
    return pack_peer(peer.address, version, server_name)


class Recorder:
    """
    Collects the records of one process and hands them on in batches.

    Args:
        seconds: The data plane's clock.
        wall_seconds: Seconds since the epoch.
        take: Takes a batch at once, or says that it cannot.
        share: How many of the requests are recorded, from 0 to 1.
        draw: Gives a random number from 0 up to 1.

    Attributes:
        dropped: How many records nobody could take.
    """

    def __init__(
        self,
        seconds: Callable[[], float],
        wall_seconds: Callable[[], float],
        take: Callable[[bytes], bool],
        share: float,
        draw: Callable[[], float],
    ) -> None:
        self._seconds = seconds
        self._wall_seconds = wall_seconds
        self._take = take
        self._share = share
        self._draw = draw
        self._records: list[bytes] = []
        self._size = 0
        self.dropped = 0

    def usual(self, exchange: Exchange, data: bytes, bytes_out: int, now: float) -> None:
        """
        Record an exchange on the straight road.

        Args:
            exchange: It has ended well.
            data: The answer as it came.
            bytes_out: Its size as it went on.
            now: On the data plane's clock.
        """
        body_bytes = len(data) - data.find(b"\r\n\r\n") - _EMPTY_LINE
        exchange.bytes_out, exchange.head_bytes_out = bytes_out, bytes_out - body_bytes
        self._note_exchange(exchange, now, int(data[9:12]), b"")

    def passed(self, exchange: Exchange, now: float) -> None:
        """Record an exchange whose answer, of the endpoint, has been passed on, whole."""
        self._note_exchange(exchange, now, exchange.status, b"")

    def cut(self, exchange: Exchange) -> None:
        """Record an exchange that has ended before its answer."""
        status = exchange.status or _NOBODY_WAITS
        self._note_exchange(exchange, self._seconds(), status, exchange.cut_reason)

    def replied(self, downstream: Downstream, reason: ReplyReason, answer: bytes) -> None:
        """
        Record an answer of ours.

        Args:
            downstream: Whom it is for; its exchange, if there was one, is still there.
            reason: Why.
            answer: As it is sent.
        """
        bytes_out = len(answer)
        head = answer.find(b"\r\n\r\n") + _EMPTY_LINE
        exchange, now = downstream.exchange, self._seconds()
        code = reason.code.encode("ascii")
        if exchange is not None:
            exchange.head_bytes_out, exchange.bytes_out = head, bytes_out
            self._note_exchange(exchange, now, reason.status, code)
            return
        asked = downstream.asked
        bound = asked.bound if asked is not None else None
        if not self._is_wanted(bound):
            return
        self._add(
            Noted(
                now,
                0.0,
                _NONE,
                reason.status,
                0,
                asked.head.minor if asked is not None else 1,
                asked.bytes_in if asked is not None else 0,
                bytes_out,
                bytes_out - head,
                asked.forwarded() if asked is not None else b"",
                b"",
                downstream.note,
                bound.note if bound is not None else b"",
                b"",
                code,
            )
        )

    def _is_wanted(self, bound: BoundRoute | None) -> bool:
        if bound is not None and not bound.route.is_logged:
            return False
        return self._share >= 1 or self._draw() < self._share

    def _note_exchange(self, exchange: Exchange, now: float, status: int, reason: bytes) -> None:
        bound = exchange.bound
        if bound is None or not self._is_wanted(bound):
            return
        begun, sent, asked = exchange.begun, exchange.sent, exchange.head
        bytes_out = exchange.bytes_out
        tries, endpoints = exchange.tries
        self._add(
            Noted(
                begun,
                now - begun,
                now - sent if sent else _NONE,
                status,
                tries,
                exchange.minor,
                exchange.bytes_in,
                bytes_out,
                bytes_out - exchange.head_bytes_out,
                exchange.head_bytes,
                b"" if asked is None else asked.target.wire,
                exchange.downstream.note,
                bound.note,
                endpoints,
                reason,
            )
        )

    def _add(self, noted: Noted) -> None:
        if len(noted.head) > _LONG_HEAD_BYTES:
            head, target = _shortened(noted.head), noted.target[:_LONGEST_TEXT]
            noted = noted._replace(head=head, target=target)
        record = pack(noted)
        self._records.append(record)
        self._size += len(record)
        if self._size >= BATCH_BYTES:
            self.flush()

    def flush(self, _: float = 0.0) -> None:
        """Hand on what has been collected."""
        records, self._records, self._size = self._records, [], 0
        if records:
            batch = pack_batch(self._wall_seconds() - self._seconds(), records)
            if not self._take(batch):
                self.dropped += len(records)


def _shortened(head: bytes) -> bytes:
    """Return the lines of *head* that the log wants, none of them long."""
    line, *fields = head.split(b"\r\n")
    if len(line) > _LONGEST_TEXT:
        line = line[:_LONGEST_TEXT] + b" HTTP/1.1"
    wanted = [each[:_LONGEST_TEXT] for each in fields if each[:13].lower().startswith(_WANTED)]
    return b"\r\n".join((line, *wanted, b""))
