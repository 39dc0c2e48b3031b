"""Answers on their way to an HTTP/1 client: heads, chunks, and where the connection ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from fsm_twisted.http1.writer import LAST_CHUNK, write_chunk, write_response_head
from fsm_twisted.message.framing import CHUNKED, UNTIL_CLOSE, Framing
from fsm_twisted.proxy.replies import SERVER, reply_bytes
from fsm_twisted.proxy.serial_connection import SerialConnection
from fsm_twisted.proxy.strict_transport import line_unless_said

if TYPE_CHECKING:
    from fsm_twisted.message.fields import Fields
    from fsm_twisted.message.heads import ResponseHead
    from fsm_twisted.proxy.client import Peer
    from fsm_twisted.proxy.exchange import Exchange
    from fsm_twisted.proxy.plane import DataPlane
    from fsm_twisted.proxy.record import Asked
    from fsm_twisted.snapshot.reasons import ReplyReason


class Http1Output(SerialConnection):
    """
    What a client's connection writes: one answer after the other.

    Attributes:
        asked: A request that we answer ourselves, while that is being written down.
    """

    __slots__ = ("_ends", "_is_rechunked", "asked")

    def __init__(self, plane: DataPlane, peer: Peer) -> None:
        super().__init__(plane, peer)
        self.asked: Asked | None = None
        self._is_rechunked = False
        self._ends = False  # with this answer, as the client has been told

    def exchange_ended(self, *, ends: bool) -> None:
        """Go on to the next request, or end the connection."""
        raise NotImplementedError

    # See `sides.ClientSide` for these.

    def answer_interim(self, head: ResponseHead) -> None:
        """Pass on an interim answer, but to HTTP/1.0 (RFC 9110 section 15.2)."""
        exchange = self.exchange
        if exchange is not None and exchange.minor:
            self._send_answer(exchange, write_response_head(head, b""))

    def answer_head(
        self, head: ResponseHead, payload: bytes, *, ended: bool, trailers: Fields = ()
    ) -> None:
        """Send the head, with what there is of the body in the same write."""
        del trailers  # of which HTTP/1 clients get none
        exchange = self.exchange
        if exchange is None:
            return
        framing = self._choose_framing(exchange, head)
        outgoing = head if framing is head.framing else attrs.evolve(head, framing=framing)
        first = write_response_head(outgoing, self._own_fields(exchange, head))
        exchange.head_bytes_out = exchange.bytes_out + len(first)
        body = self._encode(payload, ended=ended)
        self._send_answer(exchange, first + body if body else first)

    def answer_body(self, payload: bytes, *, ended: bool, trailers: Fields = ()) -> None:
        """Send more of the body, or its end; trailers are dropped."""
        del trailers
        data = self._encode(payload, ended=ended)
        if data and self.exchange is not None:
            self._send_answer(self.exchange, data)

    def reply(self, reason: ReplyReason, fields: bytes = b"", *, ends: bool = False) -> None:
        """
        Answer ourselves, and close afterwards if the input cannot be trusted any more.

        Args:
            reason: Status, text and code.
            fields: Further field lines, each ending in CRLF.
            ends: Whether this is the last answer of the connection.
        """
        plane, asked = self.plane, self.exchange or self.asked
        method, minor, persistent = b"", 1, True
        if asked is not None:
            method, minor, persistent = asked.method, asked.minor, asked.persistent
        ends = ends or not persistent or plane.answers_are_last
        if self.exchange is not None:
            fields += self.exchange.hsts
        fields = plane.date_field + fields + connection_field(minor, ends=ends)
        answer = reply_bytes(reason, fields, with_body=method != b"HEAD")
        plane.count_reply(reason, len(answer), exchange=self.exchange, asked=self.asked)
        self.write(answer)
        if plane.access is not None:
            head_bytes = answer.find(b"\r\n\r\n") + len(b"\r\n\r\n")
            plane.access.replied(self, reason, head_bytes, len(answer))
        self.asked = None
        self.exchange_ended(ends=ends)

    def _send_answer(self, exchange: Exchange, data: bytes) -> None:
        exchange.note_output(len(data))
        self.write(data)

    def _choose_framing(self, exchange: Exchange, head: ResponseHead) -> Framing:
        """Decide how the client finds the end; where only closing tells it, the answer is last."""
        framing = head.framing
        self._is_rechunked = False
        self._ends = (
            not exchange.persistent or exchange.is_incomplete or exchange.plane.answers_are_last
        )
        if framing is not CHUNKED and framing is not UNTIL_CLOSE:
            return framing
        if exchange.minor:
            self._is_rechunked = True
            return CHUNKED
        self._ends = True
        return UNTIL_CLOSE

    def _own_fields(self, exchange: Exchange, head: ResponseHead) -> bytes:
        """Return Server, Date and Connection where they are due."""
        own = missing_fields(head, self.plane.date_field)
        own += line_unless_said(head.fields, exchange.hsts)
        return own + connection_field(exchange.minor, ends=self._ends) + exchange.affinity_field()

    def _encode(self, payload: bytes, *, ended: bool) -> bytes:
        if not self._is_rechunked:
            return payload
        return write_chunk(payload) + LAST_CHUNK if ended else write_chunk(payload)


def missing_fields(head: ResponseHead, date: bytes) -> bytes:
    """Return our field lines Server and *date*, each if *head* has none."""
    has_date = has_server = False
    for name, _ in head.fields:
        if len(name) == 4 and name.lower() == b"date":  # noqa: PLR2004
            has_date = True
        elif len(name) == 6 and name.lower() == b"server":  # noqa: PLR2004
            has_server = True
    own = b"" if has_server else SERVER
    return own if has_date else own + date


def connection_field(minor: int, *, ends: bool) -> bytes:
    """Return our Connection field: close, or keep-alive for HTTP/1.0, or nothing."""
    if ends:
        return b"Connection: close\r\n"
    return b"" if minor else b"Connection: keep-alive\r\n"
