"""An HTTP/1 endpoint's bytes as the values of an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsm_twisted.http1.errors import ResponseError
from fsm_twisted.http1.grammar import parse_response_head
from fsm_twisted.http1.reader import BodyReader, body_reader
from fsm_twisted.proxy.large_bodies import splice_answer
from fsm_twisted.proxy.response import SWITCHING

if TYPE_CHECKING:
    from fsm_twisted.message.heads import ResponseHead
    from fsm_twisted.proxy.exchange import Exchange
    from fsm_twisted.proxy.upstream import UpstreamConnection

_FINAL = 200


class AnswerReader:
    """
    Reads one answer, interim heads included, and drives the response of *exchange* by it.

    Args:
        exchange: Whose endpoint sends it.
        upstream: The connection that it comes on.
    """

    __slots__ = ("_body", "_exchange", "_is_persistent", "_response", "_upstream")

    def __init__(self, exchange: Exchange, upstream: UpstreamConnection) -> None:
        self._exchange = exchange
        self._upstream = upstream
        self._response = exchange.respond()
        self._body: BodyReader | None = None
        self._is_persistent = False

    def data(self, data: bytes) -> None:
        """Take bytes from the endpoint."""
        body = self._body
        try:
            if body is None:
                self._read_heads(data)
            else:
                payload = body.feed(data)
                self._response.data(payload, ended=body.done, trailers=body.trailers)
                if body.done:
                    self._finish(body)
        except ResponseError:
            self._response.fail()

    def _read_heads(self, data: bytes) -> None:
        heads, method = self._upstream.heads, self._exchange.method
        limits = self._exchange.plane.options.limits
        while data:
            block = heads.feed(data)
            if block is None:
                self._exchange.expect_answer()
                return
            data = heads.take_rest()
            head = parse_response_head(block, method, limits)
            if head.status >= _FINAL:
                self._begin(head, data)
                return
            if head.status == SWITCHING:
                self._response.switch(head, data)
                return
            self._response.interim(head)

    def _begin(self, head: ResponseHead, data: bytes) -> None:
        """Pass on the head, with what has come of the body."""
        self._body = body = body_reader(
            head.framing, error=ResponseError, limits=self._exchange.plane.options.limits
        )
        self._is_persistent = head.persistent
        # A fault of the body breaks the answer off, in whatever pieces it has arrived.
        self._response.has_begun = True
        payload = body.feed(data) if data or not body.done else b""
        self._response.begin(head, payload, ended=body.done, trailers=body.trailers)
        if body.done:
            self._finish(body)
        else:
            splice_answer(self._exchange, self._upstream, body, self._body_has_passed)

    def _body_has_passed(self) -> None:
        # Nothing has been read behind the body, so nobody knows yet what is there.
        self._is_persistent = self._is_persistent and self._upstream.is_alive()
        if self._body is not None:
            self._finish(self._body)

    def _finish(self, body: BodyReader) -> None:
        self._upstream.answer = None
        self._response.finish(is_reusable=self._is_persistent and not body.rest)

    def ended(self) -> None:
        """The endpoint has ended its output: a proper end only where closing is the framing."""
        body = self._body
        if body is None:
            self._response.fail()
        elif body.finish_at_close():
            self._is_persistent = False
            self._response.data(b"", ended=True)
            self._finish(body)
        else:
            self._response.lost()
