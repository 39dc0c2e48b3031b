"""The endpoint's answer on its way to the client: interim heads, the head, the body."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from fsm_twisted.http1.errors import ResponseError
from fsm_twisted.http1.grammar import parse_response_head
from fsm_twisted.http1.reader import BodyReader, body_reader
from fsm_twisted.http1.writer import LAST_CHUNK, write_chunk, write_response_head
from fsm_twisted.message.framing import CHUNKED, UNTIL_CLOSE, Framing
from fsm_twisted.proxy.replies import SERVER
from fsm_twisted.proxy.tunnel import Tunnel

if TYPE_CHECKING:
    from fsm_twisted.message.heads import ResponseHead
    from fsm_twisted.proxy.exchange import Exchange

MAX_INTERIM_ANSWERS = 16
_SWITCHING = 101
_FINAL = 200


class Response:
    """
    What of an answer has come so far.

    ``has_begun`` says whether its final head has gone to the client: from then on a failure can
    only be told by cutting the connection (RFC 9112 section 8).
    """

    __slots__ = (
        "_body",
        "_ends",
        "_exchange",
        "_interim",
        "_is_persistent",
        "_rechunk",
        "_status_class",
        "has_begun",
    )

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._body: BodyReader | None = None
        self._interim = 0
        self._rechunk = False
        self._is_persistent = False
        self._status_class = 0
        self._ends = False
        self.has_begun = False

    def data(self, data: bytes) -> None:
        """Take bytes from the endpoint."""
        exchange = self._exchange
        try:
            if self._body is not None:
                self._relay(self._body, data)
                return
            self._read_heads(data)
        except ResponseError:
            exchange.fail()

    def _read_heads(self, data: bytes) -> None:
        exchange = self._exchange
        upstream = exchange.upstream
        assert upstream is not None  # noqa: S101  it is the one that has called
        heads = upstream.heads
        limits = exchange.plane.options.limits
        while data:
            block = heads.feed(data)
            if block is None:
                return
            data = heads.take_rest()
            head = parse_response_head(block, exchange.method, limits)
            if head.status >= _FINAL:
                self._begin(head, data)
                return
            if head.status == _SWITCHING:
                self._switch(head, data)
                return
            self._pass_interim(head)

    def _pass_interim(self, head: ResponseHead) -> None:
        self._interim += 1
        if self._interim > MAX_INTERIM_ANSWERS:
            msg = "too many interim answers"
            raise ResponseError(msg)
        exchange = self._exchange
        if exchange.minor:
            exchange.send_answer(write_response_head(head, b""))

    def _begin(self, head: ResponseHead, data: bytes) -> None:
        """Send the head on, with what has come of the body in the same write."""
        exchange = self._exchange
        downstream = exchange.downstream
        framing = self._choose_framing(head, exchange.minor)
        outgoing = head if framing is head.framing else attrs.evolve(head, framing=framing)
        first = write_response_head(outgoing, self._own_fields(head))
        exchange.status, exchange.head_bytes_out = head.status, exchange.bytes_out + len(first)
        self._body = body = body_reader(
            head.framing, error=ResponseError, limits=exchange.plane.options.limits
        )
        self._is_persistent = head.persistent
        self._status_class = head.status // 100
        self.has_begun = True
        payload = self._encode(body, body.feed(data)) if data or not body.done else b""
        exchange.send_answer(first + payload if payload else first)
        if body.done:
            self._finish(body)
        elif exchange.upstream is not None:
            downstream.register_producer(exchange.upstream)

    def _choose_framing(self, head: ResponseHead, minor: int) -> Framing:
        """Decide how the client finds the end; where only closing tells it, the answer is last."""
        exchange = self._exchange
        framing = head.framing
        self._ends = (
            not exchange.persistent
            or exchange.request_body is not None
            or exchange.plane.is_draining
        )
        if framing is not CHUNKED and framing is not UNTIL_CLOSE:
            return framing
        if minor:
            self._rechunk = True
            return CHUNKED
        self._ends = True
        return UNTIL_CLOSE

    def _own_fields(self, head: ResponseHead) -> bytes:
        """Return Server, Date and Connection where they are due."""
        exchange = self._exchange
        own = b""
        has_date = has_server = False
        for name, _ in head.fields:
            if len(name) == 4 and name.lower() == b"date":  # noqa: PLR2004
                has_date = True
            elif len(name) == 6 and name.lower() == b"server":  # noqa: PLR2004
                has_server = True
        if not has_server:
            own = SERVER
        if not has_date:
            own += exchange.plane.date_field
        if self._ends:
            own += b"Connection: close\r\n"
        elif not exchange.minor:
            own += b"Connection: keep-alive\r\n"
        return own + exchange.affinity_field()

    def _encode(self, body: BodyReader, payload: bytes) -> bytes:
        if not self._rechunk:
            return payload
        return write_chunk(payload) + LAST_CHUNK if body.done else write_chunk(payload)

    def _relay(self, body: BodyReader, data: bytes) -> None:
        exchange = self._exchange
        payload = self._encode(body, body.feed(data))
        if payload:
            exchange.send_answer(payload)
        if body.done:
            self._finish(body)
        elif exchange.upstream is not None:
            exchange.expect_answer()

    def _finish(self, body: BodyReader) -> None:
        exchange = self._exchange
        exchange.downstream.unregister_producer()
        is_reusable = self._is_persistent and not body.rest
        exchange.finish(self._status_class, is_reusable=is_reusable, ends=self._ends)

    def ended(self) -> None:
        """The endpoint has ended its output: a proper end only where closing is the framing."""
        body = self._body
        if body is None:
            self._exchange.fail()
        elif body.finish_at_close():
            self._is_persistent = False
            if self._rechunk:
                self._exchange.send_answer(LAST_CHUNK)
            self._finish(body)
        else:
            self.lost()

    def lost(self) -> None:
        """The endpoint's connection has failed in the middle of its answer."""
        if self.has_begun:
            self._exchange.note_failure()
            self._exchange.cut("upstream_closed")
        else:
            self._exchange.fail()

    def _switch(self, head: ResponseHead, data: bytes) -> None:
        """Become a tunnel, when that is what the client has asked for."""
        exchange = self._exchange
        downstream, upstream = exchange.downstream, exchange.upstream
        if (
            upstream is None
            or not head.upgrade
            or exchange.head is None
            or head.upgrade != exchange.head.upgrade
        ):
            msg = "101 without a matching upgrade"
            raise ResponseError(msg)
        first = write_response_head(head, b"")
        exchange.status, exchange.head_bytes_out = _SWITCHING, exchange.bytes_out + len(first)
        exchange.send_answer(first + data)
        exchange.state.cells.count_switch(exchange.method)
        upstream.unregister_producer()
        exchange.upstream = None
        downstream.exchange = upstream.exchange = None
        tunnel = Tunnel(exchange, upstream, exchange.plane.options.tunnel_seconds)
        downstream.tunnel = upstream.tunnel = tunnel
        downstream.begin_tunnel()
