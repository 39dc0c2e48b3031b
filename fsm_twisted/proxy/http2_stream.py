"""One stream of a client's HTTP/2 connection: a request and its answer, or a tunnel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsm_twisted.http1.errors import ResponseError
from fsm_twisted.http2.codes import ErrorCode
from fsm_twisted.proxy.grpc import grpc_reply_head, grpc_status, is_grpc, status_fields
from fsm_twisted.proxy.http2_answers import (
    fields_of,
    fit_trailers,
    own_fields,
    reply_head,
    size_of,
)
from fsm_twisted.proxy.http2_output import Http2Output
from fsm_twisted.proxy.sides import tell_gone
from fsm_twisted.proxy.strict_transport import line_unless_said
from fsm_twisted.proxy.websocket import answered_without_key, is_accepted
from fsm_twisted.snapshot.reasons import REPLIES, ReplyReason

if TYPE_CHECKING:
    from fsm_twisted.message.fields import Fields
    from fsm_twisted.message.heads import ResponseHead
    from fsm_twisted.proxy.exchange import Exchange
    from fsm_twisted.proxy.http2_downstream import Http2Downstream
    from fsm_twisted.proxy.record import Asked
    from fsm_twisted.proxy.tunnel import Tunnel

_NEVER = float("inf")
_SUCCESS = 2  # first digit of a status


class Http2Stream(Http2Output):
    """
    The client's side of an exchange (`sides.ClientSide`) that is a stream.

    Hardly any of what may be known of a stream is ever set: a usual one has the values of the
    class.

    Attributes:
        body_left: How many bytes of the body are within its limit still; None for any number.
        is_whole: The client has ended its side.
        has_begun: The head of an endpoint's answer has been sent.
    """

    exchange: Exchange | None = None
    tunnel: Tunnel | None = None
    asked: Asked | None = None
    body_left: int | None = None
    is_whole = False
    has_begun = False
    connection: Http2Downstream
    _is_paused = False
    _uncredited = 0
    _early: bytearray | None = None

    def __init__(self, connection: Http2Downstream, number: int) -> None:
        self.connection = connection
        self.plane = connection.plane
        self.number = number

    @property
    def note(self) -> bytes:
        """What the access log says of the client."""
        return self.connection.note

    # What the client sends

    def body_is_due(self) -> None:
        """
        Give the client its time for the next part of its body.

        A call of gRPC has one time limit for both sides, which the exchange keeps: either may
        listen for long to what the other has to say.
        """
        if self.exchange is None or not self.exchange.is_grpc:
            self.expire_after(self.plane.options.body_seconds)

    def data_received(self, data: bytes, *, ended: bool) -> None:
        """Hand on part of a body, or of a tunnel."""
        exchange, tunnel = self.exchange, self.tunnel
        self.is_whole = ended
        self._uncredited += len(data)
        if exchange is not None and exchange.is_incomplete:
            exchange.bytes_in += len(data)
            if self.body_left is not None:
                self.body_left -= len(data)
                if self.body_left < 0:
                    exchange.answer(REPLIES["body_too_large"])
                    return
            self._body_progressed()
            exchange.request_data(data, ended=ended)
        elif tunnel is not None:
            if data:
                tunnel.data(self, data)
            if ended:
                tunnel.input_ended(self)
        elif exchange is not None:
            self._keep_early(data)
            return
        self._credit()

    def _keep_early(self, data: bytes) -> None:
        """Keep what is for a tunnel until it stands; the window bounds it, for it stays shut."""
        if self._early is None:
            self._early = bytearray()
        self._early += data

    def _pass_early(self, tunnel: Tunnel) -> None:
        early, self._early = self._early, None
        if early:
            tunnel.data(self, bytes(early))
        if self.is_whole:
            tunnel.input_ended(self)

    def trailers_received(self, fields: Fields) -> None:
        """Hand on the end of a body."""
        self.is_whole = True
        if self.exchange is not None and self.exchange.is_incomplete:
            self._body_progressed()
            self.exchange.request_data(b"", ended=True, trailers=fields)
        elif self.tunnel is not None:
            self.tunnel.input_ended(self)

    def _body_progressed(self) -> None:
        if self.has_output:
            return
        if self.is_whole or self._is_paused:
            self.deadline = _NEVER
        else:
            self.body_is_due()

    def pauseProducing(self) -> None:
        """Let the client send no more than its window allows; its silence is our doing."""
        self._is_paused = True
        if self.tunnel is None and not self.has_output:
            self.deadline = _NEVER

    def resumeProducing(self) -> None:
        """Let the client send again."""
        if not self._is_paused:
            return
        self._is_paused = False
        self._credit()
        if self.tunnel is None and not self.is_whole:
            self.body_is_due()

    def _credit(self) -> None:
        """Open the windows for what the endpoint has taken."""
        if self._uncredited and not self._is_paused:
            count, self._uncredited = self._uncredited, 0
            self.connection.codec.consumed(self.number, count)
            self.connection.touch()

    # What the client gets; see `sides.ClientSide`

    def answer_interim(self, head: ResponseHead) -> None:
        """Pass on an interim answer."""
        self.connection.codec.send_response(self.number, head, end=False)
        self.connection.touch()

    def answer_head(
        self, head: ResponseHead, payload: bytes, *, ended: bool, trailers: Fields = ()
    ) -> None:
        """
        Begin the final answer.

        Raises:
            ResponseError: A WebSocket that was not accepted would look accepted.
        """
        exchange = self.exchange
        if exchange is None:
            return
        asked = exchange.head
        if asked is not None and asked.upgrade and head.status // 100 == _SUCCESS:
            raise ResponseError("success where only 101 says that a WebSocket is accepted")
        self.has_begun = True
        own = line_unless_said(head.fields, exchange.hsts) + exchange.affinity_field()
        extra = own_fields(head, self.plane.date_field, own)
        size = size_of(head, extra)
        exchange.head_bytes_out = exchange.bytes_out + size
        exchange.note_output(size)
        trailers = fit_trailers(trailers)
        is_all = ended and not payload and not trailers
        self.connection.codec.send_response(self.number, head, extra, end=is_all)
        self.connection.touch()
        if not is_all and (payload or ended):
            exchange.note_output(len(payload))
            self.send(payload, ended=ended, trailers=trailers)

    def answer_whole(self, status: int, fields: Fields, body: bytes) -> bool:
        """Answer at once, on the straight road; False, and nothing done, when there is no room."""
        connection = self.connection
        if not connection.has_room():
            return False
        if not connection.codec.send_whole(self.number, status, fields, body):
            return False
        connection.sent(len(body))
        return True

    def usual_ended(self) -> None:
        """Be gone after a usual exchange: both sides have ended, and nothing waits."""
        self.exchange = None
        self.is_over = self.has_ended = True
        self.connection.forget(self.number)

    def answer_body(self, payload: bytes, *, ended: bool, trailers: Fields = ()) -> None:
        """Go on with the answer."""
        if self.exchange is not None:
            self.exchange.note_output(len(payload))
            self.send(payload, ended=ended, trailers=fit_trailers(trailers))

    def reply(self, reason: ReplyReason, fields: bytes = b"", *, ends: bool = False) -> None:
        """Answer ourselves; the connection goes on in any case, the stream ends."""
        plane, asked, call = self.plane, self.exchange or self.asked, None
        if self.exchange is not None:
            fields += self.exchange.hsts
        if asked is not None and asked.head is not None and is_grpc(asked.head.fields):
            head, body, fields = grpc_reply_head(reason), b"", b""
            call = grpc_status(reason)
            self._count_call(call)
        else:
            head, body = reply_head(reason, with_body=asked is None or asked.method != b"HEAD")
        extra = fields_of(plane.date_field + fields)
        self.connection.codec.send_response(self.number, head, extra, end=not body)
        self.connection.touch()
        if body:
            self.send(body, ended=True)
        size = size_of(head, extra)
        plane.count_reply(reason, size + len(body), exchange=self.exchange, asked=self.asked)
        if plane.access is not None:
            plane.access.replied(self, reason, size, size + len(body), call)
        self.asked = None
        self.exchange_ended(ends=ends)

    def _count_call(self, status: int) -> None:
        """Count a call of gRPC that we answer, for its Ingress if it has one."""
        exchange, asked = self.exchange, self.asked
        if exchange is not None:
            exchange.note_grpc_status(status)
        elif asked is not None and asked.bound is not None:
            asked.bound.cells.count_grpc(status)

    def exchange_ended(self, *, ends: bool) -> None:
        """End the stream, once all has been sent; the connection goes on."""
        del ends
        self.exchange = None
        self.finish()

    def begin_tunnel(self, head: ResponseHead, data: bytes) -> None:
        """Tell the client, and pass on what the endpoint has sent behind its 101."""
        tunnel = self.tunnel
        if tunnel is None:
            return
        if tunnel.asked is None or not is_accepted(tunnel.asked, head):
            self.abort()
            return
        answer = answered_without_key(head)
        tunnel.begun(size_of(answer, ()), len(data))
        self.connection.codec.send_response(self.number, answer, end=False)
        self.connection.touch()
        self.expire_after(self.plane.options.tunnel_seconds)
        if data:
            self.write(data)
        self._pass_early(tunnel)
        self._is_paused = True
        self.resumeProducing()

    def output_waits(self) -> None:
        """Give the client time for the rest."""
        exchange, seconds = self.exchange, self.plane.options.body_seconds
        if exchange is not None and exchange.is_grpc:
            seconds = exchange.state.read_seconds
        self.expire_after(seconds)

    def drained(self) -> None:
        """Give the tunnel, or the body, its time again."""
        self.deadline = _NEVER
        if self.tunnel is not None:
            self.expire_after(self.plane.options.tunnel_seconds)
        elif self.exchange is not None and self.exchange.is_incomplete and not self._is_paused:
            self.body_is_due()
        super().drained()

    # The end

    def output_ended(self) -> None:
        """Go once nobody has anything to say; a client that goes on is told to stop."""
        if self.tunnel is not None:
            self.tunnel.output_ended(self)
        elif self.exchange is None:
            self.end(ErrorCode.NO_ERROR)

    def expired(self) -> None:
        """Give up a client that sends, or takes, nothing any more."""
        self.deadline = _NEVER
        if self.exchange is not None:
            self.exchange.request_timed_out()
        else:
            self.abort()

    def close(self) -> None:
        """End the stream now."""
        self.end(ErrorCode.NO_ERROR)

    def abort(self) -> None:
        """Break the answer off; a gRPC client is told why."""
        exchange, code = self.exchange, ErrorCode.INTERNAL_ERROR
        if exchange is not None:
            code = exchange.reset_code
            why = REPLIES.get(exchange.cut_reason.decode("ascii"))
            is_open = self.has_begun and not (self.has_output or self.has_ended)
            if why is not None and exchange.is_grpc and is_open:
                self.connection.codec.send_trailers(self.number, status_fields(why))
                exchange.note_grpc_status(grpc_status(why))
                code = ErrorCode.NO_ERROR
        self.end(code)

    def end(self, code: ErrorCode) -> None:
        """Be gone; unless both sides had ended, the client is told why."""
        self.connection.codec.reset(self.number, code)
        self.connection.touch()
        self.gone()

    def gone(self) -> None:
        """Tell whoever is on the other side, once, that there is no stream any more."""
        if self.is_over:
            return
        self.let_go()
        tell_gone(self)
        self.unregister_producer()
