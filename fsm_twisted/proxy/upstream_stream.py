"""One stream of an HTTP/2 connection to an endpoint: a request and its answer."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import attrs

from fsm_twisted.http1.errors import ResponseError
from fsm_twisted.http2.codes import ErrorCode
from fsm_twisted.message.framing import NO_BODY, Sized
from fsm_twisted.proxy.grpc import status_in
from fsm_twisted.proxy.http2_exchange import HTTP2
from fsm_twisted.proxy.http2_output import Http2Output
from fsm_twisted.proxy.http2_usual import fields_of_lines
from fsm_twisted.snapshot.reasons import REPLIES, ReplyReason

if TYPE_CHECKING:
    from fsm_twisted.message.fields import Fields
    from fsm_twisted.message.heads import ResponseHead
    from fsm_twisted.proxy.endpoints import EndpointState
    from fsm_twisted.proxy.exchange import Exchange
    from fsm_twisted.proxy.http2_pool import Http2Pool
    from fsm_twisted.proxy.http2_upstream import Http2Upstream
    from fsm_twisted.proxy.plane import DataPlane
    from fsm_twisted.proxy.response import Response
    from fsm_twisted.proxy.tunnel import Tunnel

_NEVER = float("inf")
_OK: Final = 200
_TRAILERS_WELCOME: Final = ((b"te", b"trailers"),)
_PHRASES: Final = {each.value: each.phrase.encode("ascii") for each in HTTPStatus}
_NEVER_A_BODY: Final = frozenset({204, 304})


def _for_http1(head: ResponseHead, method: bytes) -> ResponseHead:
    """
    Return *head*, in answer to *method*, as a client of HTTP/1 has to see it.

    HTTP/2 has no phrases, which some clients miss, and needs no length to end without a body.
    """
    framing = head.framing
    may_have_body = head.status >= _OK and head.status not in _NEVER_A_BODY and method != b"HEAD"
    if framing is NO_BODY and may_have_body:
        framing = Sized(0)
    return attrs.evolve(head, reason=_PHRASES.get(head.status, b""), framing=framing)


class UpstreamStream(Http2Output):
    """
    The endpoint's side of an exchange (`sides.EndpointSide`) that is a stream.

    Args:
        exchange: What it is for.
        endpoint: Whom it leads to.
        pool: Where it finds a connection.
        name: The server name that the connection must have been made for.

    Attributes:
        connect_failure: What the request is answered with when there is no connection.
        close_failure: What it is answered with when that has ended before an answer.
    """

    connection: Http2Upstream
    tunnel: Tunnel | None = None
    is_connecting = True
    is_fresh = True
    connect_failure: ReplyReason = REPLIES["connect_failed"]
    close_failure: ReplyReason = REPLIES["upstream_closed"]
    _response: Response | None = None
    _is_answered = False
    _is_paused = False
    _uncredited = 0

    def __init__(
        self, exchange: Exchange, endpoint: EndpointState, pool: Http2Pool, name: str
    ) -> None:
        self.exchange: Exchange | None = exchange
        self.plane: DataPlane = exchange.plane
        self.state = exchange.state
        self.endpoint = endpoint
        self.pool = pool
        self.name = name

    # The way to a connection

    def connect(self, seconds: float) -> None:
        """Get a place on a connection, at once or within so many seconds."""
        self.expire_after(seconds)
        self.pool.place(self, seconds)

    def begin(self, connection: Http2Upstream, *, is_fresh: bool) -> None:
        """Be served by *connection*; unless *is_fresh* that may be stale."""
        self.connection = connection
        self.is_connecting = False
        self.is_fresh = is_fresh
        if self.exchange is not None:
            self.exchange.connected(self)

    def not_connected(self, reason: ReplyReason) -> None:
        """Learn that no connection has come about."""
        self.connect_failure = reason
        if self.exchange is not None:
            self.exchange.upstream_gone(self)

    def overloaded(self) -> None:
        """Learn that there cannot be another connection, and no place to wait."""
        if self.exchange is not None:
            self.exchange.overloaded(self)

    # What the endpoint gets

    def send_request(self, exchange: Exchange) -> int:
        """Send head, and all that there is of the body; return the number of bytes."""
        head, admitted, body = exchange.head, exchange.admitted, exchange.body
        # The road to HTTP/2 is never straight.
        assert head is not None and admitted is not None  # noqa: S101, PT018
        extra = fields_of_lines(exchange.own_fields.split(b"\r\n")[:-1])
        if exchange.wants_trailers:
            extra += _TRAILERS_WELCOME
        connection = self.connection
        self.number = connection.codec.send_request(
            head,
            target=admitted.target,
            authority=head.authority.wire or self.endpoint.text,
            scheme=connection.scheme,
            extra=extra,
            end=body is None,
        )
        connection.add(self, self.number)
        size = len(exchange.head_bytes)
        if body is None:
            self.has_ended = True
            return size
        payload = b"".join(body.kept or ())
        if payload or body.is_whole:
            self.send(payload, ended=body.is_whole, trailers=body.trailers)
        return size + len(payload)

    def send_body(self, payload: bytes, *, ended: bool, trailers: Fields = ()) -> int:
        """Send more of the body, or its end; return the number of bytes."""
        self.send(payload, ended=ended, trailers=trailers)
        return len(payload)

    def output_waits(self) -> None:
        """Give the endpoint time for the rest."""
        if self.exchange is not None:
            self.exchange.expect_answer()

    def drained(self) -> None:
        """Expect the answer, or more of the body."""
        self.output_waits()
        super().drained()

    def output_ended(self) -> None:
        """Learn that all has been sent, the end included."""

    # What the endpoint sends

    def head_received(self, head: ResponseHead, *, ended: bool) -> None:
        """Pass on a head, interim or final."""
        exchange = self.exchange
        if exchange is None:
            return
        response = self._begun(exchange)
        if exchange.minor != HTTP2:
            head = _for_http1(head, exchange.method)
        try:
            if head.status < _OK:
                response.interim(head)
            else:
                response.begin(head, b"", ended=ended)
                if ended:
                    self._finish(response, head.fields)
        except ResponseError:
            response.fail()

    def _begun(self, exchange: Exchange) -> Response:
        response = self._response
        if response is None:
            response = self._response = exchange.respond()
        return response

    def data_received(self, data: bytes, *, ended: bool) -> None:
        """Pass on part of a body."""
        response = self._response
        if self.exchange is None or response is None:
            return
        self._uncredited += len(data)
        response.data(data, ended=ended)
        if ended:
            self._finish(response)
        else:
            self._credit()

    def trailers_received(self, fields: Fields) -> None:
        """Pass on the end of a body."""
        response = self._response
        if self.exchange is not None and response is not None:
            response.data(b"", ended=True, trailers=fields)
            self._finish(response, fields)

    def _finish(self, response: Response, last: Fields = ()) -> None:
        """End well; the *last* fields of the answer may say how a call has ended."""
        self._is_answered = True
        exchange = self.exchange
        if exchange is not None and exchange.is_grpc:
            status = status_in(last)
            if status is not None:
                exchange.note_grpc_status(status)
        response.finish(is_reusable=True)

    def pauseProducing(self) -> None:
        """Let the endpoint send no more than its window allows; the client is slow."""
        self._is_paused = True
        self.deadline = _NEVER

    def resumeProducing(self) -> None:
        """Let the endpoint send again, and expect something in time."""
        self._is_paused = False
        self._credit()
        if self.exchange is not None:
            self.exchange.expect_answer()

    def _credit(self) -> None:
        """Open the window for what the client has taken."""
        if self._uncredited and not self._is_paused and not self.is_over:
            count, self._uncredited = self._uncredited, 0
            self.connection.codec.consumed(self.number, count)
            self.connection.touch()

    # The end

    def not_processed(self) -> None:
        """Learn that the endpoint has not acted on the request (GOAWAY, REFUSED_STREAM)."""
        if self.exchange is not None:
            self.exchange.not_processed(self)

    def was_reset(self, code: int) -> None:
        """Learn that the endpoint has ended the stream, for its reason *code*."""
        if self.exchange is not None:
            self.exchange.upstream_reset(self, code)

    def was_invalid(self) -> None:
        """Learn that what the endpoint sends cannot be an answer."""
        if self.exchange is not None:
            self._begun(self.exchange).fail()

    def lost(self, reason: ReplyReason) -> None:
        """Learn that the connection is gone."""
        self.close_failure = reason
        if self.exchange is not None:
            self.exchange.upstream_gone(self)

    def expired(self) -> None:
        """Give up an endpoint that accepts no connection, or is silent."""
        self.deadline = _NEVER
        exchange = self.exchange
        if exchange is not None:
            sent = exchange.sent
            exchange.response_timed_out()
            if not self.is_connecting:
                self.connection.overdue(sent)

    def release(self, now: float) -> None:
        """Be over; both sides have ended."""
        del now
        self.discard()

    def discard(self) -> None:
        """Be over, for the exchange has finished with it; an endpoint that goes on is told."""
        self.exchange = None
        if self.is_over:
            return
        if self.is_connecting:
            self.pool.forget(self)
        else:
            code = ErrorCode.NO_ERROR if self._is_answered else ErrorCode.CANCEL
            self.connection.codec.reset(self.number, code)
            self.connection.touch()
        self.let_go()

    def close(self) -> None:
        """End the stream now."""
        self.discard()
